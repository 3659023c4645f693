"""farboot in a laboratory: a configuration, the daemon in the server's namespace, the command line."""

import json
import os
import pathlib
import shutil
import time

from .process import CommandFailed, run

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
READY_SECONDS = 20


def find_program():
    """The farboot to test: $FARBOOT, else the one built in $FARBOOT_BUILD or build/."""
    if os.environ.get("FARBOOT"):
        return pathlib.Path(os.environ["FARBOOT"]).resolve()
    build = pathlib.Path(os.environ.get("FARBOOT_BUILD", ROOT / "build"))
    for path in (build / "farboot", build / "src" / "farboot", build / "src" / "daemon" / "farboot",
                 build / "src" / "ctl" / "farboot"):
        if path.is_file() and os.access(path, os.X_OK):
            return path.resolve()
    raise CommandFailed(f"no farboot below {build}: build it first (make), or set FARBOOT")


class Farboot:
    """One daemon. `settings` replaces whole top-level keys of the configuration, e.g. dhcp={"mode": "proxy"}."""

    def __init__(self, lab, name="farboot", program=None, interface="eth0", **settings):
        self.lab = lab
        self.name = name
        self.program = program or find_program()
        self.directory = lab.directory / name
        self.directory.mkdir(exist_ok=True)
        self.socket = self.directory / "farboot.sock"
        self.config_path = self.directory / "farboot.yaml"
        self.config = {
            "interfaces": [interface], "user": "", "store": str(self.directory / "store"), "socket": str(self.socket),
            "log": "debug", "dhcp": server_dhcp(lab), **settings,
        }
        pathlib.Path(self.config["store"]).mkdir(exist_ok=True)
        self.process = None

    def write_config(self):
        # JSON is YAML.
        self.config_path.write_text(json.dumps(self.config, indent=2) + "\n")

    def start(self, wrapper=()):
        """Starts the daemon and waits until it answers. `wrapper` goes in front, e.g. a tracer."""
        self.write_config()
        self.process = self.lab.start(self.name, [*wrapper, str(self.program), "serve", "--config", str(self.config_path)])
        deadline = time.monotonic() + READY_SECONDS
        while self.run("status", check=False).returncode != 0:
            if not self.process.running() or time.monotonic() > deadline:
                raise CommandFailed(f"{self.name}: not ready: {self.process.tail()}")
            time.sleep(0.05)
        return self

    def stop(self, patience=10):
        """SIGTERM; returns the exit status."""
        return self.process.stop(patience)

    def kill(self):
        self.process.child.kill()
        self.process.stop()

    def restart(self):
        self.stop()
        return self.start()

    def run(self, *words, check=True, timeout=600, input=None):
        """A farboot command against this daemon."""
        return run(self.program, "--socket", self.socket, *words, check=check, timeout=timeout, input=input)

    def json(self, *words):
        return json.loads(self.run(*words, "--json").stdout)

    def log_text(self):
        return self.process.output.decode("utf-8", "replace")

    def remove_store(self):
        shutil.rmtree(self.config["store"], ignore_errors=True)


def server_dhcp(lab, first=100, last=199, **extra):
    network = lab.server_address.rsplit(".", 1)[0]
    return {"mode": "server", "subnets": [{"subnet": f"{network}.0/24", "range": f"{network}.{first}-{network}.{last}",
                                           "router": lab.server_address, "lease_seconds": 3600, **extra}]}
