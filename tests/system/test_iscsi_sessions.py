"""How sessions begin, live and end, spoken by hand: what newer conformance suites ask beyond the one that Debian has."""

import pathlib
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from lab import Farboot, Lab, run  # noqa: E402

PREFIX = "iqn.2026-11.internal.farboot"
MAC = "dc:a6:32:01:02:03"
SERVER, CLIENT, SECOND = "192.168.20.1", "192.168.20.50", "192.168.20.60"
LAB = pathlib.Path(__file__).resolve().parent.parent / "lab"
TARGET = f"{PREFIX}:root:{MAC.replace(':', '-')}"
INITIATOR = f"{PREFIX}:machine:{MAC.replace(':', '-')}"

PRELUDE = f"""
import struct, sys, threading, time
sys.path.insert(0, {str(LAB)!r})
from initiator import *
TARGET = {TARGET!r}
def connect(target=TARGET, **more):
    return Initiator({SERVER!r}, {INITIATOR!r}, target, **more)
def status_of(attempt):
    try:
        attempt()
    except Refused as refused:
        return refused.status
    return 0
def opcode(header):
    return header[0] & 0x3f
def word(header, at):
    return struct.unpack(">I", header[at:at + 4])[0]
"""


class Stage:
    """A machine whose client has two addresses, as if two machines behind a router used one name."""

    def __init__(self, lab):
        self.lab = lab
        self.farboot = Farboot(lab)
        self.client = lab.add_host(MAC, f"{CLIENT}/24")
        run("ip", "-n", self.client, "address", "add", f"{SECOND}/24", "dev", "eth0")

    def start(self):
        image = self.lab.directory / "disk.img"
        with open(image, "wb") as disk:
            disk.truncate(64 << 20)
        run("sfdisk", "-q", image, input="2048,,83\n")
        self.farboot.start()
        self.farboot.run("image", "import", image, "--name", "plain")
        self.farboot.run("machine", "add", "pi-01", MAC, "--image", "plain")
        return self

    def speak(self, script):
        return self.lab.run_in(self.client, "/usr/bin/python3", "-c", PRELUDE + script, timeout=60).stdout.strip()

    def start_speaking(self, name, script, until):
        process = self.lab.start(name, ["/usr/bin/python3", "-u", "-c", PRELUDE + script], namespace=self.client)
        assert process.wait_output(re.compile(until.encode()), 0, 20), process.tail()
        return process


@pytest.fixture(scope="module")
def stage():
    with Lab() as lab:
        yield Stage(lab).start()


# ---- two machines with one name ----

def test_a_living_session_is_not_thrown_out_from_another_address(stage):
    """It answers the ping that it is sent, and stays; the other one is told to try later, and people are told once."""
    assert stage.speak(f"""
a = connect(source={CLIENT!r}).login()
def answer_pings():
    while True:
        try:
            header, _ = a.receive()
        except (OSError, EOFError):
            return
        if opcode(header) == 0x20 and word(header, 20) != NO_TAG:
            assert word(header, 16) == NO_TAG
            a.send(0x40, 0x80, tag=NO_TAG, words=(word(header, 20), a.cmd_sn, a.exp_stat_sn))
threading.Thread(target=answer_pings, daemon=True).start()
for _ in range(3):
    begun = time.monotonic()
    assert status_of(lambda: connect(source={SECOND!r}, timeout=10).login()) == 0x301
    assert time.monotonic() - begun < 2
a.command(b"\\0")
time.sleep(0.5)
print("kept")
""") == "kept"
    told = [line for line in stage.farboot.log_text().splitlines() if "two machines use one initiator name" in line]
    assert len(told) == 1, told
    assert CLIENT in told[0] and SECOND in told[0]


def test_a_dead_session_at_another_address_makes_way(stage):
    assert stage.speak(f"""
a = connect(source={CLIENT!r}).login()
begun = time.monotonic()
b = connect(source={SECOND!r}, timeout=10).login()
assert 2 < time.monotonic() - begun < 5
assert b.nop(b"x") == b"x"
print("made way")
""") == "made way"


def test_the_same_address_is_never_asked(stage):
    assert stage.speak("""
a = connect().login()
begun = time.monotonic()
b = connect().login()
assert time.monotonic() - begun < 1
assert a.is_closed()
print(b.nop(b"x"))
""") == "b'x'"


# ---- NOP ----

def test_nop(stage):
    """Each length comes back as it was, immediate or not; one without a tag is not answered; numbers are as they must be."""
    assert stage.speak("""
s = connect().login()
for length in (0, 1, 3, 4, 511, 512, 8192, 262144):
    data = bytes(i & 0xff for i in range(length))
    assert s.nop(data) == data, length
s.send(0x40, 0x80, b"quiet", tag=NO_TAG, words=(NO_TAG, s.cmd_sn, s.exp_stat_sn))
tag = s.send(0x00, 0x80, b"counted", words=(NO_TAG, s.cmd_sn, s.exp_stat_sn))
header, data = s.receive()
assert (word(header, 16), data) == (tag, b"counted")
assert word(header, 28) == s.cmd_sn + 1
stat_sn = word(header, 24)
s.cmd_sn += 1
s.send(0x40, 0x80, words=(NO_TAG, s.cmd_sn, s.exp_stat_sn))
assert word(s.receive()[0], 24) == stat_sn + 1
print("all came back")
""") == "all came back"


