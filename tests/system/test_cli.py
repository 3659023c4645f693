"""The command line against the real daemon: what it prints, what it exits with, and what it says when it cannot."""

import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from lab import Farboot, Lab, run  # noqa: E402

OK, FAILED, USAGE, NO_DAEMON, INTERRUPTED = 0, 1, 2, 3, 130
MIB = 1 << 20
DISK_MIB = 24
MAC = "dc:a6:32:01:02:03"
PATIENCE = 20


# ---- the laboratory ----

def make_disk(path):
    """An MBR, one ext4 partition, and bytes that do not compress."""
    with open(path, "wb") as disk:
        disk.truncate(DISK_MIB * MIB)
        disk.seek(16 * MIB)
        disk.write(random.Random(1).randbytes(4 * MIB))
    run("sfdisk", "-q", path, input="2048,20480,L\n")
    run("/sbin/mkfs.ext4", "-q", "-L", "root", "-E", "offset=1048576", path, "10M")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with Lab(tmp_path_factory.mktemp("cli")) as laboratory:
        yield laboratory


@pytest.fixture(scope="module")
def daemon(lab):
    return Farboot(lab).start()


@pytest.fixture(scope="module")
def disk(lab):
    path = lab.directory / "small-disk.img"
    make_disk(path)
    return path


@pytest.fixture
def image(daemon, disk):
    daemon.run("image", "import", disk, "--name", "debian")
    yield "debian"
    for machine in daemon.json("machine", "list")["machines"]:
        daemon.run("machine", "remove", machine["name"])
    for left in daemon.json("image", "list")["images"]:
        daemon.run("image", "remove", left["name"])


def refused(daemon, *words, status=FAILED, input=None):
    """Runs a command that must fail; returns its one sentence."""
    done = daemon.run(*words, check=False, input=input)
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith("farboot: "), done.stderr
    assert done.stdout == ""
    return done.stderr.splitlines()[0]


def layers(daemon):
    return sorted(path.name for path in pathlib.Path(daemon.config["store"]).glob("store/layers/*"))


# ---- reading ----

def test_status_names_daemon_interface_store_and_machines(daemon, image):
    daemon.run("machine", "add", "pi-01", MAC, "--image", image)
    text = daemon.run("status").stdout
    for part in ("farboot ", "DHCP server on eth0 192.168.20.1/24", "free", "pi-01"):
        assert part in text
    status = daemon.json("status")
    assert status["dhcp_mode"] == "server"
    assert status["interfaces"] == [{"name": "eth0", "address": "192.168.20.1/24"}]
    assert [machine["name"] for machine in status["machines"]] == ["pi-01"]
    assert status["store"]["free_bytes"] > 0


def test_an_image_tells_what_is_inside(daemon, image):
    shown = daemon.json("image", "show", image)
    assert shown["size_bytes"] == DISK_MIB * MIB
    assert shown["report"]["table"] == "mbr"
    assert [part["label"] for part in shown["report"]["partitions"]] == ["root"]
    text = daemon.run("image", "show", image).stdout
    assert "root (ext4 10.0 MiB)" in text and shown["sha256"] in text


def test_lists_fit_eighty_columns_and_carry_no_colour(daemon, image):
    daemon.run("machine", "add", "m" * 63, MAC, "--image", image)
    for words in (("status",), ("machine", "list"), ("image", "list")):
        text = daemon.run(*words).stdout
        assert "\033" not in text
    assert max(map(len, daemon.run("image", "list").stdout.splitlines())) <= 80


def test_help_and_version_need_no_daemon(daemon):
    run(daemon.program, "--version")
    for words in (("help",), ("help", "machine"), ("machine", "add", "--help"), ("serve", "--help")):
        text = run(daemon.program, *words).stdout
        assert max(map(len, text.splitlines())) <= 80, words


# ---- machines ----

