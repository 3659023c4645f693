"""The stack that people build by hand: dnsmasq, tftpd-hpa and tgt, each in the laboratory's server namespace."""

import os
import pathlib
import re
import shutil
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from lab.process import CommandFailed, run  # noqa: E402

IQN = "iqn.2026-11.internal.classic"
READY_SECONDS = 20


def missing_programs():
    # The services are in sbin, which is not in everybody's path.
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return [name for name in ("dnsmasq", "in.tftpd", "tgtd", "tgtadm", "mcopy") if not shutil.which(name, path=path)]


class Classic:
    """Serves disks to machines: one copy of the image, one TFTP folder and one target for each."""

    def __init__(self, lab):
        self.lab = lab
        self.directory = lab.directory / "classic"
        self.tftp_root = self.directory / "tftp"
        self.tftp_root.mkdir(parents=True)
        # tftpd gives up its privileges before it opens anything.
        for path in (lab.directory, self.directory, self.tftp_root):
            path.chmod(0o755)
        self._ipc = str(self.directory / "tgtd.ipc")
        self._targets = 0
        # A PC would take this for a menu to choose from, and find nothing behind it.
        self.boot_options = ["--pxe-service=0,Raspberry Pi Boot   "]

    def start(self):
        lab, network = self.lab, self.lab.server_address.rsplit(".", 1)[0]
        lab.start("dnsmasq", [
            "dnsmasq", "--keep-in-foreground", "--log-facility=-", "--log-dhcp", "--conf-file=/dev/null", "--port=0",
            "--interface=eth0", "--bind-interfaces", "--no-ping", "--dhcp-authoritative", "--user=root",
            f"--pid-file={self.directory}/dnsmasq.pid", f"--dhcp-leasefile={self.directory}/leases",
            f"--dhcp-range={network}.100,{network}.199,255.255.255.0,1h",
            f"--dhcp-option=option:router,{lab.server_address}", f"--dhcp-option=66,{lab.server_address}",
            *self.boot_options])
        lab.start("tftpd", ["in.tftpd", "--listen", "--foreground", "--verbose", "--address", f"{lab.server_address}:69",
                            "--secure", str(self.tftp_root)])
        # Only its control socket says whether tgtd is ready; one per laboratory lets several run.
        lab.start("tgtd", ["tgtd", "-f", "--iscsi", f"portal={lab.server_address}:3260"], env={"TGT_IPC_SOCKET": self._ipc})
        deadline = time.monotonic() + READY_SECONDS
        while self._tgtadm("--op", "show", "--mode", "sys", check=False).returncode != 0:
            if time.monotonic() > deadline:
                raise CommandFailed("tgtd is not ready")
            time.sleep(0.1)
        return self

    def _tgtadm(self, *words, check=True):
        return run("tgtadm", "--lld", "iscsi", *words, check=check, env={"TGT_IPC_SOCKET": self._ipc})

    def add_machine(self, mac, serial, image):
        """Copies the image and its boot files, edits the command line, opens a target."""
        dashes = mac.replace(":", "-")
        disk = self.directory / f"{dashes}.img"
        run("cp", "--sparse=always", "--reflink=auto", image, disk, timeout=300)
        folder = self.tftp_root / serial
        folder.mkdir()
        run("mcopy", "-s", "-n", "-i", f"{disk}@@1M", "::*", str(folder) + "/")
        run("chmod", "-R", "a+rX", folder)
        target = f"{IQN}:root:{dashes}"
        words = f"ip=dhcp iscsi_initiator={IQN}:machine:{dashes} iscsi_target_name={target} iscsi_target_ip={self.lab.server_address} "
        cmdline = folder / "cmdline.txt"
        cmdline.write_text(re.sub(r"\broot=", words + "root=", cmdline.read_text(), count=1))
        self._targets += 1
        tid = str(self._targets)
        self._tgtadm("--op", "new", "--mode", "target", "--tid", tid, "-T", target)
        self._tgtadm("--op", "new", "--mode", "logicalunit", "--tid", tid, "--lun", "1", "-b", str(disk))
        self._tgtadm("--op", "bind", "--mode", "target", "--tid", tid, "-I", "ALL")
