"""The bootloader configuration of boards: kept, pushed by TFTP to one and then to the others, and put onto a card."""

import hashlib
import pathlib
import re
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from lab import Farboot, Lab, eeprom, run  # noqa: E402

MAC = {"pi-01": "dc:a6:32:01:02:03", "pi-02": "dc:a6:32:01:02:04"}
SERVER = "192.168.20.1"
IQN = "iqn.2026-11.internal.farboot"


@pytest.fixture(scope="module")
def lab():
    with Lab() as opened:
        yield opened


@pytest.fixture(scope="module")
def farboot(lab):
    disk = lab.directory / "disk.img"
    with open(disk, "wb") as file:
        file.truncate(40 << 20)
    run("sfdisk", "-q", disk, input="2048,,c\n")
    run("/sbin/mkfs.vfat", "-F", "32", "--offset", "2048", disk, 38 * 1024)
    (lab.directory / "pieeprom.bin").write_bytes(eeprom.image_2711())
    (lab.directory / "recovery.bin").write_bytes(b"recovery" * 1000)
    daemon = Farboot(lab, dhcp={"mode": "off"}).start()
    daemon.run("image", "import", disk, "--name", "boot")
    daemon.run("group", "add", "hall")
    for name, mac in MAC.items():
        daemon.run("machine", "add", name, mac, "--image", "boot", "--group", "hall")
    yield daemon
    daemon.stop()


@pytest.fixture(scope="module")
def boards(lab, farboot):
    return {name: lab.add_host(mac, f"192.168.20.5{i}/24") for i, (name, mac) in enumerate(MAC.items())}


def fetch(lab, board, name):
    """What a board gets by TFTP, or None."""
    to = lab.directory / "fetched"
    to.unlink(missing_ok=True)
    done = lab.run_in(board, "curl", "-s", "--tftp-blksize", "1468", "-o", to, f"tftp://{SERVER}/{name}", check=False)
    return to.read_bytes() if done.returncode == 0 else None


def reach_disk(lab, board, name):
    mac = MAC[name].replace(":", "-")
    lab.run_in(board, "iscsi-inq", "-i", f"{IQN}:machine:{mac}", f"iscsi://{SERVER}/{IQN}:root:{mac}/0")


def states(farboot):
    return {entry["name"]: entry["state"] for entry in farboot.json("eeprom", "status")["machines"]}


def wait_for_state(farboot, name, state):
    deadline = time.monotonic() + 5
    while states(farboot)[name] != state:
        assert time.monotonic() < deadline, states(farboot)
        time.sleep(0.05)


def test_what_is_wanted_is_kept_and_inherited(farboot):
    assert farboot.json("eeprom", "show", "pi-01") == {"value": "BOOT_ORDER=0xf21 TFTP_PREFIX=2", "from": "program"}
    farboot.run("eeprom", "set", "hall", "NETCONSOLE=6665@169.254.1.1/,6666@/", "BOOT_UART=1")
    assert farboot.json("eeprom", "show", "pi-01")["from"] == "group"
    farboot.run("eeprom", "set", "hall", "NETCONSOLE=")
    assert farboot.run("eeprom", "show", "pi-02").stdout == \
        "# pi-02, from: group\nBOOT_ORDER=0xf21\nTFTP_PREFIX=2\nBOOT_UART=1\n"


@pytest.mark.parametrize("assignment, reason", [
    ("BOOT_ORDER=0xf41", "comes to the network"), ("BOOT_ORDER=", "must be set"), ("BOOT_ODER=0xf21", "sets no key"),
    ("USE_IPV6=1", "IPv6"), ("NETCONSOLE=6665@", "NETCONSOLE")])
def test_what_would_strand_a_board_is_refused(farboot, assignment, reason):
    before = farboot.run("eeprom", "show", "pi-01").stdout
    refused = farboot.run("eeprom", "set", "pi-01", assignment, check=False)
    assert refused.returncode != 0 and reason in refused.stderr, refused.stderr
    assert farboot.run("eeprom", "show", "pi-01").stdout == before


