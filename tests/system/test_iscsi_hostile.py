"""Initiators that mean harm: what they cost is bounded, and a machine that reads its disk beside them notices nothing."""

import os
import re
import sys
import pathlib

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from test_iscsi import COMMAND, MAC, OTHER_MAC, Stage, prelude, speak, stage_memory  # noqa: E402
from lab import Lab  # noqa: E402

SANITIZED = "asan" in os.environ.get("FARBOOT_BUILD", "")
MEMORY_KIB = (800 if SANITIZED else 256) << 10
SLOWEST_READ_SECONDS = 1.0


@pytest.fixture(scope="module")
def stage():
    with Lab() as lab:
        yield Stage(lab).start()


# Reads a page again and again until somebody closes its input; then says how many it was and how long the slowest took.
BYSTANDER = COMMAND + """
import select, sys
slowest, count = 0.0, 0
print("reading", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    begun = time.monotonic()
    header, data = command(2 + count, 0xc0, 4096, b"\\x28\\0" + struct.pack(">IBH", count % 64 * 8, 0, 8))
    slowest = max(slowest, time.monotonic() - begun)
    assert len(data) == 4096
    count += 1
print("count", count, "slowest", slowest, flush=True)
"""


class Bystander:
    def __init__(self, stage):
        self.process = None
        self.stage = stage

    def __enter__(self):
        script = prelude(OTHER_MAC) + BYSTANDER
        self.process = self.stage.lab.start("bystander", ["/usr/bin/python3", "-c", script], namespace=self.stage.other,
                                            interactive=True)
        assert self.process.wait_output(re.compile(b"reading"), 0, 20), self.process.tail()
        return self

    def __exit__(self, kind, *_):
        self.process.child.stdin.close()
        if kind:
            return
        told = self.process.wait_output(re.compile(rb"count (\d+) slowest ([\d.e-]+)"), 0, 20)
        assert told, self.process.tail()
        assert int(told[2][0]) > 50
        assert float(told[2][1]) < SLOWEST_READ_SECONDS


def resident_kib(stage):
    return int(re.search(r"VmRSS:\s+(\d+)", stage_memory(stage))[1])


def attack(stage, script):
    """Runs the attack beside a machine that reads; the daemon's memory is looked at while the attacker holds on."""
    with Bystander(stage):
        attacker = stage.lab.start("attacker", ["/usr/bin/python3", "-c",
                                                prelude(MAC) + script + """
print("holding", flush=True)
import sys
sys.stdin.read()
"""], namespace=stage.client, interactive=True)
        assert attacker.wait_output(re.compile(b"holding"), 0, 60), attacker.tail()
        resident = resident_kib(stage)
        attacker.child.stdin.close()
        attacker.stop()
    assert resident < MEMORY_KIB, f"{resident} KiB resident"


def test_half_messages_cost_little(stage):
    """Headers without their end, logins without their text, and data segments that never come."""
    attack(stage, """
held = []
for n in range(300):
    s = connect()
    s.sendall(LOGIN[:47] if n % 2 else LOGIN[:60])
    held.append(s)
for n in range(8):
    s = connect()
    login_as(s, n)
    s.sendall(struct.pack(">BBBBB3s8xIIIII12x", 0x40, 0x80, 0, 0, 0, (200000).to_bytes(3, "big"), n, 0xffffffff, 1, 0, 0)
              + bytes(199999))
    held.append(s)
time.sleep(0.5)
""")


def test_text_without_end_is_refused(stage):
    """Requests that always announce more, with keys nobody knows."""
    attack(stage, """
s = connect()
assert login(s) == 0
text = b"".join(b"X-key-%d=value\\0" % n for n in range(500))
sent = 0
try:
    for n in range(20000):
        s.sendall(struct.pack(">BBBBB3s8xIIIII12x", 0x44, 0x40, 0, 0, 0, len(text).to_bytes(3, "big"), 5, 0xffffffff, 1, 0, 0)
                  + text + bytes(-len(text) % 4))
        sent += len(text)
        s.settimeout(0.0)
        try:
            while s.recv(65536):
                pass
        except BlockingIOError:
            pass
        s.settimeout(5)
except OSError:
    pass
""")


def test_a_hundred_thousand_commands_are_as_many_as_fit_the_window(stage):
    """Nothing of what is asked is ever read."""
    attack(stage, """
s = connect()
assert login(s) == 0
s.settimeout(3)
try:
    for first in range(0, 100000, 1000):
        s.sendall(b"".join(struct.pack(">BB6x8xIIII", 0x01, 0xc0, n, 1 << 20, 1 + n, 0)
                           + struct.pack(">BBIBHB6x", 0x28, 0, 0, 0, 2048, 0) for n in range(first, first + 1000)))
except (TimeoutError, OSError):
    pass
""")


def test_pings_without_end_and_nobody_reads(stage):
    attack(stage, """
held = []
for n in range(8):
    s = connect()
    login_as(s, n)
    s.settimeout(0.5)
    data = bytes(60000)
    try:
        for _ in range(1000):
            s.sendall(struct.pack(">BBBBB3s8xIIIII12x", 0x40, 0x80, 0, 0, 0, len(data).to_bytes(3, "big"), 9, 0xffffffff, 1, 0, 0)
                      + data)
    except (TimeoutError, OSError):
        pass
    held.append(s)
""")


def test_readers_that_do_not_read(stage):
    """As many sessions as a machine may have ask for as much as the window allows, all of it never read before."""
    attack(stage, """
held = []
for session in range(8):
    s = connect()
    login_as(s, session)
    for n in range(128):
        s.sendall(struct.pack(">BB6x8xIIII", 0x01, 0xc0, n, 8 << 20, 1 + n, 0)
                  + struct.pack(">BBIBHB6x", 0x28, 0, n * 4096 % 100000, 0, 16384, 0))
    held.append(s)
time.sleep(2)
""")


def test_writes_whose_data_never_comes(stage):
    """R2Ts are not answered: the memory that was set aside is bounded."""
    attack(stage, """
held = []
for session in range(8):
    s = connect()
    login_as(s, session)
    for n in range(128):
        s.sendall(struct.pack(">BB6x8xIIII", 0x01, 0xa0, n, 8 << 20, 1 + n, 0)
                  + struct.pack(">BBIBHB6x", 0x2a, 0, 0, 0, 16384, 0))
    held.append(s)
time.sleep(1)
""")


def test_all_is_well_afterwards(stage):
    assert speak(stage, COMMAND + """
header, data = command(2, 0xc0, 4096, b"\\x28\\0" + struct.pack(">IBH", 0, 0, 8))
print(len(data))
""") == "4096"
