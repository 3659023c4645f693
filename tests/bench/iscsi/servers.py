"""The servers that are compared: farboot, tgt tuned to the same login values, and a bare loop as the ceiling."""

import os
import pathlib
import shutil
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from lab import CommandFailed, Farboot, run  # noqa: E402

DISK_BYTES = 256 << 20
SPAN_BYTES = 64 << 20
MACHINES = 16
# Disks beside those of the first sixteen: one that was written in large blocks, one that has eight layers.
BULK, LAYERED = 0xb1, 0xe8
READY_SECONDS = 20
ISCSI_PORT = 3260
# What the load generator asks for, so that a peer answers with as much.
TUNED = {"MaxRecvDataSegmentLength": 262144, "MaxXmitDataSegmentLength": 262144, "FirstBurstLength": 262144,
         "MaxBurstLength": 1048576, "InitialR2T": "No", "ImmediateData": "Yes", "HeaderDigest": "None,CRC32C",
         "DataDigest": "None,CRC32C"}


def missing_programs():
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return [name for name in ("tgtd", "tgtadm", "taskset") if not shutil.which(name, path=path)]


def wait_for_port(lab, port):
    deadline = time.monotonic() + READY_SECONDS
    while f":{port} " not in lab.run_in(lab.server, "ss", "-Hltn", f"sport = :{port}").stdout + " ":
        if time.monotonic() > deadline:
            raise CommandFailed(f"nobody listens at port {port}")
        time.sleep(0.05)


class Server:
    """One that is measured. `target(n)` and `initiator(n)` may hold a # for the session's number."""

    lun = 0
    port = ISCSI_PORT
    layers = ("one",)

    def pid(self):
        """The server itself: the process was started through others that became it."""
        return self.process.child.pid

    def cpu_seconds(self):
        """What all its threads used, to the nanosecond."""
        total = 0
        for thread in pathlib.Path(f"/proc/{self.pid()}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
        return total / 1e9

    def prepare(self, number):
        """Fills a disk that is measured, in blocks of the size that it is measured with: the kernel remembers it, by
        keeping a file in pieces as large as the writes that made them, and a small write to a large piece is dear."""
        block = 262144 if number == BULK else 4096
        self.load(self, number, "--write", "--sequential", "--block", str(block), "--depth", "8",
                  "--count", str(SPAN_BYTES // block))

    def pin(self, cpus):
        run("taskset", "-a", "-c", "-p", cpus, self.pid())


class FarbootServer(Server):
    name = "farboot"
    layers = ("one", "eight")

    def __init__(self, lab, image, program=None, load=None):
        self.farboot = Farboot(lab, log="warning", program=program, dhcp={"mode": "off"}, tftp={"enabled": False})
        self.image = image
        self.load = load

    def start(self):
        self.farboot.start()
        self.process = self.farboot.process
        self.farboot.run("image", "import", self.image, "--name", "disk")
        for number in [*range(1, MACHINES + 1), BULK, LAYERED]:
            self.farboot.run("machine", "add", f"m{number:02x}", self._mac(number), "--image", "disk")
        return self

    def prepare(self, number):
        if number == LAYERED:
            self._pile_up(number)
        else:
            super().prepare(number)

    def _pile_up(self, number):
        """The image, six snapshots and the top, each with blocks scattered among the others'."""
        for layer in range(7):
            self.load(self, number, "--write", "--block", "4096", "--depth", "32", "--count", "4096")
            if layer < 6:
                self.farboot.run("snapshot", "create", f"m{number:02x}@s{layer}")

    @staticmethod
    def _mac(number):
        return f"02:fb:00:00:00:{number:02x}"

    def target(self, number="#"):
        return f"iqn.2026-11.internal.farboot:root:02-fb-00-00-00-{number if number == '#' else f'{number:02x}'}"

    def initiator(self, number="#"):
        return self.target(number).replace(":root:", ":machine:")


class TgtServer(Server):
    name = "tgt"
    lun = 1
    port = 3261

    def __init__(self, lab, load=None):
        self.lab = lab
        self.load = load
        self.directory = lab.directory
        self._ipc = str(lab.directory / "tgtd.ipc")

    def start(self):
        self.process = self.lab.start("tgtd", ["tgtd", "-f", "--iscsi", f"portal=0.0.0.0:{self.port}"],
                                      env={"TGT_IPC_SOCKET": self._ipc})
        deadline = time.monotonic() + READY_SECONDS
        while self._tgtadm("--op", "show", "--mode", "sys", check=False).returncode != 0:
            if time.monotonic() > deadline:
                raise CommandFailed("tgtd is not ready")
            time.sleep(0.1)
        for number in [*range(1, MACHINES + 1), BULK]:
            disk = self.directory / f"tgt-{number}.img"
            with open(disk, "wb") as file:
                file.truncate(DISK_BYTES)
            tid = ("--tid", str(number))
            self._tgtadm("--op", "new", "--mode", "target", *tid, "-T", self.target(number))
            self._tgtadm("--op", "new", "--mode", "logicalunit", *tid, "--lun", "1", "-b", str(disk))
            self._tgtadm("--op", "bind", "--mode", "target", *tid, "-I", "ALL")
            for key, value in TUNED.items():
                self._tgtadm("--op", "update", "--mode", "target", *tid, "-n", key, "-v", str(value))
        return self

    def _tgtadm(self, *words, check=True):
        return run("tgtadm", "--lld", "iscsi", *words, check=check, env={"TGT_IPC_SOCKET": self._ipc})

    def target(self, number="#"):
        return f"iqn.2026-11.internal.peer:{number if number == '#' else f'{number:02x}'}"

    def initiator(self, number="#"):
        return "iqn.2026-11.internal.peer:initiator"


class BareServer(Server):
    name = "bare"
    port = 3262

    def __init__(self, lab, program):
        self.lab = lab
        self.program = program

    def start(self):
        self.process = self.lab.start("bare", [str(self.program), str(self.port)])
        wait_for_port(self.lab, self.port)
        return self

    def prepare(self, number):
        pass

    def target(self, number="#"):
        return "bare"

    def initiator(self, number="#"):
        return "bare"