def test_a_nop_outside_the_window_is_ignored(stage):
    assert stage.speak("""
s = connect().login()
s.send(0x00, 0x80, b"late", words=(NO_TAG, s.cmd_sn - 1, s.exp_stat_sn))
s.send(0x00, 0x80, b"early", words=(NO_TAG, s.cmd_sn + 10000, s.exp_stat_sn))
print(s.nop(b"next"))
""") == "b'next'"


def test_nobody_is_pinged_for_being_silent(stage):
    """iPXE cannot answer: whoever waits in a menu must not be asked."""
    assert stage.speak("""
s = connect(timeout=8).login()
try:
    s.receive()
    print("was asked")
except TimeoutError:
    print(s.nop(b"still here"))
""") == "b'still here'"


# ---- SendTargets ----

def test_send_targets(stage):
    """All of a discovery session; a name; nothing and a name of a normal one (RFC 7143 appendix C)."""
    assert stage.speak(f"""
mine = [("TargetName", TARGET), ("TargetAddress", "{SERVER}:3260,1")]
discovery = connect(None).login()
assert discovery.send_targets("All") == mine
assert discovery.send_targets(TARGET) == mine
assert discovery.send_targets(TARGET.upper()) == mine
assert discovery.send_targets("iqn.2026-11.org.example:other") == []
assert discovery.send_targets("") == []
normal = connect().login()
assert normal.send_targets("") == mine
assert normal.send_targets(TARGET) == mine
assert normal.send_targets("All") == []
print("found")
""") == "found"


def test_a_long_answer_comes_in_parts(stage):
    """More than one PDU may hold: the C bit and a Target Transfer Tag to ask for the rest with."""
    assert stage.speak("""
s = connect(None)
s.login_request(1, 3, s.names() + [("MaxRecvDataSegmentLength", "512")])
question = b"SendTargets=All\\0" + b"".join(b"X-org.example.key%03d=1\\0" % i for i in range(60))
header, data = s.text(question)
parts = 1
tags = set()
while not header[1] & 0x80:
    assert header[1] & 0x40 and len(data) == 512 * parts
    tags.add(word(header, 20))
    header, more = s.text(b"", transfer_tag=word(header, 20), tag=word(header, 16))
    data += more
    parts += 1
assert word(header, 20) == NO_TAG and NO_TAG not in tags
pairs = [pair for pair in data.split(b"\\0") if pair]
assert len(pairs) == 62 and pairs[-1] == b"X-org.example.key059=NotUnderstood"
print(parts)
""") == "5"


def test_a_long_question_comes_in_parts(stage):
    assert stage.speak("""
s = connect(None).login()
header, data = s.text(b"SendTar", flags=0x40)
assert not header[1] & 0x80 and not data
header, data = s.text(b"gets=All\\0", transfer_tag=word(header, 20), tag=word(header, 16))
print(data.split(b"\\0")[0].decode())
""") == f"TargetName={TARGET}"


def test_what_cannot_be_understood_is_rejected(stage):
    """A Reject shows the header that it is about, and the session goes on."""
    assert stage.speak("""
s = connect().login()
header, data = s.text(b"no pair\\0")
assert opcode(header) == 0x3f and header[2] == 0x04 and len(data) == 48 and word(header, 16) == NO_TAG
assert data[0] & 0x3f == 0x04
header, data = s.text(b"", transfer_tag=77)
assert opcode(header) == 0x3f and header[2] == 0x09
s.send(0x50, 0x80, words=(NO_TAG, s.cmd_sn, s.exp_stat_sn))
header, data = s.receive()
assert opcode(header) == 0x3f and header[2] == 0x05
print(s.nop(b"on"))
""") == "b'on'"


# ---- ends ----

def test_logout_while_commands_run(stage):
    """The answer comes, after it no other, and the initiator may close first."""
    assert stage.speak("""
for count in (1, 16, 64):
    s = connect().login()
    for _ in range(count):
        s.command(b"\\x28\\0" + struct.pack(">IBH", 0, 0, 2048), 0xc0, 1 << 20)
    s.logout()
    while True:
        header, _ = s.receive()
        if opcode(header) == 0x26:
            break
        assert opcode(header) in (0x21, 0x25)
    assert header[2] == 0
    s.socket.settimeout(0.5)
    try:
        assert s.socket.recv(1) == b""
    except TimeoutError:
        pass
    s.close()
print(connect().login().nop(b"next"))
""") == "b'next'"


def test_writes_under_way_at_a_logout_disturb_nothing(stage):
    assert stage.speak("""
s = connect().login()
for n in range(8):
    s.command(b"\\x2a\\0" + struct.pack(">IBH", 0, 0, 2048), 0xa0, 1 << 20, bytes(8192))
s.logout()
while opcode(s.receive()[0]) != 0x26:
    pass
s.close()
print(connect().login().nop(b"next"))
""") == "b'next'"


