"""DHCP against the real daemon: clients as people have them, and packets that few clients send."""

import contextlib
import ctypes
import os
import pathlib
import random
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

scapy = pytest.importorskip("scapy.all")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from lab import Farboot, Lab, run  # noqa: E402
from lab.farboot import server_dhcp  # noqa: E402

MAC = {"pi-01": "dc:a6:32:01:02:03", "pi-03": "b8:27:eb:12:34:56", "san-1": "52:54:00:12:34:56"}
SERVER, RESERVED = "192.168.20.1", "192.168.20.31"
BROADCAST = "ff:ff:ff:ff:ff:ff"
PI4_LIST = [1, 3, 43, 60, 66, 67, 128, 129, 130, 131, 132, 133, 134, 135]
PI3_LIST = [43, 60, 67, 128, 129, 130, 131, 132, 133, 134, 135, 66]
PI_CLASS = b"PXEClient:Arch:00000:UNDI:002001"
PI_MENU = bytes.fromhex("060103 0a0400505845 0917000014") + b"Raspberry Pi Boot   \xff"


# ---- the laboratory ----

@pytest.fixture(scope="module", autouse=True)
def root():
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")


def add_machines(lab, farboot):
    disk = lab.directory / "disk.img"
    with open(disk, "wb") as image:
        image.truncate(4 << 20)
    run("sfdisk", "-q", disk, input="2048,,c\n")
    farboot.run("image", "import", disk, "--name", "disk")
    farboot.run("machine", "add", "pi-01", MAC["pi-01"], "--image", "disk", "--address", RESERVED)
    farboot.run("machine", "add", "pi-03", MAC["pi-03"], "--image", "disk")
    farboot.run("machine", "add", "san-1", MAC["san-1"], "--image", "disk", "--boot", "san")


@pytest.fixture(scope="module")
def lab():
    with Lab() as opened:
        yield opened


@pytest.fixture(scope="module")
def farboot(lab):
    relayed = {"subnet": "10.9.0.0/24", "range": "10.9.0.50-10.9.0.60", "lease_seconds": 600}
    dhcp = server_dhcp(lab, domain="lab", dns=[SERVER], ntp=[SERVER])
    dhcp["subnets"].append(relayed)
    farboot = Farboot(lab, dhcp=dhcp).start()
    add_machines(lab, farboot)
    yield farboot
    assert farboot.stop() == 0


@pytest.fixture(scope="module")
def pi(lab, farboot):
    return lab.add_host(MAC["pi-01"])


@pytest.fixture
def wire(lab, farboot):
    """Raw frames on a cable of their own."""
    host = lab.add_host()
    with raw_socket(host) as sock:
        yield Wire(sock, host)


@contextlib.contextmanager
def raw_socket(namespace):
    made = []

    def enter():
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/run/netns/{namespace}") as handle:
            if libc.setns(handle.fileno(), 0x40000000) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        sock.bind(("eth0", 0))
        sock.setsockopt(263, 1, (socket.if_nametoindex("eth0")).to_bytes(4, sys.byteorder) + b"\1\0" + bytes(10))
        made.append(sock)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    with made[0] as sock:
        yield sock


