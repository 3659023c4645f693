"""Snapshots and rollback against the real daemon, written and read through iSCSI by other people's tools."""

import pathlib
import random
import re
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from lab import Farboot, Lab, run  # noqa: E402

PREFIX = "iqn.2026-11.internal.farboot"
MAC, CLIENT, SERVER = "dc:a6:32:01:02:03", "192.168.20.50", "192.168.20.1"
TARGET = f"{PREFIX}:root:{MAC.replace(':', '-')}"
INITIATOR = f"{PREFIX}:machine:{MAC.replace(':', '-')}"
URL = f"iscsi://{SERVER}/{TARGET}/0"
DISK = "64G"
MIB = 1 << 20
PATIENCE = 20


@pytest.fixture(scope="module")
def lab():
    with Lab() as laboratory:
        yield laboratory


@pytest.fixture(scope="module")
def daemon(lab):
    image = lab.directory / "disk.img"
    with open(image, "wb") as disk:
        disk.truncate(16 * MIB)
        disk.seek(4 * MIB)
        disk.write(random.Random(1).randbytes(4 * MIB))
    run("sfdisk", "-q", image, input="2048,,83\n")
    farboot = Farboot(lab).start()
    farboot.run("image", "import", image, "--name", "plain")
    return farboot


@pytest.fixture(scope="module")
def client(lab):
    return lab.add_host(MAC, f"{CLIENT}/24")


@pytest.fixture
def machine(daemon):
    daemon.run("machine", "add", "pi-01", MAC, "--image", "plain", "--size", DISK)
    yield "pi-01"
    when_unused(daemon, "machine", "remove", "pi-01")


def when_unused(daemon, *words):
    """A command that is refused while the disk is in use, as soon as the daemon has seen the last connection close."""
    deadline = time.monotonic() + PATIENCE
    while True:
        done = daemon.run(*words, check=False)
        if done.returncode == 0:
            return done.stdout
        assert "in use" in done.stderr and time.monotonic() < deadline, done.stderr
        time.sleep(0.05)


def wait_until_unused(daemon):
    deadline = time.monotonic() + PATIENCE
    while daemon.json("machine", "show", "pi-01")["in_use_by"]:
        assert time.monotonic() < deadline, "the session does not go away"
        time.sleep(0.1)


INITIATOR_SCRIPT = """
import socket, struct, sys
def recv_exactly(s, n):
    got = b""
    while len(got) < n:
        more = s.recv(n - len(got))
        if not more:
            raise EOFError
        got += more
    return got
def recv_pdu(s):
    header = recv_exactly(s, 48)
    length = int.from_bytes(header[5:8], "big")
    return header, recv_exactly(s, length + -length % 4)[:length]
s = socket.create_connection((SERVER, 3260), 5)
s.settimeout(10)
s.sendall(struct.pack(">BBBBB3s6sHIHHII16x", 0x43, 0x87, 0, 0, 0, len(TEXT).to_bytes(3, "big"),
                      b"\\0\\x02\\x3d\\0\\0\\x01", 0, 1, 0, 0, 1, 0) + TEXT + bytes(-len(TEXT) % 4))
header, _ = recv_pdu(s)
assert header[36:38] == b"\\0\\0", header
number = 0
def command(flags, length, cdb, data=b""):
    global number
    number += 1
    s.sendall(struct.pack(">BB3x3s8xIIII", 1, flags, len(data).to_bytes(3, "big"), number, length, number, 0)
              + cdb.ljust(16, b"\\0") + data)
    return recv_pdu(s)
command(0x80, 0, b"\\0")  # power-on unit attention
def write(lba, text):
    header, _ = command(0xa0, 4096, b"\\x2a\\x08" + struct.pack(">IBH", lba, 0, 8), text.encode().ljust(4096, b"."))
    assert header[3] == 0, header
def read(lba):
    header, data = command(0xc0, 4096, b"\\x28\\0" + struct.pack(">IBH", lba, 0, 8))
    assert header[3] == 0 and len(data) == 4096, header
    return data.rstrip(b".").decode("latin-1")
"""


def speak(lab, client, script):
    """Runs a script in the client's namespace that is logged in: `write(lba, text)` and `read(lba)` are there."""
    text = (f"InitiatorName={INITIATOR}\0TargetName={TARGET}\0SessionType=Normal\0MaxRecvDataSegmentLength=262144\0"
            "InitialR2T=No\0ImmediateData=Yes\0").encode()
    prelude = f"SERVER = {SERVER!r}\nTEXT = {text!r}\n" + INITIATOR_SCRIPT
    return lab.run_in(client, "/usr/bin/python3", "-c", prelude + script, timeout=30).stdout.strip()


LBAS = (16, 8192, 1 << 26)  # inside the image, in its data, far behind it


def write(lab, client, text):
    speak(lab, client, "".join(f"write({lba}, {text!r})\n" for lba in LBAS))


def read(lab, client):
    texts = speak(lab, client, "".join(f"print(read({lba}))\n" for lba in LBAS)).split("\n")
    assert len(set(texts)) == 1, "a mixture"
    return texts[0]


def refused(daemon, *words, status=1):
    done = daemon.run(*words, check=False)
    assert done.returncode == status, (done.stdout, done.stderr)
    return done.stderr.strip()


