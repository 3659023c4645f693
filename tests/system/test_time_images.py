"""Disks that go out as files and come in as images again, and images that machines are captured into."""

import hashlib
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from lab import Farboot, Lab, run  # noqa: E402

MAC = "dc:a6:32:01:02:03"
MIB = 1 << 20


@pytest.fixture(scope="module")
def lab():
    with Lab() as laboratory:
        yield laboratory


def make_system(directory):
    """A disk with an ext4 root that has run once."""
    root = directory / "root"
    for path, text in {"etc/os-release": "ID=debian\nVERSION_ID=12\nPRETTY_NAME=Debian\n", "etc/machine-id": "0" * 32 + "\n",
                       "etc/ssh/ssh_host_rsa_key": "secret\n", "etc/hostname": "pi-01\n", "usr/bin/cloud-init": "",
                       "var/lib/cloud/instance/datasource": "x\n", "var/lib/dhcp/dhclient.eth0.leases": "lease\n",
                       "home/work": "work\n" * 10000}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    partition, disk = directory / "p1", directory / "system.img"
    run("mke2fs", "-q", "-t", "ext4", "-d", root, partition, "32M")
    with open(disk, "wb") as image:
        image.truncate(36 * MIB)
        image.seek(MIB)
        image.write(partition.read_bytes())
    run("sfdisk", "-q", disk, input="start=2048,size=32M,type=83\n")
    return disk


@pytest.fixture(scope="module")
def daemon(lab):
    farboot = Farboot(lab).start()
    farboot.run("image", "import", make_system(lab.directory), "--name", "system", "--comment", "as it came")
    farboot.run("machine", "add", "pi-01", MAC, "--image", "system")
    return farboot


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def refused(daemon, *words, status=1):
    done = daemon.run(*words, check=False)
    assert done.returncode == status, (done.stdout, done.stderr)
    return done.stderr.strip()


def partition_of(lab, disk):
    partition = lab.directory / "partition"
    data = pathlib.Path(disk).read_bytes()
    partition.write_bytes(data[MIB:33 * MIB])
    return partition


def test_an_image_comes_out_as_it_came_in(lab, daemon):
    out = lab.directory / "out.img"
    daemon.run("image", "export", "system", out)
    assert sha256(out) == sha256(lab.directory / "system.img")
    assert out.stat().st_blocks * 512 < 36 * MIB // 2, "no holes"
    assert "exists already" in refused(daemon, "image", "export", "system", out)


@pytest.mark.parametrize("ending, unpack", [("zst", ["zstd", "-dc"]), ("xz", ["xz", "-dc"]), ("gz", ["gzip", "-dc"])])
def test_a_compressed_disk_is_unpacked_by_others_and_imported_again(lab, daemon, ending, unpack):
    out = lab.directory / f"again.img.{ending}"
    daemon.run("image", "export", "pi-01", out)
    raw = subprocess.run([*unpack, out], stdout=subprocess.PIPE, check=True).stdout
    assert hashlib.sha256(raw).hexdigest() == sha256(lab.directory / "system.img")
    name = f"again-{ending}"
    result = daemon.json("image", "import", out, "--name", name)
    assert result["sha256"] == sha256(lab.directory / "system.img")
    daemon.run("image", "remove", name)


def test_standard_output_gets_a_raw_disk(lab, daemon):
    done = subprocess.run([daemon.program, "--socket", daemon.socket, "image", "export", "pi-01@pristine", "-"],
                          stdout=subprocess.PIPE, check=True)
    assert hashlib.sha256(done.stdout).hexdigest() == sha256(lab.directory / "system.img")


def test_a_capture_is_a_version_without_its_identity(lab, daemon):
    done = daemon.json("image", "capture", "pi-01", "--as", "system", "--comment", "with work")
    assert done["version"] == 2
    states = {part["what"]: part["state"] for part in done["identity"]}
    assert states == {"machine-id": "cleaned", "SSH host keys": "cleaned", "DHCP leases and DUID": "cleaned",
                      "cloud-init instance": "cleaned", "host name": "kept"}
    out = lab.directory / "captured.img"
    daemon.run("image", "export", "system:2", out)
    partition = partition_of(lab, out)
    run("e2fsck", "-fn", partition)
    assert "secret" not in run("debugfs", "-R", "cat /etc/ssh/ssh_host_rsa_key", partition).stdout
    assert run("debugfs", "-R", "cat /home/work", partition).stdout == "work\n" * 10000
    assert run("debugfs", "-R", "cat /etc/machine-id", partition).stdout == ""


def test_versions_are_shown_and_kept_while_they_are_used(lab, daemon):
    shown = daemon.json("image", "show", "system")
    assert [version["version"] for version in shown["versions"]] == [2, 1]
    assert shown["versions"][0]["comment"] == "with work" and shown["versions"][1]["machines"] == ["pi-01"]
    assert shown["versions"][0]["difference_bytes"] < shown["versions"][1]["difference_bytes"]
    assert "versions     2, " in daemon.run("image", "show", "system").stdout
    daemon.run("machine", "add", "pi-02", "dc:a6:32:01:02:04", "--image", "system")
    daemon.run("machine", "add", "pi-03", "dc:a6:32:01:02:05", "--image", "system:1")
    assert daemon.json("machine", "show", "pi-02")["image_version"] == 2
    assert daemon.json("machine", "show", "pi-03")["image_version"] == 1
    assert "has 2 versions: name one of them" in refused(daemon, "image", "remove", "system")
    assert "machines use it: pi-02" in refused(daemon, "image", "remove", "system:2")
    assert "machines use it: pi-01, pi-03" in refused(daemon, "image", "remove", "system:1")
    assert "no such image" in refused(daemon, "image", "show", "system:9")


def test_a_captured_image_outlives_its_machine(lab, daemon):
    daemon.run("snapshot", "create", "pi-03@done")
    daemon.run("image", "capture", "pi-03@done", "--as", "golden", "--keep-identity")
    before = lab.directory / "before.img"
    daemon.run("image", "export", "pi-03@done", before)
    daemon.run("machine", "remove", "pi-03")
    daemon.restart()
    after = lab.directory / "after.img"
    daemon.run("image", "export", "golden", after)
    assert sha256(before) == sha256(after)


def test_a_new_version_is_asked_for(lab, daemon):
    disk = lab.directory / "system.img"
    assert "add --new-version" in refused(daemon, "image", "import", disk, "--name", "golden")
    assert daemon.json("image", "import", disk, "--name", "golden", "--new-version")["version"] == 2
    daemon.run("image", "remove", "golden:1")
    assert daemon.json("image", "show", "golden")["version"] == 2


def test_what_cannot_be_is_said(lab, daemon):
    out = lab.directory / "nothing.img"
    assert "no such machine and no such image" in refused(daemon, "image", "export", "pi-09", out)
    assert "no such snapshot: x" in refused(daemon, "image", "export", "pi-01@x", out)
    assert not out.exists()
    assert "is an image already" in refused(daemon, "image", "capture", "golden", "--as", "other")
