"""The store looked at from outside: bytes that were flipped are found and named, and a disk that runs full harms nothing."""

import json
import pathlib
import random
import sqlite3
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from lab import Farboot, Lab, run  # noqa: E402
from test_snapshot import CLIENT, MAC, speak, when_unused, write  # noqa: E402

MIB = 1 << 20
PATIENCE = 20


@pytest.fixture
def lab():
    with Lab() as laboratory:
        yield laboratory


@pytest.fixture
def client(lab):
    return lab.add_host(MAC, f"{CLIENT}/24")


@pytest.fixture
def image(lab):
    path = lab.directory / "disk.img"
    with open(path, "wb") as disk:
        disk.truncate(16 * MIB)
        disk.seek(4 * MIB)
        disk.write(random.Random(1).randbytes(4 * MIB))
    run("sfdisk", "-q", path, input="2048,,83\n")
    return path


@pytest.fixture
def daemon(lab, image):
    farboot = Farboot(lab).start()
    farboot.run("image", "import", image, "--name", "plain")
    farboot.run("machine", "add", "pi-01", MAC, "--image", "plain", "--size", "64G")
    return farboot


def layers(daemon):
    return pathlib.Path(daemon.config["store"]) / "store" / "layers"


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 0x10]))


def wait_for(what, patience=PATIENCE):
    deadline = time.monotonic() + patience
    while True:
        got = what()
        if got:
            return got
        assert time.monotonic() < deadline
        time.sleep(0.1)


# ---- check ----


def test_a_sound_store_is_well_and_a_flipped_byte_is_named(daemon):
    done = daemon.run("store", "check")
    assert done.stdout == "all is well\n"
    flip(layers(daemon) / "1" / "data", 5 * MIB)
    done = daemon.run("store", "check", check=False)
    assert done.returncode == 4
    assert "layer 1 does not hold any more what it held when it was frozen" in done.stdout.replace("\n         ", " ")
    assert "affected: image plain, pi-01" in done.stdout
    assert "1 found, 0 repaired" in done.stdout
    found = json.loads(daemon.run("store", "check", "--repair", "--json", check=False).stdout)
    assert (found["found"], found["repaired"]) == (1, 0)
    assert found["findings"][0]["problem"] == "data"
    assert found["findings"][0]["offset"] == 5 * MIB
    assert found["findings"][0]["affected"] == ["image plain", "pi-01"]
    flip(layers(daemon) / "1" / "data", 5 * MIB)
    assert daemon.run("store", "check").stdout == "all is well\n"


def test_a_stopped_store_is_checked_and_repaired_by_its_path(daemon):
    store = daemon.config["store"]
    done = daemon.run("store", "check", "--path", store, check=False)
    assert done.returncode == 1 and "in use by another farboot" in done.stderr
    daemon.stop()
    (layers(daemon) / "77").mkdir()
    flip(layers(daemon) / "2" / "map", 8192 + 512 * 3)
    done = daemon.run("store", "check", "--path", store, check=False)
    assert done.returncode == 4
    assert "layers/77 belongs to nothing" in done.stdout
    assert "the map of layer 2 is damaged" in done.stdout
    assert "affected: pi-01" in done.stdout
    done = daemon.run("store", "check", "--repair", "--path", str(layers(daemon).parent), check=False)
    assert done.returncode == 4
    assert "layers/77 belongs to nothing: removed" in done.stdout
    assert "2 found, 1 repaired" in done.stdout
    assert not (layers(daemon) / "77").exists()
    flip(layers(daemon) / "2" / "map", 8192 + 512 * 3)
    assert daemon.run("store", "check", "--path", store).stdout == "all is well\n"
    assert daemon.run("store", "check", check=False).returncode == 3
    assert "there is no store in" in daemon.run("store", "check", "--path", "/tmp", check=False).stderr
    daemon.start()
    assert daemon.json("status")["warnings"] == []


def test_damage_is_found_without_being_asked_and_told_until_it_is_gone(lab, daemon, client):
    write(lab, client, "kept")
    when_unused(daemon, "snapshot", "create", "pi-01@first")
    wait_for(lambda: (layers(daemon) / "2" / "sum").exists())
    wait_for(lambda: daemon.json("store", "status")["store"]["verify"]["finished"])
    daemon.stop()
    flip(layers(daemon) / "2" / "data", 16 * 512)
    with sqlite3.connect(layers(daemon).parent / "meta.db") as meta:
        meta.execute("UPDATE verify SET finished_seconds = 0")
    daemon.start()
    wait_for(lambda: "store.damage" in daemon.log_text() or "does not hold any more" in daemon.log_text())
    for _ in range(2):
        warnings = wait_for(lambda: daemon.json("status")["warnings"])
        assert "layer 2 does not hold any more" in warnings[0] and "affected: pi-01" in warnings[0]
        daemon.restart()
    status = daemon.json("store", "status")
    assert status["store"]["verify"]["damaged"] == 1
    assert status["damage"][0]["affected"] == ["pi-01"]
    assert "1 damaged" in daemon.run("store", "status").stdout


