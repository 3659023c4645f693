"""Bootloader images of our own making, by the description of their format; nobody's code is in them."""

import struct

FIRST, FILE, PADDING, CODE = 0x55AAF00F, 0x55AAF11F, 0x55AAFEEF, 0x55AAF33F
FACTORY = b"[all]\nBOOT_UART=0\nBOOT_ORDER=0xf41\n"


def section(magic, content):
    whole = struct.pack(">II", magic, len(content)) + content
    return whole + b"\xff" * (-len(whole) % 8)


def named(name, content):
    return section(FILE, name.encode().ljust(16, b"\0") + content)


def padding(used, until):
    return section(PADDING, b"\xff" * (until - used - 8))


def image_2711(config=FACTORY):
    flash = section(FIRST, b"\x5a" * 3001) + named("pubkey.bin", bytes(range(256)) + b"\x03" * 8)
    flash += padding(len(flash), 0x10000) + named("bootconf.txt", config)
    flash += padding(len(flash), 0x11000) + section(CODE, b"\xa5" * 77777)
    return flash.ljust(512 * 1024, b"\xff")


def config_in(flash):
    """What bootconf.txt says, found by walking the sections."""
    at = 0
    while True:
        magic, length = struct.unpack_from(">II", flash, at)
        assert magic & 0xFFFFF00F == FIRST, hex(at)
        if magic == FILE and flash[at + 8:at + 20].rstrip(b"\0") == b"bootconf.txt":
            return flash[at + 24:at + 8 + length]
        at = (at + 8 + length + 7) // 8 * 8
