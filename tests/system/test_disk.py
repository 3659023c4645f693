"""Further disks of a machine: seen, read, written, grown, taken away and rolled back, by tools of other people and by an
initiator that stays logged in."""

import hashlib
import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from lab import Farboot, Lab, run  # noqa: E402

PREFIX = "iqn.2026-11.internal.farboot"
MAC, OTHER_MAC = "dc:a6:32:01:02:03", "dc:a6:32:01:02:04"
SERVER, CLIENT, OTHER_CLIENT = "192.168.20.1", "192.168.20.50", "192.168.20.51"
MIB = 1 << 20
IMAGE_MIB = 16
PATIENCE = 20
SUITE_SECONDS = 120

# Families that a disk of any kind answers, run against a further one.
FAMILIES = ("TestUnitReady", "Inquiry", "ReadCapacity10", "ReadCapacity16", "ModeSense6", "Read10", "Read16", "Write10", "Write16",
            "Unmap", "GetLBAStatus", "CompareAndWrite", "Reserve6", "Mandatory")


def name_of(role, mac):
    return f"{PREFIX}:{role}:{mac.replace(':', '-')}"


class Stage:
    def __init__(self, lab):
        self.lab = lab
        self.farboot = Farboot(lab)
        self.hosts = {MAC: lab.add_host(MAC, f"{CLIENT}/24"), OTHER_MAC: lab.add_host(OTHER_MAC, f"{OTHER_CLIENT}/24")}
        self.images = {}

    def start(self):
        self.farboot.start()
        for name in ("plain", "tools"):
            path = self.lab.directory / f"{name}.img"
            with open(path, "wb") as disk:
                disk.truncate(IMAGE_MIB * MIB)
                disk.seek(MIB)
                disk.write(os.urandom(MIB))
            run("sfdisk", "-q", path, input="2048,,83\n")
            self.images[name] = path.read_bytes()
            self.farboot.run("image", "import", path, "--name", name)
        return self

    def run(self, *words, **options):
        return self.farboot.run(*words, **options)

    def refused(self, *words):
        done = self.run(*words, check=False)
        assert done.returncode == 1, (done.stdout, done.stderr)
        return done.stderr.strip().removeprefix("farboot: ")

    def when_unused(self, *words):
        """A command that is refused while the machine is logged in, once the daemon has seen the last connection close."""
        deadline = time.monotonic() + PATIENCE
        while True:
            done = self.run(*words, check=False)
            if done.returncode == 0:
                return done.stdout
            assert "in use" in done.stderr and time.monotonic() < deadline, done.stderr
            time.sleep(0.05)

    def tool(self, *argv, mac=MAC, timeout=30, check=True):
        """A libiscsi tool, which may spin for ever: always with a limit."""
        return self.lab.run_in(self.hosts[mac], "timeout", str(timeout), *argv, "-i", name_of("machine", mac),
                               timeout=timeout + 10, check=check)

    def luns(self, mac=MAC):
        """What iscsi-ls lists of one's own target: [(LUN, MiB)]. It counts to the last block, not to its end."""
        listing = self.tool("iscsi-ls", "-s", f"iscsi://{SERVER}", mac=mac).stdout
        return [(int(lun), int(mib) + 1)
                for lun, mib in re.findall(r"Lun:(\d+)\s+Type:DIRECT_ACCESS \(Size:(\d+)M\)", listing)]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def url(lun, mac=MAC):
    return f"iscsi://{SERVER}/{name_of('root', mac)}/{lun}"


@pytest.fixture(scope="module")
def stage():
    with Lab() as lab:
        yield Stage(lab).start()


@pytest.fixture
def machine(stage):
    stage.run("machine", "add", "pi-01", MAC, "--image", "plain")
    stage.run("machine", "add", "pi-02", OTHER_MAC, "--image", "plain")
    yield "pi-01"
    for name in ("pi-01", "pi-02"):
        stage.when_unused("machine", "remove", name)


# ---- an initiator that stays ----

