"""Several machines on one image start at once; each has its own disk."""

import concurrent.futures

import checks
from lab import boot_as_pi

MACHINES = 3


def boot_and_write(machine):
    boot_as_pi(machine)
    machine.wait_up(timeout=900)
    checks.write_data(machine, f"belongs to {machine.name}")
    checks.disk_is_healthy(machine)
    machine.cut_power()


def test_storm(lab, farboot):
    machines = []
    for number in range(1, MACHINES + 1):
        mac = f"dc:a6:32:00:01:{number:02x}"
        farboot.run("machine", "add", f"storm-{number}", mac, "--image", "debian")
        machines.append(lab.machine(f"storm-{number}", mac, memory_mib=512, cpus=1))

    with concurrent.futures.ThreadPoolExecutor(MACHINES) as pool:
        for boot in [pool.submit(boot_and_write, machine) for machine in machines]:
            boot.result()

    last = machines[-1]
    boot_as_pi(last)
    last.wait_up()
    checks.data_is_there(last, f"belongs to {last.name}")
    checks.disk_is_healthy(last)
    last.shut_down()
