"""The wire below DHCP and TFTP: Ethernet, ARP, IPv4 and UDP on one packet socket.

The interface carries no address, so the kernel neither answers ARP nor sends ICMP in the Pi's place.
IP fragments are not put together: a boot ROM drops them too.
"""

import select
import socket
import struct
import time

from . import Refused

ETH_P_ALL = 3
ETH_P_IP = 0x0800
ETH_P_ARP = 0x0806
SOL_PACKET = 263
PACKET_AUXDATA = 8
TP_STATUS_CSUMNOTREADY = 8
PACKET_OUTGOING = 4
BROADCAST = b"\xff" * 6
ARP_TRIES = 5


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def udp_packet(source, destination, source_port, destination_port, payload, ttl, ip_id, with_checksum):
    """An IPv4 packet as bytes. Addresses are 4 bytes."""
    length = 8 + len(payload)
    udp = struct.pack("!HHHH", source_port, destination_port, length, 0)
    if with_checksum:
        pseudo = source + destination + struct.pack("!BBH", 0, 17, length)
        udp = udp[:6] + struct.pack("!H", checksum(pseudo + udp + payload) or 0xFFFF)
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + length, ip_id, 0, ttl, 17, 0, source, destination)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + udp + payload


class Datagram:
    """A UDP datagram that came in."""

    __slots__ = ("source_mac", "destination_mac", "source", "destination", "source_port", "destination_port", "payload")


class Wire:
    """One network card. `address` stays None until DHCP has given one."""

    def __init__(self, interface, mac, ttl=64, udp_checksums=True, constant_ip_id=False, answers_arp=True):
        self.mac = mac
        self.address = None
        self.neighbours = {}
        self._ttl = ttl
        self._udp_checksums = udp_checksums
        self._constant_ip_id = constant_ip_id
        self._answers_arp = answers_arp
        self._ip_id = 0x1000
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.bind((interface, ETH_P_ALL))
        self._socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self._socket.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    def close(self):
        self._socket.close()

    def send_udp(self, destination_mac, destination, source_port, destination_port, payload):
        self._ip_id = 0 if self._constant_ip_id else (self._ip_id + 1) & 0xFFFF
        packet = udp_packet(self.address or bytes(4), destination, source_port, destination_port, payload,
                            self._ttl, self._ip_id, self._udp_checksums)
        self._socket.send(destination_mac + self.mac + struct.pack("!H", ETH_P_IP) + packet)

    def receive(self, deadline):
        """The next UDP datagram for us (or broadcast), None at the deadline (time.monotonic seconds)."""
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            try:
                frame, ancillary, _, address = self._socket.recvmsg(65536, 64)
            except BlockingIOError:
                self._poll.poll(left * 1000 + 1)
                continue
            if address[2] == PACKET_OUTGOING:
                continue
            datagram = self._take(frame, ancillary)
            if datagram:
                return datagram

    def _take(self, frame, ancillary):
        kind = struct.unpack_from("!H", frame, 12)[0]
        if kind == ETH_P_ARP:
            self._take_arp(frame[14:])
        if kind != ETH_P_IP or len(frame) < 42 or frame[0:6] not in (self.mac, BROADCAST):
            return None
        offset = 14 + (frame[14] & 15) * 4
        more_or_offset = struct.unpack_from("!H", frame, 20)[0] & 0x3FFF
        if frame[14] >> 4 != 4 or frame[23] != 17 or more_or_offset:
            return None
        datagram = Datagram()
        datagram.source, datagram.destination = frame[26:30], frame[30:34]
        if datagram.destination not in (self.address, b"\xff" * 4) and self.address is not None:
            return None
        datagram.source_port, datagram.destination_port, length, udp_sum = struct.unpack_from("!HHHH", frame, offset)
        if length < 8 or offset + length > len(frame):
            return None
        if not self._sum_is_right(frame, offset, length, udp_sum, ancillary):
            raise Refused(f"a packet from {socket.inet_ntoa(datagram.source)} has a wrong checksum")
        datagram.destination_mac, datagram.source_mac = frame[0:6], frame[6:12]
        datagram.payload = frame[offset + 8:offset + length]
        return datagram

    @staticmethod
    def _sum_is_right(frame, offset, length, udp_sum, ancillary):
        # A packet from the same host's kernel is not summed until it meets real hardware.
        for _, kind, data in ancillary:
            if kind == PACKET_AUXDATA and struct.unpack_from("=I", data)[0] & TP_STATUS_CSUMNOTREADY:
                return True
        if checksum(frame[14:offset]) != 0:
            return False
        pseudo = frame[26:34] + struct.pack("!BBH", 0, 17, length)
        return udp_sum == 0 or checksum(pseudo + frame[offset:offset + length]) == 0

    def _take_arp(self, arp):
        if len(arp) < 28:
            return
        operation = struct.unpack_from("!H", arp, 6)[0]
        sender_mac, sender, target = arp[8:14], arp[14:18], arp[24:28]
        if sender != bytes(4):
            self.neighbours[sender] = sender_mac
        if operation == 1 and target == self.address and self._answers_arp:
            self._send_arp(2, sender_mac, sender)

    def _send_arp(self, operation, target_mac, target):
        arp = struct.pack("!HHBBH6s4s6s4s", 1, ETH_P_IP, 6, 4, operation, self.mac, self.address,
                          target_mac if operation == 2 else bytes(6), target)
        self._socket.send((target_mac + self.mac + struct.pack("!H", ETH_P_ARP) + arp).ljust(60, b"\0"))

    def resolve(self, address):
        """The MAC address of a neighbour, asked for by ARP."""
        self.neighbours.pop(address, None)
        for _ in range(ARP_TRIES):
            self._send_arp(1, BROADCAST, address)
            deadline = time.monotonic() + 1
            while time.monotonic() < deadline:
                self.receive(min(deadline, time.monotonic() + 0.001))
                if address in self.neighbours:
                    return self.neighbours[address]
        raise Refused(f"nobody answers ARP for {socket.inet_ntoa(address)}")
