"""Machines that authenticate themselves to their disk: the classic initramfs both ways, and an iPXE sanboot."""

import pytest

import checks
from conftest import HOST_ARCH, need
from lab import boot_as_pi

PI_MAC, PC_MAC = "dc:a6:32:00:00:21", "52:54:00:00:00:21"


def test_an_initramfs_authenticates_both_ways(lab, farboot):
    farboot.run("machine", "add", "pi-21", PI_MAC, "--image", "debian")
    farboot.run("machine", "chap", "pi-21", "mutual")
    secrets = farboot.json("machine", "chap", "pi-21", "--show-secret")
    pi = lab.machine("pi-21", PI_MAC)
    boot_as_pi(pi)
    pi.wait_up()
    words = pi.console.command("cat /proc/cmdline").split()
    for word in (f"iscsi_username={secrets['user']}", f"iscsi_password={secrets['secret']}",
                 f"iscsi_in_username={secrets['target_user']}", f"iscsi_in_password={secrets['target_secret']}"):
        assert word in words
    # The kernel knows what the session authenticated itself with.
    session = "/sys/class/iscsi_session/session1"
    assert pi.console.command(f"cat {session}/username {session}/username_in").split() == [secrets["user"],
                                                                                            secrets["target_user"]]
    checks.disk_is_healthy(pi)
    # iscsid has taken the session over: a lost connection is made again with the same secrets.
    farboot.restart()
    pi.console.command("dd if=/dev/urandom of=/root/after bs=1M count=1 status=none && sync")
    checks.disk_is_healthy(pi)
    pi.shut_down()


@pytest.mark.skipif(HOST_ARCH != "amd64", reason="QEMU has an iPXE ROM and a BIOS on x86 only")
def test_ipxe_and_what_it_starts_authenticate_both_ways(lab, farboot):
    need("qemu-system-x86_64")
    farboot.run("machine", "add", "pc-21", PC_MAC, "--image", "debian", "--boot", "san")
    farboot.run("machine", "chap", "pc-21", "mutual")
    pc = lab.machine("pc-21", PC_MAC, arch="amd64")
    pc.power_on()
    pc.run_rom()
    pc.wait_up()
    # The operating system has the secrets from the firmware's table, not from its command line.
    assert "iscsi_password" not in pc.console.command("cat /proc/cmdline")
    assert farboot.json("machine", "chap", "pc-21")["user"] in pc.console.command(
        "cat /sys/class/iscsi_session/session1/username")
    checks.disk_is_healthy(pc)
    pc.shut_down()
