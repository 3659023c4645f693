"""What was written is what is read: many commands at once, beside each other, through restarts, kills and digests."""

import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from test_iscsi import MAC, OTHER_MAC, SERVER, Stage, initiator, target  # noqa: E402
from lab import Lab  # noqa: E402
from lab.farboot import find_program  # noqa: E402

MIB = 1 << 20


@pytest.fixture(scope="module")
def stage():
    with Lab() as lab:
        yield Stage(lab).start()


def argv(mac, *words):
    program = find_program().parents[2] / "tests" / "bench" / "iscsi" / "iscsi-load"
    if not program.exists():
        pytest.skip("the load generator is not built")
    return [str(program), "--address", SERVER, "--target", target(mac), "--initiator", initiator(mac),
            "--time", "60000", *map(str, words)]


def load(stage, *words, mac=MAC):
    host = {MAC: stage.client, OTHER_MAC: stage.other}[mac]
    return stage.lab.run_in(host, *argv(mac, *words), timeout=90)


def fill(stage, start, span, block, seed, *words, mac=MAC):
    load(stage, "--write", "--sequential", "--start", start, "--span", span, "--block", block, "--depth", 16,
         "--count", span // block, "--pattern", seed, *words, mac=mac)


def check(stage, start, span, block, seed, *words, mac=MAC):
    load(stage, "--sequential", "--start", start, "--span", span, "--block", block, "--depth", 16,
         "--count", span // block, "--pattern", seed, *words, mac=mac)


@pytest.mark.parametrize("block", (512, 4096, 12288, 65536, 262144, 1048576))
@pytest.mark.parametrize("digests", ((), ("--digests",)), ids=("plain", "digests"))
def test_blocks_of_every_size(stage, block, digests):
    """Twice: the first writes copy up, the second write in place."""
    span = 2 * MIB if block == 512 else 12 * MIB
    for seed in (block, block + 1):
        fill(stage, 100 * MIB, span, block, seed, *digests)
        check(stage, 100 * MIB, span, max(block, 4096), seed, *digests)


def test_small_writes_into_large_ones(stage):
    fill(stage, 200 * MIB, 16 * MIB, MIB, 1)
    fill(stage, 204 * MIB, 4 * MIB, 4096, 2)
    check(stage, 200 * MIB, 4 * MIB, 65536, 1)
    check(stage, 204 * MIB, 4 * MIB, 262144, 2)
    check(stage, 208 * MIB, 8 * MIB, 65536, 1)


def test_what_was_written_survives_a_kill_under_load(stage):
    """The process dies in the middle of writes; what it answered before is in the kernel's hands and is read again."""
    fill(stage, 300 * MIB, 8 * MIB, 4096, 7)
    for _ in range(3):
        writer = stage.lab.start("writer", argv(MAC, "--write", "--start", 320 * MIB, "--span", 8 * MIB, "--depth", 32),
                                 namespace=stage.client)
        time.sleep(0.5)
        stage.farboot.kill()
        assert writer.wait(20) is not None
        stage.farboot.start()
        check(stage, 300 * MIB, 8 * MIB, 65536, 7)


def test_two_machines_at_once_do_not_mix(stage):
    other = stage.lab.start("other", argv(OTHER_MAC, "--write", "--sequential", "--start", 100 * MIB, "--span", 16 * MIB,
                                          "--depth", 16, "--count", 4096, "--pattern", 50), namespace=stage.other)
    fill(stage, 100 * MIB, 16 * MIB, 4096, 40)
    assert other.wait(60) == 0
    check(stage, 100 * MIB, 16 * MIB, 65536, 40)
    check(stage, 100 * MIB, 16 * MIB, 65536, 50, mac=OTHER_MAC)


def test_it_notices_what_is_wrong(stage):
    fill(stage, 100 * MIB, MIB, 4096, 1)
    done = stage.lab.run_in(stage.client, *argv(MAC, "--sequential", "--start", 100 * MIB, "--span", MIB, "--count", 256,
                                                "--pattern", 2), check=False, timeout=60)
    assert done.returncode == 1 and "wrong data" in done.stderr
