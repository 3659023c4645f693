"""The daemon's own life: its configuration, its account, its start with many machines, its end, its return."""

import contextlib
import json
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from lab import Farboot, Lab, find_program, run  # noqa: E402

MACHINES = 1000
CAP_NET_BIND_SERVICE, CAP_NET_RAW = 10, 13


@pytest.fixture(scope="module", autouse=True)
def root():
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")


@pytest.fixture
def lab(tmp_path):
    with Lab(directory=tmp_path / "lab") as laboratory:
        yield laboratory


def serve(config, *words):
    return run(find_program(), "serve", "--config", config, *words, check=False, timeout=20)


def make_image(directory):
    image = directory / "disk.img"
    with open(image, "wb") as disk:
        disk.truncate(64 << 20)
    run("sfdisk", "-q", image, input="2048,,c\n")
    run("/sbin/mkfs.vfat", "-F", "32", "-n", "BOOT", "--offset", "2048", image, 62 * 1024)
    return image


# ---- configuration ----

@pytest.mark.parametrize("text, sentence", [
    ("interfaces: [lo]\ndhpc: {}\n", r'/f\.yaml:2:1: unknown key "dhpc"'),
    ("interfaces: [lo]\ntftp:\n  enable: true\n", r'/f\.yaml:3:3: unknown key "enable"'),
    ("interfaces: [lo]\ndhcp:\n  mode: both\n", r'"both" is none of proxy, server, off'),
    ("interfaces: [nonesuch0]\nuser: ''\nstore: STATE\nsocket: STATE/s\n", r"nonesuch0"),
    ("interfaces: [lo]\nuser: no-such-account\nstore: STATE\nsocket: STATE/s\n", r'account "no-such-account" does not exist'),
    ("interfaces: [lo]\nuser: ''\nstore: /proc/nowhere\nsocket: STATE/s\n", r"/proc/nowhere: cannot be created"),
])
def test_a_mistake_in_the_configuration_is_one_sentence(tmp_path, text, sentence):
    config = tmp_path / "f.yaml"
    config.write_text(text.replace("STATE", str(tmp_path / "state")))
    done = serve(config)
    assert done.returncode == 1
    complaint = [line for line in done.stderr.splitlines() if line.startswith("farboot: ")]
    assert len(complaint) == 1 and re.search(sentence, complaint[0]), done.stderr


def test_a_missing_configuration_is_named(tmp_path):
    done = serve(tmp_path / "absent.yaml")
    assert done.returncode == 1 and f"{tmp_path}/absent.yaml: cannot be read" in done.stderr


def test_serve_explains_itself():
    done = run(find_program(), "serve", "--help")
    assert "farboot serve [--config FILE]" in done.stdout
    assert run(find_program(), "serve", "--nonsense", check=False).returncode == 2


# ---- account ----

def status_of(pid):
    return dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


def daemon_pid(farboot):
    """The namespace helper replaces itself by the daemon, so its process is the daemon's."""
    return farboot.process.child.pid


def test_after_its_start_it_is_nobody_and_nothing_but_two_capabilities():
    with Lab() as lab:
        os.chmod(lab.directory, 0o755)
        check_account(Farboot(lab, user="nobody").start())


def check_account(farboot):
    status = status_of(daemon_pid(farboot))
    assert set(status["Uid"].split()) == {"65534"} and set(status["Gid"].split()) == {"65534"}
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 1 << CAP_NET_BIND_SERVICE | 1 << CAP_NET_RAW
    assert int(status["CapBnd"], 16) == 0 and status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    for task in pathlib.Path(f"/proc/{daemon_pid(farboot)}/task").iterdir():
        assert set(status_of(f"{daemon_pid(farboot)}/task/{task.name}")["Uid"].split()) == {"65534"}
    assert farboot.stop() == 0