class Wire:
    """Says what a client says, byte by byte, and hears every answer to it."""

    def __init__(self, sock, namespace):
        self.sock = sock
        self.namespace = namespace

    def own(self, address):
        """Lets the host behind this cable answer ARP for an address."""
        run("ip", "-n", self.namespace, "address", "add", f"{address}/24", "dev", "eth0")

    def send(self, mac, *options, flags=0, ciaddr="0.0.0.0", giaddr="0.0.0.0", to="255.255.255.255", source="0.0.0.0",
             xid=None, to_port=67):
        self.xid = random.getrandbits(32) if xid is None else xid
        packet = (scapy.Ether(src=mac, dst=BROADCAST) / scapy.IP(src=source, dst=to) / scapy.UDP(sport=68, dport=to_port) /
                  scapy.BOOTP(chaddr=bytes.fromhex(mac.replace(":", "")), xid=self.xid, flags=flags, ciaddr=ciaddr, giaddr=giaddr) /
                  scapy.DHCP(options=[*options, "end"]))
        self.sock.send(bytes(packet))

    def answer(self, seconds=2.0):
        """The first reply to what was sent last; None if there is none."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.sock], [], [], left)[0]:
                return None
            frame = scapy.Ether(self.sock.recv(2048))
            if scapy.UDP in frame and frame[scapy.UDP].sport in (67, 4011) and Answer.xid_of(frame) == self.xid:
                return Answer(frame)
        return None

    def ask(self, mac, *options, **rest):
        self.send(mac, *options, **rest)
        return self.answer()

    def lease(self, mac):
        offer = self.ask(mac, ("message-type", "discover"))
        ack = self.ask(mac, ("message-type", "request"), ("requested_addr", offer.yiaddr), ("server_id", SERVER))
        assert ack.kind == "ack" and ack.yiaddr == offer.yiaddr
        return ack.yiaddr


class Answer:
    kinds = {2: "offer", 5: "ack", 6: "nak"}

    @staticmethod
    def xid_of(frame):
        return int.from_bytes(bytes(frame[scapy.UDP].payload)[4:8], "big")

    def __init__(self, frame):
        self.frame = frame
        self.bootp = scapy.BOOTP(bytes(frame[scapy.UDP].payload))
        self.yiaddr, self.siaddr = self.bootp.yiaddr, self.bootp.siaddr
        self.codes = {}
        data, at = bytes(self.bootp)[240:], 0
        while data[at] != 255:
            assert data[at] != 0, "a pad stands between options"
            self.codes[data[at]] = data[at + 2:at + 2 + data[at + 1]]
            self.last = data[at]
            at += 2 + data[at + 1]
        self.kind = self.kinds[self.codes[53][0]]
        self.length = frame[scapy.UDP].len - 8


def pi4_options(serial=0x1234ABCD):
    uuid = b"\0RPi4\x11\x31\xc0\0\x32\x01\x02\x03" + serial.to_bytes(4, "little")
    return ("param_req_list", PI4_LIST), (93, b"\0\0"), (94, b"\1\2\1"), (97, uuid), ("vendor_class_id", PI_CLASS)


def pi3_options():
    return ("param_req_list", PI3_LIST), (93, b"\0\0"), (94, b"\1\2\1"), (97, b"\0" + b"\x44" * 16), ("vendor_class_id", PI_CLASS)


def stranger():
    return "02:00:%02x:%02x:%02x:%02x" % tuple(random.randbytes(4))


def eventually(farboot, sentence, seconds=3.0):
    """The log is written a moment after the answer is sent."""
    end = time.monotonic() + seconds
    while sentence not in farboot.log_text():
        assert time.monotonic() < end, f"not told: {sentence}\n{farboot.process.tail(10)}"
        time.sleep(0.02)


# ---- clients as people have them ----

def kill_all_in(namespace):
    for pid in run("ip", "netns", "pids", namespace).stdout.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


def test_udhcpc(lab, pi):
    done = lab.run_in(pi, "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-s", "/bin/true", "-O", "66", timeout=30)
    assert f"lease of {RESERVED} obtained from {SERVER}, lease time 3600" in done.stdout + done.stderr


def test_options_by_number_reach_a_client(lab, pi, farboot):
    """What udhcpc was told it hands to its script as it came: one variable for each option that it knows no name of."""
    farboot.run("machine", "set", "pi-01", "--dhcp-option", "150=ip:192.0.2.1 224=hex:00ff", "--boot-server", "boot.example.org",
                "--boot-file", "other/program.efi")
    script = lab.directory / "show-environment"
    script.write_text("#!/bin/sh\nenv\n")
    script.chmod(0o755)
    try:
        done = lab.run_in(pi, "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-s", str(script), "-O", "150", "-O", "224", "-V",
                          "PXEClient:Arch:00007:UNDI:003000", timeout=30)
    finally:
        for setting in ("dhcp-option", "boot-server", "boot-file"):
            farboot.run("machine", "set", "pi-01", "--unset", setting)
    assert "opt150=c0000201" in done.stdout and "opt224=00ff" in done.stdout, done.stdout
    assert "boot_file=other/program.efi" in done.stdout and "sname=boot.example.org" in done.stdout


def test_udhcpc_that_wants_broadcasts_and_has_no_client_id(lab, pi):
    done = lab.run_in(pi, "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-B", "-C", "-s", "/bin/true", timeout=30)
    assert f"lease of {RESERVED} obtained" in done.stdout + done.stderr


def test_dhclient_comes_back_with_its_address(lab, pi):
    leases, pid = lab.directory / "dhclient.leases", lab.directory / "dhclient.pid"
    words = ["dhclient", "-v", "-sf", "/bin/true", "-lf", leases, "-pf", pid]
    try:
        done = lab.run_in(pi, *words, "-1", "eth0", timeout=60)
        assert f"bound to {RESERVED}" in done.stderr
    finally:
        kill_all_in(pi)
    assert "option domain-name \"lab\"" in leases.read_text()
    assert "option host-name \"pi-01\"" in leases.read_text()
    # Started again it asks for the address that it had (INIT-REBOOT).
    try:
        done = lab.run_in(pi, *words, "-1", "eth0", timeout=60)
        assert "DHCPREQUEST" in done.stderr and "DHCPDISCOVER" not in done.stderr
        assert f"bound to {RESERVED}" in done.stderr
    finally:
        kill_all_in(pi)


def test_klibc_ipconfig(lab, pi):
    done = lab.run_in(pi, "/usr/lib/klibc/bin/ipconfig", "-t", "10", "-n", "-c", "dhcp", "-d", "eth0", timeout=30)
    said = done.stdout + done.stderr
    assert f"complete (dhcp from {SERVER})" in said
    assert re.search(rf"address: {re.escape(RESERVED)} ", said)
    assert re.search(r"host\s*: pi-01", said)


def test_dhcpcd(lab, pi):
    log = lab.directory / "dhcpcd.log"
    with open(log, "wb") as output:
        child = subprocess.Popen(lab.inside(pi, "dhcpcd", "-B", "-d", "-T", "-4", "eth0"), stdin=subprocess.DEVNULL, stdout=output,
                                 stderr=output)
        end = time.monotonic() + 30
        while f"offered {RESERVED} from {SERVER}" not in log.read_text() and time.monotonic() < end and child.poll() is None:
            time.sleep(0.1)
        # Its dry run leaves helpers behind, and does not always end.
        kill_all_in(pi)
        child.wait(10)
    assert f"offered {RESERVED} from {SERVER}" in log.read_text()
    run("ip", "-n", pi, "address", "flush", "dev", "eth0")


def test_nmap_shows_the_tftp_server(lab, farboot):
    host = lab.add_host(address="192.168.20.77/24")
    done = lab.run_in(host, "nmap", "--script", "broadcast-dhcp-discover", "-e", "eth0", timeout=60)
    assert "TFTP Server Name: 192.168.20.1" in done.stdout
    assert "Server Identifier: 192.168.20.1" in done.stdout


def test_perfdhcp_gets_an_answer_to_everything(lab, farboot):
    relay = lab.add_host(address="192.168.20.78/24")
    done = lab.run_in(relay, "perfdhcp", "-4", "-l", "eth0", "-R", "50", "-r", "100", "-p", "3", "-W", "2", "-s", "1", SERVER, timeout=60,
                      check=False)
    drops = [int(count) for count in re.findall(r"^drops: (\d+)$", done.stdout, re.M)]
    assert len(drops) == 2, done.stdout + done.stderr
    assert drops == [0, 0], done.stdout


# ---- a Pi ----

def test_a_pi4_is_told_where_to_boot(wire, farboot):
    offer = wire.ask(MAC["pi-01"], ("message-type", "discover"), *pi4_options())
    assert (offer.kind, offer.yiaddr, offer.siaddr) == ("offer", RESERVED, SERVER)
    assert offer.codes[66] == SERVER.encode()
    assert offer.codes[60] == b"PXEClient"
    assert offer.codes[43] == PI_MENU
    assert offer.codes[97].startswith(b"\0RPi4")
    assert offer.frame.dst == MAC["pi-01"] and offer.frame[scapy.IP].dst == RESERVED
    assert offer.length >= 300
    eventually(farboot, "pi-01: Raspberry Pi 4 (serial 1234abcd) asks to boot")


def test_a_pi3_gets_a_slow_broadcast_and_keeps_its_address(wire, farboot):
    started = time.monotonic()
    offer = wire.ask(MAC["pi-03"], ("message-type", "discover"), *pi3_options(), xid=0x26F30339)
    assert offer.kind == "offer"
    assert 0.9 < time.monotonic() - started < 1.9
    assert offer.frame.dst == BROADCAST and offer.frame[scapy.IP].dst == "255.255.255.255"
    # It never asks again, but nobody else may have its address: not even after the daemon was started anew.
    farboot.restart()
    again = wire.ask(MAC["pi-03"], ("message-type", "discover"))
    assert again.yiaddr == offer.yiaddr
    refused = wire.ask(stranger(), ("message-type", "request"), ("requested_addr", offer.yiaddr))
    assert refused.kind == "nak"


def test_ipxe_sanboots(wire):
    offer = wire.ask(MAC["san-1"], ("message-type", "discover"), ("vendor_class_id", PI_CLASS), (77, b"iPXE"), (57, b"\x05\xc0"),
                     (175, b"\xb1\1\1"))
    assert offer.codes[17] == b"iscsi:192.168.20.1:::0:iqn.2026-11.internal.farboot:root:52-54-00-12-34-56"
    assert offer.codes[203] == b"iqn.2026-11.internal.farboot:machine:52-54-00-12-34-56"
    assert offer.codes[175] == b"\xb0\1\1"
    assert offer.bootp.file.rstrip(b"\0") == b""


def test_one_address_for_every_client_id(wire):
    mac = stranger()
    first = wire.lease(mac)
    for client_id in (b"\1" + bytes(6), b"\xff\1\2\3\4\0\2", b"\0text"):
        assert wire.ask(mac, ("message-type", "discover"), ("client_id", client_id)).yiaddr == first


# ---- packets that few clients send ----

def test_a_relay_and_its_option_82(lab, wire):
    relay = "10.9.0.1"
    wire.own(relay)
    run("ip", "-n", lab.server, "route", "replace", "10.9.0.0/24", "dev", "eth0")
    offer = wire.ask(stranger(), ("message-type", "discover"), (82, b"\1\4port"), giaddr=relay, to=SERVER, source=relay)
    assert offer.kind == "offer" and offer.yiaddr.startswith("10.9.0.")
    assert offer.frame[scapy.IP].dst == relay and offer.frame[scapy.UDP].dport == 67
    assert offer.codes[82] == b"\1\4port" and offer.last == 82
    assert 82 not in wire.ask(stranger(), ("message-type", "discover")).codes


def test_init_reboot_with_a_wrong_address_is_refused(wire):
    nak = wire.ask(stranger(), ("message-type", "request"), ("requested_addr", "10.1.2.3"))
    assert nak.kind == "nak"
    assert nak.frame.dst == BROADCAST
    assert nak.yiaddr == "0.0.0.0"


def test_a_request_to_another_server_is_not_answered(wire, farboot):
    mac = stranger()
    offer = wire.ask(mac, ("message-type", "discover"))
    assert wire.ask(mac, ("message-type", "request"), ("requested_addr", "192.168.20.222"), ("server_id", "192.168.20.254")) is None
    # The offer was withdrawn: another one may have it.
    ack = wire.ask(stranger(), ("message-type", "request"), ("requested_addr", offer.yiaddr))
    assert ack.kind == "ack"
    eventually(farboot, "another DHCP server answers on eth0: 192.168.20.254")


def test_a_declined_address_is_not_offered_again(wire, farboot):
    mac = stranger()
    address = wire.lease(mac)
    wire.send(mac, ("message-type", "decline"), ("requested_addr", address), ("server_id", SERVER))
    assert wire.answer(0.3) is None
    farboot.restart()
    assert wire.ask(mac, ("message-type", "discover")).yiaddr != address
    assert wire.ask(stranger(), ("message-type", "request"), ("requested_addr", address)).kind == "nak"


def test_a_released_address_comes_back_to_its_client(wire):
    mac = stranger()
    address = wire.lease(mac)
    wire.send(mac, ("message-type", "release"), ("server_id", SERVER), ciaddr=address)
    assert wire.answer(0.3) is None
    assert wire.lease(mac) == address


def test_inform_is_answered_without_a_lease(wire):
    address = "192.168.20.80"
    wire.own(address)
    ack = wire.ask(stranger(), ("message-type", "inform"), ciaddr=address, source=address)
    assert ack.kind == "ack" and ack.yiaddr == "0.0.0.0"
    assert 51 not in ack.codes and 58 not in ack.codes and 59 not in ack.codes
    assert 1 in ack.codes and 3 in ack.codes


def test_leases_survive_a_crash(wire, farboot):
    macs = [stranger() for _ in range(10)]
    addresses = [wire.lease(mac) for mac in macs]
    farboot.kill()
    farboot.start()
    for mac, address in zip(macs, addresses):
        assert wire.ask(mac, ("message-type", "discover")).yiaddr == address
        assert wire.ask(mac, ("message-type", "request"), ("requested_addr", address)).kind == "ack"


def test_rubbish_harms_nobody(wire, farboot):
    for length in (0, 1, 239, 240, 300, 1400):
        packet = scapy.Ether(src=stranger(), dst=BROADCAST) / scapy.IP(src="0.0.0.0", dst="255.255.255.255") / scapy.UDP(
            sport=68, dport=67) / scapy.Raw(random.randbytes(length))
        wire.sock.send(bytes(packet))
    assert wire.lease(stranger())


def test_a_machine_added_now_boots_now(wire, farboot):
    mac = stranger()
    assert 43 not in wire.ask(mac, ("message-type", "discover"), *pi4_options()).codes
    eventually(farboot, f"farboot machine add NAME {mac} --image IMAGE")
    farboot.run("machine", "add", "new", mac, "--image", "disk")
    assert wire.ask(mac, ("message-type", "discover"), *pi4_options()).codes[43] == PI_MENU


# ---- beside a router ----

@pytest.fixture
def beside_router():
    with Lab() as lab:
        farboot = Farboot(lab, dhcp={"mode": "proxy"}).start()
        add_machines(lab, farboot)
        host = lab.add_host()
        with raw_socket(host) as sock:
            yield lab, farboot, Wire(sock, host)
        assert farboot.stop() == 0


def test_proxy_mode_adds_boot_information_only(beside_router):
    lab, farboot, wire = beside_router
    offer = wire.ask(MAC["pi-01"], ("message-type", "discover"), *pi4_options())
    assert (offer.yiaddr, offer.siaddr) == ("0.0.0.0", SERVER)
    assert offer.codes[60] == b"PXEClient" and offer.codes[43] == PI_MENU and offer.codes[66] == SERVER.encode()
    assert not {1, 3, 6, 51, 58, 59} & set(offer.codes)
    assert wire.ask(MAC["pi-01"], ("message-type", "discover")) is None
    assert wire.ask(stranger(), ("message-type", "discover"), *pi4_options()) is None
    assert wire.ask(stranger(), ("message-type", "request"), ("requested_addr", "10.1.2.3")) is None

    wire.send(MAC["pi-01"], ("message-type", "request"), ("requested_addr", "192.168.20.60"), ("server_id", "192.168.20.254"),
              *pi4_options())
    assert wire.answer(0.3) is None
    eventually(farboot, "takes 192.168.20.60 from the DHCP server 192.168.20.254")
    assert "192.168.20.254" in farboot.run("status").stdout


def test_proxy_mode_answers_on_port_4011(beside_router):
    lab, farboot, wire = beside_router
    wire.own("192.168.20.60")
    ack = wire.ask(MAC["pi-01"], ("message-type", "request"), *pi4_options(), ciaddr="192.168.20.60", source="192.168.20.60", to=SERVER,
                   to_port=4011)
    assert ack is not None and ack.kind == "ack"
    assert ack.frame[scapy.UDP].sport == 4011
    assert ack.codes[43] == PI_MENU


# ---- boards that nobody has added ----

PI4_CLASS_OPTIONS = [("message-type", "discover"), ("vendor_class_id", PI_CLASS), ("param_req_list", PI4_LIST)]


def pi4_asks(wire, mac, serial):
    guid = b"\0RPi4" + bytes.fromhex("c03111") + b"\0" + bytes.fromhex(mac.replace(":", ""))[2:] + serial.to_bytes(4, "little")
    wire.send(mac, *PI4_CLASS_OPTIONS, (97, guid))
    wire.answer(0.5)


def test_an_unknown_board_is_discovered_and_adopted(farboot, wire):
    mac = "dc:a6:32:77:88:99"
    pi4_asks(wire, mac, 0x1234abcd)
    seen = [board for board in farboot.json("machine", "discovered")["discovered"] if board["mac"] == mac]
    assert [(board["model"], board["serial"]) for board in seen] == [("Raspberry Pi 4", "1234abcd")]
    assert mac in farboot.run("machine", "discovered").stdout
    done = farboot.run("machine", "adopt", mac, "pi-77", "--image", "disk")
    assert "Raspberry Pi 4, serial 1234abcd" in done.stdout
    assert farboot.json("machine", "show", "pi-77")["serial"] == "1234abcd"
    assert mac not in farboot.run("machine", "discovered").stdout
    again = farboot.run("machine", "adopt", mac, "pi-78", "--image", "disk", check=False)
    assert again.returncode == 1 and "is a machine already" in again.stderr
    pi4_asks(wire, mac, 0x1234abcd)
    assert wire.ask(mac, *PI4_CLASS_OPTIONS).kind == "offer"


def test_the_next_board_is_adopted(lab, farboot, wire):
    waiting = lab.start("adopt", [farboot.program, "--socket", farboot.socket, "machine", "adopt", "--next", "pi-next",
                                  "--image", "disk"])
    assert waiting.wait_output(re.compile(b"switch it on now"), 0, 10)
    pi4_asks(wire, "dc:a6:32:77:88:aa", 0x55667788)
    assert waiting.wait(10) == 0
    assert farboot.json("machine", "show", "pi-next")["mac"] == "dc:a6:32:77:88:aa"


def test_another_board_takes_a_machine_over(farboot, wire):
    farboot.run("machine", "add", "pi-old", "dc:a6:32:77:00:01", "--image", "disk", "--serial", "00000001")
    before = farboot.json("machine", "show", "pi-old")
    farboot.run("machine", "replace", "pi-old", "dc:a6:32:77:00:02")
    after = farboot.json("machine", "show", "pi-old")
    assert (after["mac"], after["serial"]) == ("dc:a6:32:77:00:02", None)
    assert after["created"] == before["created"]
    pi4_asks(wire, "dc:a6:32:77:00:01", 1)
    assert "dc:a6:32:77:00:01" in farboot.run("machine", "discovered").stdout
