"""A machine without a disk boots from farboot the way a Raspberry Pi does, and its disk keeps what was written."""

import json

import pytest

import checks
from conftest import HOST_ARCH, need
from lab import CommandFailed, Farboot, Lab, boot_as_pi, images
from lab.pi import run_loader, serial_of

MAC = "dc:a6:32:00:00:01"


@pytest.fixture(scope="module")
def pi(lab, farboot):
    farboot.run("machine", "add", "pi-01", MAC, "--image", "debian", "--size", "4G")
    return lab.machine("pi-01", MAC)


def transcript(machine):
    return json.loads((machine.lab.directory / f"{machine.name}-loader" / "transcript.json").read_text())


def files_asked(machine):
    return [event for event in transcript(machine) if event["event"] == "file"]


def test_loader_with_serial_prefix_gets_everything_from_the_machines_disk(pi):
    pi.power_on()
    boot = run_loader(pi)
    words = boot["cmdline"].split()
    dashes = MAC.replace(":", "-")
    at = words.index("root=LABEL=writable")
    assert words[at - 4:at] == ["ip=dhcp", f"iscsi_initiator=iqn.2026-11.internal.farboot:machine:{dashes}",
                                f"iscsi_target_name=iqn.2026-11.internal.farboot:root:{dashes}",
                                f"iscsi_target_ip={pi.lab.server_address}"]
    assert "prefix-dropped" not in [event["event"] for event in transcript(pi)]


def test_missing_files_are_refused_at_once(pi):
    pi.power_on()
    run_loader(pi)
    misses = [event for event in files_asked(pi) if event["status"] != "data" and event["status"] != "probed"]
    assert len(misses) >= 10
    assert all(event["status"] == "missing" and event["error"].startswith("1:") for event in misses)
    assert max(event["took"] for event in misses) < 0.5


@pytest.mark.parametrize("prefix", ["mac", "none"])
def test_other_prefixes_find_the_same_files(pi, prefix):
    pi.power_on()
    run_loader(pi)
    directory = pi.lab.directory / "pi-01-loader" / "files"
    before = (directory / "vmlinuz").read_bytes()
    (directory / "vmlinuz").unlink()
    run_loader(pi, prefix=prefix)
    assert (directory / "vmlinuz").read_bytes() == before


def test_a_pi_3_loads_its_files(pi):
    pi.power_on()
    assert run_loader(pi, model="pi3")["kernel"].endswith("vmlinuz")


def test_one_address_through_every_stage(pi):
    pi.power_on()
    assert run_loader(pi)["lease"]["address"] == run_loader(pi, model="pi3")["lease"]["address"]


def test_an_unknown_machine_gets_no_boot_files(lab, farboot):
    stranger = lab.machine("stranger", "dc:a6:32:00:00:99")
    stranger.power_on()
    with pytest.raises(CommandFailed, match="gave up"):
        run_loader(stranger, extra=("--dhcp-limit", "6"))


def test_boots_writes_loses_power_and_finds_its_data(pi):
    boot_as_pi(pi)
    pi.wait_up()
    checks.disk_promises_durability(pi)
    checks.boot_partition_is_mounted(pi)
    checks.write_data(pi, "written before the power went")
    # What the system writes to its boot partition is what it boots with next.
    pi.console.command("sed -i 's/fixrtc/fixrtc written.by=the-machine/' /boot/firmware/cmdline.txt && sync")
    checks.disk_is_healthy(pi)
    pi.cut_power()

    boot_as_pi(pi)
    pi.wait_up()
    checks.data_is_there(pi, "written before the power went")
    assert "written.by=the-machine" in pi.console.command("cat /proc/cmdline")
    checks.disk_is_healthy(pi)
    pi.shut_down()


def start_router(lab, directory):
    """A home router: it gives addresses and knows nothing of booting."""
    leases, config = directory / "leases", directory / "udhcpd.conf"
    leases.touch()
    config.write_text("interface eth0\nstart 192.168.20.50\nend 192.168.20.60\noption subnet 255.255.255.0\n"
                      f"option router 192.168.20.1\noption lease 3600\nlease_file {leases}\npidfile {directory}/pid\n")
    lab.start("router", ["busybox", "udhcpd", "-f", config], namespace=lab.add_host(address="192.168.20.1/24"))


def test_beside_a_router_only_boot_information_comes_from_farboot(tmp_path, farboot):
    need("busybox")
    with Lab(directory=tmp_path, server_address="192.168.20.2") as lab:
        start_router(lab, tmp_path)
        proxy = Farboot(lab, program=farboot.program, dhcp={"mode": "proxy"}).start()
        proxy.run("image", "import", images.compressed(HOST_ARCH), "--name", "debian")
        proxy.run("machine", "add", "pi-01", MAC, "--image", "debian")
        machine = lab.machine("pi-01", MAC)
        boot_as_pi(machine)
        machine.wait_up()
        lease = next(event for event in transcript(machine) if event["event"] == "lease")
        assert lease["dhcp_server"] == "192.168.20.1" and lease["tftp_server"] == "192.168.20.2"
        assert lease["address"] in [f"192.168.20.{host}" for host in range(50, 61)]
        assert "192.168.20.1" in [server["address"] for server in proxy.json("status")["dhcp_servers"]]