SCRIPT = """
import hashlib, socket, struct, sys
def recv_exactly(s, n):
    got = b""
    while len(got) < n:
        more = s.recv(n - len(got))
        if not more:
            raise EOFError
        got += more
    return got
def recv_pdu():
    header = recv_exactly(s, 48)
    length = int.from_bytes(header[5:8], "big")
    return header, recv_exactly(s, length + -length % 4)[:length]
s = socket.create_connection((SERVER, 3260), 5)
s.settimeout(10)
s.sendall(struct.pack(">BBBBB3s6sHIHHII16x", 0x43, 0x87, 0, 0, 0, len(TEXT).to_bytes(3, "big"), ISID, 0, 1, 0, 0, 1, 0)
          + TEXT + bytes(-len(TEXT) % 4))
header, _ = recv_pdu()
assert header[36:38] == b"\\0\\0", header
number = 0
def command(lun, flags, length, cdb, data=b""):
    global number
    number += 1
    s.sendall(struct.pack(">BB2x1x3s1xB6xIIII", 1, flags, len(data).to_bytes(3, "big"), lun, number, length, number, 0)
              + cdb.ljust(16, b"\\0") + data)
    header, answer = recv_pdu()
    if header[3] == 2:
        return "%x/%02x/%02x" % (answer[4] & 15, answer[14], answer[15])
    return answer if header[3] == 0 else header[3]
def ready(lun):
    answer = command(lun, 0x80, 0, b"\\0")
    return answer or "ready"
def luns():
    answer = command(0, 0xc0, 256, b"\\xa0".ljust(6, b"\\0") + struct.pack(">I", 256))
    return [answer[i + 1] for i in range(8, len(answer), 8)]
def mib(lun):
    answer = command(lun, 0xc0, 32, b"\\x9e\\x10".ljust(10, b"\\0") + struct.pack(">I", 32))
    return (struct.unpack(">Q", answer[:8])[0] + 1) >> 11
def protected(lun):
    return bool(command(lun, 0xc0, 255, b"\\x1a\\0\\x3f\\0\\xff")[2] & 0x80)
def write(lun, lba, text):
    return command(lun, 0xa0, 4096, b"\\x2a\\x08" + struct.pack(">IBH", lba, 0, 8), text.encode().ljust(4096, b".")) or "written"
def read(lun, lba):
    return command(lun, 0xc0, 4096, b"\\x28\\0" + struct.pack(">IBH", lba, 0, 8)).rstrip(b".\\0").decode("latin-1")
def digest(lun):
    whole = hashlib.sha256()
    for lba in range(0, mib(lun) << 11, 512):
        whole.update(command(lun, 0xc0, 1 << 18, b"\\x28\\0" + struct.pack(">IBH", lba, 0, 512)))
    return whole.hexdigest()
print("here", flush=True)
for line in sys.stdin:
    try:
        print(repr(eval(line)), flush=True)
    except Exception as e:
        print(repr(repr(e)), flush=True)
"""


