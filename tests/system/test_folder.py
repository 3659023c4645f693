"""Boot folders against the real daemon: made from the disk, served in its place, and not left behind unseen."""

import os
import pathlib
import sys
import time

import pytest
import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from lab import Farboot, Lab, run  # noqa: E402

MAC = "dc:a6:32:01:02:03"
CLIENT = "192.168.20.50"
SERVER = "192.168.20.1"
FILES = {
    "config.txt": b"[all]\nkernel=vmlinuz\ncmdline=cmdline.txt\ninitramfs initrd.img followkernel\nos_prefix=current/\n",
    "current/cmdline.txt": b"root=LABEL=writable rootwait\n",
    "current/vmlinuz": os.urandom(3_000_001),
    "current/initrd.img": os.urandom(70_000),
    "overlays/a-rather-long-name.dtbo": b"overlay",
    "empty": b"",
}


def make_image(directory):
    """A FAT32 with folders, below an MBR."""
    image, tree = directory / "disk.img", directory / "tree"
    with open(image, "wb") as disk:
        disk.truncate(49 << 20)
    run("sfdisk", "-q", image, input="2048,,c\n")
    run("/sbin/mkfs.vfat", "-F", "32", "-s", "1", "-n", "BOOT", "--offset", "2048", image, 48 * 1024)
    for name, content in FILES.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    run("mcopy", "-s", "-i", f"{image}@@1M", *sorted(tree.iterdir()), "::/", env={"MTOOLS_SKIP_CHECK": "1"})
    return image


@pytest.fixture(scope="module")
def lab():
    with Lab() as opened:
        yield opened


@pytest.fixture(scope="module")
def farboot(lab):
    farboot = Farboot(lab, dhcp={"mode": "off"}).start()
    farboot.run("image", "import", make_image(lab.directory), "--name", "boot")
    yield farboot
    farboot.stop()


@pytest.fixture(scope="module")
def pi(lab, farboot):
    return lab.add_host(MAC, f"{CLIENT}/24")


@pytest.fixture
def machine(farboot):
    farboot.run("machine", "add", "pi-01", MAC, "--image", "boot")
    yield "pi-01"
    farboot.run("machine", "remove", "pi-01")
    assert folders(farboot) == []


def folders(farboot):
    return sorted((pathlib.Path(farboot.config["store"]) / "folders").glob("boot-*"))


def tree(top):
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def fetch(lab, pi, name, tmp_path, scheme="http"):
    got = tmp_path / "fetched"
    lab.run_in(pi, "curl", "-sS", *(["-f"] if scheme == "http" else []), "-o", got, f"{scheme}://{SERVER}/{name}")
    return got.read_bytes()


def test_a_folder_is_the_boot_partition_as_it_was(farboot, machine):
    assert folders(farboot) == []
    farboot.run("machine", "set", machine, "--boot", "folder")
    [folder] = folders(farboot)
    assert tree(folder) == FILES
    assert farboot.json("machine", "show", machine)["boot"] == "folder"


def test_a_machine_added_so_has_one_at_once(farboot):
    farboot.run("machine", "add", "pi-02", "dc:a6:32:01:02:09", "--image", "boot", "--boot", "folder")
    [folder] = folders(farboot)
    assert tree(folder) == FILES
    farboot.run("machine", "remove", "pi-02")
    assert folders(farboot) == []


@pytest.mark.parametrize("scheme", ["tftp", "http"])
def test_what_the_folder_holds_is_served(lab, pi, farboot, machine, tmp_path, scheme):
    farboot.run("machine", "set", machine, "--boot", "folder")
    [folder] = folders(farboot)
    assert fetch(lab, pi, "current/VMLINUZ", tmp_path, scheme) == FILES["current/vmlinuz"]
    # What the machine does over NFS: a new kernel beside the old one, then over it.
    kernel = os.urandom(2_500_000)
    (folder / "current/vmlinuz.new").write_bytes(kernel)
    (folder / "current/vmlinuz.new").rename(folder / "current/vmlinuz")
    (folder / "current/cmdline.txt").write_bytes(b"root=LABEL=writable quiet\n")
    assert fetch(lab, pi, "current/vmlinuz", tmp_path, scheme) == kernel
    line = fetch(lab, pi, "current/cmdline.txt", tmp_path, scheme).decode()
    assert line.startswith("ip=dhcp iscsi_initiator=") and line.endswith(" root=LABEL=writable quiet\n")
    script = fetch(lab, pi, "boot.ipxe", tmp_path, scheme).decode()
    assert f"kernel {scheme}://{SERVER}/current/vmlinuz " in script and " quiet" in script


def test_a_file_that_is_sent_stays_the_one_that_was_opened(lab, pi, farboot, machine, tmp_path):
    farboot.run("machine", "set", machine, "--boot", "folder")
    [folder] = folders(farboot)
    got = tmp_path / "slow"
    slow = lab.start("slow", ["ip", "netns", "exec", pi, "curl", "-sS", "--limit-rate", "2M", "-o", str(got),
                              f"http://{SERVER}/current/vmlinuz"])
    while not got.exists() or got.stat().st_size == 0:
        time.sleep(0.02)
    (folder / "current/new").write_bytes(b"new")
    (folder / "current/new").rename(folder / "current/vmlinuz")
    while slow.running():
        time.sleep(0.05)
    assert got.read_bytes() == FILES["current/vmlinuz"]


