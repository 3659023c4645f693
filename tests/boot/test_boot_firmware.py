"""Firmware that knows nothing of us: UEFI's own PXE and HTTP boot, which are given iPXE; and U-Boot, which is given a
script."""

import os

import pytest

import checks
from conftest import HOST_ARCH, need
from lab import images


def need_file(path, package):
    if not os.path.exists(path):
        pytest.skip(f"needs {path} (package {package})")


@pytest.mark.skipif(HOST_ARCH != "amd64", reason="UEFI for x86-64 starts an x86-64 image")
def test_uefi_pxe_is_given_ipxe_and_its_script(lab, farboot):
    need("qemu-system-x86_64")
    need_file("/usr/share/OVMF/OVMF_CODE_4M.fd", "ovmf")
    need_file("/usr/lib/ipxe/snponly.efi", "ipxe")
    mac = "52:54:00:00:00:11"
    farboot.run("machine", "add", "uefi-01", mac, "--image", "debian")
    pc = lab.machine("uefi-01", mac, arch="amd64")
    pc.power_on()
    pc.run_uefi()
    pc.wait_up()
    assert "iscsi_target_name=" in pc.console.command("cat /proc/cmdline")
    assert "efi" in pc.console.command("ls /sys/firmware")
    checks.disk_is_healthy(pc)
    pc.cut_power()


@pytest.mark.skipif(HOST_ARCH != "amd64", reason="UEFI for x86-64 starts an x86-64 image")
def test_uefi_http_boot_is_given_ipxe(lab, farboot):
    need("qemu-system-x86_64")
    need_file("/usr/share/OVMF/OVMF_CODE_4M.fd", "ovmf")
    need_file("/usr/lib/ipxe/snponly.efi", "ipxe")
    mac = "52:54:00:00:00:12"
    farboot.run("machine", "add", "uefi-02", mac, "--image", "debian")
    pc = lab.machine("uefi-02", mac, arch="amd64")
    pc.power_on()
    pc.run_uefi(by_http=True)
    pc.wait_up()
    assert "UEFI HTTP boot" in farboot.log_text()
    checks.disk_is_healthy(pc)
    pc.cut_power()


def test_u_boot_is_given_a_script(lab, farboot):
    need("qemu-system-aarch64")
    need_file("/usr/lib/u-boot/qemu_arm64/u-boot.bin", "u-boot-qemu")
    mac = "52:52:52:52:52:52"  # this build of U-Boot gives itself that address, whatever the card's is
    farboot.run("image", "import", images.compressed("arm64"), "--name", "debian-arm64")
    farboot.run("machine", "add", "board-01", mac, "--image", "debian-arm64")
    board = lab.machine("board-01", mac, arch="arm64")
    board.power_on()
    board.run_u_boot("/usr/lib/u-boot/qemu_arm64/u-boot.bin")
    board.wait_up()
    assert "iscsi_target_name=" in board.console.command("cat /proc/cmdline")
    checks.disk_is_healthy(board)
    board.cut_power()
