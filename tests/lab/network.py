"""The laboratory's wires: one namespace for the server, one with the switch and the machines behind it.

    server namespace                wire namespace
    eth0 192.168.20.1/24  ------->  up0 -- br0 -- tap (a QEMU machine)
                                            \\---- port ----> namespace of a virtual Pi, eth0
"""

import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import tempfile
import threading
import time

from .machine import Machine
from .process import CommandFailed, Process, run

SERVER_ADDRESS = "192.168.20.1"
SUBNET = "192.168.20.0/24"
PREFIX_LENGTH = 24
PORT_SECONDS = 10
_instances = itertools.count()


def _remove_abandoned():
    """What a laboratory left whose process was killed before it could clean up."""
    for line in run("ip", "netns", "list").stdout.splitlines():
        match = re.match(r"(fb(\d+)-\d+-\S+)", line)
        if match and not os.path.exists(f"/proc/{match[2]}"):
            run("ip", "netns", "delete", match[1], check=False)
    for path in pathlib.Path(tempfile.gettempdir()).glob("fb*-*-*"):
        match = re.fullmatch(r"fb(\d+)-\d+-\w+", path.name)
        if match and not os.path.exists(f"/proc/{match[1]}"):
            shutil.rmtree(path, ignore_errors=True)


def _stop_on_signal(number, _frame):
    raise SystemExit(128 + number)


class Lab:
    """Namespaces, a directory for logs and state, and everything that was started here."""

    def __init__(self, directory=None, server_address=SERVER_ADDRESS, keep_directory=False):
        self.id = f"fb{os.getpid()}-{next(_instances)}"
        self.server = f"{self.id}-server"
        self.wire = f"{self.id}-wire"
        self.server_address = server_address
        self._own_directory = directory is None
        self._keep = keep_directory
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix=f"{self.id}-"))
        self.directory.mkdir(parents=True, exist_ok=True)
        self._running = []
        self._namespaces = []
        self._names = itertools.count(1)
        self._old_term = None

    def __enter__(self):
        # Only the main thread may; without it a SIGTERM would leave namespaces behind.
        if threading.current_thread() is threading.main_thread():
            self._old_term = signal.signal(signal.SIGTERM, _stop_on_signal)
        try:
            _remove_abandoned()
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def _build(self):
        for name in (self.server, self.wire):
            self.add_namespace(name)
        run("ip", "-n", self.server, "link", "add", "eth0", "type", "veth", "peer", "name", "up0", "netns", self.wire)
        run("ip", "-n", self.server, "address", "add", f"{self.server_address}/{PREFIX_LENGTH}", "dev", "eth0")
        run("ip", "-n", self.server, "link", "set", "eth0", "up")
        run("ip", "-n", self.wire, "link", "add", "br0", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        run("ip", "-n", self.wire, "link", "set", "br0", "up")
        run("ip", "-n", self.wire, "link", "set", "up0", "master", "br0", "up")
        self._wait_forwarding("up0")

    def _wait_forwarding(self, port):
        """The kernel reports a new cable with a delay; until then the switch drops what comes over it."""
        deadline = time.monotonic() + PORT_SECONDS
        while time.monotonic() < deadline:
            link = json.loads(run("ip", "-n", self.wire, "-d", "-j", "link", "show", "dev", port).stdout)[0]
            if link["operstate"] == "UP" and link["linkinfo"]["info_slave_data"]["state"] == "forwarding":
                return
            time.sleep(0.02)
        raise CommandFailed(f"{port} of {self.wire} does not come up")

    def add_namespace(self, name):
        run("ip", "netns", "add", name)
        self._namespaces.append(name)
        run("ip", "-n", name, "link", "set", "lo", "up")

    def remove_namespace(self, name):
        # The namespace outlives its name while a process is in it; the cable must go at once.
        run("ip", "-n", name, "link", "delete", "eth0", check=False)
        run("ip", "netns", "delete", name, check=False)
        self._namespaces.remove(name)

    def inside(self, namespace, *argv):
        return ["ip", "netns", "exec", namespace, *argv]

    def start(self, name, argv, namespace=None, **options):
        """A process in a namespace (the server's by default), stopped at the latest when the laboratory closes."""
        process = Process(self.inside(namespace or self.server, *argv), self.directory / f"{name}.log", **options)
        self._running.append(process)
        return process

    def run_in(self, namespace, *argv, **options):
        return run(*self.inside(namespace, *argv), **options)

    def add_host(self, mac=None, address=None):
        """A namespace with its own cable to the switch, eth0 inside; returns its name."""
        number = next(self._names)
        name, port = f"{self.id}-host{number}", f"port{number}"
        self.add_namespace(name)
        run("ip", "-n", self.wire, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
        if mac:
            run("ip", "-n", name, "link", "set", "eth0", "address", mac)
        if address:
            run("ip", "-n", name, "address", "add", address, "dev", "eth0")
        run("ip", "-n", name, "link", "set", "eth0", "up")
        run("ip", "-n", self.wire, "link", "set", port, "master", "br0", "up")
        self._wait_forwarding(port)
        return name

    def add_tap(self):
        tap = f"tap{next(self._names)}"
        run("ip", "-n", self.wire, "tuntap", "add", tap, "mode", "tap")
        run("ip", "-n", self.wire, "link", "set", tap, "master", "br0", "up")
        return tap

    def remove_tap(self, tap):
        run("ip", "-n", self.wire, "link", "delete", tap, check=False)

    def machine(self, name, mac, **options):
        return Machine(self, name, mac, **options)

    def capture(self, name="wire"):
        """Records every frame of the switch's uplink; returns the file. Needs tcpdump."""
        path = self.directory / f"{name}.pcap"
        process = self.start(f"tcpdump-{name}", ["tcpdump", "-U", "-n", "-s", "256", "-i", "up0", "-w", str(path)],
                             namespace=self.wire)
        process.wait_output(re.compile(b"listening on"), 0, 10)
        return path

    def close(self):
        for process in reversed(self._running):
            process.stop(patience=5)
        self._running.clear()
        for name in list(self._namespaces):
            self.remove_namespace(name)
        if self._old_term is not None:
            signal.signal(signal.SIGTERM, self._old_term)
            self._old_term = None
        if self._own_directory and not self._keep:
            shutil.rmtree(self.directory, ignore_errors=True)