def test_a_machine_lives_and_is_gone(daemon, image):
    daemon.run("machine", "add", "pi-01", MAC, "--image", image, "--size", "1G", "--address", "192.168.20.31",
               "--serial", "10000000abcd1234")
    shown = daemon.json("machine", "show", "pi-01")
    assert (shown["mac"], shown["address"], shown["serial"]) == (MAC, "192.168.20.31", "abcd1234")
    assert shown["size_bytes"] == 1 << 30
    assert shown["target"] == "iqn.2026-11.internal.farboot:root:dc-a6-32-01-02-03"
    assert [snapshot["name"] for snapshot in shown["snapshots"]] == ["pristine"]
    daemon.run("machine", "set", "pi-01", "--name", "pi-02", "--size", "2G", "--address=", "--boot", "san")
    shown = daemon.json("machine", "show", "pi-02")
    assert (shown["size_bytes"], shown["address"], shown["boot"]) == (2 << 30, None, "san")
    assert "no such machine" in refused(daemon, "machine", "show", "pi-01")
    before = layers(daemon)
    daemon.run("machine", "remove", "pi-02")
    assert len(layers(daemon)) < len(before)


def test_a_group_gives_its_machines_what_they_do_not_say(daemon, image):
    daemon.run("group", "add", "kiosks", "--image", image, "--cmdline-add", "quiet splash")
    daemon.run("machine", "add", "pi-01", MAC, "--group", "kiosks")
    settings = daemon.json("machine", "show", "pi-01")["settings"]
    assert settings["cmdline-add"] == {"value": "quiet splash", "from": "group"}
    assert settings["boot"] == {"value": "disk", "from": "program"}
    assert "cmdline-add      quiet splash (group)" in daemon.run("machine", "show", "pi-01").stdout
    assert daemon.json("group", "show", "kiosks")["machines"] == ["pi-01"]

    daemon.run("machine", "set", "pi-01", "--cmdline-add", "nosplash", "--cmdline-remove=console=tty1")
    assert "nosplash (machine)" in daemon.run("machine", "show", "pi-01").stdout
    daemon.run("machine", "set", "pi-01", "--unset", "cmdline-add", "--cmdline-remove=")
    assert daemon.json("machine", "show", "pi-01")["settings"]["cmdline-add"]["from"] == "group"

    daemon.run("defaults", "set", "--cmdline-add", "panic=10", "--boot", "san")
    daemon.run("group", "set", "kiosks", "--unset", "cmdline-add", "--name", "walls")
    assert "panic=10 (defaults)" in daemon.run("machine", "show", "pi-01").stdout
    assert daemon.json("machine", "show", "pi-01")["boot"] == "san"
    daemon.restart()
    assert daemon.json("defaults", "show")["settings"]["cmdline-add"] == {"value": "panic=10", "from": "defaults"}
    assert "walls" in daemon.run("group", "list").stdout
    daemon.run("defaults", "set", "--unset", "cmdline-add", "--boot=")

    assert "walls: cannot be removed while machines are in it: pi-01" in refused(daemon, "group", "remove", "walls")
    daemon.run("machine", "set", "pi-01", "--group=")
    daemon.run("group", "remove", "walls")
    assert "walls: no such group" in refused(daemon, "group", "show", "walls")
    assert "not kernel parameters" in refused(daemon, "defaults", "set", "--cmdline-add", 'a="b')
    assert "nothing to change" in refused(daemon, "defaults", "set", status=USAGE)


def test_adding_takes_no_longer_for_a_large_disk(daemon, image):
    begun = time.monotonic()
    daemon.run("machine", "add", "pi-01", MAC, "--image", image, "--size", "8192G")
    assert time.monotonic() - begun < 1


