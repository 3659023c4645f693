"""NFS version 4.1, COMPOUND by COMPOUND: what RFC 8881 says of clients, sessions, slots, opens, locks and names.

The service runs alone over folders of its own, on the loopback interface. What real clients make of it is in
test_nfs_clients.py.
"""

import os
import pathlib
import re
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from lab import find_program  # noqa: E402
from lab.nfs import *  # noqa: E402,F403
from lab.nfs import Client, Reader, Refused, Rpc  # noqa: E402
from lab.process import Process  # noqa: E402

# RFC 8881 15.1.
(PERM, NOENT, ACCESS, EXIST, XDEV, NOTDIR, ISDIR, INVAL, FBIG, ROFS, NAMETOOLONG, NOTEMPTY, STALE) = (
    1, 2, 13, 17, 18, 20, 21, 22, 27, 30, 63, 66, 70)
(BADHANDLE, BAD_COOKIE, NOTSUPP, TOOSMALL, BADTYPE, SAME, DENIED, LOCKED, GRACE, SHARE_DENIED, CLID_INUSE, NOFILEHANDLE) = (
    10001, 10003, 10004, 10005, 10007, 10009, 10010, 10012, 10013, 10015, 10017, 10020)
(MINOR_VERS_MISMATCH, STALE_CLIENTID, OLD_STATEID, BAD_STATEID, NOT_SAME, SYMLINK_, RESTOREFH_, ATTRNOTSUPP, NO_GRACE) = (
    10021, 10022, 10024, 10025, 10027, 10029, 10030, 10032, 10033)
(BADXDR, LOCKS_HELD, OPENMODE, BADOWNER, BADCHAR, BADNAME, OP_ILLEGAL, BADSESSION, BADSLOT, COMPLETE_ALREADY) = (
    10036, 10037, 10038, 10039, 10040, 10041, 10044, 10052, 10053, 10054)
(SEQ_MISORDERED, SEQUENCE_POS, REQ_TOO_BIG, REP_TOO_BIG, REP_TOO_BIG_TO_CACHE, RETRY_UNCACHED, TOO_MANY_OPS) = (
    10063, 10064, 10065, 10066, 10067, 10068, 10070)
(OP_NOT_IN_SESSION, CLIENTID_BUSY, FALSE_RETRY, BAD_HIGH_SLOT, NOT_ONLY_OP, WRONG_TYPE) = (
    10071, 10074, 10076, 10077, 10081, 10083)

UPDATE, CONFIRMED = 0x40000000, 0x80000000
ALICE, BOB = credential(1000, 1000), credential(1001, 1001)
PATH = ["srv", "tftp", "dc-a6-32-01-02-03"]
OTHER = ["srv", "tftp", "dc-a6-32-01-02-04"]
LEASE_SECONDS = 30


class Server:
    def __init__(self, directory):
        self.program = find_program().parent / "tests" / "nfs" / "nfs_folder"
        if not self.program.exists():
            self.program = find_program().parents[2] / "tests" / "nfs" / "nfs_folder"
        if not self.program.exists():
            pytest.skip("nfs_folder is not built")
        self.directory = directory
        self.port = 0
        self.process = None

    def start(self):
        self.process = Process([self.program, self.port, 0, self.directory, f"127.0.0.1:/{'/'.join(PATH)}:mapped",
                                f"127.0.0.2:/{'/'.join(OTHER)}:mapped", "*:/boot:root"], self.directory / "server.log")
        _, _, groups = self.process.wait_output(re.compile(rb"ready (\d+)"), 0, 10)
        self.port = int(groups[0])
        return self

    def kill(self):
        self.process.child.kill()
        self.process.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("nfs")).start()
    yield running
    assert running.process.stop() == 0


@pytest.fixture
def client(server):
    c = Client(server.port)
    yield c
    c.rpc.close()


@pytest.fixture
def session(client, request):
    return client.session(request.node.name)


@pytest.fixture
def home(session, request):
    """The handle of a directory of the test's own."""
    name = request.node.name[:200].replace("/", "_")
    result = session.at(PATH, create(name, DIRECTORY), GETFH)
    assert result.status in (OK, EXIST)
    return session.handle(PATH + [name])


def step_of(result):
    r = Reader(result.raw[8:])
    r.u32()
    return r.u64(), r.u64()


def attributes_of(session, handle, *numbers):
    result = session.on(handle, getattr_(*numbers))
    assert result.status == OK
    r = Reader(result.raw[8:])
    assert r.bitmap() == set(numbers)
    return Reader(r.opaque())


# ---- COMPOUND ----

def test_no_operations_is_good(client):
    assert client.compound().status == OK


def test_the_tag_comes_back(client):
    assert client.compound(tag=b"tag test").tag == b"tag test"


@pytest.mark.parametrize("minor", [0, 2, 50])
def test_other_minor_versions_have_no_results(client, minor):
    result = client.compound((10044, b""), minor=minor)
    assert (result.status, result.count) == (MINOR_VERS_MISMATCH, 0)


@pytest.mark.parametrize("number", [0, 1, 2, 59, 72, 10044, 0xffffffff])
def test_unknown_operations_are_illegal(client, number):
    result = client.compound((number, b""))
    assert (result.status, result.last()) == (OP_ILLEGAL, OP_ILLEGAL)


