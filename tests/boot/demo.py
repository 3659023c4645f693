#!/usr/bin/python3
"""The demonstration: farboot, one image, one machine without a disk, from power-on to its login prompt."""

import os
import pathlib
import shutil
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lab import CommandFailed, Farboot, Lab, accelerator, boot_as_pi  # noqa: E402
from lab.stages import MEANING  # noqa: E402

MACHINE, MAC = "pi-01", "dc:a6:32:01:02:03"


def say(text=""):
    print(text, flush=True)


def command(farboot, *words, shown=None):
    """Runs a farboot command and shows it as it would be typed."""
    say(f"\n$ farboot {' '.join(shown or words)}")
    begun = time.monotonic()
    output = farboot.run(*words).stdout.rstrip()
    if output:
        say("  " + output.replace("\n", "\n  "))
    return time.monotonic() - begun


def show_stage(stage, seconds):
    say(f"  {seconds:6.1f} s  {MEANING[stage]}")


def prove(machine):
    """What a doubter would type on the machine's console."""
    say(f"\non the console of {MACHINE}:")
    for line in ("uname -a", "lsblk -o NAME,SIZE,TRAN,VENDOR,MODEL,LABEL,MOUNTPOINTS"):
        say(f"  # {line}")
        say("  " + machine.console.command(line).strip().replace("\n", "\n  "))


def demonstrate(lab, arch, image):
    say(f"\nA server and one {arch} machine without a disk, in network namespaces ({accelerator()} emulation).")
    # After its start the daemon is an account that may do nothing; that one must be able to reach its files.
    os.chmod(lab.directory, 0o755)
    farboot = Farboot(lab, log="info", user="nobody")
    farboot.start()
    command(farboot, "image", "import", str(image), "--name", "debian", shown=("image", "import", image.name, "--name", "debian"))
    command(farboot, "machine", "add", MACHINE, MAC, "--image", "debian")
    say(f"\n{MACHINE}: power on. It asks the network as a Raspberry Pi 4 does.")
    machine = lab.machine(MACHINE, MAC, arch=arch)
    machine.stages.on_stage = show_stage
    boot_as_pi(machine)
    machine.wait_up()
    prove(machine)
    command(farboot, "status")
    machine.shut_down()
    if farboot.stop() != 0:
        raise CommandFailed("farboot did not end in order:\n" + farboot.process.tail())
    say(f"\nThe boot of {MACHINE}, seconds after power-on:\n{machine.stages.table()}")


def keep_logs(lab):
    kept = pathlib.Path(os.environ.get("FARBOOT_BUILD", "build")) / "demo-logs"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for log in lab.directory.glob("*.log"):
        shutil.copy(log, kept)
    return kept


def main():
    arch, image = sys.argv[1], pathlib.Path(sys.argv[2])
    with Lab() as lab:
        try:
            demonstrate(lab, arch, image)
        except CommandFailed as reason:
            sys.exit(f"\ndemo: {reason}\nlogs: {keep_logs(lab)}")
        except KeyboardInterrupt:
            sys.exit("\ndemo: stopped")


if __name__ == "__main__":
    main()