def test_a_push_goes_to_one_and_then_to_the_others(lab, farboot, boards):
    image = lab.directory / "pieeprom.bin"
    farboot.run("eeprom", "push", "hall", "--image", image)
    assert states(farboot) == {"pi-01": "offered", "pi-02": "waiting"}
    assert fetch(lab, boards["pi-02"], "pieeprom.sig") is None

    before = int(time.time())
    signature = fetch(lab, boards["pi-01"], "dc-a6-32-01-02-03/pieeprom.sig").decode()
    update = fetch(lab, boards["pi-01"], "dc-a6-32-01-02-03/pieeprom.upd")
    digest, stamp, chip = re.fullmatch(r"([0-9a-f]{64})\nts: (\d+)\ntarget-soc: (\d+)\n", signature).groups()
    assert digest == hashlib.sha256(update).hexdigest() and chip == "2711"
    assert before - 60 <= int(stamp) <= time.time()
    expected = b"[all]\n[all]\nBOOT_ORDER=0xf21\nTFTP_PREFIX=2\nBOOT_UART=1\n"
    assert update == eeprom.image_2711(expected)
    assert eeprom.config_in(update) == expected

    assert fetch(lab, boards["pi-02"], "pieeprom.sig") is None
    assert fetch(lab, boards["pi-01"], "dc-a6-32-01-02-03/pieeprom.sig") == signature.encode()
    reach_disk(lab, boards["pi-01"], "pi-01")
    wait_for_state(farboot, "pi-01", "done")
    assert fetch(lab, boards["pi-01"], "pieeprom.sig") is None
    assert fetch(lab, boards["pi-02"], "pieeprom.sig") is not None
    assert "new bootloader configuration" in farboot.log_text()

    busy = farboot.run("eeprom", "push", "pi-01", "--image", image, check=False)
    assert busy.returncode != 0 and "under way" in busy.stderr
    farboot.run("eeprom", "withdraw")
    assert fetch(lab, boards["pi-02"], "pieeprom.sig") is None


def test_who_does_not_take_it_stops_it(lab, farboot, boards):
    farboot.run("eeprom", "push", "pi-01", "pi-02", "--image", lab.directory / "pieeprom.bin")
    for name in ("pieeprom.sig", "pieeprom.upd", "pieeprom.sig"):
        assert fetch(lab, boards["pi-01"], name) is not None
    assert fetch(lab, boards["pi-01"], "pieeprom.upd") is None
    assert states(farboot) == {"pi-01": "failed", "pi-02": "waiting"}
    assert fetch(lab, boards["pi-02"], "pieeprom.sig") is None


def test_what_is_no_bootloader_is_refused(lab, farboot):
    other = lab.directory / "other.bin"
    other.write_bytes(bytes(512 * 1024))
    refused = farboot.run("eeprom", "push", "pi-01", "--image", other, check=False)
    assert refused.returncode != 0 and "no bootloader image" in refused.stderr
    nobody = farboot.run("eeprom", "push", "nobody", "--image", other, check=False)
    assert "nobody: neither a machine nor a group" in nobody.stderr


def test_a_card_is_a_file_system_with_what_the_board_needs(lab, farboot):
    card = lab.directory / "card.img"
    words = ("--image", lab.directory / "pieeprom.bin", "--recovery", lab.directory / "recovery.bin")
    farboot.run("eeprom", "card", card, *words, "--for", "pi-01")
    assert "FAT16" in run("sfdisk", "-l", card).stdout
    partition = lab.directory / "partition"
    partition.write_bytes(card.read_bytes()[1 << 20:])
    checked = subprocess.run(["/usr/sbin/fsck.fat", "-n", partition], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    for name in ("recovery.bin", "pieeprom.bin", "pieeprom.sig"):
        run("mcopy", "-n", "-i", f"{card}@@1M", f"::{name}", lab.directory / f"from-card-{name}")
    image = (lab.directory / "from-card-pieeprom.bin").read_bytes()
    assert (lab.directory / "from-card-recovery.bin").read_bytes() == b"recovery" * 1000
    assert b"BOOT_ORDER=0xf21" in eeprom.config_in(image)
    assert (lab.directory / "from-card-pieeprom.sig").read_text().startswith(hashlib.sha256(image).hexdigest())
    again = farboot.run("eeprom", "card", card, *words, check=False)
    assert again.returncode != 0 and "exists already" in again.stderr
