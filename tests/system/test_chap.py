"""CHAP against the real daemon: libiscsi's tools, and an initiator of our own for what they cannot do."""

import os
import pathlib
import re
import stat
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from lab import Farboot, Lab, run  # noqa: E402

PREFIX = "iqn.2026-11.internal.farboot"
MAC, OPEN_MAC, STRANGE_MAC = "dc:a6:32:01:02:03", "dc:a6:32:01:02:04", "02:00:00:00:00:99"
SERVER, CLIENT, OPEN_CLIENT, STRANGER = "192.168.20.1", "192.168.20.50", "192.168.20.51", "192.168.20.52"
LAB = pathlib.Path(__file__).resolve().parent.parent / "lab"


def dashed(mac):
    return mac.replace(":", "-")


def target(mac=MAC):
    return f"{PREFIX}:root:{dashed(mac)}"


def initiator(mac=MAC):
    return f"{PREFIX}:machine:{dashed(mac)}"


class Stage:
    """Two machines: pi-01 with CHAP both ways, pi-02 without; a client at each one's address, and a stranger."""

    def __init__(self, lab):
        self.lab = lab
        self.farboot = Farboot(lab)
        self.client = lab.add_host(MAC, f"{CLIENT}/24")
        self.open_client = lab.add_host(OPEN_MAC, f"{OPEN_CLIENT}/24")
        self.stranger = lab.add_host(STRANGE_MAC, f"{STRANGER}/24")

    def start(self):
        image = self.lab.directory / "disk.img"
        with open(image, "wb") as disk:
            disk.truncate(64 << 20)
        run("sfdisk", "-q", image, input="2048,,83\n")
        self.farboot.start()
        self.farboot.run("image", "import", image, "--name", "plain")
        for name, mac in (("pi-01", MAC), ("pi-02", OPEN_MAC)):
            self.farboot.run("machine", "add", name, mac, "--image", "plain")
        self.farboot.run("machine", "chap", "pi-01", "mutual")
        return self

    def secrets(self, name="pi-01"):
        return self.farboot.json("machine", "chap", name, "--show-secret")

    def configure(self, **iscsi):
        self.farboot.config["iscsi"] = iscsi
        self.farboot.restart()

    def speak(self, script, host=None):
        """Runs a Python script in a client's namespace, with our initiator and the secrets at hand."""
        s = self.secrets()
        prelude = f"""
import os, struct, sys, time
sys.path.insert(0, {str(LAB)!r})
from initiator import *
USER, SECRET, TARGET_USER, TARGET_SECRET = {s["user"]!r}, {s["secret"]!r}, {s["target_user"]!r}, {s["target_secret"]!r}
def connect(target={target()!r}, name={initiator()!r}, **more):
    return Initiator({SERVER!r}, name, target, **more)
def status_of(attempt):
    try:
        attempt()
    except Refused as refused:
        return refused.status
    return 0
"""
        return self.lab.run_in(host or self.client, "/usr/bin/python3", "-c", prelude + script, timeout=60).stdout.strip()

    def tool(self, *argv, host=None, mac=MAC, check=True):
        return self.lab.run_in(host or self.client, "timeout", "20", *argv, "-i", initiator(mac), check=check)


@pytest.fixture(scope="module")
def stage():
    with Lab() as lab:
        yield Stage(lab).start()


# ---- each algorithm, both ways ----

@pytest.mark.parametrize("algorithm", [5, 6, 7, 8])
@pytest.mark.parametrize("encode", ["to_hex", "to_base64"])
def test_each_algorithm(stage, algorithm, encode):
    assert stage.speak(f"""
s = connect().login_chap(USER, SECRET, "{algorithm}", {encode})
assert s.algorithm == {algorithm}
print(s.nop(b"ping"))
""") == "b'ping'"


@pytest.mark.parametrize("algorithm", [5, 6, 7, 8])
def test_mutual_with_each_algorithm(stage, algorithm):
    assert stage.speak(f"""
for length, identifier in ((1, 0), (16, 1), (1024, 255)):
    s = connect().login_chap(USER, SECRET, "{algorithm}", target_secret=TARGET_SECRET, challenge=os.urandom(length),
                             identifier=identifier)
    assert s.answers["CHAP_N"] == TARGET_USER
    s.close()
print("proved")
""") == "proved"