@pytest.mark.parametrize("words, says", [
    (("add", "a b", MAC, "--image", "debian"), '"a b" is not a name'),
    (("add", "pi-02", "dc:a6:32:01:02", "--image", "debian"), '"dc:a6:32:01:02" is not the MAC address'),
    (("add", "pi-02", "ff:ff:ff:ff:ff:ff", "--image", "debian"), "is not the MAC address"),
    (("add", "pi-02", "dc:a6:32:01:02:04", "--image", "nothing"), "nothing: no such image (see farboot image list)"),
    (("add", "pi-01", "dc:a6:32:01:02:04", "--image", "debian"), "pi-01: a machine of that name exists"),
    (("add", "pi-02", MAC, "--image", "debian"), f"the MAC address {MAC} belongs to the machine pi-01"),
    (("add", "pi-02", "dc:a6:32:01:02:04", "--image", "debian", "--address", "192.168.20.31"),
     "the address 192.168.20.31 is reserved for the machine pi-01"),
    (("add", "pi-02", "dc:a6:32:01:02:04", "--image", "debian", "--address", "192.168.20"), "is not the IPv4 address"),
    (("add", "pi-02", "dc:a6:32:01:02:04", "--image", "debian", "--size", "1M"), "cannot hold the image debian"),
    (("add", "pi-02", "dc:a6:32:01:02:04", "--image", "debian", "--serial", "xyz"), '"xyz" is not a serial number'),
    (("add", "pi-02", "dc:a6:32:01:02:04", "--image", "debian", "--boot", "usb"), '"usb" is not a way to boot'),
    (("add", "pi-02", "dc:a6:32:01:02:04", "--image", "debian", "--group", "none"), "none: no such group"),
    (("add", "pi-02", "dc:a6:32:01:02:04"), "image: is needed to add a machine"),
    (("set", "pi-01", "--size", "1M"), "cannot become smaller"),
    (("set", "ghost", "--size", "64G"), "ghost: no such machine (see farboot machine list)"),
    (("remove", "ghost"), "ghost: no such machine"),
    (("show", "ghost"), "ghost: no such machine"),
])
def test_what_is_wrong_with_a_machine_is_said(daemon, image, words, says):
    daemon.run("machine", "add", "pi-01", MAC, "--image", image, "--address", "192.168.20.31")
    before = layers(daemon)
    assert says in refused(daemon, "machine", *words)
    assert layers(daemon) == before


def test_an_image_in_use_stays(daemon, image):
    daemon.run("machine", "add", "pi-01", MAC, "--image", image)
    assert "debian: cannot be removed while machines use it: pi-01" in refused(daemon, "image", "remove", image)


# ---- what is not understood ----

@pytest.mark.parametrize("words, says", [
    ((), "what should be done?"),
    (("machin",), "did you mean machine?"),
    (("machine", "lst"), "did you mean list?"),
    (("machine",), "needs one more word"),
    (("machine", "add", "pi-01"), "MAC is missing"),
    (("machine", "add", "pi-01", MAC, "--imgae", "x"), "did you mean --image?"),
    (("machine", "add", "pi-01", MAC, "--image", "x", "--size", "big"), "not a size; it looks like 64G"),
    (("machine", "set", "pi-01"), "nothing to change"),
    (("machine", "show", "../etc"), "not a name"),
    (("status", "now"), "one word too many: now"),
])
def test_what_is_not_understood_is_said(daemon, words, says):
    assert says in refused(daemon, *words, status=USAGE)


# ---- images ----

@pytest.mark.parametrize("packer, ending", [(["xz", "-T2"], "xz"), (["gzip"], "gz"), (["zstd", "-q"], "zst"),
                                            (["bzip2"], "bz2")])
def test_packed_images_become_the_same_disk(daemon, image, disk, lab, packer, ending):
    packed = lab.directory / f"packed.img.{ending}"
    with open(packed, "wb") as out:
        subprocess.run([*packer, "-c", str(disk)], stdout=out, check=True)
    result = daemon.json("image", "import", packed)
    assert result["name"] == "packed" and result["format"] == {"gz": "gzip", "zst": "zstd", "bz2": "bzip2"}.get(ending, ending)
    assert result["sha256"] == daemon.json("image", "show", image)["sha256"]


def test_an_image_comes_through_a_pipe(daemon, image, disk):
    with open(disk, "rb") as source:
        done = subprocess.run([daemon.program, "--socket", daemon.socket, "image", "import", "-", "--name", "piped"],
                              stdin=source, capture_output=True, text=True, timeout=60)
    assert done.returncode == OK, done.stderr
    cat = subprocess.Popen(["cat", disk], stdout=subprocess.PIPE)
    done = subprocess.run([daemon.program, "--socket", daemon.socket, "image", "import", "-", "--name", "piped-2"],
                          stdin=cat.stdout, capture_output=True, text=True, timeout=60)
    cat.wait()
    assert done.returncode == OK, done.stderr
    assert daemon.json("image", "show", "piped")["sha256"] == daemon.json("image", "show", "piped-2")["sha256"]


