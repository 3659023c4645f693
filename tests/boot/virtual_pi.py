#!/usr/bin/python3
"""Boots as a Raspberry Pi does, up to the moment the kernel would run.

    virtual_pi.py --interface eth0 --mac dc:a6:32:aa:bb:cc --serial 1234abcd --output DIR

DHCP and TFTP go over the interface exactly as a Pi's boot loader sends them. In DIR then lie the files under
files/, transcript.json (every step with its time) and boot.json (kernel, initramfs, command line, lease).
Each step is also a line of JSON on standard output. The exit status is 1, and the reason is on standard error,
where a real Pi would not have got further.
"""

import argparse
import json
import os
import pathlib
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from pi import Refused, firmware  # noqa: E402
from pi.wire import Wire  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description="the network boot loader of a Raspberry Pi")
    parser.add_argument("--interface", required=True)
    parser.add_argument("--mac", required=True, type=lambda text: bytes.fromhex(text.replace(":", "").replace("-", "")))
    parser.add_argument("--serial", required=True, type=lambda text: int(text, 16))
    parser.add_argument("--revision", default=0xC03111, type=lambda text: int(text, 16))
    parser.add_argument("--model", choices=("pi4", "pi3"), default="pi4")
    parser.add_argument("--prefix", default="serial", help="serial, mac, none, or the text itself (with its slash)")
    parser.add_argument("--firmware-blksize", type=int, default=firmware.PI4_EEPROM_BLKSIZE)
    parser.add_argument("--dhcp-limit", type=float, default=45.0, help="seconds (a Pi 4's DHCP_TIMEOUT)")
    parser.add_argument("--file-limit", type=float, default=30.0, help="seconds (TFTP_FILE_TIMEOUT)")
    parser.add_argument("--output", required=True, type=pathlib.Path)
    return parser.parse_args()


class Transcript:
    def __init__(self):
        self.begun = time.monotonic()
        self.events = []

    def note(self, event, **details):
        entry = {"seconds": round(time.monotonic() - self.begun, 4), "event": event, **details}
        self.events.append(entry)
        print(json.dumps(entry), flush=True)


def make_wire(options):
    if options.model == "pi3":
        return Wire(options.interface, options.mac, ttl=128, udp_checksums=False, constant_ip_id=True, answers_arp=False)
    return Wire(options.interface, options.mac)


def save(output, boot, transcript, refused):
    (output / "transcript.json").write_text(json.dumps(transcript.events, indent=1) + "\n")
    for name, data in boot.files.items():
        path = output / "files" / name.lstrip("/").replace("..", "_")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    if refused is None:
        config, files = boot.config, output / "files"
        cmdline = boot.files[config.cmdline].decode().splitlines()
        summary = {"kernel": str(files / config.kernel),
                   "initramfs": str(files / config.initramfs_file) if config.initramfs_file else None,
                   "cmdline": cmdline[0].strip() if cmdline else "", "lease": boot.lease.describe()}
        (output / "boot.json").write_text(json.dumps(summary, indent=1) + "\n")


def main():
    options = arguments()
    options.output.mkdir(parents=True, exist_ok=True)
    transcript = Transcript()
    wire = make_wire(options)
    board = firmware.Board(options.model, options.mac, options.serial, options.revision, options.prefix)
    boot = firmware.Boot(wire, board, transcript.note, options.firmware_blksize, options.dhcp_limit, options.file_limit)
    refused = None
    try:
        boot.run()
    except Refused as reason:
        refused = reason
        transcript.note("refused", reason=str(reason))
    finally:
        wire.close()
        save(options.output, boot, transcript, refused)
    if refused:
        print(f"virtual-pi: {refused}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
