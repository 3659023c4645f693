"""An iSCSI initiator spoken by hand, for what no tool can be made to do. Alone in its file: it runs in a client's namespace.

Its CHAP is written from RFC 1994 and RFC 7143 with hashlib, and shares nothing with what it tests.
"""

import base64
import hashlib
import os
import socket
import struct

DIGESTS = {5: "md5", 6: "sha1", 7: "sha256", 8: "sha3_256"}
NO_TAG = 0xffffffff
LINUX_ISID = b"\x00\x02\x3d\x00\x00\x01"


class Refused(Exception):
    """A login that the target answered with a status."""

    def __init__(self, status):
        super().__init__(f"login status {status:04x}")
        self.status = status


def chap_response(algorithm, identifier, secret, challenge):
    return hashlib.new(DIGESTS[algorithm], bytes([identifier]) + secret.encode() + challenge).digest()


def to_hex(value):
    return "0x" + value.hex()


def to_base64(value):
    return "0b" + base64.b64encode(value).decode()


def from_text(text):
    return base64.b64decode(text[2:]) if text[:2] in ("0b", "0B") else bytes.fromhex(text[2:])


class Initiator:
    def __init__(self, address, name, target=None, isid=LINUX_ISID, port=3260, timeout=5, source=None):
        self.name, self.target, self.isid, self.tsih = name, target, isid, 0
        self.socket = socket.create_connection((address, port), timeout, source and (source, 0))
        self.socket.settimeout(timeout)
        self.cmd_sn, self.exp_stat_sn, self.tag, self.answers = 1, 0, 0, {}

    def close(self):
        self.socket.close()

    # ---- PDUs ----

    def _receive(self, length):
        got = b""
        while len(got) < length:
            more = self.socket.recv(length - len(got))
            if not more:
                raise EOFError
            got += more
        return got

    def receive(self):
        """(header, data) of the next PDU."""
        header = self._receive(48)
        length = int.from_bytes(header[5:8], "big")
        return header, self._receive(length + -length % 4)[:length]

    def send(self, opcode, flags, data=b"", lun=bytes(8), tag=None, words=(), cdb=b"", detail=bytes(2)):
        """A request; `words` begin at byte 20, the CDB at byte 32."""
        if tag is None:
            tag = self.tag = self.tag + 1
        header = struct.pack(">BB2sB3s8sI", opcode, flags, detail, 0, len(data).to_bytes(3, "big"), lun, tag)
        header += b"".join(struct.pack(">I", word) for word in words)
        header = header.ljust(32, b"\0")[:32] + cdb if cdb else header
        self.socket.sendall(header.ljust(48, b"\0") + data + bytes(-len(data) % 4))
        return tag

    # ---- login ----

    def login_request(self, stage, next_stage=None, pairs=(), more=False):
        """One login request and its answer: (pairs, stage it is in now)."""
        text = pairs if isinstance(pairs, bytes) else b"".join(f"{key}={value}\0".encode() for key, value in pairs)
        flags = stage << 2 | (0x40 if more else 0) | (0x80 | next_stage if next_stage is not None else 0)
        self.send(0x43, flags, text, lun=self.isid + struct.pack(">H", self.tsih), words=(0, self.cmd_sn, self.exp_stat_sn))
        header, data = self.receive()
        status = header[36] << 8 | header[37]
        if status:
            raise Refused(status)
        self.exp_stat_sn = struct.unpack(">I", header[24:28])[0] + 1
        self.tsih = struct.unpack(">H", header[14:16])[0] or self.tsih
        moved = header[1] & 0x80
        answers = dict(pair.split("=", 1) for pair in data.decode().split("\0") if pair)
        self.answers.update(answers)
        return answers, header[1] & 3 if moved else header[1] >> 2 & 3

    def names(self):
        pairs = [("InitiatorName", self.name)]
        if self.target:
            return pairs + [("TargetName", self.target), ("SessionType", "Normal")]
        return pairs + [("SessionType", "Discovery")]

    def operational(self, pairs=()):
        wanted = {"HeaderDigest": "None", "DataDigest": "None", "MaxRecvDataSegmentLength": "262144"}
        if self.target:
            wanted |= {"InitialR2T": "No", "ImmediateData": "Yes"}
        wanted |= dict(pairs)
        _, stage = self.login_request(1, 3, list(wanted.items()))
        assert stage == 3
        return self

    def login(self, pairs=()):
        """Without authentication, in one request as Linux does."""
        self.login_request(1, 3, self.names() + [("HeaderDigest", "None"), ("DataDigest", "None"),
                                                 ("MaxRecvDataSegmentLength", "262144"), *pairs])
        return self

    def begin_chap(self, algorithms="5", methods="CHAP"):
        """As far as the target's challenge: (algorithm, identifier, challenge)."""
        answers, _ = self.login_request(0, None, self.names() + [("AuthMethod", methods)])
        assert answers["AuthMethod"] == "CHAP", answers
        answers, _ = self.login_request(0, None, [("CHAP_A", algorithms)])
        return int(answers["CHAP_A"]), int(answers["CHAP_I"]), from_text(answers["CHAP_C"])

    def login_chap(self, user, secret, algorithms="5", encode=to_hex, target_secret=None, challenge=None, identifier=255,
                   pairs=()):
        """The whole login; with `target_secret` the target must prove that it knows that."""
        algorithm, theirs, their_challenge = self.begin_chap(algorithms)
        request = [("CHAP_N", user), ("CHAP_R", encode(chap_response(algorithm, theirs, secret, their_challenge)))]
        if target_secret is not None:
            challenge = os.urandom(32) if challenge is None else challenge
            request += [("CHAP_I", str(identifier)), ("CHAP_C", encode(challenge))]
        answers, stage = self.login_request(0, 1, request)
        assert stage == 1
        if target_secret is not None:
            assert from_text(answers["CHAP_R"]) == chap_response(algorithm, identifier, target_secret, challenge)
        self.algorithm = algorithm
        return self.operational(pairs)

    # ---- full feature phase ----

    def command(self, cdb, flags=0x80, length=0, data=b"", tag=None):
        """Sends a SCSI command on LUN 0; returns its tag."""
        tag = self.send(0x01, flags, data, tag=tag, words=(length, self.cmd_sn, self.exp_stat_sn), cdb=cdb.ljust(16, b"\0"))
        self.cmd_sn += 1
        return tag

    def finish(self):
        """(status, data, sense) of the one command under way."""
        data = b""
        while True:
            header, part = self.receive()
            if header[0] & 0x3f == 0x25:
                data += part
                if header[1] & 1:
                    return header[3], data, b""
            else:
                assert header[0] & 0x3f == 0x21, header.hex()
                return header[3], data, part[2:]

    def run(self, cdb, flags=0x80, length=0, data=b""):
        self.command(cdb, flags, length, data)
        return self.finish()

    def nop(self, data=b""):
        tag = self.send(0x40, 0x80, data, words=(NO_TAG, self.cmd_sn, self.exp_stat_sn))
        header, answer = self.receive()
        assert header[0] & 0x3f == 0x20 and struct.unpack(">I", header[16:20])[0] == tag, header.hex()
        return answer

    def text(self, data, flags=0x80, transfer_tag=NO_TAG, tag=None):
        """One text request; (header, data) of its answer."""
        self.send(0x04, flags, data, tag=tag, words=(transfer_tag, self.cmd_sn, self.exp_stat_sn))
        self.cmd_sn += 1
        return self.receive()

    def send_targets(self, value="All"):
        header, data = self.text(f"SendTargets={value}\0".encode())
        assert header[0] & 0x3f == 0x24 and header[1] & 0x80
        return [tuple(pair.split("=", 1)) for pair in data.decode().split("\0") if pair]

    def logout(self, reason=0):
        self.send(0x46, 0x80 | reason, words=(0, self.cmd_sn, self.exp_stat_sn))

    def is_closed(self):
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
