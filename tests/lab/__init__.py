"""A laboratory in network namespaces: a server, a switch and machines without disks.

Nothing here touches a real network card. Everything is a context manager; leaving it, for whatever reason, takes
its processes, taps and namespaces away. Names carry the process id, so several laboratories run side by side.

    with Lab() as lab:
        farboot = Farboot(lab).start()
        farboot.run("image", "import", images.disk("amd64"), "--name", "debian")
        farboot.run("machine", "add", "pi-01", "dc:a6:32:00:00:01", "--image", "debian")
        machine = lab.machine("pi-01", "dc:a6:32:00:00:01")
        boot_as_pi(machine)
        machine.console.wait_for("login prompt", r"login: ")
"""

from . import images
from .farboot import Farboot, find_program
from .machine import Machine, accelerator
from .network import Lab
from .pi import boot_as_pi
from .process import CommandFailed, Process, run
from .stages import Stages

__all__ = ["CommandFailed", "Farboot", "Lab", "Machine", "Process", "Stages", "accelerator", "boot_as_pi",
           "find_program",
           "images", "run"]