@pytest.mark.parametrize("number", [7, 8, 19, 20, 30, 35, 36, 39, 46, 47, 48, 49, 50, 51, 54, 56])
def test_known_operations_that_are_not_offered(session, number):
    result = session.compound((number, b""))
    assert (result.status, result.last()) == (NOTSUPP, number)


def test_garbage_is_refused_as_such(client):
    with pytest.raises(Refused) as refused:
        client.rpc.call(100003, 4, 1, b"\xff\xff\xff\xff")
    assert refused.value.args[0] == 4


def test_version_2_is_told_3_and_4(client):
    with pytest.raises(Refused) as refused:
        client.rpc.call(100003, 2, 0)
    assert refused.value.args == (2, 3, 4)


@pytest.mark.parametrize("program", [100227, 100021, 100011, 100000])
def test_other_programs_are_unavailable(client, program):
    with pytest.raises(Refused) as refused:
        client.rpc.call(program, 3, 0)
    assert refused.value.args[0] == 1


# ---- EXCHANGE_ID: the cases of 18.35.4 ----

V1, V2 = b"verifier", b"rebooted"


@pytest.mark.parametrize("verifier,cred", [(V2, BOB), (V2, ALICE), (V1, BOB), (V1, ALICE)])
def test_an_unconfirmed_record_is_replaced(client, request, verifier, cred):
    _, first, _, _ = client.exchange_id(request.node.name, verifier=V1, cred=ALICE)
    status, second, _, flags = client.exchange_id(request.node.name, verifier=verifier, cred=cred)
    assert status == OK and first != second and not flags & CONFIRMED


def test_a_confirmed_record_is_told_again(client, request):
    session = client.session(request.node.name, verifier=V1, cred=ALICE)
    status, client_id, number, flags = client.exchange_id(request.node.name, verifier=V1, cred=ALICE)
    assert (status, client_id, number) == (OK, session.client_id, session.next_sequence) and flags & CONFIRMED


def test_a_client_that_rebooted_loses_its_state_when_it_is_confirmed(client, request):
    old = client.session(request.node.name, verifier=V1)
    _, client_id, number, _ = client.exchange_id(request.node.name, verifier=V2)
    assert client_id != old.client_id and old.compound().status == OK
    assert client.create_session(client_id, number)[0] == OK
    assert old.compound().status == BADSESSION


@pytest.mark.parametrize("verifier", [V1, V2])
def test_another_principal_takes_over_what_has_no_state(client, request, verifier):
    old = client.session(request.node.name, verifier=V1, cred=ALICE)
    status, client_id, _, _ = client.exchange_id(request.node.name, verifier=verifier, cred=BOB)
    assert status == OK and client_id != old.client_id and old.compound().status == BADSESSION


def test_another_principal_is_refused_while_there_is_state(client, request):
    old = client.session(request.node.name, verifier=V1)
    old.opened(old.handle(PATH), request.node.name)
    assert client.exchange_id(request.node.name, verifier=V2, cred=BOB)[0] == CLID_INUSE


@pytest.mark.parametrize("confirmed,verifier,cred,expected", [
    (None, V1, ALICE, NOENT), (False, V1, ALICE, NOENT), (False, V2, BOB, NOENT),
    (True, V2, ALICE, NOT_SAME), (True, V2, BOB, NOT_SAME), (True, V1, BOB, PERM), (True, V1, ALICE, OK)])
def test_updates(client, request, confirmed, verifier, cred, expected):
    name = request.node.name
    if confirmed is not None:
        _, client_id, number, _ = client.exchange_id(name, verifier=V1, cred=ALICE)
    if confirmed:
        assert client.create_session(client_id, number, cred=ALICE)[0] == OK
    status, updated, _, _ = client.exchange_id(name, verifier=verifier, cred=cred, flags=UPDATE)
    assert status == expected
    if status == OK:
        assert updated == client_id


@pytest.mark.parametrize("flags", [4, CONFIRMED, 0x10000 | CONFIRMED, 8])
def test_flags_that_mean_nothing(client, request, flags):
    assert client.exchange_id(request.node.name, flags=flags)[0] == INVAL


def test_exchange_id_inside_a_session_and_not_alone_outside(client, session):
    assert session.compound(exchange_id("another")).status == OK
    assert client.compound(exchange_id("another"), PUTROOTFH).status == NOT_ONLY_OP


def test_two_machines_with_one_name(server, request):
    """Both call themselves the same; their addresses tell them apart."""
    one, two = Client(server.port, source="127.0.0.1"), Client(server.port, source="127.0.0.2")
    first = one.session("Linux NFSv4.1 raspberrypi")
    stateid, handle = first.opened(first.handle(PATH), request.node.name)
    second = two.session("Linux NFSv4.1 raspberrypi")
    assert first.on(handle, write(stateid, b"still here")).status == OK
    assert second.at(OTHER).status == OK and second.at(PATH).status == NOENT and first.at(OTHER).status == NOENT
    assert second.on(handle, getattr_(3)).status == STALE
    rogue = Client(server.port, source="127.0.0.2")
    assert rogue.compound(sequence(first.id, 100)).status == BADSESSION


# ---- CREATE_SESSION, DESTROY_SESSION, DESTROY_CLIENTID ----

def test_session_of_nobody(client):
    assert client.create_session(0x123456789, 1)[0] == STALE_CLIENTID


