"""NFS spoken by hand: ONC RPC over TCP and UDP, and COMPOUNDs of version 4.1, exactly as a test wants them.

An operation is a pair of its number and its arguments as bytes. `Session.compound` puts SEQUENCE in front. Results
come back as (operation, status, reader), the reader standing at the operation's result.
"""

import itertools
import os
import socket
import struct

OK = 0
LAST = object()
ROOT = 0


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def bytes(self, count):
        piece = self.data[self.at:self.at + count]
        assert len(piece) == count, "the answer is too short"
        self.at += count
        return piece

    def u32(self):
        return struct.unpack(">I", self.bytes(4))[0]

    def u64(self):
        return struct.unpack(">Q", self.bytes(8))[0]

    def opaque(self):
        length = self.u32()
        value = self.bytes(length)
        self.bytes(-length % 4)
        return value

    def bitmap(self):
        words = [self.u32() for _ in range(self.u32())]
        return {32 * i + bit for i, word in enumerate(words) for bit in range(32) if word >> bit & 1}

    def left(self):
        return len(self.data) - self.at


def u32(*values):
    return struct.pack(f">{len(values)}I", *values)


def u64(*values):
    return struct.pack(f">{len(values)}Q", *values)


def opaque(value):
    value = value.encode() if isinstance(value, str) else value
    return u32(len(value)) + value + bytes(-len(value) % 4)


