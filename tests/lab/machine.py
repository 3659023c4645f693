"""A machine without a disk: QEMU on a tap, its serial console as a conversation."""

import os
import re
import shlex
import shutil
import time

from .process import CommandFailed
from .stages import Stages

BOOT_SECONDS = 420


def accelerator():
    """KVM where a processor module stands behind /dev/kvm; without one the firmware hangs in it."""
    for module in ("kvm_intel", "kvm_amd"):
        if os.path.exists(f"/sys/module/{module}") and os.access("/dev/kvm", os.R_OK | os.W_OK):
            return "kvm"
    return "tcg,thread=multi"


class Console:
    """What a machine prints, read from a position that moves on with each wait."""

    def __init__(self, process):
        self._process = process
        self._at = 0
        self._commands = 0

    def wait_for(self, what, pattern, timeout=BOOT_SECONDS):
        """Waits for a regular expression; `what` names it in the complaint. Returns its groups as text."""
        found = self._process.wait_output(re.compile(pattern.encode()), self._at, timeout)
        if found is None:
            ended = "" if self._process.running() else " (the machine has stopped)"
            raise CommandFailed(f"{self._process.name}: no {what} within {timeout} s{ended}; the console ended with:\n"
                                + self._process.tail())
        self._at = found[1]
        return [group.decode("utf-8", "replace") for group in found[2]]

    def type(self, line):
        self._process.write(line + "\n")

    def command(self, line, timeout=120, check=True):
        """Runs a shell command on the machine; returns what it printed."""
        self._commands += 1
        mark = f"{self._commands}"
        # The shell joins the word, so that the echo of the command line is not taken for its end.
        self.type(f"{{ {line}\n}} 2>&1; echo do\"\"ne:{mark}:$?:")
        start = self._at
        status = self.wait_for(f"end of '{line}'", rf"done:{mark}:(\d+):", timeout)[0]
        text = self._process.output[start:self._at].decode("utf-8", "replace").replace("\r", "")
        text = text.split(f"echo do\"\"ne:{mark}:$?:\n")[-1].rsplit(f"done:{mark}:", 1)[0]
        if check and status != "0":
            raise CommandFailed(f"{self._process.name}: '{line}' ended with status {status}: {text}")
        return text

    def settle(self):
        """Nothing but commands and their output from here on: no kernel messages, no line editing marks."""
        self.type("dmesg -n 1; bind 'set enable-bracketed-paste off'; stty cols 500")
        self.command("true")


class Machine:
    def __init__(self, lab, name, mac, arch=None, memory_mib=1024, cpus=2):
        self.lab = lab
        self.name = name
        self.mac = mac
        self.arch = arch or {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
        self.memory_mib = memory_mib
        self.cpus = cpus
        self.console = None
        self.stages = Stages()
        self._tap = None
        self._process = None
        self._boots = 0

    def power_on(self):
        """Only starts the clock: what boots the machine differs, the stages' zero does not."""
        self._boots += 1
        self.stages = Stages(time.monotonic(), self.stages.on_stage)

    def run_kernel(self, kernel, initramfs, cmdline):
        """Starts a kernel that a boot loader has fetched."""
        words = ["-kernel", kernel, "-append", cmdline]
        words += ["-initrd", initramfs] if initramfs else []
        self._start(words, rom=False)

    def run_rom(self):
        """Starts from the network card's own ROM (iPXE)."""
        self._start(["-boot", "n"], rom=True)

    def run_uefi(self, by_http=False):
        """Starts from UEFI's own PXE or HTTP boot; what it remembers is forgotten with each power-on."""
        variables = self.lab.directory / f"{self.name}-{self._boots}-uefi-variables"
        shutil.copyfile("/usr/share/OVMF/OVMF_VARS_4M.fd", variables)
        self._start(["-drive", "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd",
                     "-drive", f"if=pflash,format=raw,file={variables}",
                     "-fw_cfg", f"name=opt/org.tianocore/IPv4PXESupport,string={'n' if by_http else 'y'}",
                     "-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n"], rom=False, boot_card=True)

    def run_u_boot(self, firmware):
        """Starts from U-Boot by the commands with which its boards boot from a PXELINUX configuration."""
        self._start(["-bios", firmware], rom=False, boot_card=True)
        self.console.wait_for("countdown", r"Hit any key", 60)
        for command in ("", "setenv autoload no; dhcp", "pxe get", "pxe boot"):
            self.console.type(command)
            if command != "pxe boot":
                self.console.wait_for(f"end of '{command}'", r"=> ", 60)

    def _start(self, boot_words, rom, boot_card=False):
        self._tap = self.lab.add_tap()
        log_name = f"{self.name}-console" + (f"-{self._boots}" if self._boots > 1 else "")
        self._process = self.lab.start(log_name, self._emulator(rom, rom or boot_card) + [str(word) for word in boot_words],
                                       namespace=self.lab.wire, interactive=True, on_line=self.stages.read_line)
        self.console = Console(self._process)

    def _emulator(self, rom, boot_card):
        host = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
        accel = accelerator() if self.arch == host else "tcg,thread=multi"
        card = f"virtio-net-pci,netdev=n0,mac={self.mac}" + (",bootindex=0" if boot_card else "") + ("" if rom else ",romfile=")
        if self.arch == "amd64":
            words = ["qemu-system-x86_64", "-machine", "q35,graphics=off"]
            words += ["-cpu", "host"] if accel == "kvm" else []
        else:
            words = ["qemu-system-aarch64", "-machine", "virt", "-cpu", "host" if accel == "kvm" else "cortex-a72"]
        return words + ["-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio", "-accel", accel,
                        "-smp", str(self.cpus), "-m", str(self.memory_mib),
                        "-netdev", f"tap,id=n0,ifname={self._tap},script=no,downscript=no", "-device", card]

    def running(self):
        return self._process is not None and self._process.running()

    def wait_up(self, timeout=BOOT_SECONDS):
        """Waits until the system is up and a root shell is on the console."""
        self.console.wait_for("login prompt", r"login: root \(automatic login\)", timeout)
        self.console.wait_for("shell prompt", r"root@[^\n]*# ", 120)
        self.console.settle()
        return self

    def cut_power(self):
        """What a pulled plug does: nothing is written back, nobody is told."""
        if self._process is not None:
            self._process.child.kill()
            self._process.stop()
        self._forget()

    def shut_down(self, timeout=180):
        self.console.type("systemctl reboot")
        if self._process.wait(timeout) is None:
            raise CommandFailed(f"{self.name}: did not shut down within {timeout} s:\n{self._process.tail()}")
        self._forget()

    def _forget(self):
        if self._tap:
            self.lab.remove_tap(self._tap)
        self._tap = self._process = self.console = None

    def describe(self):
        return shlex.join(self._process.child.args) if self._process else self.name