def test_session_numbers(client, request):
    _, client_id, number, _ = client.exchange_id(request.node.name)
    assert client.create_session(client_id, number - 1)[0] == SEQ_MISORDERED
    status, first = client.create_session(client_id, number)
    assert status == OK
    assert client.create_session(client_id, number)[1] == first
    assert client.create_session(client_id, number + 2)[0] == SEQ_MISORDERED
    assert client.create_session(client_id, number - 1)[0] == SEQ_MISORDERED
    assert client.create_session(client_id, number + 1)[1] != first


def test_the_principal_that_confirms_must_be_the_one_that_asked(client, request):
    _, client_id, number, _ = client.exchange_id(request.node.name, cred=ALICE)
    assert client.create_session(client_id, number, cred=BOB)[0] == CLID_INUSE
    assert client.create_session(client_id, number, cred=BOB)[0] == CLID_INUSE
    assert client.create_session(client_id, number, cred=ALICE)[0] == OK
    assert client.create_session(client_id, number + 1, cred=BOB)[0] == OK


@pytest.mark.parametrize("how,expected", [
    ({"flags": 0xf}, INVAL), ({"fore": channel(request=20)}, TOOSMALL), ({"fore": channel(response=0)}, TOOSMALL),
    ({"back": channel(10, operations=1)}, TOOSMALL), ({"flags": 3}, OK), ({"fore": channel(cached=10)}, OK),
    ({"security": u32(3, 0, 1, 5) + opaque("name") + u32(7, 11, 2, 13, 17) + u32(6, 3) + opaque("a") + opaque("b")}, OK),
    ({"security": u32(2, 6, 3) + opaque("a") + opaque("b") + u32(1, 5) + opaque("name") + u32(7, 11, 0)}, OK)])
def test_what_a_session_may_be(client, request, how, expected):
    _, client_id, number, _ = client.exchange_id(request.node.name)
    assert client.create_session(client_id, number, **how)[0] == expected
    assert client.create_session(client_id, number + (expected == OK))[0] == OK


def test_a_session_has_bounds(client, request):
    session = client.session(request.node.name, fore=channel(1 << 30, 1 << 30, 1 << 30, 1 << 30, 500))
    request_bytes, response_bytes, cached_bytes, operations, requests = session.fore[1:]
    assert request_bytes < 1 << 20 and response_bytes < 1 << 20 and cached_bytes <= 8192
    assert operations <= 64 and requests < 500


def test_ten_thousand_refused_sessions_leave_nothing_behind(client, session, request):
    _, client_id, number, _ = client.exchange_id(request.node.name + "2")
    for _ in range(2000):
        refused = session.compound(create_session(client_id, number, back=channel(10, operations=1)))
        assert refused.status == TOOSMALL
    assert client.create_session(client_id, number)[0] == OK


def test_ends(client, request):
    session = client.session(request.node.name)
    assert client.compound(destroy_clientid(session.client_id)).status == CLIENTID_BUSY
    assert session.compound(destroy_clientid(session.client_id)).status == CLIENTID_BUSY
    assert session.compound(destroy_session(session.id), PUTROOTFH).status == NOT_ONLY_OP
    assert client.compound(destroy_session(session.id), PUTROOTFH).status == NOT_ONLY_OP
    assert session.compound(destroy_session(session.id)).status == OK
    assert client.compound(destroy_session(session.id)).status == BADSESSION
    assert client.compound(destroy_clientid(session.client_id)).status == OK
    assert client.compound(destroy_clientid(session.client_id)).status == STALE_CLIENTID
    assert client.compound(destroy_clientid(0), reclaim_complete()).status == NOT_ONLY_OP


# ---- SEQUENCE ----

def test_sequence_comes_first_and_once(client, session):
    assert client.compound(PUTROOTFH).status == OP_NOT_IN_SESSION
    assert session.compound(sequence(session.id, 9)).status == SEQUENCE_POS
    assert client.compound(sequence(b"Bad Session Id!!", 1)).status == BADSESSION


def test_slots(client, request):
    session = client.session(request.node.name)
    slots = session.fore[5]
    assert client.compound(sequence(session.id, 1, slots, slots - 1)).status == BADSLOT
    assert client.compound(sequence(session.id, 1, 1, slots)).status == BAD_HIGH_SLOT
    assert client.compound(sequence(session.id, 1, slots - 1, slots - 1)).status == OK
    assert client.compound(sequence(session.id, 3, slots - 1, slots - 1)).status == SEQ_MISORDERED
    assert client.compound(sequence(session.id, 0, slots - 1, slots - 1)).status == SEQ_MISORDERED


def test_sequence_answers_what_it_was_asked(client, session):
    r = Reader(client.compound(sequence(session.id, 1, 2, 3)).raw[8:])
    assert (r.bytes(16), r.u32(), r.u32()) == (session.id, 1, 2)


def test_another_connection_may_use_the_session(server, client, session):
    other = Client(server.port)
    assert other.compound(sequence(session.id, 2)).status == OK


def test_a_request_and_an_answer_may_be_too_big(client, request):
    small = client.session(request.node.name, fore=channel(request=512))
    assert small.compound(PUTROOTFH, lookup("12345" * 100)).status == REQ_TOO_BIG
    narrow = client.session(request.node.name + "2", fore=channel(response=400, cached=400))
    mandatory = getattr_(*range(12), 19, 75)
    assert narrow.compound(PUTROOTFH, *[mandatory] * 4).status == REP_TOO_BIG
    uncached = client.session(request.node.name + "3", fore=channel(cached=10))
    assert uncached.compound(cache=True).status == REP_TOO_BIG_TO_CACHE
    assert uncached.compound(cache=False).status == OK


