"""The backup of docs/backup.md, as it is written there: of a store in use, opened elsewhere."""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from lab import Farboot, Lab  # noqa: E402
from test_time_reset import LBA, MAC, make_disk, script_of  # noqa: E402

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "backup.md"


def back_up(origin, to):
    script = re.search(r"```sh\n(.*?)```", PAGE.read_text(), re.S)[1]
    subprocess.run(["sh", "-c", script], env={**os.environ, "FROM": str(origin), "TO": str(to)}, check=True)


def sha256_of(daemon, source):
    disk = daemon.directory / "exported.img"
    daemon.run("image", "export", source, disk)
    digest = hashlib.sha256(disk.read_bytes()).hexdigest()
    disk.unlink()
    return digest


@pytest.fixture(scope="module")
def lab():
    if not (shutil.which("rsync") and shutil.which("sqlite3")):
        pytest.skip("rsync and sqlite3 are needed")
    with Lab() as laboratory:
        yield laboratory


def test_frozen_layers_of_a_store_in_use_open_elsewhere(lab):
    origin = Farboot(lab).start()
    origin.run("image", "import", make_disk(lab.directory, "first", "first image"), "--name", "plain")
    origin.run("machine", "add", "pi-01", MAC, "--image", "plain", "--size", "1G")
    host = lab.add_host(MAC, "192.168.20.50/24")
    writer = lab.start("writer", ["/usr/bin/python3", "-c", script_of(
        f"import itertools\nfor n in itertools.count():\n    write({LBA} + n % 4096 * 8, str(n))\n")], namespace=host)
    to = lab.directory / "copy"
    for n in range(4):
        time.sleep(0.3)
        origin.run("snapshot", "create", f"pi-01@s{n}")
    back_up(origin.config["store"], to)
    origin.run("snapshot", "remove", "pi-01@s1")  # a merge goes on beside the second one
    origin.run("snapshot", "create", "pi-01@last")
    back_up(origin.config["store"], to)
    assert writer.running(), writer.tail()
    expected = {name: sha256_of(origin, name) for name in ("pi-01@s0", "pi-01@s2", "pi-01@last", "plain")}
    assert len(set(expected.values())) == 4
    writer.stop()
    origin.stop()
    restored = Farboot(lab, name="restored", store=str(to)).start()
    assert {name: sha256_of(restored, name) for name in expected} == expected
    restored.run("machine", "reset", "pi-01", "--to", "last", "--drop")
    restored.run("snapshot", "create", "pi-01@again")
    assert sha256_of(restored, "pi-01@again") == expected["pi-01@last"]
    restored.stop()