def bad_file(directory, disk, kind):
    path = directory / f"bad-{kind}.img"
    if kind == "text":
        path.write_text("hello\n" * 1000)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "truncated":
        packed = subprocess.run(["xz", "-c", str(disk)], stdout=subprocess.PIPE, check=True).stdout
        path.write_bytes(packed[:len(packed) // 2])
    elif kind == "corrupt":
        packed = bytearray(subprocess.run(["xz", "-c", str(disk)], stdout=subprocess.PIPE, check=True).stdout)
        packed[len(packed) // 2] ^= 0xff
        path.write_bytes(packed)
    elif kind == "two-disks":
        second = directory / "second.img"
        second.write_bytes(disk.read_bytes())
        run("zip", "-q", "-j", path.with_suffix(".zip"), disk, second)
        return path.with_suffix(".zip")
    elif kind == "too-large":
        run("qemu-img", "create", "-q", "-f", "qcow2", path, "3T")
    return path


@pytest.mark.parametrize("kind, says", [
    ("text", "is not a disk"), ("empty", "bad-empty"), ("truncated", "cut short"), ("corrupt", "damaged"),
    ("two-disks", "second.img"), ("too-large", "bad-too-large"),
])
def test_a_bad_file_leaves_nothing_behind(daemon, image, disk, lab, kind, says):
    path = bad_file(lab.directory, disk, kind)
    before = layers(daemon)
    sentence = refused(daemon, "image", "import", path, "--name", "bad")
    assert says in sentence, sentence
    assert [left["name"] for left in daemon.json("image", "list")["images"]] == ["debian"]
    assert layers(daemon) == before


@pytest.mark.parametrize("words, status, says", [
    (("/nowhere.img",), FAILED, "/nowhere.img: cannot be opened: No such file or directory"),
    (("/tmp",), FAILED, "/tmp: is neither a file nor a stream nor a disk"),
    (("DISK", "--name", "debian"), FAILED, "debian: an image of that name exists; choose another with --name"),
    (("DISK", "--name", "../x"), FAILED, '"../x" is not a name'),
])
def test_what_cannot_be_imported_is_said(daemon, image, disk, words, status, says):
    words = [str(disk) if word == "DISK" else word for word in words]
    assert says in refused(daemon, "image", "import", *words, status=status)


def test_a_stream_needs_a_name(daemon, image, disk):
    with open(disk, "rb") as source:
        done = subprocess.run([daemon.program, "--socket", daemon.socket, "image", "import", "-"], stdin=source,
                              capture_output=True, text=True, timeout=60)
    assert done.returncode == FAILED and "give one with --name" in done.stderr


def start_slow_import(daemon, disk, name):
    """An import of a stream that has begun and does not end."""
    reading, writing = os.pipe()
    process = subprocess.Popen([daemon.program, "--socket", daemon.socket, "image", "import", "-", "--name", name],
                               stdin=reading, stderr=subprocess.PIPE, text=True)
    os.close(reading)
    os.set_blocking(writing, False)
    os.write(writing, disk.read_bytes()[:32768])
    deadline = time.monotonic() + PATIENCE
    while not any(job["name"] == name for job in jobs(daemon)):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    return process, writing


def jobs(daemon):
    return ask(daemon, "/v1/jobs")["jobs"]


def ask(daemon, path):
    """The API as any HTTP client sees it."""
    answer = run("curl", "-s", "--unix-socket", daemon.socket, f"http://farboot{path}").stdout
    return json.loads(answer)


def wait_state(daemon, name, state):
    deadline = time.monotonic() + PATIENCE
    while next(job["state"] for job in jobs(daemon) if job["name"] == name) != state:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_ctrl_c_cancels_an_import(daemon, image, disk):
    before = layers(daemon)
    process, writing = start_slow_import(daemon, disk, "stopped")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    os.close(writing)
    assert process.returncode == INTERRUPTED
    assert "stopped: import cancelled, nothing was kept" in errors
    assert layers(daemon) == before


def test_an_import_ends_with_its_command(daemon, image, disk):
    before = layers(daemon)
    process, writing = start_slow_import(daemon, disk, "killed")
    assert "is being imported" in refused(daemon, "image", "import", disk, "--name", "killed")
    process.kill()
    process.wait()
    wait_state(daemon, "killed", "cancelled")
    os.close(writing)
    assert layers(daemon) == before


# ---- events ----

def test_watch_tells_what_happens(daemon, image):
    watching = subprocess.Popen([daemon.program, "--socket", daemon.socket, "watch", "pi-01", "--json"],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # A machine that does not exist yet cannot be watched.
    assert watching.wait(PATIENCE) == FAILED
    assert "pi-01: no such machine" in watching.stderr.read()
    daemon.run("machine", "add", "pi-01", MAC, "--image", image)
    watching = subprocess.Popen([daemon.program, "--socket", daemon.socket, "watch", "pi-01", "--json"],
                                stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)
    daemon.run("machine", "add", "pi-02", "dc:a6:32:01:02:04", "--image", image)
    daemon.run("machine", "set", "pi-01", "--address", "192.168.20.31")
    event = json.loads(watching.stdout.readline())
    watching.terminate()
    watching.wait(PATIENCE)
    assert (event["machine"], event["kind"], event["text"]) == ("pi-01", "machine.changed", "was changed")


# ---- no daemon, no permission ----

def test_without_a_daemon_every_command_says_how_to_start_it(daemon, disk):
    for words in (("status",), ("watch",), ("machine", "list"), ("image", "list"), ("image", "import", str(disk)),
                  ("machine", "add", "pi-01", MAC, "--image", "debian"), ("machine", "remove", "pi-01")):
        done = run(daemon.program, "--socket", "/nowhere/farboot.sock", *words, check=False)
        assert done.returncode == NO_DAEMON
        assert "no daemon answers at /nowhere/farboot.sock (start it: systemctl start farboot" in done.stderr
    done = run(daemon.program, "status", check=False, env={"FARBOOT_SOCKET": "/elsewhere.sock"})
    assert "/elsewhere.sock" in done.stderr


def test_a_socket_that_nobody_serves_is_no_daemon(daemon, lab):
    path = lab.directory / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    done = run(daemon.program, "--socket", path, "status", check=False)
    assert done.returncode == NO_DAEMON


def test_the_sockets_are_for_owner_and_group(daemon):
    for path in (daemon.socket, daemon.socket.with_name("import.sock")):
        assert os.stat(path).st_mode & 0o777 == 0o660


def test_without_permission_the_group_is_named(daemon):
    # The laboratory's own folder is root's alone, so that the socket's mode would not be what refuses.
    with tempfile.TemporaryDirectory() as name, socket.socket(socket.AF_UNIX) as served:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        program = shutil.copy(daemon.program, directory)
        served.bind(str(directory / "farboot.sock"))
        served.listen()
        os.chmod(directory / "farboot.sock", 0o660)
        nobody = run("id", "-u", "nobody").stdout.strip()
        done = run("setpriv", f"--reuid={nobody}", f"--regid={nobody}", "--clear-groups", program, "--socket",
                   directory / "farboot.sock", "status", check=False)
    assert done.returncode == FAILED
    assert "member of the group farboot" in done.stderr


def test_a_second_daemon_is_refused(daemon):
    done = run(daemon.program, "serve", "--config", daemon.config_path, check=False)
    assert done.returncode == FAILED
    assert "another farboot already answers" in done.stderr


# ---- the end and the next start ----

def test_what_was_made_is_there_after_a_restart(daemon, image):
    daemon.run("machine", "add", "pi-01", MAC, "--image", image)
    before = daemon.json("machine", "show", "pi-01")
    daemon.restart()
    after = daemon.json("machine", "show", "pi-01")
    for key in ("mac", "image", "size_bytes", "target", "created"):
        assert before[key] == after[key]


def test_a_killed_daemon_leaves_nothing_in_the_way(daemon, image, disk):
    before = layers(daemon)
    process, writing = start_slow_import(daemon, disk, "lost")
    daemon.kill()
    process.communicate(timeout=PATIENCE)
    os.close(writing)
    assert process.returncode == NO_DAEMON
    daemon.start()
    assert [left["name"] for left in daemon.json("image", "list")["images"]] == ["debian"]
    assert layers(daemon) == before