def test_a_second_daemon_is_told_who_has_the_store(lab):
    farboot = Farboot(lab).start()
    config = dict(farboot.config, socket=str(lab.directory / "other.sock"), tftp={"enabled": False},
                  dhcp={"mode": "off"}, iscsi={"port": 3261})
    path = lab.directory / "other.yaml"
    path.write_text(json.dumps(config))
    done = lab.run_in(lab.server, find_program(), "serve", "--config", path, check=False, timeout=20)
    assert done.returncode == 1 and "in use by another farboot" in done.stderr, done.stderr
    assert farboot.stop() == 0


# ---- many machines ----

def add_machines(farboot, count):
    """Through the database, as a thousand clones are not what is measured here."""
    with contextlib.closing(sqlite3.connect(pathlib.Path(farboot.config["store"]) / "catalog.db")) as catalog, catalog:
        image = catalog.execute("SELECT id FROM image").fetchone()[0]
        catalog.executemany(
            "INSERT INTO machine (name, mac, serial, address, image_id, volume, size_bytes, created_seconds)"
            " VALUES (?, ?, 0, 0, ?, ?, 67108864, 1)",
            [(f"m-{n:04}", f"dc:a6:32:77:{n >> 8:02x}:{n & 255:02x}", image, f"none-{n}") for n in range(count)])


def test_ready_within_a_second_with_a_thousand_machines(lab):
    farboot = Farboot(lab).start()
    farboot.run("image", "import", make_image(lab.directory), "--name", "small")
    assert farboot.stop() == 0
    add_machines(farboot, MACHINES)
    farboot.start()
    ready = re.search(r"ready after (\d+) ms", farboot.process.output.decode())
    assert int(ready[1]) < 1000
    assert len(farboot.json("machine", "list")["machines"]) == MACHINES
    assert farboot.stop() == 0


def test_a_real_clone_takes_milliseconds_and_no_space(lab):
    farboot = Farboot(lab).start()
    farboot.run("image", "import", make_image(lab.directory), "--name", "small")
    before = farboot.json("status")["store"]["used_bytes"]
    begun = time.monotonic()
    for number in range(20):
        farboot.run("machine", "add", f"pi-{number}", f"dc:a6:32:66:00:{number:02x}", "--image", "small", "--size", "64G")
    assert (time.monotonic() - begun) / 20 < 0.5
    used = farboot.json("status")["store"]["used_bytes"] - before
    assert used < 20 * (8 << 20), "a clone of 64 GiB costs its map of 2 MiB and little more"
    assert farboot.stop() == 0


# ---- its end ----

def test_sigterm_ends_it_in_order_and_takes_its_sockets_away(lab):
    farboot = Farboot(lab).start()
    assert farboot.socket.exists()
    assert farboot.stop() == 0
    assert not farboot.socket.exists() and not (farboot.socket.parent / "import.sock").exists()
    assert "stopped" in farboot.log_text()


def test_killed_and_started_again_it_knows_everything(lab):
    farboot = Farboot(lab).start()
    farboot.run("image", "import", make_image(lab.directory), "--name", "small")
    farboot.run("machine", "add", "pi-01", "dc:a6:32:00:00:01", "--image", "small", "--address", "192.168.20.77")
    farboot.kill()
    farboot.start()
    machine = farboot.json("machine", "show", "pi-01")
    assert machine["mac"] == "dc:a6:32:00:00:01" and machine["address"] == "192.168.20.77"
    assert farboot.stop() == 0


def test_without_a_daemon_a_sentence_says_how_to_start_one(tmp_path):
    done = run(find_program(), "--socket", tmp_path / "none.sock", "status", check=False)
    assert done.returncode == 3 and "systemctl start farboot" in done.stderr


def test_the_service_manager_is_told(lab, tmp_path):
    import socket

    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(10)
        farboot = Farboot(lab)
        farboot.start(wrapper=["env", f"NOTIFY_SOCKET={path}"])
        assert manager.recv(64) == b"READY=1"
        farboot.stop()
        assert manager.recv(64) == b"STOPPING=1"