def test_the_strongest_offered_is_taken(stage):
    assert stage.speak("""
for offered, taken in (("5,6,7,8", 8), ("7,5", 7), ("5,6", 6), ("99,5", 5)):
    s = connect()
    assert s.begin_chap(offered)[0] == taken, offered
    s.close()
print(hex(status_of(lambda: connect().begin_chap("9,10"))))
""") == "0x201"


def test_challenges_differ(stage):
    assert stage.speak("""
seen = set()
for _ in range(20):
    s = connect()
    _, identifier, challenge = s.begin_chap("7")
    seen.add(challenge)
    s.close()
print(len(seen), len(challenge))
""") == "20 32"


# ---- what is refused ----

def test_refusals(stage):
    """Whatever is wrong with an authentication, the status is 0201."""
    assert stage.speak("""
def no_chap():
    connect().login()
def none_offered():
    s = connect()
    s.login_request(0, None, s.names() + [("AuthMethod", "None")])
def not_asked():
    s = connect()
    s.login_request(0, 1, s.names())
def wrong_secret():
    connect().login_chap(USER, "x" * 16)
def wrong_name():
    connect().login_chap(USER + "x", SECRET)
def target_secret_as_ours():
    connect().login_chap(TARGET_USER, TARGET_SECRET)
def response(text, *more):
    def attempt():
        s = connect()
        s.begin_chap("5")
        s.login_request(0, 1, [("CHAP_N", USER), ("CHAP_R", text), *more])
    return attempt
def right(encode, *more, suffix=""):
    def attempt():
        s = connect()
        algorithm, identifier, challenge = s.begin_chap("5")
        text = encode(chap_response(algorithm, identifier, SECRET, challenge)) + suffix
        s.login_request(0, 1, [("CHAP_N", USER), ("CHAP_R", text), *more])
    return attempt
def reflected():
    s = connect()
    algorithm, identifier, challenge = s.begin_chap("5")
    s.login_request(0, 1, [("CHAP_N", USER), ("CHAP_R", to_hex(chap_response(algorithm, identifier, SECRET, challenge))),
                           ("CHAP_I", str(identifier)), ("CHAP_C", to_hex(challenge))])
def response_first():
    s = connect()
    s.login_request(0, None, s.names() + [("AuthMethod", "CHAP")])
    s.login_request(0, 1, [("CHAP_N", USER), ("CHAP_R", "0x00")])
def skips_the_response():
    s = connect()
    s.begin_chap("5")
    s.login_request(0, 1)
assert status_of(right(to_hex)) == 0 and status_of(right(to_base64)) == 0
for attempt in (no_chap, none_offered, not_asked, wrong_secret, wrong_name, target_secret_as_ours, reflected, response_first,
                skips_the_response, response("0x"), response("0b"), response("12"), response("0xzz"), response("0b!!!!"),
                response(to_base64(bytes(48))), response(to_base64(bytes(6000))), response(to_hex(bytes(17))),
                right(to_hex, suffix="00"), right(to_base64, suffix="AAAA"), right(to_base64, suffix="="),
                right(to_hex, ("CHAP_C", to_hex(bytes(16)))), right(to_hex, ("CHAP_I", "1")),
                right(to_hex, ("CHAP_I", "256"), ("CHAP_C", to_hex(bytes(16)))),
                right(to_hex, ("CHAP_I", "1"), ("CHAP_C", to_hex(bytes(1025))))):
    assert status_of(attempt) == 0x201, attempt
print("all refused")
""") == "all refused"
    log = stage.farboot.log_text()
    assert "its CHAP name or secret is wrong" in log
    assert "somebody tries to reflect the response" in log