def test_removed_snapshots_are_given_back_and_others_that_stand_on_one_are_named(lab, daemon, client):
    write(lab, client, "old")
    when_unused(daemon, "snapshot", "create", "pi-01@first")
    snapshots = daemon.json("snapshot", "list", "pi-01")["snapshots"]
    assert [snapshot["dependents"] for snapshot in snapshots] == [[], []]
    daemon.run("snapshot", "remove", "pi-01@first")
    wait_for(lambda: daemon.json("store", "status")["store"]["reclaim"] is None)
    assert "all space was given back" in daemon.run("store", "status").stdout
    assert not (layers(daemon) / "2").exists()


# ---- little space ----

SIZE_MIB = 200

# `put(lba)` writes 64 KiB and gives "ok" or the sense: key, code, qualifier.
PUT = """
def put(lba, blocks=128):
    header, data = command(0xa0, blocks * 512, b"\\x2a\\0" + struct.pack(">IBH", lba, 0, blocks), b"x" * 512 * blocks)
    return "ok" if header[3] == 0 else "%02x/%02x/%02x" % (data[4] & 15, data[14], data[15])
"""


@pytest.fixture
def small(lab, image):
    """A daemon whose store lies on a small file system of its own, in a mount namespace."""
    farboot = Farboot(lab, store_warn="100M", store_refuse="60M", store_full="20M")
    mount = f'mount -t tmpfs -o size={SIZE_MIB}M none {farboot.config["store"]} && exec "$@"'
    farboot.start(["unshare", "--mount", "sh", "-c", mount, "sh"])
    farboot.run("image", "import", image, "--name", "plain")
    farboot.run("machine", "add", "pi-01", MAC, "--image", "plain", "--size", "1G")
    return farboot


def fill(small, leave_mib):
    """Something else that lies on the same file system grows until so much is left."""
    store = small.config["store"]
    script = (f"rm -f {store}/other; free=$(df --output=avail -B1M {store} | tail -1);"
              f"test $free -le {leave_mib} || fallocate -l $((free - {leave_mib}))M {store}/other")
    pid = small.process.child.pid
    subprocess.run(["nsenter", "--target", str(pid), "--mount", "sh", "-c", script], check=True)


def space(small):
    return small.json("store", "status")["store"]["space"]


def test_a_full_disk_refuses_what_is_new_and_nothing_else(lab, small, client):
    assert speak(lab, client, PUT + "print(put(8192))") == "ok"
    fill(small, 90)
    wait_for(lambda: space(small) == "low")
    assert any("are free in the store" in warning for warning in small.json("status")["warnings"])
    fill(small, 40)
    wait_for(lambda: space(small) == "refusing")
    done = small.run("machine", "add", "pi-02", "dc:a6:32:01:02:04", "--image", "plain", check=False)
    assert done.returncode == 1 and "nothing new is made below 60.0 MiB" in done.stderr
    done = small.run("snapshot", "create", "pi-01@x", check=False)
    assert done.returncode == 1 and "free" in done.stderr.lower()
    assert speak(lab, client, PUT + "print(put(16384))") == "ok"
    fill(small, 10)
    wait_for(lambda: space(small) == "full")
    time.sleep(1.5)
    said = speak(lab, client, PUT + "print(put(8192), put(16384), put(32768), put(8192))")
    assert said == "ok ok 07/27/07 ok"
    fill(small, 100)
    wait_for(lambda: space(small) in ("enough", "low"))
    assert speak(lab, client, PUT + "print(put(32768))") == "ok"
    assert small.run("store", "check").stdout == "all is well\n"
    log = small.log_text()
    assert "store.space" in log or "machines can only write where" in log


def test_a_disk_that_runs_full_between_two_looks_harms_nothing(lab, small, client):
    """No mark helps when something takes all space at once: the file system itself says no."""
    small.config.update(store_full="0", store_refuse="0")
    small.stop()
    mount = f'mount -t tmpfs -o size={SIZE_MIB}M none {small.config["store"]} && exec "$@"'
    small.start(["unshare", "--mount", "sh", "-c", mount, "sh"])
    small.run("image", "import", lab.directory / "disk.img", "--name", "plain")
    small.run("machine", "add", "pi-01", MAC, "--image", "plain", "--size", "1G")
    script = PUT + """
results = [put(8192 + i * 128) for i in range(4000)]
print(results[0], results[-1], sorted(set(results)), results.index("07/27/07"))
print(put(8192), put(8192 + 128))
"""
    lines = speak(lab, client, script).splitlines()
    first, last, *rest = lines[0].split(" ")
    assert (first, last) == ("ok", "07/27/07")
    assert "['07/27/07', 'ok']" in lines[0]
    assert lines[1] == "ok ok"
    assert "stopped" not in small.log_text()
