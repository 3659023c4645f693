"""Machines that begin anew: at every boot, by hand, at newer versions of their image, and never while they run."""

import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from lab import Farboot, Lab, run  # noqa: E402
from lab.pi import PROGRAM as LOADER, run_loader  # noqa: E402
from test_snapshot import INITIATOR_SCRIPT  # noqa: E402

PREFIX = "iqn.2026-11.internal.farboot"
MAC, SERVER = "dc:a6:32:01:02:03", "192.168.20.1"
MIB = 1 << 20
LBA = 45 * 2048  # behind the partition
AS_IT_CAME, CHANGED = b"marker=as-it-came", b"marker=of-a-boot "


def make_disk(directory, name, text):
    """A disk with the files of a Pi's boot partition, and a text behind them."""
    files = {"config.txt": b"kernel=vmlinuz\ncmdline=cmdline.txt\ninitramfs initrd.img followkernel\n", "vmlinuz": b"k" * 3000,
             "initrd.img": b"i" * 3000, "start4.elf": b"4" * 3000, "fixup4.dat": b"f" * 300, "bcm2711-rpi-4-b.dtb": b"d" * 300,
             "cmdline.txt": b"root=/dev/sda2 " + AS_IT_CAME + b" rootwait\n"}
    folder = directory / f"{name}-files"
    folder.mkdir()
    for file, content in files.items():
        (folder / file).write_bytes(content)
    partition, disk = directory / f"{name}-p1", directory / f"{name}.img"
    run("truncate", "-s", "40M", partition)
    run("mkfs.vfat", "-F", "32", "-s", "1", partition)
    run("mcopy", "-i", partition, *sorted(folder.iterdir()), "::/")
    with open(disk, "wb") as image:
        image.truncate(48 * MIB)
        image.seek(MIB)
        image.write(partition.read_bytes())
        image.seek(LBA * 512)
        image.write(text.encode().ljust(4096, b"."))
    run("sfdisk", "-q", disk, input="label: dos\nstart=2048,size=40M,type=c\n")
    return disk


@pytest.fixture(scope="module")
def lab():
    with Lab() as laboratory:
        yield laboratory


@pytest.fixture(scope="module")
def disk(lab):
    return make_disk(lab.directory, "first", "first image")


@pytest.fixture(scope="module")
def daemon(lab, disk):
    farboot = Farboot(lab).start()
    farboot.run("image", "import", disk, "--name", "plain")
    return farboot


@pytest.fixture
def pi(lab, daemon):
    daemon.run("machine", "add", "pi-01", MAC, "--image", "plain")
    yield lab.machine("pi-01", MAC)
    daemon.run("machine", "reset", "pi-01", "--force", "--drop")
    deadline = time.monotonic() + 20
    while daemon.run("machine", "remove", "pi-01", check=False).returncode:
        assert time.monotonic() < deadline
        time.sleep(0.1)


REPEATED_SECONDS = 1.2  # a DISCOVER that follows another one sooner is taken for its repetition


def boot(pi):
    """The firmware's part; the command line that it was given."""
    time.sleep(REPEATED_SECONDS)
    pi.power_on()
    return run_loader(pi)


def script_of(script):
    target, initiator = (f"{PREFIX}:{role}:{MAC.replace(':', '-')}" for role in ("root", "machine"))
    text = (f"InitiatorName={initiator}\0TargetName={target}\0SessionType=Normal\0MaxRecvDataSegmentLength=262144\0"
            "InitialR2T=No\0ImmediateData=Yes\0").encode()
    return f"SERVER = {SERVER!r}\nTEXT = {text!r}\n" + INITIATOR_SCRIPT + script


def speak(lab, pi, booted, script):
    """As the system that booted: with its address, logged in."""
    host = lab.add_host(MAC, f"{booted['lease']['address']}/24")
    try:
        return lab.run_in(host, "/usr/bin/python3", "-c", script_of(script), timeout=30).stdout.strip()
    finally:
        lab.remove_namespace(host)


def read(lab, pi, booted):
    return speak(lab, pi, booted, f"print(read({LBA}))")


