"""farboot ends, and comes back, under a machine that runs from it: the machine waits, then goes on."""

import re

import pytest

import checks
from lab import boot_as_pi

MAC = "dc:a6:32:00:00:31"
WORK = "for i in $(seq 1 400); do echo $i >> /root/log; dd if=/dev/urandom of=/root/blob bs=64k count=16 conv=fsync status=none; done"


@pytest.fixture(scope="module")
def pi(lab, farboot):
    farboot.run("machine", "add", "pi-restart", MAC, "--image", "debian", "--size", "2G")
    machine = lab.machine("pi-restart", MAC)
    boot_as_pi(machine)
    machine.wait_up()
    return machine


def drop_caches(machine):
    machine.console.command("sync; echo 3 > /proc/sys/vm/drop_caches")


@pytest.mark.parametrize("end", ["sigterm", "sigkill"])
def test_a_running_machine_goes_on(pi, farboot, end):
    checks.write_data(pi, f"before {end}")
    pi.console.command(f"rm -f /root/log /root/done; ({WORK}; touch /root/done) > /dev/null 2>&1 &")
    if end == "sigterm":
        assert farboot.stop() == 0
    else:
        farboot.kill()
    farboot.start()
    pi.console.command("until [ -e /root/done ]; do sleep 1; done", timeout=300)
    assert pi.console.command("tail -n 1 /root/log; wc -l < /root/log").split() == ["400", "400"]
    drop_caches(pi)
    checks.data_is_there(pi, f"before {end}")
    checks.disk_is_healthy(pi)
    back = [event for event in re.findall(r"pi-restart: .*", farboot.log_text()) if "disk" in event]
    assert back, "the log tells that the machine came back"


def test_a_flush_that_was_answered_survives_a_kill(pi, farboot):
    """A killed process loses nothing that the kernel has; that the store's own books are in order is what is seen."""
    pi.console.command("dd if=/dev/urandom of=/root/kept.bin bs=1M count=32 conv=fsync status=none; sha256sum /root/kept.bin > /root/kept.sum; sync")
    farboot.kill()
    farboot.start()
    drop_caches(pi)
    pi.console.command("sha256sum -c /root/kept.sum", timeout=120)
    pi.cut_power()
    boot_as_pi(pi)
    pi.wait_up()
    pi.console.command("sha256sum -c /root/kept.sum", timeout=120)
    checks.disk_is_healthy(pi)
    pi.shut_down()
