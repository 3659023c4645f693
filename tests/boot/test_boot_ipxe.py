"""The same machine record boots a PC: its network card's ROM is iPXE.

Once iPXE loads kernel and initramfs by script; once it opens the disk itself (sanboot) and starts what is on it.
"""

import pytest

import checks
from conftest import HOST_ARCH, need

MAC = "52:54:00:00:00:01"
pytestmark = pytest.mark.skipif(HOST_ARCH != "amd64", reason="QEMU has an iPXE ROM and a BIOS on x86 only")


@pytest.fixture(scope="module")
def pc(lab, farboot):
    need("qemu-system-x86_64")
    farboot.run("machine", "add", "pc-01", MAC, "--image", "debian")
    return lab.machine("pc-01", MAC, arch="amd64")


def test_script_loads_kernel_and_initramfs(pc):
    pc.power_on()
    pc.run_rom()
    pc.wait_up()
    assert "iscsi_target_name=" in pc.console.command("cat /proc/cmdline")
    checks.write_data(pc, "written after a boot by script")
    checks.disk_is_healthy(pc)
    pc.cut_power()


def test_sanboot_starts_what_is_on_the_same_disk(pc, farboot):
    farboot.run("machine", "set", "pc-01", "--boot", "san")
    pc.power_on()
    pc.run_rom()
    pc.wait_up()
    assert "ISCSI_AUTO=true" in pc.console.command("cat /proc/cmdline")
    checks.data_is_there(pc, "written after a boot by script")
    checks.disk_is_healthy(pc)
    pc.shut_down()