def test_too_many_operations(client, request):
    session = client.session(request.node.name, fore=channel(operations=4))
    assert session.compound(PUTROOTFH, GETFH, GETFH).status == OK
    assert session.compound(PUTROOTFH, GETFH, GETFH, GETFH).status == TOO_MANY_OPS


@pytest.mark.parametrize("operations", [(), (PUTROOTFH,), (PUTROOTFH, lookup("")), ((10044, b""),)])
def test_a_repeated_request_gets_the_same_answer(session, operations):
    first = session.compound(*operations, cache=True, tag=b"one")
    second = session.compound(*operations, cache=True, again=True, tag=b"two")
    assert (first.status, first.count, first.raw) == (second.status, second.count, second.raw)


def test_what_changes_something_is_done_once(session, home):
    operations = (open_("one", how=GUARDED), GETFH)
    assert session.on(home, *operations, cache=True).status == OK
    assert session.on(home, *operations, cache=True, again=True).status == OK
    first = session.on(home, SAVEFH, rename("one", "two"), cache=True)
    second = session.on(home, SAVEFH, rename("one", "two"), cache=True, again=True)
    assert first.status == second.status == OK and first.raw == second.raw


def test_an_answer_that_was_not_kept(session, home):
    assert session.on(home, create("once", DIRECTORY)).status == OK
    assert session.on(home, create("once", DIRECTORY), again=True).status == RETRY_UNCACHED


def test_another_request_under_an_old_number(session, home):
    assert session.on(home, create("first", DIRECTORY), cache=True).status == OK
    assert session.on(home, create("other", DIRECTORY), cache=True, again=True).status == FALSE_RETRY


# ---- RECLAIM_COMPLETE ----

def test_reclaiming(client, request):
    session = client.session(request.node.name, complete=False)
    directory = session.handle(PATH)
    assert session.open(directory, request.node.name, how=UNCHECKED)[0] == GRACE
    assert session.compound(PUTROOTFH, reclaim_complete(True)).status == OK
    assert session.compound(reclaim_complete()).status == OK
    assert session.compound(reclaim_complete()).status == COMPLETE_ALREADY
    stateid, handle = session.opened(directory, request.node.name)
    assert session.on(handle, open_(claim=RECLAIM)).status == NO_GRACE
    assert session.on(handle, lock(stateid, reclaim=True)).status == NO_GRACE


def test_state_is_reclaimed_after_a_restart(tmp_path):
    running = Server(tmp_path).start()
    session = Client(running.port).session("machine")
    stateid, handle = session.opened(session.handle(PATH), "file")
    assert session.on(handle, write(stateid, b"data", stable=0)).status == OK
    verifier = session.on(handle, commit()).raw[8:]
    running.kill()
    running.start()
    client = Client(running.port)
    assert client.compound(sequence(session.id, 9)).status == BADSESSION
    assert client.create_session(session.client_id, session.next_sequence)[0] == STALE_CLIENTID
    session = client.session("machine", complete=False)
    assert session.on(handle, read(stateid)).status == BAD_STATEID
    status, opened = session.stateid_of(handle, open_(claim=RECLAIM))
    assert status == OK
    assert session.on(handle, lock(opened, reclaim=True)).status == OK
    assert session.compound(reclaim_complete()).status == OK
    assert session.on(handle, read(opened, 0, 100)).raw[16:20] == b"data"
    assert session.on(handle, commit()).raw[8:] != verifier
    assert running.process.stop() == 0


# ---- handles and names ----

@pytest.mark.parametrize("operation", [
    GETFH, SAVEFH, lookup("x"), LOOKUPP, READLINK, getattr_(1), (3, u32(1)), setattr_(ANONYMOUS, mode()), create("x", DIRECTORY),
    remove("x"), rename("a", "b"), link("x"), readdir(), open_("x"), close(ANONYMOUS), read(ANONYMOUS), write(ANONYMOUS, b""),
    commit(), lock(ANONYMOUS), lockt(), locku(ANONYMOUS), open_downgrade(ANONYMOUS, 1), (33, opaque("x")), (52, u32(0)),
    (37, mode()), (17, mode())])
def test_without_a_file_handle(session, operation):
    assert session.compound(operation).status == NOFILEHANDLE


def test_without_a_saved_handle(session, home):
    assert session.on(home, rename("a", "b")).status == NOFILEHANDLE
    assert session.on(home, link("a")).status == NOFILEHANDLE
    assert session.on(home, RESTOREFH).status == RESTOREFH_


def test_handles_cannot_be_made_up(session, home):
    assert session.on(b"abc", GETFH).status == BADHANDLE
    for at in range(len(home)):
        forged = bytearray(home)
        forged[at] ^= 1
        assert session.compound(putfh(bytes(forged))).status == BADHANDLE
    assert session.on(home, GETFH).raw[8:] == opaque(home)


@pytest.mark.parametrize("name,expected", [("", INVAL), (".", BADNAME), ("..", BADNAME), ("a/b", BADCHAR), (b"a\0b", BADCHAR),
                                           ("n" * 256, NAMETOOLONG), ("nothing", NOENT)])
