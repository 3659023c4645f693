"""Boots a laboratory machine through the virtual Pi: its loader on the machine's own cable, then QEMU in its place."""

import json
import pathlib
import time

from .process import CommandFailed

PROGRAM = pathlib.Path(__file__).resolve().parent.parent / "boot" / "virtual_pi.py"
LOADER_SECONDS = 180


def serial_of(mac):
    """A serial number for a MAC address; any will do as long as it stays the same."""
    return f"{int(mac.replace(':', '')[-8:], 16):08x}"


def run_loader(machine, model="pi4", prefix="serial", serial=None, extra=()):
    """DHCP and TFTP as a Pi's firmware. Returns what boot.json says; raises CommandFailed with the reason."""
    lab = machine.lab
    host = lab.add_host(mac=machine.mac)
    output = lab.directory / f"{machine.name}-loader"
    argv = ["/usr/bin/python3", PROGRAM, "--interface", "eth0", "--mac", machine.mac, "--serial", serial or serial_of(machine.mac),
            "--model", model, "--prefix", prefix, "--output", output, *extra]

    def on_line(now, line):
        _note_stage(machine.stages, now, line)

    loader = lab.start(f"{machine.name}-loader", argv, namespace=host, on_line=on_line)
    status = loader.wait(LOADER_SECONDS)
    loader.stop()
    lab.remove_namespace(host)
    if status != 0:
        raise CommandFailed(f"{machine.name}: the virtual Pi gave up: " + (loader.tail(1) or "no reason was printed"))
    return json.loads((output / "boot.json").read_text())


def _note_stage(stages, now, line):
    try:
        event = json.loads(line)
    except ValueError:
        return
    name = {"lease": "dhcp"}.get(event.get("event"))
    if event.get("event") == "stage":
        name = {"firmware": "firmware", "initramfs": "initramfs fetched", "kernel": "kernel fetched"}[event["name"]]
    if name:
        stages.reached(name, now)


def boot_as_pi(machine, **loader_options):
    """Power on, boot loader, then the kernel with exactly what was fetched."""
    machine.power_on()
    boot = run_loader(machine, **loader_options)
    machine.run_kernel(boot["kernel"], boot["initramfs"], boot["cmdline"])
    return boot
