"""A machine with further disks: Linux sees them as LUNs, follows what happens to them, and goes back with all of them."""

import hashlib
import os

import pytest

import checks
from lab import boot_as_pi, run

MAC = "dc:a6:32:00:00:41"
MIB = 1 << 20
PATIENCE = 30


@pytest.fixture(scope="module")
def tools(lab, farboot):
    """An image that is nobody's root: its bytes."""
    path = lab.directory / "tools.img"
    with open(path, "wb") as disk:
        disk.truncate(16 * MIB)
        disk.seek(MIB)
        disk.write(os.urandom(8 * MIB))
    run("sfdisk", "-q", path, input="2048,,83\n")
    farboot.run("image", "import", path, "--name", "tools")
    return path.read_bytes()


@pytest.fixture(scope="module")
def pi(lab, farboot, tools):
    farboot.run("machine", "add", "pi-disks", MAC, "--image", "debian", "--size", "2G")
    farboot.run("disk", "add", "pi-disks", "data", "--size", "512M")
    farboot.run("disk", "add", "pi-disks", "tools", "--image", "tools")
    machine = lab.machine("pi-disks", MAC)
    boot_as_pi(machine)
    machine.wait_up()
    return machine


def device(pi, lun):
    """The block device of a LUN; Linux gives the names in any order."""
    return pi.console.command(f"for d in /sys/block/sd*; do case $(basename $(readlink -f $d/device)) in *:{lun}) "
                              "echo /dev/${d##*/};; esac; done").strip()


def rescan(pi):
    pi.console.command("for h in /sys/class/scsi_host/host*/scan; do echo '- - -' > $h; done; sleep 1")


def test_linux_sees_every_lun(pi, tools):
    data, image = device(pi, 1), device(pi, 2)
    assert device(pi, 0) and data and image
    assert pi.console.command(f"blockdev --getsize64 {data} {image}").split() == [str(512 * MIB), str(16 * MIB)]
    assert pi.console.command(f"blockdev --getro {data} {image}").split() == ["0", "1"]
    assert hashlib.sha256(tools).hexdigest() in pi.console.command(f"sha256sum {image}")
    pi.console.command(f"! dd if=/dev/zero of={image} bs=4096 count=1 oflag=direct")


def test_a_disk_grows_and_another_comes_and_goes_under_a_running_system(pi, farboot):
    data = device(pi, 1)
    pi.console.command(f"mkfs.ext4 -q -L data {data} && mkdir -p /data && mount {data} /data && echo here > /data/file && sync")
    farboot.run("disk", "set", "pi-disks", "data", "--size", "768M")
    pi.console.command(f"echo 1 > /sys/block/{data.removeprefix('/dev/')}/device/rescan && resize2fs {data}")
    assert pi.console.command(f"blockdev --getsize64 {data}").strip() == str(768 * MIB)
    assert int(pi.console.command("df -m --output=size /data | tail -n 1")) > 650

    farboot.run("disk", "add", "pi-disks", "scratch", "--size", "64M")
    pi.console.command("touch /root/asked; sync")  # some command must be answered with the unit attention
    assert "LUN assignments on this target have changed" in pi.console.command("dmesg | tail -n 20")
    rescan(pi)
    scratch = device(pi, 3)
    pi.console.command(f"dd if=/dev/urandom of={scratch} bs=1M count=8 oflag=direct status=none")
    farboot.run("disk", "remove", "pi-disks", "scratch", "--force")
    pi.console.command(f"! dd if={scratch} of=/dev/null bs=4096 count=1 iflag=direct 2> /dev/null")
    pi.console.command(f"echo 1 > /sys/block/{scratch.removeprefix('/dev/')}/device/delete")
    rescan(pi)
    assert device(pi, 3) == ""
    assert pi.console.command("cat /data/file").strip() == "here"


def test_root_and_data_go_back_together(pi, farboot):
    pi.console.command("echo before | tee /root/state > /data/state; sync")
    farboot.run("snapshot", "create", "pi-disks@s")
    pi.console.command("echo after | tee /root/state > /data/state; rm /data/file; sync; umount /data")
    pi.shut_down()
    farboot.run("rollback", "pi-disks@s", "--force")  # a session that was not logged out stands for a moment
    boot_as_pi(pi)
    pi.wait_up()
    pi.console.command(f"mount {device(pi, 1)} /data")
    assert pi.console.command("cat /root/state /data/state /data/file").split() == ["before", "before", "here"]
    checks.disk_is_healthy(pi)
    pi.shut_down()