def test_names(session, home, name, expected):
    assert session.on(home, lookup(name)).status == expected
    assert session.on(home, remove(name)).status == expected
    assert session.on(home, open_(name)).status == expected
    assert session.on(home, SAVEFH, rename(name, "new")).status == expected
    if name != "nothing":
        assert session.on(home, create(name, DIRECTORY)).status == expected
        assert session.on(home, open_(name, how=GUARDED)).status == expected


def test_the_root_shows_only_ones_own(session):
    assert session.at([], LOOKUPP).status == NOENT
    assert session.at(PATH[:2], LOOKUPP, LOOKUPP, GETFH).status == OK
    assert session.at(PATH, LOOKUPP, GETFH).raw[-36:] == opaque(session.handle(PATH[:2]))
    assert names_in(session, session.handle([])) == ["srv", "boot"]
    assert names_in(session, session.handle(PATH[:2])) == PATH[2:]
    assert session.at(PATH[:2], create("x", DIRECTORY)).status == ROFS
    assert session.at([], lookup("etc")).status == NOENT


def test_file_systems_differ(session):
    above = attributes_of(session, session.handle(PATH[:2]), 8, 55).bytes(16)
    inside = attributes_of(session, session.handle(PATH), 8, 55).bytes(16)
    assert above != inside


KINDS = {"dir": (DIRECTORY, b""), "link": (SYMLINK, opaque("target")), "fifo": (FIFO, b""), "socket": (SOCKET, b""),
         "block": (BLOCK, u32(8, 1)), "char": (CHARACTER, u32(5, 1))}


@pytest.mark.parametrize("kind", KINDS)
def test_objects_of_every_kind(session, home, kind):
    number, more = KINDS[kind]
    assert session.on(home, create("it", number, more=more)).status == OK
    assert session.on(home, create("it", number, more=more)).status == EXIST
    handle = Reader(session.on(home, lookup("it"), GETFH).raw[16:]).opaque()
    r = attributes_of(session, handle, 1, 41)
    assert r.u32() == number and r.bytes(8) == (more if kind in ("block", "char") else bytes(8))
    notdir = SYMLINK_ if kind == "link" else NOTDIR
    if kind != "dir":
        for operation in (lookup("x"), LOOKUPP, create("x", DIRECTORY)):
            assert session.on(handle, operation).status == notdir
        assert session.on(handle, remove("x")).status == NOTDIR
        assert session.on(handle, readdir()).status == NOTDIR
        assert session.compound(putfh(handle), SAVEFH, putfh(home), rename("x", "y")).status == NOTDIR
        assert session.compound(putfh(home), SAVEFH, putfh(handle), rename("it", "y")).status == NOTDIR
    expected = {"dir": ISDIR, "link": SYMLINK_}.get(kind, WRONG_TYPE)
    assert session.on(home, open_("it")).status == expected
    assert session.on(handle, read(ANONYMOUS)).status == expected
    assert session.on(handle, write(ANONYMOUS, b"x")).status == expected
    assert session.on(handle, commit()).status == expected
    assert session.on(handle, READLINK).status == (OK if kind == "link" else WRONG_TYPE)
    assert session.on(home, SAVEFH, rename("it", "renamed")).status == OK
    assert session.on(handle, getattr_(1)).status == OK
    assert session.on(home, remove("renamed")).status == OK
    assert session.on(handle, getattr_(1)).status == STALE


def test_create_makes_no_plain_files(session, home):
    assert session.on(home, create("x", 1)).status == BADTYPE
    assert session.on(home, create("x", 99)).status == BADTYPE
    assert session.on(home, create("x", SYMLINK, more=opaque(""))).status == INVAL


def make_tree(session, home, *paths):
    for path in paths:
        at = home
        *above, name = path.rstrip("/").split("/")
        for part in above:
            at = Reader(session.on(at, lookup(part), GETFH).raw[16:]).opaque()
        if path.endswith("/"):
            assert session.on(at, create(name, DIRECTORY)).status == OK
        else:
            session.opened(at, name)


@pytest.mark.parametrize("old,new,expected", [
    ("dir", "file", (EXIST, NOTDIR)), ("file", "dir", (EXIST, ISDIR)), ("dir", "full", (EXIST, NOTEMPTY)), ("dir", "empty", (OK,)),
    ("file", "file2", (OK,)), ("file", "new", (OK,)), ("none", "new", (NOENT,))])
def test_rename(session, home, old, new, expected):
    make_tree(session, home, "dir/", "full/", "full/x", "empty/", "file", "file2")
    assert session.on(home, SAVEFH, rename(old, new)).status in expected


def test_rename_onto_itself_changes_nothing(session, home):
    make_tree(session, home, "file")
    assert session.on(home, SAVEFH, link("x")).status == ISDIR
    handle = Reader(session.on(home, lookup("file"), GETFH).raw[16:]).opaque()
    assert session.compound(putfh(handle), SAVEFH, putfh(home), link("hard")).status == OK
    for new in ("file", "hard"):
        before = attributes_of(session, home, 3).u64()
        assert session.on(home, SAVEFH, rename("file", new)).status == OK
        assert attributes_of(session, home, 3).u64() == before


def test_change_info_frames_the_change(session, home):
    before = attributes_of(session, home, 3).u64()
    result = session.on(home, create("x", DIRECTORY))
    assert step_of(result)[0] == before and step_of(result)[1] == attributes_of(session, home, 3).u64() != before


