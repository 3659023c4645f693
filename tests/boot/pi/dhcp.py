"""What a Pi says in DHCP, byte for byte, and which answers it takes.

Codec and decisions only; `exchange` is the one function that waits on a wire.
"""

import random
import socket
import struct
import time

from . import Refused

COOKIE = b"\x63\x82\x53\x63"
BROADCAST_MAC = b"\xff" * 6
BROADCAST = b"\xff" * 4
DISCOVER, OFFER, REQUEST, ACK, NAK = 1, 2, 3, 5, 6
VENDOR_CLASS = b"PXEClient:Arch:00000:UNDI:002001"
CONSTANT_XID = 0x26F30339
MAGIC_TEXT = b"Raspberry Pi Boot"
NULL = bytes(4)

PARAMETERS_PI4 = bytes([1, 3, 43, 60, 66, 67, 128, 129, 130, 131, 132, 133, 134, 135])
PARAMETERS_PI3_ROM = bytes([43, 60, 67, 128, 129, 130, 131, 132, 133, 134, 135, 66])
PARAMETERS_PI3 = PARAMETERS_PI3_ROM + bytes([1, 3])


def uuid_pi4(mac, serial, revision, fourcc=b"RPi4"):
    return b"\0" + fourcc + struct.pack("<I", revision) + mac[2:] + struct.pack("<I", serial)


def uuid_pi3(serial):
    return b"\0" + struct.pack("<I", serial) * 4


UUID_PI3_ROM = b"\0" + b"\x44" * 16


class Profile:
    """How one boot stage asks. `retry_seconds` and `limit_seconds` are its patience."""

    def __init__(self, parameters, uuid, sends_request, constant_xid, retry_seconds, limit_seconds, spaces_needed=False):
        self.parameters = parameters
        self.uuid = uuid
        self.sends_request = sends_request
        self.constant_xid = constant_xid
        self.retry_seconds = retry_seconds
        self.limit_seconds = limit_seconds
        self.spaces_needed = spaces_needed


def option(code, data):
    return bytes([code, len(data)]) + data


def encode(mac, xid, kind, profile, requested=None, server=None):
    """The UDP payload of a DISCOVER or REQUEST."""
    header = struct.pack("!BBBBIHH4s4s4s4s16s64s128s", 1, 1, 6, 0, xid, 0, 0, NULL, NULL, NULL, NULL, mac, b"", b"")
    options = option(53, bytes([kind]))
    if requested:
        options += option(50, requested) + option(54, server)
    options += option(55, profile.parameters) + option(93, b"\0\0") + option(94, b"\1\2\1")
    options += option(97, profile.uuid) + option(60, VENDOR_CLASS) + b"\xff"
    return header + COOKIE + options


class Reply:
    """A decoded answer. `flaw` is why a Pi ignores it, None when it does not."""

    def __init__(self, payload):
        self.flaw = None
        self.options = {}
        if len(payload) < 244 or payload[236:240] != COOKIE:
            raise ValueError("not a DHCP message")
        self.op, _, _, self.hops, self.xid = struct.unpack_from("!BBBBI", payload)
        self.yiaddr, self.siaddr = payload[16:20], payload[20:24]
        self.chaddr = payload[28:34]
        self.length = len(payload)
        self._decode_options(payload[240:])

    def _decode_options(self, data):
        at = 0
        while at < len(data) and data[at] != 255:
            if data[at] == 0:
                self.flaw = "pad bytes stand between its options (firmware before 2020-01-17 stops there)"
                at += 1
                continue
            if at + 2 > len(data) or at + 2 + data[at + 1] > len(data):
                self.flaw = "its options run over the end of the packet"
                return
            self.options[data[at]] = data[at + 2:at + 2 + data[at + 1]]
            at += 2 + data[at + 1]
        if at >= len(data):
            self.flaw = "its options have no end mark"

    @property
    def kind(self):
        return (self.options.get(53) or b"\0")[0]

    @property
    def server(self):
        return self.options.get(54, NULL)


def menu_text(option_43):
    """The text of every boot menu entry (sub-option 9) in an option 43, joined; empty where there is none."""
    text, at = b"", 0
    while at + 2 <= len(option_43) and option_43[at] != 255:
        code, length = option_43[at], option_43[at + 1]
        if code == 0:
            at += 1
            continue
        if code == 9:
            text += option_43[at + 2:at + 2 + length]
        at += 2 + length
    return text


def dotted_quad(text):
    """Four bytes, or None: a Pi has no resolver and takes nothing but digits and dots."""
    try:
        address = socket.inet_pton(socket.AF_INET, text.decode("ascii"))
    except (OSError, UnicodeDecodeError, ValueError):
        return None
    return address


def boot_server(reply, spaces_needed):
    """(address, why) of the TFTP server a reply names, or (None, why not)."""
    named = reply.options.get(66)
    if named is not None and not spaces_needed:
        address = dotted_quad(named)
        if address:
            return address, "option 66"
    if not reply.options.get(60, b"").startswith(b"PXEClient"):
        return None, "no usable option 66, and no option 60 PXEClient"
    text = menu_text(reply.options.get(43, b""))
    wanted = MAGIC_TEXT + b"   " if spaces_needed else MAGIC_TEXT
    if wanted not in text:
        return None, f"option 43 has no boot menu entry '{wanted.decode()}'"
    if reply.siaddr != NULL:
        return reply.siaddr, "siaddr"
    if reply.server != NULL:
        return reply.server, "option 54"
    return None, "neither siaddr nor option 54 names a server"