def names(daemon):
    return [snapshot["name"] for snapshot in daemon.json("snapshot", "list", "pi-01")["snapshots"]]


@pytest.fixture
def reader(lab, daemon, client):
    """Begins to read the disk without end, with a tool of other people."""
    begun = []

    def begin():
        begun.append(lab.start("reader", ["iscsi-perf", "-i", INITIATOR, "-m", "4", "-b", "8", URL], namespace=client))
        deadline = time.monotonic() + PATIENCE
        while not daemon.json("machine", "show", "pi-01")["in_use_by"]:
            assert begun[-1].running() and time.monotonic() < deadline, begun[-1].tail()
            time.sleep(0.05)
        return begun[-1]

    yield begin
    for process in begun:
        process.stop()


def test_what_was_before_is_read_after_a_rollback_and_that_can_be_undone(lab, daemon, client, machine):
    write(lab, client, "old")
    assert "pi-01@first: made" in daemon.run("snapshot", "create", "pi-01@first", "--comment", "as it was").stdout
    write(lab, client, "new")
    said = when_unused(daemon, "rollback", "pi-01@first")
    kept = re.search(r"pi-01@(before-rollback-\d{8}-\d{6})$", said.strip())[1]
    assert read(lab, client) == "old"
    write(lab, client, "third")
    when_unused(daemon, "rollback", f"pi-01@{kept}")
    assert read(lab, client) == "new"
    when_unused(daemon, "rollback", "pi-01@first")
    assert read(lab, client) == "old"
    assert names(daemon)[:3] == ["pristine", "first", kept]
    assert len(names(daemon)) == 5


def test_a_snapshot_is_made_while_the_machine_reads_and_rollback_waits_for_it_to_end(lab, daemon, client, machine, reader):
    write(lab, client, "old")
    running = reader()
    daemon.run("snapshot", "create", "pi-01@live")
    assert running.running()
    assert refused(daemon, "rollback", "pi-01@live") == (
        f"farboot: pi-01: cannot roll back while its disk is in use by {CLIENT} (use --force to cut it off)")
    assert names(daemon) == ["pristine", "live"]


def test_force_cuts_the_machine_off(lab, daemon, client, machine, reader):
    write(lab, client, "old")
    daemon.run("snapshot", "create", "pi-01@first")
    write(lab, client, "new")
    running = reader()
    assert "no such snapshot" in refused(daemon, "rollback", "pi-01@nothing", "--force")
    assert daemon.json("machine", "show", "pi-01")["in_use_by"] == [CLIENT], "cut off for nothing"
    daemon.run("rollback", "pi-01@first", "--force")
    running.stop()
    wait_until_unused(daemon)
    assert read(lab, client) == "old"


def test_a_removed_snapshot_gives_its_space_back_and_nothing_else(lab, daemon, client, machine):
    layers = pathlib.Path(daemon.config["store"]) / "store" / "layers"
    before = len(list(layers.iterdir()))
    for text in ("one", "two", "three"):
        write(lab, client, text)
        daemon.run("snapshot", "create", f"pi-01@{text}")
    write(lab, client, "four")
    assert len(list(layers.iterdir())) == before + 3
    daemon.run("snapshot", "rename", "pi-01@two", "middle")
    daemon.run("snapshot", "remove", "pi-01@one")
    daemon.run("snapshot", "remove", "pi-01@three")
    deadline = time.monotonic() + PATIENCE
    while len(list(layers.iterdir())) > before + 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert names(daemon) == ["pristine", "middle"]
    assert read(lab, client) == "four"
    daemon.restart()
    assert read(lab, client) == "four"
    when_unused(daemon, "rollback", "pi-01@middle")
    assert read(lab, client) == "two"


def test_what_cannot_be_done_is_said(daemon, machine):
    daemon.run("snapshot", "create", "pi-01@a")
    daemon.run("snapshot", "create", "pi-01@b")
    assert refused(daemon, "snapshot", "create", "pi-01@a") == "farboot: pi-01: has a snapshot a already"
    assert refused(daemon, "snapshot", "rename", "pi-01@a", "b") == "farboot: pi-01: has a snapshot b already"
    for words in (("snapshot", "remove", "pi-01@x"), ("snapshot", "rename", "pi-01@x", "y"), ("rollback", "pi-01@x")):
        assert refused(daemon, *words) == (
            "farboot: pi-01: no such snapshot: x (see farboot snapshot list pi-01)")
    assert "no such machine" in refused(daemon, "rollback", "pi-09@a")
    assert "looks like pi-01@before-upgrade" in refused(daemon, "rollback", "pi-01", status=2)


def test_both_take_milliseconds(lab, daemon, client, machine):
    """Of a disk of 64 GiB; the figures are printed, and the limit is far away from them."""
    write(lab, client, "old")
    wait_until_unused(daemon)
    took_ms = {"snapshot": [], "rollback": []}
    for n in range(10):
        for what, words in (("snapshot", ("snapshot", "create", f"pi-01@s{n}")), ("rollback", ("rollback", f"pi-01@s{n}"))):
            begun = time.monotonic()
            daemon.run(*words)
            took_ms[what].append((time.monotonic() - begun) * 1000)
    for what, values in took_ms.items():
        median = sorted(values)[len(values) // 2]
        print(f"{what}: median {median:.1f} ms, longest {max(values):.1f} ms, command line included")
        assert median < 1000