def test_a_handle_survives_renames_and_its_name(session, home):
    make_tree(session, home, "a/", "a/b/", "file")
    inner = session.handle(PATH + [test_a_handle_survives_renames_and_its_name.__name__, "a", "b"])
    make_tree(session, inner, "deep")
    deep = Reader(session.on(inner, lookup("deep"), GETFH).raw[16:]).opaque()
    assert session.on(home, SAVEFH, rename("a", "z")).status == OK
    assert session.on(deep, getattr_(3)).status == OK
    stateid, handle = session.opened(home, "open")
    assert session.on(home, remove("open")).status == OK
    assert session.on(handle, write(stateid, b"nameless")).status == OK
    assert session.on(handle, getattr_(4)).status == OK
    assert session.on(handle, close(stateid)).status == OK
    assert session.on(handle, getattr_(4)).status == STALE


def names_in(session, handle, **how):
    names, cookie = [], 0
    while True:
        result = session.on(handle, readdir(20, cookie=cookie, **how))
        assert result.status == OK
        r = Reader(result.raw[16:])
        while r.u32():
            cookie = r.u64()
            names.append(r.opaque().decode())
            r.bitmap(), r.opaque()
        if r.u32():
            return names


def test_listing(session, home):
    wanted = [f"file-{i:03}" for i in range(100)]
    make_tree(session, home, *wanted)
    assert sorted(names_in(session, home)) == wanted
    assert sorted(names_in(session, home, maxcount=300)) == wanted
    assert sorted(names_in(session, home, dircount=30)) == wanted
    assert session.on(home, readdir(maxcount=20)).status == TOOSMALL
    assert session.on(home, readdir(maxcount=0)).status == TOOSMALL
    assert session.on(home, readdir(cookie=1)).status == BAD_COOKIE
    assert session.on(home, readdir(48)).status == INVAL


def test_security_takes_the_handle_away(session, home):
    make_tree(session, home, "x")
    assert session.on(home, (33, opaque("x")), GETFH).status == NOFILEHANDLE
    assert session.on(home, (52, u32(0)), GETFH).status == NOFILEHANDLE
    assert session.on(home, (52, u32(1))).status == OK
    assert session.compound(PUTROOTFH, (52, u32(1))).status == NOENT


# ---- attributes ----

def test_mandatory_attributes_verify(session, home):
    mandatory = [*range(11), 19, 75]
    result = session.on(home, getattr_(*mandatory))
    values = result.raw[8:]
    assert session.on(home, (37, values), GETFH).status == OK
    assert session.on(home, (17, values)).status == SAME
    assert session.on(home, (37, mode(0o123))).status == NOT_SAME
    assert session.on(home, (17, mode(0o123)), GETFH).status == OK
    assert session.on(home, (37, fattr((12, u32(0))))).status == ATTRNOTSUPP
    assert session.on(home, (37, fattr((11, u32(0))))).status == INVAL
    assert session.on(home, getattr_(54)).status == INVAL


@pytest.mark.parametrize("values,expected", [
    (mode(0o4755), OK), (fattr((36, opaque("1000")), (37, opaque("100"))), OK), (fattr((36, opaque("root@lan"))), OK),
    (fattr((36, opaque("somebody"))), BADOWNER), (fattr((48, u32(0)), (54, u32(1) + u64(100) + u32(5))), OK),
    (fattr((54, u32(1) + u64(100) + u32(10**9))), INVAL), (fattr((1, u32(2))), INVAL), (fattr((12, u32(0))), ATTRNOTSUPP),
    (mode(0o10000), INVAL), (bitmap(33) + opaque(b""), BADXDR), (bitmap(33) + opaque(u32(1, 2)), BADXDR),
    (fattr((4, u64(2**63))), FBIG)])
def test_setting(session, home, values, expected):
    make_tree(session, home, "file")
    handle = Reader(session.on(home, lookup("file"), GETFH).raw[16:]).opaque()
    result = session.on(handle, setattr_(ANONYMOUS, values))
    assert result.status == expected and (expected == OK or result.raw[8:] == u32(0))


def test_every_change_is_seen(session, home):
    stateid, handle = session.opened(home, "file")
    seen = {attributes_of(session, handle, 3).u64()}
    for i in range(20):
        assert session.on(handle, write(stateid, b"x", stable=0)).status == OK
        seen.add(attributes_of(session, handle, 3).u64())
    assert len(seen) == 21


def test_rights_are_those_the_machine_sees(session, home):
    stateid, handle = session.opened(home, "private", values=mode(0o600))
    for operation in (read(ANONYMOUS), write(ANONYMOUS, b"x")):
        assert session.on(handle, operation, cred=ALICE).status == ACCESS
    assert session.on(home, open_("private"), cred=ALICE).status == ACCESS
    assert session.on(home, remove("private"), cred=ALICE).status == ACCESS
    assert session.on(handle, setattr_(ANONYMOUS, mode(0o666)), cred=ALICE).status == PERM
    assert session.on(handle, setattr_(ANONYMOUS, fattr((36, opaque("1000")), (37, opaque("1000"))))).status == OK
    assert session.on(home, open_("private", owner="alice"), cred=ALICE).status == OK
    assert session.on(home, open_("private", owner="bob"), cred=BOB).status == ACCESS
    assert session.on(handle, (3, u32(0x3f)), cred=BOB).raw[8:] == u32(0x2d, 0)
    assert session.on(handle, (3, u32(0x3f)), cred=ALICE).raw[8:] == u32(0x2d, 0x0d)