class Lease:
    def __init__(self):
        self.address = self.netmask = self.router = self.dhcp_server = self.tftp_server = None
        self.tftp_source = None

    def hop(self):
        """Whom to ask by ARP on the way to the TFTP server."""
        mask = int.from_bytes(self.netmask, "big")
        if (int.from_bytes(self.address, "big") ^ int.from_bytes(self.tftp_server, "big")) & mask == 0:
            return self.tftp_server
        if not self.router:
            raise Refused("the TFTP server is in another subnet and the lease names no router")
        return self.router

    def describe(self):
        text = {name: socket.inet_ntoa(value) for name, value in vars(self).items() if isinstance(value, bytes)}
        text["tftp_source"] = self.tftp_source
        return text


class Offers:
    """Merges the offers of one exchange: one may bring the address, another the boot server."""

    def __init__(self, spaces_needed):
        self._spaces_needed = spaces_needed
        self.lease = Lease()
        self.reasons = []

    def add(self, reply):
        who = socket.inet_ntoa(reply.server)
        if reply.flaw:
            self.reasons.append(f"the offer of {who}: {reply.flaw}")
            return
        lease = self.lease
        if reply.yiaddr != NULL and lease.address is None:
            lease.address, lease.dhcp_server = reply.yiaddr, reply.server
            lease.netmask = reply.options.get(1, b"\xff\xff\xff\0")
            lease.router = reply.options.get(3, NULL)[:4]
            lease.router = lease.router if lease.router != NULL else None
        server, why = boot_server(reply, self._spaces_needed)
        if server and lease.tftp_server is None:
            lease.tftp_server, lease.tftp_source = server, why
        if not server:
            self.reasons.append(f"the offer of {who}: {why}")

    def complete(self):
        return self.lease.address is not None and self.lease.tftp_server is not None

    def refusal(self):
        if self.lease.address is None and self.lease.tftp_server is None and not self.reasons:
            return "no DHCP offer came"
        missing = "no address was offered" if self.lease.address is None else "no offer names a boot server"
        return "; ".join([missing] + sorted(set(self.reasons)))


def _replies(wire, mac, xid, kinds, deadline):
    """Answers to us until the deadline, one by one."""
    while True:
        datagram = wire.receive(deadline)
        if datagram is None:
            return
        if datagram.destination_port != 68 or datagram.source_port != 67:
            continue
        try:
            reply = Reply(datagram.payload)
        except ValueError:
            continue
        if reply.op == 2 and reply.xid == xid and reply.chaddr == mac and reply.kind in kinds:
            yield reply


def exchange(wire, profile, note):
    """A whole DHCP exchange: returns a Lease, raises Refused. note(event, **details) hears of each packet."""
    xid = CONSTANT_XID if profile.constant_xid else random.getrandbits(32)
    limit = time.monotonic() + profile.limit_seconds
    offers = Offers(profile.spaces_needed)
    while not offers.complete():
        if time.monotonic() >= limit:
            raise Refused(offers.refusal())
        note("dhcp-discover", xid=f"{xid:08x}")
        wire.send_udp(BROADCAST_MAC, BROADCAST, 68, 67, encode(wire.mac, xid, DISCOVER, profile))
        until = min(limit, time.monotonic() + profile.retry_seconds)
        for reply in _replies(wire, wire.mac, xid, (OFFER,), until):
            note("dhcp-offer", server=socket.inet_ntoa(reply.server), yiaddr=socket.inet_ntoa(reply.yiaddr),
                 siaddr=socket.inet_ntoa(reply.siaddr), options=sorted(reply.options), flaw=reply.flaw)
            offers.add(reply)
            if offers.complete():
                break
    if profile.sends_request:
        _confirm(wire, profile, xid, offers.lease, limit, note)
    wire.address = offers.lease.address
    return offers.lease


def _confirm(wire, profile, xid, lease, limit, note):
    packet = encode(wire.mac, xid, REQUEST, profile, lease.address, lease.dhcp_server)
    while time.monotonic() < limit:
        note("dhcp-request", address=socket.inet_ntoa(lease.address))
        wire.send_udp(BROADCAST_MAC, BROADCAST, 68, 67, packet)
        until = min(limit, time.monotonic() + profile.retry_seconds)
        for reply in _replies(wire, wire.mac, xid, (ACK, NAK), until):
            if reply.server != lease.dhcp_server:
                continue
            if reply.kind == NAK:
                raise Refused("the DHCP server took its offer back (NAK)")
            if reply.yiaddr != lease.address:
                raise Refused(f"offered {socket.inet_ntoa(lease.address)}, acknowledged {socket.inet_ntoa(reply.yiaddr)}")
            note("dhcp-ack", address=socket.inet_ntoa(lease.address))
            return
    raise Refused("no acknowledgement came for the DHCP request")