def write_a_boots_changes(disk):
    """Statements that change the text and, in place, the boot partition's command line."""
    at = disk.read_bytes().index(AS_IT_CAME)
    lba, within = at // 512, at % 512
    lba, within = lba - lba % 8, within + lba % 8 * 512
    return (f"write({LBA}, 'of a boot')\nblock = command(0xc0, 4096, b'\\x28\\0' + struct.pack('>IBH', {lba}, 0, 8))[1]\n"
            f"block = block[:{within}] + {CHANGED!r} + block[{within + len(CHANGED)}:]\n"
            f"header, _ = command(0xa0, 4096, b'\\x2a\\x08' + struct.pack('>IBH', {lba}, 0, 8), block)\nassert header[3] == 0\n")


def names(daemon, beginning=""):
    found = [snapshot["name"] for snapshot in daemon.json("snapshot", "list", "pi-01")["snapshots"]]
    return [name for name in found if name.startswith(beginning)]


def wait_until_unused(daemon):
    deadline = time.monotonic() + 20
    while daemon.json("machine", "show", "pi-01")["in_use_by"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_machine_that_keeps_finds_what_it_wrote(lab, daemon, disk, pi):
    booted = boot(pi)
    assert AS_IT_CAME.decode() in booted["cmdline"]
    speak(lab, pi, booted, write_a_boots_changes(disk))
    booted = boot(pi)
    assert CHANGED.decode().strip() in booted["cmdline"] and read(lab, pi, booted) == "of a boot"
    assert names(daemon) == ["pristine"]


def test_a_reset_machine_finds_its_image_at_every_boot_kernel_and_root(lab, daemon, disk, pi):
    daemon.run("machine", "set", "pi-01", "--mode", "reset", "--keep-last", "2")
    for _ in range(4):
        booted = boot(pi)
        assert AS_IT_CAME.decode() in booted["cmdline"] and read(lab, pi, booted) == "first image"
        speak(lab, pi, booted, write_a_boots_changes(disk))
        wait_until_unused(daemon)
    kept = names(daemon, "last-boot-")
    assert len(kept) == 2 and names(daemon) == ["pristine", *kept]
    daemon.run("machine", "set", "pi-01", "--mode", "keep")
    daemon.run("rollback", f"pi-01@{kept[-1]}")
    booted = boot(pi)
    assert CHANGED.decode().strip() in booted["cmdline"] and read(lab, pi, booted) == "of a boot"


def test_a_boot_begins_at_a_named_snapshot(lab, daemon, disk, pi):
    speak(lab, pi, boot(pi), f"write({LBA}, 'prepared')")
    daemon.run("snapshot", "create", "pi-01@clean")
    daemon.run("machine", "set", "pi-01", "--mode", "reset", "--reset-to", "clean")
    speak(lab, pi, boot(pi), f"write({LBA}, 'scribbled')")
    assert read(lab, pi, boot(pi)) == "prepared"
    assert names(daemon) == ["pristine", "clean"]


@pytest.fixture
def session(lab, daemon):
    """A system that stays logged in; `cut` pulls its plug, without a word to the server."""
    begun = []

    def begin(mac, address):
        host = lab.add_host(mac, f"{address}/24")
        process = lab.start("session", ["/usr/bin/python3", "-c", script_of(
            f"write({LBA}, 'of a boot')\nimport time\nprint('in', flush=True)\ntime.sleep(120)")], namespace=host)
        begun.append((host, process))
        deadline = time.monotonic() + 20
        while not daemon.json("machine", "show", "pi-01")["in_use_by"]:
            assert process.running() and time.monotonic() < deadline, process.tail()
            time.sleep(0.05)
        time.sleep(0.3)
        return host

    yield begin
    for host, process in begun:
        process.stop()


def test_a_session_that_lost_its_machine_does_not_hold_the_next_boot_up(lab, daemon, disk, pi, session):
    daemon.run("machine", "set", "pi-01", "--mode", "reset")
    host = session(MAC, boot(pi)["lease"]["address"])
    lab.run_in(host, "ip", "link", "set", "eth0", "down")
    before = time.monotonic()
    booted = boot(pi)
    took = time.monotonic() - before
    print(f"boot beside a dead session: {took:.1f} s")
    assert read(lab, pi, booted) == "first image"
    assert took < 15


def test_a_machine_that_lives_is_not_taken_back_whatever_a_packet_says(lab, daemon, disk, pi, session):
    daemon.run("machine", "set", "pi-01", "--mode", "reset")
    host = session(MAC, boot(pi)["lease"]["address"])
    time.sleep(REPEATED_SECONDS)
    loader = lab.start("forger", ["/usr/bin/python3", LOADER, "--interface", "eth0", "--mac", MAC, "--serial", "32010203",
                                  "--output", lab.directory / "forged"], namespace=host)
    deadline = time.monotonic() + 20
    while "boots from its disk as it is" not in daemon.log_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    loader.stop()
    assert daemon.json("machine", "show", "pi-01")["in_use_by"], "the session was lost"
    assert "boots from its disk as it is: it is still used by" in daemon.log_text()
    assert "begins at" not in daemon.log_text().rsplit("operating system logged in", 1)[1]


def test_by_hand_and_back_again(lab, daemon, disk, pi):
    speak(lab, pi, boot(pi), f"write({LBA}, 'mine')")
    wait_until_unused(daemon)
    said = daemon.run("machine", "reset", "pi-01").stdout.strip()
    assert said.startswith("pi-01: begins at plain:1; what was before: pi-01@before-reset-")
    kept = said.split("@")[1]
    assert read(lab, pi, boot(pi)) == "first image"
    wait_until_unused(daemon)
    reset = daemon.json("machine", "reset", "pi-01", "--to", kept, "--drop")
    assert reset == {"machine": "pi-01", "began": f"pi-01@{kept}"}
    assert read(lab, pi, boot(pi)) == "mine"
    done = daemon.run("machine", "reset", "pi-01", "--to", "nothing", check=False)
    assert "no such snapshot: nothing (see farboot snapshot list pi-01)" in done.stderr


def test_a_machine_follows_its_image_or_is_pinned(lab, daemon, disk, pi):
    second = make_disk(lab.directory, "second", "second image")
    daemon.run("image", "import", second, "--name", "plain", "--new-version", "--comment", "with more")
    assert read(lab, pi, boot(pi)) == "first image"
    wait_until_unused(daemon)
    daemon.run("machine", "set", "pi-01", "--image-version", "1")
    assert "pi-01" in daemon.run("image", "remove", "plain:1", check=False).stderr
    daemon.run("machine", "reset", "pi-01", "--drop")
    assert read(lab, pi, boot(pi)) == "first image"
    daemon.run("machine", "set", "pi-01", "--image-version", "")
    daemon.run("machine", "set", "pi-01", "--mode", "reset")
    wait_until_unused(daemon)
    assert read(lab, pi, boot(pi)) == "second image"
    assert daemon.json("machine", "show", "pi-01")["image_version"] == 2
    daemon.run("image", "remove", "plain:1")
    assert daemon.json("image", "show", "plain")["version"] == 2


def test_snapshots_by_rule(lab, daemon, disk, pi):
    daemon.run("defaults", "set", "--snapshot-hourly", "2", "--snapshot-daily", "1", "--snapshot-before-boot", "2",
               "--keep-before-rollback", "1")
    speak(lab, pi, boot(pi), f"write({LBA}, 'one')")
    deadline = time.monotonic() + 40
    while not names(daemon, "hourly-"):
        assert time.monotonic() < deadline, names(daemon)
        time.sleep(0.2)
    assert len(names(daemon, "daily-")) == 1
    for text in ("two", "three", "four"):
        speak(lab, pi, boot(pi), f"write({LBA}, {text!r})")
    boot(pi)
    boot(pi)  # nothing was written since
    assert len(names(daemon, "boot-")) == 2
    wait_until_unused(daemon)
    for _ in range(3):
        daemon.run("rollback", f"pi-01@{names(daemon, 'boot-')[0]}")
    assert len(names(daemon, "before-rollback-")) == 1
    daemon.run("defaults", "set", "--snapshot-hourly", "", "--snapshot-daily", "", "--snapshot-before-boot", "",
               "--keep-before-rollback", "")


def test_who_needs_a_snapshot_is_listed(lab, daemon, disk, pi):
    speak(lab, pi, boot(pi), f"write({LBA}, 'one')")
    daemon.run("snapshot", "create", "pi-01@base", "--comment", "for others")
    daemon.run("image", "capture", "pi-01@base", "--as", "captured", "--keep-identity")
    listed = {snapshot["name"]: snapshot for snapshot in daemon.json("snapshot", "list", "pi-01")["snapshots"]}
    assert listed["base"]["dependents"] == ["captured:1"] and listed["pristine"]["dependents"] == []
    assert "captured:1" in daemon.run("snapshot", "list", "pi-01").stdout
    daemon.run("image", "remove", "captured")