def test_keys_may_be_split_over_requests(stage):
    """Any number of PDUs with the C bit, cut anywhere."""
    assert stage.speak("""
s = connect()
algorithm, identifier, challenge = s.begin_chap("8")
text = b"CHAP_N=%s\\0CHAP_R=%s\\0" % (USER.encode(), to_hex(chap_response(algorithm, identifier, SECRET, challenge)).encode())
for i in range(0, len(text) - 7, 7):
    answers, stage = s.login_request(0, None, text[i:i + 7], more=True)
    assert not answers and stage == 0
_, stage = s.login_request(0, 1, text[i + 7:])
assert stage == 1
s.operational()
print(s.nop())
""") == "b''"


# ---- discovery ----

def test_discovery_authenticates_too(stage):
    assert stage.speak("""
print(hex(status_of(lambda: connect(None).login())))
s = connect(None).login_chap(USER, SECRET, "7")
print([key for key, _ in s.send_targets()])
""") == "0x201\n['TargetName', 'TargetAddress']"


def test_machines_without_chap_are_as_before(stage):
    listing = stage.tool("iscsi-ls", f"iscsi://{SERVER}", host=stage.open_client, mac=OPEN_MAC).stdout
    assert target(OPEN_MAC) in listing


# ---- the tools ----

def url(user, secret):
    return f"iscsi://{user}%{secret}@{SERVER}/{target()}/0"


def test_libiscsi_authenticates(stage):
    secrets = stage.secrets()
    assert "Vendor:FARBOOT" in stage.tool("iscsi-inq", url(secrets["user"], secrets["secret"])).stdout
    portal = f"iscsi://{secrets['user']}%{secrets['secret']}@{SERVER}"
    assert target() in stage.tool("iscsi-ls", portal).stdout
    for user, secret in ((secrets["user"], "wrong-secret-123"), ("somebody", secrets["secret"])):
        refused = stage.tool("iscsi-inq", url(user, secret), check=False)
        assert refused.returncode != 0
        assert "uthentication failure" in refused.stdout + refused.stderr
    bare = stage.tool("iscsi-inq", f"iscsi://{SERVER}/{target()}/0", check=False)
    assert "uthentication failure" in bare.stdout + bare.stderr


def test_a_suite_runs_with_chap(stage):
    secrets = stage.secrets()
    ran = stage.lab.run_in(stage.client, "timeout", "60", "iscsi-test-cu", "-i", initiator(), "-d", "-f", "-t",
                           "ALL.iSCSIResiduals", url(secrets["user"], secrets["secret"]), check=False, timeout=70)
    assert re.search(r"tests\s+10\s+10\s+10\s+0", ran.stdout), ran.stdout


# ---- the secret ----

def test_the_secret_is_strong_and_typed_by_anybody(stage):
    secrets = stage.secrets()
    for key in ("secret", "target_secret"):
        assert re.fullmatch(r"[A-Za-z0-9._][A-Za-z0-9._-]{15}", secrets[key])
    assert secrets["secret"] != secrets["target_secret"]


def test_the_secret_is_told_only_when_asked_for(stage):
    secrets = stage.secrets()
    shown = [stage.farboot.run(*words).stdout for words in (
        ("machine", "show", "pi-01"), ("machine", "show", "pi-01", "--json"), ("machine", "list", "--json"),
        ("machine", "chap", "pi-01"), ("machine", "chap", "pi-01", "--json"), ("status", "--json"))]
    shown.append(stage.farboot.log_text())
    for text in shown:
        assert secrets["secret"] not in text and secrets["target_secret"] not in text
    assert '"chap": "mutual"' in shown[1]
    assert shown[3] == f"pi-01: CHAP mutual, user {dashed(MAC)}\n"
    assert stage.farboot.run("machine", "chap", "pi-01", "--show-secret").stdout.splitlines() == [
        f"username={dashed(MAC)}", f"password={secrets['secret']}", "username_in=farboot",
        f"password_in={secrets['target_secret']}"]
    assert "its CHAP secret was shown to an administrator" in stage.farboot.log_text()