def test_a_boot_folder_belongs_to_root(session):
    boot = session.handle(["boot"])
    stateid, handle = session.opened(boot, "kernel.img", values=mode(0o600))
    assert session.on(handle, setattr_(ANONYMOUS, fattr((33, u32(0o600)), (36, opaque("7"))))).status == OK
    r = attributes_of(session, handle, 33, 36, 37)
    assert (r.u32(), r.opaque(), r.opaque()) == (0o755, b"0", b"0")
    assert session.on(boot, open_("kernel.img", access=WRITE_ACCESS), cred=ALICE).status == ACCESS
    assert session.on(handle, close(stateid)).status == OK


# ---- opening ----

def test_the_stateid_counts_from_one(session, home):
    first, handle = session.opened(home, "file", access=WRITE_ACCESS)
    second, _ = session.opened(home, "file", access=READ_ACCESS, how=None)
    assert (first[:4], second[:4], first[4:]) == (u32(1), u32(2), second[4:])
    assert session.on(handle, read(first)).status == OLD_STATEID
    assert session.on(handle, read(u32(3) + first[4:])).status == BAD_STATEID
    assert session.on(handle, read(bytes(4) + first[4:])).status == OK
    assert session.on(handle, close(second)).status == OK
    assert session.on(handle, close(second)).status == BAD_STATEID
    assert session.on(handle, read(second)).status == BAD_STATEID


def test_creating(session, home):
    assert session.open(home, "file", how=GUARDED)[0] == OK
    assert session.open(home, "file", how=GUARDED)[0] == EXIST
    stateid, handle = session.opened(home, "file")
    assert session.on(handle, write(stateid, b"contents")).status == OK
    session.opened(home, "file", values=size(0))
    assert attributes_of(session, handle, 4).u64() == 0


@pytest.mark.parametrize("how", [EXCLUSIVE, EXCLUSIVE_1])
def test_creating_exclusively(session, home, how):
    assert session.open(home, "file", how=how, verifier=b"verifier")[0] == OK
    assert session.open(home, "file", how=how, verifier=b"verifier")[0] == OK
    assert session.open(home, "file", how=how, verifier=b"Justtest")[0] == EXIST


@pytest.mark.parametrize("claim,expected", [(u32(2) + bytes(16) + opaque("x"), BAD_STATEID), (u32(3) + opaque("x"), NOTSUPP),
                                            (u32(5) + bytes(16), BAD_STATEID), (u32(6), NOTSUPP), (u32(7), BADXDR)])
def test_claims_of_delegations(session, home, claim, expected):
    assert session.on(home, open_(claim=claim)).status == expected


@pytest.mark.parametrize("access,deny,expected", [(0, 0, INVAL), (4, 0, INVAL), (3, 4, INVAL), (3 | 1 << 20, 0, INVAL),
                                                  (1 | 0x400, 0, OK), (1 | 0x100, 0, OK), (3 | 0x600, 0, INVAL)])
def test_shares_that_make_sense(session, home, access, deny, expected):
    assert session.open(home, "file", access=access, deny=deny, how=UNCHECKED)[0] == expected


@pytest.mark.parametrize("want,answer", [(0, u32(0)), (0x400, u32(3, 0)), (0x100, u32(3, 2, 0)), (0x500, u32(3, 7))])
def test_no_delegations(session, home, want, answer):
    assert session.on(home, open_("file", access=1 | want, how=UNCHECKED)).raw.endswith(answer)


def test_shares_deny(client, session, home, request):
    other = client.session(request.node.name + " other")
    stateid, handle = session.opened(home, "file", access=READ_ACCESS, deny=WRITE_ACCESS)
    assert other.open(home, "file", access=WRITE_ACCESS)[0] == SHARE_DENIED
    assert other.open(home, "file", access=READ_ACCESS, deny=READ_ACCESS)[0] == SHARE_DENIED
    assert other.on(handle, write(ANONYMOUS, b"x")).status == LOCKED
    assert other.on(handle, read(ANONYMOUS)).status == OK
    assert session.on(handle, write(stateid, b"x")).status == OPENMODE
    assert session.on(handle, close(stateid)).status == OK
    assert other.open(home, "file", access=WRITE_ACCESS)[0] == OK


def test_downgrading(session, home):
    stateid, handle = session.opened(home, "file")
    status, less = session.stateid_of(handle, open_downgrade(stateid, READ_ACCESS))
    assert status == OK and session.on(handle, write(less, b"x")).status == OPENMODE
    assert session.on(handle, open_downgrade(less, BOTH)).status == INVAL
    assert session.on(handle, open_downgrade(less, 0)).status == INVAL


def test_the_current_stateid(session, home):
    assert session.on(home, open_("a", how=UNCHECKED), write(CURRENT, b"x"), setattr_(CURRENT, size(5)), close(CURRENT)).status == OK
    assert session.on(home, open_("b", how=UNCHECKED), putfh(home), close(CURRENT)).status == BAD_STATEID
    assert session.on(home, open_("c", how=UNCHECKED), free_stateid(CURRENT)).status == LOCKS_HELD
    assert session.on(home, open_("d", how=UNCHECKED), SAVEFH, putfh(home), RESTOREFH, close(CURRENT)).status == OK
    stateid, handle = session.opened(home, "e")
    assert session.on(handle, close(CURRENT)).status == BAD_STATEID
    assert session.on(handle, lock(stateid), write(CURRENT, b"x"), locku(CURRENT), close(stateid)).status == OK