def test_a_stopping_server_says_so_to_those_who_understand(stage):
    """An operating system gets an Async Message; firmware, which would take it for an error, does not."""
    system = stage.start_speaking("system", """
s = connect().login()
print("in")
header, _ = s.receive()
print("async", header[0], header[36], word(header, 16) == NO_TAG, word(header, 40), s.is_closed())
""", "in")
    firmware = stage.start_speaking("firmware", """
s = connect(isid=b"\\0\\x02\\x3d\\0\\0\\x09")
s.login_request(1, 3, s.names() + [("MaxRecvDataSegmentLength", "8192"), ("InitialR2T", "Yes"), ("ImmediateData", "No")])
print("in")
print("closed", s.is_closed())
""", "in")
    stage.farboot.restart()
    assert system.wait_output(re.compile(rb"async 50 2 True 0 True"), 0, 10), system.tail()
    assert firmware.wait_output(re.compile(rb"closed True"), 0, 10), firmware.tail()


# ---- what the disk says of itself ----

def test_report_luns(stage):
    """Every select report that SPC-4 knows, short allocation lengths, and what it does not know."""
    assert stage.speak("""
s = connect().login()
s.run(b"\\0")
def report(select, length):
    return s.run(b"\\xa0\\0" + bytes([select]) + bytes(3) + struct.pack(">I", length), 0xc0, length)
status, data, _ = report(0, 4096)
assert status == 0 and word(data, 0) == len(data) - 8 and data[8:16] == bytes(8)
assert report(2, 4096)[1] == data
status, well_known, _ = report(1, 4096)
assert status == 0 and word(well_known, 0) == len(well_known) - 8
assert report(0, 16)[1] == data[:16]
status, _, sense = report(0x33, 4096)
assert status == 2 and (sense[2] & 0xf, sense[12]) == (5, 0x24)
print("reported")
""") == "reported"


def test_vpd_page_codes_are_sorted_and_all_there(stage):
    assert stage.speak("""
s = connect().login()
def page(code):
    return s.run(bytes([0x12, 1, code]) + struct.pack(">H", 1024), 0xc0, 1024)
status, data, _ = page(0)
codes = list(data[4:4 + word(data, 0) % 65536])
assert status == 0 and codes == sorted(set(codes)) and codes[0] == 0
for code in codes:
    status, data, _ = page(code)
    assert status == 0 and data[1] == code and len(data) == 4 + int.from_bytes(data[2:4], "big"), hex(code)
print(all(code in codes for code in (0x00, 0x80, 0x83, 0x86, 0xb0, 0xb1, 0xb2)))
""") == "True"


# ---- what it cost ----

def test_sessions_are_counted(stage):
    """Operations and their durations by kind, bytes, the rate of the last seconds, the queue now and at its deepest."""
    busy = stage.start_speaking("busy", """
s = connect().login()
s.run(b"\\0")
def write(n):
    s.command(b"\\x2a\\0" + struct.pack(">IBH", 8 * n, 0, 8), 0xa0, 4096, bytes(4096))
for n in range(100):
    write(n)
    s.finish()
s.run(b"\\x35\\0" + bytes(8))
end = time.monotonic() + 3
reads = 0
while time.monotonic() < end:
    for n in range(16):
        s.command(b"\\x28\\0" + struct.pack(">IBH", 8 * n, 0, 8), 0xc0, 4096)
    for n in range(16):
        assert len(s.finish()[1]) == 4096
    reads += 16
    time.sleep(0.01)
print("reads", reads)
time.sleep(20)
""", r"reads (\d+)")
    reads = int(re.search(r"reads (\d+)", busy.output.decode())[1])
    session, = stage.farboot.json("session", "list")["sessions"]
    commands = session["commands"]
    assert (commands["read"]["count"], commands["write"]["count"], commands["flush"]["count"]) == (reads, 100, 1)
    assert commands["other"]["count"] == 1
    assert (session["read_bytes"], session["written_bytes"]) == (reads * 4096, 100 * 4096)
    assert session["queue_depth"] == 0 and 2 <= session["queue_depth_max"] <= 16
    assert reads / 5 * 0.5 < session["operations_per_second"] <= (reads + 102) / 5 + 1
    for kind in ("read", "write", "flush"):
        counted = commands[kind]
        assert sum(row["count"] for row in counted["latency"]) == counted["count"]
        bounds = [row["below_us"] for row in counted["latency"]]
        assert bounds == sorted(bounds) and all(bound & bound - 1 == 0 for bound in bounds)
        assert bounds[0] <= counted["p50_us"] <= counted["p99_us"] <= bounds[-1] < 1 << 20
    shown = stage.farboot.run("session", "list").stdout.splitlines()
    assert shown[0].split() == ["MACHINE", "ADDRESS", "IO/S", "QUEUE", "READ", "WRITTEN", "READS", "WRITES"]
    assert shown[1].startswith(f"pi-01    {CLIENT}")
    busy.stop()