def test_the_catalog_is_unreadable_to_others(stage):
    store = pathlib.Path(stage.farboot.config["store"])
    files = list(store.glob("catalog.db*"))
    assert files
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_an_older_catalog_is_closed_to_others(stage):
    store = pathlib.Path(stage.farboot.config["store"])
    stage.farboot.stop()
    os.chmod(store / "catalog.db", 0o644)
    stage.farboot.start()
    assert stat.S_IMODE((store / "catalog.db").stat().st_mode) == 0o600


# ---- on, off, anew ----

def test_on_and_off_and_a_new_secret(stage):
    chap = ("machine", "chap", "pi-02")
    nothing = stage.farboot.run(*chap, "--show-secret", check=False)
    assert nothing.returncode == 1 and "has no secret yet" in nothing.stderr
    assert stage.farboot.run(*chap).stdout == "pi-02: CHAP off\n"
    stage.farboot.run(*chap, "on")
    first = stage.secrets("pi-02")["secret"]
    stage.farboot.run(*chap, "off")
    stage.farboot.run(*chap, "on")
    assert stage.secrets("pi-02")["secret"] == first
    stage.farboot.run(*chap, "--new-secret")
    assert stage.secrets("pi-02")["secret"] != first
    one_way = stage.farboot.run(*chap, "--show-secret").stdout
    assert "password=" in one_way and "password_in=" not in one_way
    stage.farboot.run(*chap, "off")
    wrong = stage.farboot.run(*chap, "maybe", check=False)
    assert wrong.returncode == 1 and "mode: must be on, mutual or off" in wrong.stderr


def test_one_way_does_not_prove_ourselves(stage):
    stage.farboot.run("machine", "chap", "pi-01", "on")
    assert stage.speak("""
print(hex(status_of(lambda: connect().login_chap(USER, SECRET, target_secret=TARGET_SECRET))))
""") == "0x201"
    stage.farboot.run("machine", "chap", "pi-01", "mutual")


def test_a_machine_in_use_keeps_its_secret(stage):
    before = stage.secrets()["secret"]
    holder = stage.lab.start("holder", ["/usr/bin/python3", "-c", f"""
import sys, time
sys.path.insert(0, {str(LAB)!r})
from initiator import *
s = Initiator({SERVER!r}, {initiator()!r}, {target()!r}).login_chap({dashed(MAC)!r}, {before!r}, "7")
print("in", flush=True)
time.sleep(30)
"""], namespace=stage.client)
    assert holder.wait_output(re.compile(b"in"), 0, 10)
    refused = stage.farboot.run("machine", "chap", "pi-01", "--new-secret", check=False)
    assert refused.returncode == 1 and f"its disk is in use by {CLIENT}" in refused.stderr
    assert stage.secrets()["secret"] == before
    stage.farboot.run("machine", "chap", "pi-01", "--new-secret", "--force")
    assert stage.secrets()["secret"] != before
    holder.stop()


# ---- the configuration ----

def test_weak_algorithms_can_be_switched_off(stage):
    stage.configure(chap_algorithms=["sha256", "sha3-256"])
    assert stage.speak("""
print(hex(status_of(lambda: connect().begin_chap("5,6"))), connect().begin_chap("5,7")[0])
""") == "0x201 7"
    assert "none of the CHAP algorithms that are allowed" in stage.farboot.log_text()


def test_an_unknown_algorithm_is_an_error(stage):
    path = stage.lab.directory / "wrong.yaml"
    path.write_text("interfaces: [lo]\niscsi:\n  chap_algorithms: [md4]\n")
    ran = run(stage.farboot.program, "serve", "--config", path, check=False)
    assert ran.returncode != 0
    assert 'chap_algorithms: "md4" is none of md5, sha1, sha256, sha3-256' in ran.stdout + ran.stderr


def test_discovery_may_be_for_those_alone_who_authenticate(stage):
    stage.configure(discovery_auth=True)
    refused = stage.tool("iscsi-ls", f"iscsi://{SERVER}", host=stage.open_client, mac=OPEN_MAC, check=False)
    assert "Target:" not in refused.stdout
    secrets = stage.secrets()
    portal = f"iscsi://{secrets['user']}%{secrets['secret']}@{SERVER}"
    assert target() in stage.tool("iscsi-ls", portal).stdout