def test_it_is_not_left_behind_unseen(lab, pi, farboot, machine, tmp_path):
    farboot.run("machine", "set", machine, "--boot", "folder")
    # As it is in the disk, it is of no further use.
    farboot.run("machine", "set", machine, "--boot", "disk")
    assert folders(farboot) == []

    farboot.run("machine", "set", machine, "--boot", "folder")
    [folder] = folders(farboot)
    (folder / "current/vmlinuz").write_bytes(b"a new kernel")
    (folder / "current/extra").write_bytes(b"x")
    (folder / "empty").unlink()
    done = farboot.run("machine", "set", machine, "--boot", "disk", check=False)
    assert done.returncode == 1
    assert "pi-01: 3 files of its boot folder are not as in its disk" in done.stderr and "--discard-folder" in done.stderr
    assert fetch(lab, pi, "current/vmlinuz", tmp_path) == b"a new kernel"
    farboot.run("machine", "set", machine, "--boot", "disk", "--discard-folder")
    assert folders(farboot) == []
    assert fetch(lab, pi, "current/vmlinuz", tmp_path) == FILES["current/vmlinuz"]


def test_a_rollback_says_that_the_folder_stays(farboot, machine):
    farboot.run("machine", "set", machine, "--boot", "folder")
    farboot.run("snapshot", "create", f"{machine}@one")
    [folder] = folders(farboot)
    (folder / "empty").write_bytes(b"not empty")
    assert "its boot folder stays as it was" in farboot.run("rollback", f"{machine}@one").stdout
    assert (folder / "empty").read_bytes() == b"not empty"


def test_it_can_be_made_anew(farboot, machine):
    farboot.run("machine", "set", machine, "--boot", "folder")
    [folder] = folders(farboot)
    (folder / "empty").write_bytes(b"not empty")
    farboot.run("machine", "set", machine, "--discard-folder")
    assert tree(folders(farboot)[0]) == FILES


def test_a_group_can_say_so_and_a_crash_leaves_no_half(lab, pi, farboot, machine, tmp_path):
    farboot.run("group", "add", "classic", "--boot", "folder")
    farboot.run("machine", "set", machine, "--group", "classic")
    [folder] = folders(farboot)
    half = folder.with_name(folder.name + ".unfinished")
    folder.rename(half)
    farboot.kill()
    farboot.start()
    assert folders(farboot) == []
    assert fetch(lab, pi, "current/vmlinuz", tmp_path) == FILES["current/vmlinuz"]
    assert tree(folders(farboot)[0]) == FILES
    farboot.run("machine", "set", machine, "--group=", "--discard-folder")
    farboot.run("group", "remove", "classic")


def test_cloud_init_mounts_it(lab, pi, farboot, machine, tmp_path):
    farboot.run("machine", "set", machine, "--boot", "folder", "--packages", "htop")
    shown = farboot.run("machine", "show", machine, "--user-data").stdout
    assert fetch(lab, pi, "cloud-init/user-data", tmp_path).decode() == shown
    data = yaml.safe_load(shown)
    assert data["packages"] == ["nfs-common", "htop"]
    fstab = tmp_path / "fstab"
    fstab.write_text("LABEL=writable / ext4 defaults 0 1\nLABEL=system-boot\t/boot/firmware vfat defaults 0 1\n")
    for command in data["runcmd"][:2]:
        run("sh", "-c", command.replace("/etc/fstab", str(fstab)))
    assert fstab.read_text() == ("LABEL=writable / ext4 defaults 0 1\n"
                                 f"{SERVER}:/srv/tftp/dc-a6-32-01-02-03 /boot/firmware nfs defaults 0 1\n")


def test_a_disk_without_boot_files_has_none_to_give(farboot, lab):
    image = lab.directory / "bare.img"
    with open(image, "wb") as disk:
        disk.truncate(8 << 20)
    run("sfdisk", "-q", image, input="2048,,L\n")
    farboot.run("image", "import", image, "--name", "bare")
    farboot.run("machine", "add", "pi-03", "dc:a6:32:01:02:08", "--image", "bare")
    done = farboot.run("machine", "set", "pi-03", "--boot", "folder", check=False)
    assert done.returncode == 1 and "pi-03: its disk has no boot partition (FAT)" in done.stderr
    assert farboot.json("machine", "show", "pi-03")["boot"] == "disk"
    farboot.run("machine", "remove", "pi-03")


# ---- the same folder over NFS ----

def test_what_was_copied_over_nfs_is_what_firmware_gets(lab, pi, farboot, machine, tmp_path):
    farboot.run("machine", "set", machine, "--boot", "folder")
    url = f"nfs://{SERVER}/srv/tftp/{MAC.replace(':', '-')}"
    kernel = tmp_path / "vmlinuz.new"
    kernel.write_bytes(os.urandom(2_000_003))
    assert "current" in lab.run_in(pi, "nfs-ls", url).stdout
    lab.run_in(pi, "nfs-cp", kernel, f"{url}/current/vmlinuz.new")
    assert fetch(lab, pi, "current/vmlinuz.new", tmp_path) == kernel.read_bytes()


def test_a_folder_made_anew_is_seen_over_nfs(lab, pi, farboot, machine):
    url = f"nfs://{SERVER}/srv/tftp/{MAC.replace(':', '-')}"
    for _ in range(2):
        farboot.run("machine", "set", machine, "--boot", "folder")
        assert "overlays" in lab.run_in(pi, "nfs-ls", url).stdout
        farboot.run("machine", "set", machine, "--boot", "disk", "--discard-folder")
        assert lab.run_in(pi, "nfs-ls", url, check=False).returncode != 0
