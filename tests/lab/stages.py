"""The stages of one boot and when each was reached, in seconds after power-on."""

import re
import time

ORDER = ("dhcp", "firmware", "initramfs fetched", "kernel fetched", "kernel", "initramfs", "address", "disk", "root",
         "system", "up", "login prompt")

MEANING = {
    "dhcp": "the firmware has its address",
    "firmware": "the firmware files are loaded",
    "initramfs fetched": "the initramfs has been fetched",
    "kernel fetched": "the kernel has been fetched",
    "kernel": "the kernel's first line",
    "initramfs": "the initramfs runs",
    "address": "the initramfs has its address",
    "disk": "logged in to iSCSI, the disk is there",
    "root": "the root file system is mounted",
    "system": "systemd has begun",
    "up": "the system is up",
    "login prompt": "the login prompt is on the console",
}

CONSOLE = tuple((stage, re.compile(pattern)) for stage, pattern in (
    ("kernel", r"Linux version \d"),
    ("initramfs", r"Run /init as init process|Loading, please wait"),
    ("address", r"IP-Config: \S+ complete"),
    ("disk", r"\[sda\] Attached SCSI disk"),
    ("root", r"EXT4-fs \(sda2\): mounted filesystem"),
    ("system", r"systemd\[1\]: systemd \d+"),
    ("up", r"diskless system is up"),
    ("login prompt", r"login: "),
))


class Stages:
    """Collects times; on_stage(stage, seconds) hears of each stage once."""

    def __init__(self, begun=None, on_stage=None):
        self.begun = begun if begun is not None else time.monotonic()
        self.on_stage = on_stage
        self.seconds = {}

    def reached(self, stage, now=None):
        if stage in self.seconds:
            return
        self.seconds[stage] = (now if now is not None else time.monotonic()) - self.begun
        if self.on_stage:
            self.on_stage(stage, self.seconds[stage])

    def read_line(self, now, line):
        for stage, pattern in CONSOLE:
            if stage not in self.seconds and pattern.search(line):
                self.reached(stage, now)

    def table(self):
        lines = ["  stage               at      took"]
        before = 0.0
        for stage in ORDER:
            if stage in self.seconds:
                at = self.seconds[stage]
                lines.append(f"  {stage:<17} {at:6.1f} s  {at - before:6.1f} s  {MEANING[stage]}")
                before = at
        return "\n".join(lines)