def bitmap(*bits):
    words = [0] * (max(bits, default=-1) // 32 + 1)
    for bit in bits:
        words[bit // 32] |= 1 << bit % 32
    return u32(len(words), *words)


def credential(uid=0, gid=0, groups=(), name="machine"):
    body = u32(0) + opaque(name) + u32(uid, gid, len(groups), *groups)
    return u32(1) + opaque(body) + u32(0, 0)


NOBODY = u32(0, 0, 0, 0)


class Refused(Exception):
    """An RPC that was not accepted, or not run."""


class Rpc:
    """One connection (or, with `udp`, one socket)."""

    xids = itertools.count(int.from_bytes(os.urandom(3), "big"))

    def __init__(self, port, address="127.0.0.1", udp=False, source=None, timeout=10):
        self.udp = udp
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect((address, port))

    def close(self):
        self.socket.close()

    def send(self, message):
        self.socket.sendall(message if self.udp else u32(1 << 31 | len(message)) + message)

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise ConnectionError("closed")
            data += piece
        return data

    def receive(self):
        if self.udp:
            return self.socket.recv(65536)
        mark = struct.unpack(">I", self._exactly(4))[0]
        assert mark >> 31, "one fragment was expected"
        return self._exactly(mark & 0x7fffffff)

    def message(self, program, version, procedure, arguments=b"", cred=None, xid=None):
        return u32(next(self.xids) if xid is None else xid, 0, 2, program, version, procedure) + \
            (credential() if cred is None else cred) + arguments

    def call(self, *what, **how):
        message = self.message(*what, **how)
        self.send(message)
        return accepted(self.receive(), message[:4])


def accepted(reply, xid):
    r = Reader(reply)
    assert r.bytes(4) == xid and r.u32() == 1
    if r.u32() != 0:
        raise Refused("denied", *[r.u32() for _ in range(r.left() // 4)])
    r.u32(), r.opaque()
    status = r.u32()
    if status:
        raise Refused(status, *[r.u32() for _ in range(r.left() // 4)])
    return r


# ---- operations ----

PUTROOTFH, GETFH, SAVEFH, RESTOREFH, LOOKUPP, READLINK = ((n, b"") for n in (24, 10, 32, 31, 16, 27))


def putfh(handle):
    return 22, opaque(handle)


def lookup(name):
    return 15, opaque(name)


def getattr_(*attributes):
    return 9, bitmap(*attributes)


def setattr_(stateid, values):
    return 34, stateid + values


def fattr(*pairs):
    """(number, value as bytes), in order."""
    return bitmap(*[number for number, _ in pairs]) + opaque(b"".join(value for _, value in pairs))


def mode(value=0o644):
    return fattr((33, u32(value)))


def size(value):
    return fattr((4, u64(value)))


def create(name, kind, values=None, more=b""):
    return 6, u32(kind) + more + opaque(name) + (mode(0o755) if values is None else values)


DIRECTORY, BLOCK, CHARACTER, SYMLINK, SOCKET, FIFO = 2, 3, 4, 5, 6, 7


def remove(name):
    return 28, opaque(name)


def rename(old, new):
    return 29, opaque(old) + opaque(new)


def link(name):
    return 11, opaque(name)


def readdir(*attributes, cookie=0, dircount=8192, maxcount=8192):
    return 26, u64(cookie, 0) + u32(dircount, maxcount) + bitmap(*attributes)


READ_ACCESS, WRITE_ACCESS, BOTH = 1, 2, 3
UNCHECKED, GUARDED, EXCLUSIVE, EXCLUSIVE_1 = 0, 1, 2, 3


def open_(name=None, access=BOTH, deny=0, owner="owner", how=None, values=None, verifier=bytes(8), claim=None):
    """`how` None opens what exists; without a name it is the current object that is claimed."""
    arguments = u32(0, access, deny) + u64(0) + opaque(owner)
    if how is None:
        arguments += u32(0)
    else:
        arguments += u32(1, how)
        arguments += verifier if how in (EXCLUSIVE, EXCLUSIVE_1) else b""
        arguments += b"" if how == EXCLUSIVE else mode() if values is None else values
    if claim is None:
        claim = u32(0) + opaque(name) if name is not None else u32(4)
    return 18, arguments + claim


RECLAIM = u32(1, 0)


def close(stateid):
    return 4, u32(0) + stateid


def open_downgrade(stateid, access, deny=0):
    return 21, stateid + u32(0, access, deny)


def read(stateid, offset=0, count=65536):
    return 25, stateid + u64(offset) + u32(count)


def write(stateid, data, offset=0, stable=2):
    return 38, stateid + u64(offset) + u32(stable) + opaque(data)


def commit():
    return 5, u64(0) + u32(0)


def lock(stateid, offset=0, length=2**64 - 1, write=True, owner="locker", new=True, reclaim=False):
    arguments = u32(2 if write else 1, reclaim) + u64(offset, length) + u32(new)
    return 12, arguments + (u32(0) + stateid + u32(0) + u64(0) + opaque(owner) if new else stateid + u32(0))


def lockt(offset=0, length=2**64 - 1, write=True, owner="locker"):
    return 13, u32(2 if write else 1) + u64(offset, length) + u64(0) + opaque(owner)


def locku(stateid, offset=0, length=2**64 - 1):
    return 14, u32(2, 0) + stateid + u64(offset, length)


def free_stateid(stateid):
    return 45, stateid


def examine_stateids(*stateids):
    return 55, u32(len(stateids)) + b"".join(stateids)


def reclaim_complete(one_fs=False):
    return 58, u32(one_fs)


def exchange_id(owner, verifier=bytes(8), flags=0, implementation=b"", protection=0):
    return 42, verifier + opaque(owner) + u32(flags, protection) + u32(bool(implementation)) + implementation


def channel(request=65536, response=65536, cached=8192, operations=32, requests=8):
    return u32(0, request, response, cached, operations, requests, 0)


def create_session(client_id, sequence, flags=0, fore=None, back=None, security=None):
    return 43, u64(client_id) + u32(sequence, flags) + (fore or channel()) + (back or channel(4096, 4096)) + u32(0x40000000) + \
        (u32(1, 0) if security is None else security)


def destroy_session(session_id):
    return 44, session_id


def destroy_clientid(client_id):
    return 57, u64(client_id)


def sequence(session_id, number, slot=0, highest=0, cache=False):
    return 53, session_id + u32(number, slot, highest, cache)


ANONYMOUS = bytes(16)
BYPASS = b"\xff" * 16
CURRENT = u32(1) + bytes(12)


class Result:
    """What a COMPOUND came to."""

    def __init__(self, reader):
        self.status = reader.u32()
        self.tag = reader.opaque()
        self.count = reader.u32()
        self.raw = reader.bytes(reader.left())

    def last(self):
        """The last operation's number; only what comes before the results of successful ones need be known."""
        return struct.unpack(">I", self.raw[:4])[0]


class Client:
    """Calls of version 4.1 on one connection."""

    def __init__(self, port, **how):
        self.rpc = Rpc(port, **how)

    def compound(self, *operations, minor=1, cred=None, tag=b""):
        arguments = opaque(tag) + u32(minor, len(operations)) + b"".join(u32(n) + a for n, a in operations)
        return Result(self.rpc.call(100003, 4, 1, arguments, cred=cred))

    def exchange_id(self, owner, cred=None, **how):
        result = self.compound(exchange_id(owner, **how), cred=cred)
        if result.status:
            return result.status, None, None, None
        r = Reader(result.raw[8:])
        return OK, r.u64(), r.u32(), r.u32()

    def create_session(self, client_id, number, cred=None, **how):
        result = self.compound(create_session(client_id, number, **how), cred=cred)
        if result.status:
            return result.status, None
        return OK, result.raw[8:]

    def session(self, owner, complete=True, cred=None, verifier=None, **how):
        status, client_id, number, _ = self.exchange_id(owner, cred=cred, verifier=verifier or os.urandom(8))
        assert status == OK
        status, raw = self.create_session(client_id, number, cred=cred, **how)
        assert status == OK
        session = Session(self, client_id, raw, cred)
        session.next_sequence = number + 1
        if complete:
            assert session.compound(reclaim_complete()).status == OK
        return session


class Session:
    def __init__(self, client, client_id, raw, cred):
        r = Reader(raw)
        self.client, self.client_id, self.cred = client, client_id, cred
        self.id = r.bytes(16)
        self.created_by = r.u32()
        r.u32()
        self.fore = [r.u32() for _ in range(7)][:6]
        self.numbers = {}

    def compound(self, *operations, slot=0, cache=False, again=False, cred=None, tag=b""):
        """With `again` the last request of the slot is sent once more."""
        number = self.numbers.get(slot, 0) + (0 if again else 1)
        result = self.client.compound(sequence(self.id, number, slot, slot, cache), *operations,
                                      cred=cred or self.cred, tag=tag)
        first = Reader(result.raw)
        if first.u32() == 53 and first.u32() == OK:
            self.numbers[slot] = number
            result.raw = result.raw[44:]
        return result

    def at(self, path, *operations, **how):
        """Operations on the object at a path, which begins at the root."""
        return self.compound(PUTROOTFH, *[lookup(name) for name in path], *operations, **how)

    def handle(self, path):
        result = self.at(path, GETFH)
        assert result.status == OK, result.status
        return Reader(result.raw[8 * (len(path) + 1) + 8:]).opaque()

    def on(self, handle, *operations, **how):
        """Operations on a handle; the results of PUTFH are left away."""
        result = self.compound(putfh(handle), *operations, **how)
        if result.count > 2:
            result.raw = result.raw[8:]
        return result

    def open(self, directory, name, **how):
        """Opens a file in a directory's handle; gives status, stateid, handle."""
        result = self.on(directory, open_(name, **how), GETFH)
        if result.status:
            return result.status, None, None
        r = Reader(result.raw)
        r.u32(), r.u32()
        stateid = r.bytes(16)
        r.bytes(4 + 8 + 8 + 4)
        r.bitmap()
        if r.u32() == 3 and r.u32() == 2:
            r.u32()
        r.u32(), r.u32()
        return OK, stateid, r.opaque()

    def opened(self, directory, name, **how):
        how.setdefault("how", UNCHECKED)
        status, stateid, handle = self.open(directory, name, **how)
        assert status == OK, status
        return stateid, handle

    def stateid_of(self, handle, operation):
        """Of an operation whose result is a stateid: its status and that."""
        result = self.on(handle, operation)
        return (OK, result.raw[8:24]) if result.status == OK else (result.status, None)