def test_reading_and_writing(session, home):
    stateid, handle = session.opened(home, "file")
    assert session.on(handle, write(stateid, b"write test data", 5)).raw[8:16] == u32(15, 2)
    result = session.on(handle, read(stateid, 0, 1000))
    assert result.raw[8:] == u32(1) + opaque(bytes(5) + b"write test data")
    assert session.on(handle, read(stateid, 0, 5)).raw[8:] == u32(0) + opaque(bytes(5))
    assert session.on(handle, read(stateid, 2**63, 5)).raw[8:] == u32(1, 0)
    assert session.on(handle, write(stateid, b"x", 2**63)).status == FBIG
    assert session.on(handle, write(BYPASS, b"x")).status == OK
    unstable = session.on(handle, write(stateid, b"y", stable=0)).raw[8:]
    assert unstable[:8] == u32(1, 0) and session.on(handle, commit()).raw[8:] == unstable[8:]
    assert session.on(home, read(stateid)).status == BAD_STATEID


# ---- locks ----

def test_locks(client, session, home, request):
    other = client.session(request.node.name + " other")
    stateid, handle = session.opened(home, "file")
    theirs, _ = other.opened(home, "file")
    status, held = session.stateid_of(handle, lock(stateid, 10, 10))
    assert status == OK and held[:4] == u32(1)
    denied = other.on(handle, lock(theirs, 15, 100))
    assert denied.status == DENIED
    assert denied.raw[8:] == u64(10, 10) + u32(2) + u64(session.client_id) + opaque("locker")
    assert other.on(handle, lockt(0, 10)).status == OK
    assert other.on(handle, lockt(0, 11)).status == DENIED
    assert session.on(handle, lockt(0, 11)).status == OK
    status, held = session.stateid_of(handle, lock(held, 20, 2**64 - 1, new=False))
    assert status == OK and other.on(handle, lockt(2**63, 1)).status == DENIED
    status, held = session.stateid_of(handle, locku(held, 12, 3))
    assert status == OK and other.on(handle, lockt(12, 3)).status == OK
    assert [other.on(handle, lockt(at, 1)).status for at in (11, 15)] == [DENIED, DENIED]
    assert session.on(handle, free_stateid(held)).status == LOCKS_HELD
    status, held = session.stateid_of(handle, locku(held))
    assert status == OK and session.on(handle, free_stateid(held)).status == OK
    assert session.on(handle, free_stateid(held)).status == BAD_STATEID


def test_readers_share(client, session, home, request):
    other = client.session(request.node.name + " other")
    stateid, handle = session.opened(home, "file")
    theirs, _ = other.opened(home, "file", access=READ_ACCESS)
    assert session.on(handle, lock(stateid, write=False)).status == OK
    assert other.on(handle, lock(theirs, write=False)).status == OK
    assert other.on(handle, lock(theirs)).status == OPENMODE
    assert session.on(handle, lock(stateid, owner="another")).status == DENIED


@pytest.mark.parametrize("offset,length,expected", [(0, 0, INVAL), (100, 2**64 - 2, INVAL), (2**64 - 1, 1, OK), (5, 2**64 - 1, OK)])
def test_ranges(session, home, offset, length, expected):
    stateid, handle = session.opened(home, "file")
    assert session.on(handle, lock(stateid, offset, length)).status == expected
    assert session.on(handle, lockt(offset, length)).status == expected


def test_stateids_are_tested(session, home):
    stateid, handle = session.opened(home, "file")
    result = session.compound(examine_stateids(stateid, u32(9) + stateid[4:], ANONYMOUS, os.urandom(16)))
    assert result.raw[8:] == u32(4, OK, BAD_STATEID, BAD_STATEID, BAD_STATEID)


def test_a_client_that_is_gone_stands_in_nobodys_way(client, session, home, request):
    stateid, handle = session.opened(home, "file", deny=0)
    assert session.on(handle, lock(stateid)).status == OK
    other = client.session(request.node.name + " other")
    theirs, _ = other.opened(home, "file")
    assert other.on(handle, lock(theirs)).status == DENIED
    for _ in range(LEASE_SECONDS + 2):
        time.sleep(1)
        assert other.compound().status == OK
    assert other.on(handle, lock(theirs)).status == OK
    assert session.compound().status == BADSESSION


# ---- bytes ----

def test_fragments_and_long_messages(server):
    rpc = Rpc(server.port)
    message = rpc.message(100003, 4, 0)
    rpc.socket.sendall(b"".join(u32(1) + message[i:i + 1] for i in range(len(message))) + u32(1 << 31))
    assert rpc.receive()[:4] == message[:4]
    rpc.socket.sendall(u32(1 << 31 | 0x7fffffff))
    assert rpc.socket.recv(1) == b""


def test_other_credentials_and_versions_are_denied(server):
    rpc = Rpc(server.port)
    with pytest.raises(Refused):
        rpc.call(100003, 4, 0, cred=u32(7, 0, 0, 0))
    message = bytearray(rpc.message(100003, 4, 0))
    message[11] = 3
    rpc.send(bytes(message))
    assert rpc.receive()[4:] == u32(1, 1, 0, 2, 2)
    rpc.send(b"\0" * 8)
    assert rpc.call(100003, 4, 0, cred=NOBODY).left() == 0