class Initiator:
    """Logged in; each call is one expression of the script above."""

    def __init__(self, stage, mac=MAC, isid=b"\0\x02\x3d\0\0\x01"):
        text = (f"InitiatorName={name_of('machine', mac)}\0TargetName={name_of('root', mac)}\0SessionType=Normal\0"
                "MaxRecvDataSegmentLength=262144\0InitialR2T=No\0ImmediateData=Yes\0").encode()
        prelude = f"SERVER = {SERVER!r}\nTEXT = {text!r}\nISID = {isid!r}\n"
        self.child = subprocess.Popen(stage.lab.inside(stage.hosts[mac], "/usr/bin/python3", "-c", prelude + SCRIPT),
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.child.stdout.readline() == "here\n"

    def __call__(self, expression):
        self.child.stdin.write(expression + "\n")
        self.child.stdin.flush()
        return eval(self.child.stdout.readline())

    def settle(self, luns=(0,)):
        """All that is pending has been told."""
        for lun in luns:
            while self(f"ready({lun})") != "ready":
                pass
        return self

    def wait(self, expression, expected):
        deadline = time.monotonic() + PATIENCE
        while (answer := self(expression)) != expected:
            assert time.monotonic() < deadline, f"{expression} is {answer}"
            time.sleep(0.02)

    def close(self):
        self.child.kill()
        self.child.wait()


@pytest.fixture
def initiator(stage):
    begun = []

    def begin(**options):
        begun.append(Initiator(stage, **options))
        return begun[-1]

    yield begin
    for each in begun:
        each.close()


# ---- seen ----

def test_disks_are_luns_of_the_machines_one_target(stage, machine, initiator):
    stage.run("disk", "add", machine, "data", "--size", "64M")
    stage.run("disk", "add", machine, "tools", "--image", "tools", "--lun", "5")
    stage.run("disk", "add", machine, "copy", "--image", "tools", "--writable", "--size", "32M")
    assert stage.luns() == [(0, 16), (1, 64), (2, 32), (5, 16)]
    assert stage.luns(OTHER_MAC) == [(0, 16)]
    assert "Vendor:FARBOOT" in stage.tool("iscsi-inq", url(1)).stdout
    assert f"Total size:{64 * MIB}" in stage.tool("iscsi-readcapacity16", url(1)).stdout
    serials = {stage.tool("iscsi-inq", "-e", "1", "-c", "128", url(lun)).stdout for lun in (0, 1, 2, 5)}
    assert len(serials) == 4
    session = initiator().settle((0, 1, 2, 5))
    assert session("digest(1)") == sha256(bytes(64 * MIB))
    assert session("digest(2)") == sha256(stage.images["tools"] + bytes(16 * MIB))
    assert session("digest(5)") == sha256(stage.images["tools"])

    listed = stage.farboot.json("disk", "list")["disks"]
    assert [(d["machine"], d["lun"], d["name"], d["shared"], d["read_only"]) for d in listed] == [
        (machine, 1, "data", False, False), (machine, 2, "copy", False, False), (machine, 5, "tools", True, True)]
    shown = stage.run("machine", "show", machine).stdout
    assert "LUN 5 tools, 16.0 MiB from tools, shared, read-only" in shown
    assert stage.refused("image", "remove", "tools") == "tools: cannot be removed while machines use it: pi-01"


def test_all_machines_see_one_image_and_none_minds_what_another_reserves(stage, machine, initiator):
    for name in ("pi-01", "pi-02"):
        stage.run("disk", "add", name, "tools", "--image", "tools")
    one, two = initiator().settle((0, 1)), initiator(mac=OTHER_MAC).settle((0, 1))
    assert stage.farboot.json("disk", "list", machine)["disks"][0]["shared"]
    assert one("ready(1)") == "ready" and one('command(1, 0x80, 0, b"\\x16")') == b""  # RESERVE(6)
    assert two("ready(1)") == "ready"
    assert two('write(1, 64, "x")') == "7/27/00"
    assert two("digest(1)") == sha256(stage.images["tools"])


# ---- while the machine runs ----

def test_a_disk_comes_and_goes_while_the_machine_runs(stage, machine, initiator):
    session = initiator().settle()
    assert session("luns()") == [0]
    stage.run("disk", "add", machine, "data", "--size", "64M")
    session.wait("ready(0)", "6/3f/0e")  # REPORTED LUNS DATA HAS CHANGED
    assert session("ready(0)") == "ready"
    assert session("luns()") == [0, 1]
    session.settle((1,))
    assert session('write(1, 8, "kept")') == "written"
    assert session("read(1, 8)") == "kept"

    refusal = stage.refused("disk", "remove", machine, "data")
    assert refusal == (f"pi-01: its disk data cannot be removed while it is in use by {CLIENT} (use --force to take it away "
                       "from the running machine)")
    begun = time.monotonic()
    stage.run("disk", "remove", machine, "data", "--force")
    assert time.monotonic() - begun < 3, "the session had to be cut off"
    session.wait("luns()", [0])  # and with that it has been told
    assert session("ready(1)") == "5/25/00"
    assert session("ready(0)") == "ready"
    stage.run("disk", "add", machine, "other", "--size", "32M")
    session.wait("ready(0)", "6/3f/0e")
    assert session.settle((1,))("mib(1)") == 32


def test_a_disk_that_is_written_to_without_pause_is_taken_away(stage, machine):
    stage.run("disk", "add", machine, "data", "--size", "64M")
    writer = stage.lab.start("writer", ["iscsi-perf", "-i", name_of("machine", MAC), "-m", "8", "-b", "8", url(1)],
                             namespace=stage.hosts[MAC])
    deadline = time.monotonic() + PATIENCE
    while not stage.farboot.json("machine", "show", machine)["in_use_by"]:
        assert writer.running() and time.monotonic() < deadline, writer.tail()
        time.sleep(0.05)
    time.sleep(0.5)
    stage.run("disk", "remove", machine, "data", "--force")
    assert stage.farboot.json("disk", "list", machine)["disks"] == []
    assert "given back at the next start" not in stage.farboot.log_text()
    writer.stop()


def test_growth_is_told_to_every_session_of_the_machine(stage, machine, initiator):
    stage.run("disk", "add", machine, "data", "--size", "64M")
    one, two = initiator().settle((0, 1)), initiator(isid=b"\0\x02\x3d\0\0\x02").settle((0, 1))
    stage.run("disk", "set", machine, "data", "--size", "96M")
    for session in (one, two):
        assert session("ready(1)") == "6/2a/09"  # CAPACITY DATA HAS CHANGED
        assert session("ready(1)") == "ready"
        assert session("mib(1)") == 96
        assert session("ready(0)") == "ready"
    stage.run("machine", "set", machine, "--size", "48M")
    for session in (one, two):
        assert session("ready(0)") == "6/2a/09"
        assert session("mib(0)") == 48
    assert one('write(1, (96 << 11) - 8, "end")') == "written"
    assert f"Total size:{96 * MIB}" in stage.tool("iscsi-readcapacity16", url(1)).stdout


def test_read_only_is_the_disks_answer(stage, machine, initiator):
    stage.run("disk", "add", machine, "data", "--image", "tools", "--read-only")
    session = initiator().settle((0, 1))
    assert session("protected(1)") and not session("protected(0)")
    assert session('write(1, 64, "x")') == "7/27/00"
    stage.run("disk", "set", machine, "data", "--writable")
    session.wait("ready(1)", "6/2a/01")  # MODE PARAMETERS CHANGED
    assert not session("protected(1)")
    assert session('write(1, 64, "x")') == "written"
    assert f"while it is in use by {CLIENT}" in stage.refused("disk", "set", machine, "data", "--read-only")
    session.close()
    stage.when_unused("disk", "set", machine, "data", "--read-only")
    assert initiator().settle((0, 1))('write(1, 64, "x")') == "7/27/00"


# ---- a machine is one thing ----

def test_a_rollback_takes_all_disks_back_and_can_be_undone(stage, machine, initiator):
    stage.run("disk", "add", machine, "data", "--size", "64M")
    stage.run("disk", "add", machine, "gone", "--size", "64M")
    stage.run("disk", "add", machine, "tools", "--image", "tools")

    def write(text):
        session = initiator().settle((0, 1))
        assert session(f'write(0, 8192, "{text}")') == session(f'write(1, 8192, "{text}")') == "written"
        session.close()

    def read():
        session = initiator().settle((0, 1))
        texts = session("read(0, 8192)"), session("read(1, 8192)")
        session.close()
        return texts

    write("before")
    stage.run("snapshot", "create", f"{machine}@s")
    snapshot = stage.farboot.json("snapshot", "list", machine)["snapshots"][-1]
    assert snapshot["name"] == "s" and snapshot["disks"] == ["data", "gone"]
    write("after")
    stage.when_unused("disk", "remove", machine, "gone")
    stage.run("disk", "add", machine, "later", "--size", "32M")
    told = stage.when_unused("rollback", f"{machine}@s")
    kept = re.search(r"what was before: pi-01@(\S+)", told)[1]
    assert "disk later came after that snapshot and stays as it is" in told
    assert "disk gone was removed since and does not come back" in told
    assert "tools" not in told and "disk data" not in told
    assert read() == ("before", "before")

    stage.run("snapshot", "rename", f"{machine}@{kept}", "undo")
    stage.when_unused("rollback", f"{machine}@undo")
    assert read() == ("after", "after")
    stage.run("snapshot", "remove", f"{machine}@s")
    stage.when_unused("disk", "remove", machine, "data")
    stage.when_unused("rollback", f"{machine}@undo")  # a disk that is gone stops nobody


def test_a_machine_goes_with_its_disks_and_so_does_their_space(stage, initiator):
    before = stage.farboot.json("status")["store"]["used_bytes"]
    stage.run("machine", "add", "pi-01", MAC, "--image", "plain")
    stage.run("disk", "add", "pi-01", "data", "--size", "64M")
    stage.run("disk", "add", "pi-01", "copy", "--image", "tools", "--writable")
    session = initiator().settle((0, 1, 2))
    for lba in range(8, 8 * 1024, 8):
        session(f'write(1, {lba}, "x")')
    assert stage.refused("machine", "remove", "pi-01").startswith("pi-01: cannot be removed while its disk is in use by")
    session.close()
    stage.when_unused("machine", "remove", "pi-01")
    assert stage.farboot.json("disk", "list")["disks"] == []
    assert stage.farboot.json("status")["store"]["used_bytes"] <= before + 65536


def test_disks_are_there_after_a_restart(stage, machine):
    stage.run("disk", "add", machine, "data", "--size", "64M")
    stage.run("disk", "set", machine, "data", "--name", "renamed", "--read-only")
    stage.farboot.restart()
    assert stage.luns() == [(0, 16), (1, 64)]
    disk, = stage.farboot.json("disk", "list", machine)["disks"]
    assert disk["name"] == "renamed" and disk["read_only"]


def volumes(stage):
    """Names of what the store holds; the daemon, which lets nobody else read them, is stopped for it."""
    stage.farboot.stop()
    with sqlite3.connect(stage.farboot.directory / "store" / "store" / "meta.db") as db:
        names = {name for name, in db.execute("SELECT name FROM volume")}
    db.close()
    stage.farboot.start()
    return names


def test_a_kill_leaves_no_disk_without_a_volume_and_no_volume_without_a_disk(stage, machine):
    before = volumes(stage)
    for delay in (0.01, 0.02, 0.03, 0.05, 0.08, 0.12):
        busy = subprocess.Popen(
            ["sh", "-c", "while :; do for n in a b c; do $F disk add pi-01 $n --size 8M; done; "
             "for n in b c a; do $F disk remove pi-01 $n; done; done"],
            env={**os.environ, "F": f"{stage.farboot.program} --socket {stage.farboot.socket}"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.1 + delay)
        stage.farboot.kill()
        busy.kill()
        busy.wait()
        stage.farboot.start()
        disks = stage.farboot.json("disk", "list")["disks"]
        assert len(volumes(stage)) == len(before) + len(disks)
        for disk in disks:
            stage.run("disk", "set", machine, disk["name"], "--size", "16M")  # its volume is there
            stage.run("disk", "remove", machine, disk["name"])
    assert volumes(stage) == before


def test_a_shared_image_stays_at_its_version(stage, machine, initiator):
    stage.run("image", "import", stage.lab.directory / "plain.img", "--name", "course")
    stage.run("disk", "add", machine, "first", "--image", "course")
    stage.run("image", "import", stage.lab.directory / "tools.img", "--name", "course", "--new-version")
    stage.run("disk", "add", machine, "newest", "--image", "course")
    stage.run("disk", "add", "pi-02", "pinned", "--image", "course:1")
    session = initiator().settle((0, 1, 2))
    assert session("digest(1)") == sha256(stage.images["plain"])
    assert session("digest(2)") == sha256(stage.images["tools"])
    versions = [(d["name"], d["image"], d["image_version"]) for d in stage.farboot.json("disk", "list")["disks"]]
    assert versions == [("first", "course", 1), ("newest", "course", 2), ("pinned", "course", 1)]
    assert stage.refused("disk", "add", machine, "x", "--image", "course:9") == "course:9: no such image (see farboot image list)"
    assert "while machines use it" in stage.refused("image", "remove", "course:1")


# ---- refused ----

def test_what_cannot_be_done_is_said(stage, machine):
    stage.run("disk", "add", machine, "data", "--size", "64M", "--lun", "3")
    stage.run("disk", "add", machine, "tools", "--image", "tools")
    for words, sentence in (
            (("add", machine, "x"), "x: say how large it is (--size 20G) or which image it is (--image IMAGE)"),
            (("add", machine, "data", "--size", "1G"), "pi-01: has a disk data already; choose another name"),
            (("add", machine, "x", "--size", "1G", "--lun", "3"), "pi-01: LUN 3 is its disk data already"),
            (("add", machine, "x", "--image", "nothing"), "nothing: no such image (see farboot image list)"),
            (("add", machine, "x", "--image", "tools"), "pi-01: sees the image tools as its disk tools already"),
            (("add", "nobody", "x", "--size", "1G"), "nobody: no such machine (see farboot machine list)"),
            (("add", machine, "x", "--image", "tools", "--writable", "--size", "1M"),
             "x: a disk of 1.0 MiB cannot hold the image tools, which needs 16.0 MiB"),
            (("set", machine, "data", "--size", "32M"), "pi-01: its disk data has 64.0 MiB and cannot become smaller"),
            (("set", machine, "data", "--name", "tools"), "pi-01: has a disk tools already; choose another name"),
            (("set", machine, "x", "--size", "1G"), "pi-01: has no disk x (see farboot disk list pi-01)"),
            (("remove", machine, "x"), "pi-01: has no disk x (see farboot disk list pi-01)")):
        assert stage.refused("disk", *words).replace('"', "") == sentence
    assert "is the image tools itself, which never changes" in stage.refused("disk", "set", machine, "tools", "--writable")
    assert stage.run("disk", "add", machine, "x", "--size", "1G", "--lun", "8", check=False).returncode == 2
    assert stage.run("disk", "set", machine, "data", "--writable", "--read-only", check=False).returncode == 2
    for lun in (2, 4, 5, 6, 7):
        stage.run("disk", "add", machine, f"d{lun}", "--size", "1M")
    assert stage.refused("disk", "add", machine, "x", "--size", "1M") == "pi-01: a machine has at most 7 further disks"


# ---- the public suite ----

def suite(stage, family, lun):
    ran = stage.lab.run_in(stage.hosts[MAC], "timeout", str(SUITE_SECONDS), "iscsi-test-cu", "-i", name_of("machine", MAC), "-I",
                           name_of("machine", MAC), "-d", "-v", "-f", "-t", f"ALL.{family}", url(lun), check=False, timeout=SUITE_SECONDS + 10)
    output = ran.stdout + ran.stderr
    results = re.split(r"\n  Test: ", output.split("Run Summary")[0])[1:]
    assert results, output
    return output, results


@pytest.fixture(scope="module")
def suite_machine(stage):
    stage.run("machine", "add", "suite", MAC, "--image", "plain")
    stage.run("disk", "add", "suite", "data", "--size", "512M")
    stage.run("disk", "add", "suite", "tools", "--image", "tools")
    yield "suite"
    stage.when_unused("machine", "remove", "suite")


@pytest.mark.parametrize("family", FAMILIES)
def test_conformance_of_a_further_disk(stage, suite_machine, family):
    output, results = suite(stage, family, 1)
    assert not [part for part in results if re.search(r"(?<!\[)FAILED(?!\])", part)], output


def test_conformance_of_a_read_only_disk(stage, suite_machine, initiator):
    output, results = suite(stage, "ReadOnly", 2)
    assert len(results) == 1 and "[SKIPPED]" not in results[0], output
    assert not re.search(r"(?<!\[)FAILED(?!\])", results[0]), output
    assert initiator().settle((0, 2))("digest(2)") == sha256(stage.images["tools"])
