"""One TFTP transfer as a Pi does it: RRQ with tsize and blksize, lock-step, a limit per file.

A Pi 3's mask ROM sends no options at all; what follows it sends tsize only.
"""

import struct
import time

from . import Refused

RRQ, DATA, ACK, ERROR, OACK = 1, 3, 4, 5, 6
RETRY_SECONDS = 2.0
FIRST_PACKET_TRIES = 5
FILE_LIMIT_SECONDS = 30.0
EARLY_TERMINATE = struct.pack("!HH", ERROR, 0) + b"Early terminate\0"
# Firmware of 2021 counted a block that came twice as the next one. Only a re-send after a real timeout is legal.
DUPLICATE_SECONDS = 0.9


def request(name, blksize, with_tsize):
    packet = struct.pack("!H", RRQ) + name.encode() + b"\0octet\0"
    if with_tsize:
        packet += b"tsize\x000\0"
    if blksize:
        packet += b"blksize\0" + str(blksize).encode() + b"\0"
    return packet


def decode_options(payload):
    words = payload.split(b"\0")
    if words[-1] != b"" or len(words) % 2 == 0:
        raise Refused("an OACK that is not a list of name and value")
    words = [word.decode("ascii", "replace") for word in words[:-1]]
    return dict(zip((name.lower() for name in words[0::2]), words[1::2]))


class Result:
    """What became of one request: `status` is data, probed, missing or silent."""

    def __init__(self, name):
        self.name = name
        self.status = None
        self.data = b""
        self.tsize = None
        self.error = None
        self.seconds = 0.0

    def describe(self):
        return {"name": self.name, "status": self.status, "bytes": len(self.data), "tsize": self.tsize,
                "error": self.error, "took": round(self.seconds, 4)}


class Client:
    """Asks one server, each request from the next port."""

    def __init__(self, wire, server, server_mac, first_port, blksize, with_tsize=True,
                 file_limit_seconds=FILE_LIMIT_SECONDS):
        self._wire = wire
        self._server = server
        self._server_mac = server_mac
        self._port = first_port
        self._asked_blksize = blksize
        self._with_tsize = with_tsize
        self.limit_seconds = file_limit_seconds

    def probe(self, name):
        """Asks for a file and stops after the first packet: only whether it is there."""
        return self._fetch(name, probe=True)

    def get(self, name):
        return self._fetch(name, probe=False)

    def _fetch(self, name, probe):
        transfer = Transfer(self, name, probe)
        begun = time.monotonic()
        transfer.run(begun + self.limit_seconds)
        transfer.result.seconds = time.monotonic() - begun
        self._port += 1
        return transfer.result

    def send(self, peer_port, packet):
        self._wire.send_udp(self._server_mac, self._server, self._port, peer_port, packet)

    def receive(self, deadline):
        while True:
            datagram = self._wire.receive(deadline)
            if datagram is None:
                return None, None
            if datagram.destination_port == self._port and datagram.source == self._server and len(datagram.payload) >= 4:
                return datagram.source_port, datagram.payload

    def first_request(self, name):
        return request(name, self._asked_blksize, self._with_tsize)

    def check_options(self, options):
        asked = {"tsize"} if self._with_tsize else set()
        if self._asked_blksize:
            asked.add("blksize")
        if set(options) - asked:
            raise Refused(f"an OACK with options nobody asked for: {', '.join(sorted(set(options) - asked))}")
        blksize = int(options.get("blksize", 512))
        if not 8 <= blksize <= max(self._asked_blksize or 512, 512):
            raise Refused(f"an OACK with blksize {blksize}, asked for {self._asked_blksize}")
        return blksize, int(options["tsize"]) if "tsize" in options else None


class Transfer:
    """The state of one file: the peer's port once known, the block expected next."""

    def __init__(self, client, name, probe):
        self.result = Result(name)
        self._client = client
        self._probe = probe
        self._peer = None
        self._blksize = 512
        self._next = 1
        self._parts = []
        self._last_sent = None
        self._last_data_at = 0.0

    def run(self, limit):
        self._last_sent = self._client.first_request(self.result.name)
        self._client.send(69, self._last_sent)
        silences = 0
        while self.result.status is None:
            now = time.monotonic()
            if now >= limit:
                self._give_up()
                return
            port, packet = self._client.receive(min(limit, now + RETRY_SECONDS))
            if packet is None:
                silences += 1
                if self._peer is None and silences >= FIRST_PACKET_TRIES:
                    self.result.status = "silent"
                    return
                self._client.send(self._peer or 69, self._last_sent)
                continue
            if self._peer is None or port == self._peer:
                self._peer = port
                self._take(packet)

    def _give_up(self):
        if self._peer is not None:
            self._client.send(self._peer, EARLY_TERMINATE)
        raise Refused(f"{self.result.name}: not complete within the limit of {self._client.limit_seconds:.0f} s per file "
                      f"({sum(map(len, self._parts))} of {self.result.tsize} bytes came)")

    def _take(self, packet):
        opcode, number = struct.unpack_from("!HH", packet)
        if opcode == ERROR:
            text = packet[4:].split(b"\0")[0].decode("utf-8", "replace")
            self.result.status, self.result.error = "missing", f"{number}: {text}"
        elif opcode == OACK:
            self._take_oack(packet)
        elif opcode == DATA:
            self._take_data(number, packet[4:])

    def _take_oack(self, packet):
        if self._parts:
            return
        self._blksize, self.result.tsize = self._client.check_options(decode_options(packet[2:]))
        if self._probe:
            self._stop_probe()
        else:
            self._send(struct.pack("!HH", ACK, 0))

    def _take_data(self, number, data):
        if self._probe:
            self._stop_probe()
            return
        now = time.monotonic()
        if number != self._next & 0xFFFF:
            if now - self._last_data_at < DUPLICATE_SECONDS:
                raise Refused(f"{self.result.name}: block {number} came when {self._next} was due "
                              "(a start4.elf of 2021 hangs on a block sent twice)")
            self._client.send(self._peer, self._last_sent)
            return
        if len(data) > self._blksize:
            raise Refused(f"{self.result.name}: a block of {len(data)} bytes, agreed were {self._blksize}")
        if self._next > 0xFFFF:
            raise Refused(f"{self.result.name}: needs more than 65535 blocks of {self._blksize} bytes")
        self._last_data_at = now
        self._parts.append(data)
        self._next += 1
        self._send(struct.pack("!HH", ACK, number))
        if len(data) < self._blksize:
            self._finish()

    def _send(self, packet):
        self._last_sent = packet
        self._client.send(self._peer, packet)

    def _stop_probe(self):
        self._client.send(self._peer, EARLY_TERMINATE)
        self.result.status = "probed"

    def _finish(self):
        self.result.data = b"".join(self._parts)
        self.result.status = "data"
        if self.result.tsize is not None and self.result.tsize != len(self.result.data):
            raise Refused(f"{self.result.name}: tsize said {self.result.tsize} bytes, {len(self.result.data)} came")
