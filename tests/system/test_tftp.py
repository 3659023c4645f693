"""TFTP against the real daemon: clients as people have them, and packets that no client sends."""

import contextlib
import ctypes
import os
import pathlib
import socket
import struct
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from lab import Farboot, Lab, run  # noqa: E402

MAC = {"pi-01": "dc:a6:32:01:02:03", "pi-02": "dc:a6:32:01:02:04"}
CLIENT = "192.168.20.50"
CLIENT_2 = "192.168.20.51"
STRANGER = "192.168.20.52"
OUTSIDER = "10.99.0.9"
BOOT_MIB = 96
OURS = ("ip=dhcp iscsi_initiator=iqn.2026-11.internal.farboot:machine:dc-a6-32-01-02-03 "
        "iscsi_target_name=iqn.2026-11.internal.farboot:root:dc-a6-32-01-02-03 iscsi_target_ip=192.168.20.1 ")
RRQ, WRQ, DATA, ACK, ERROR, OACK = range(1, 7)

FILES = {
    "config.txt": b"[all]\nkernel=vmlinuz\ncmdline=cmdline.txt\ninitramfs initrd.img followkernel\n",
    "cmdline.txt": b"console=serial0,115200 root=LABEL=writable rootfstype=ext4 rootwait fixrtc\n",
    "text.txt": b"one\ntwo\r\nthree\r",
    "empty.bin": b"",
    "even.bin": os.urandom(1024),
    "start4.elf": os.urandom(2_200_001),
    "vmlinuz": os.urandom(8_600_000),
    "initrd.img": os.urandom(1_000_000),
    "overlays/README": b"overlays\n",
    # 70,000 blocks of 512 bytes
    "large.bin": os.urandom(65536) * 546 + b"end",
}


# ---- the laboratory ----

def make_image(directory):
    """A disk as an image has it: MBR, FAT32. A boot partition is all that TFTP looks at."""
    image = directory / "disk.img"
    with open(image, "wb") as disk:
        disk.truncate((BOOT_MIB + 1) << 20)
    run("sfdisk", "-q", image, input="2048,,c\n")
    run("/sbin/mkfs.vfat", "-F", "32", "-n", "BOOT", "--offset", "2048", image, BOOT_MIB * 1024)
    partition = f"{image}@@1M"
    run("mmd", "-i", partition, "::overlays", env={"MTOOLS_SKIP_CHECK": "1"})
    for name, content in FILES.items():
        source = directory / "file"
        source.write_bytes(content)
        run("mcopy", "-i", partition, source, f"::{name}", env={"MTOOLS_SKIP_CHECK": "1"})
    return image


@pytest.fixture(scope="module")
def lab():
    with Lab() as opened:
        yield opened


@pytest.fixture(scope="module")
def farboot(lab):
    farboot = Farboot(lab, dhcp={"mode": "off"}).start()
    farboot.run("image", "import", make_image(lab.directory), "--name", "boot")
    for name, mac in MAC.items():
        farboot.run("machine", "add", name, mac, "--image", "boot")
    yield farboot
    farboot.stop()


@pytest.fixture(scope="module")
def pi(lab, farboot):
    return lab.add_host(MAC["pi-01"], f"{CLIENT}/24")


@pytest.fixture(scope="module")
def pi_2(lab, farboot):
    return lab.add_host(MAC["pi-02"], f"{CLIENT_2}/24")


@contextlib.contextmanager
def socket_in(namespace, address=""):
    """A UDP socket that lives in a namespace: a thread goes there and makes it."""
    made = []

    def enter():
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/run/netns/{namespace}") as handle:
            if libc.setns(handle.fileno(), 0x40000000) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    with made[0] as sock:
        sock.bind((address, 0))
        sock.settimeout(5)
        yield sock


def request(path, *options, mode=b"octet", opcode=RRQ):
    words = [path, mode, *options]
    return struct.pack(">H", opcode) + b"".join((word if isinstance(word, bytes) else word.encode()) + b"\0" for word in words)


def opcode_of(packet):
    return struct.unpack(">H", packet[:2])[0]


def ask(lab, sock, packet):
    """Sends a request; returns the first answer and where it came from."""
    sock.sendto(packet, (lab.server_address, 69))
    return sock.recvfrom(70000)


def answers_within(sock, seconds):
    """Everything that arrives while we say nothing."""
    packets, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        sock.settimeout(max(end - time.monotonic(), 0.01))
        try:
            packets.append(sock.recvfrom(70000)[0])
        except TimeoutError:
            break
    return packets


def fetch(lab, sock, packet, blksize=512):
    """A correct client's transfer, in lock-step."""
    answer, peer = ask(lab, sock, packet)
    if opcode_of(answer) == OACK:
        sock.sendto(struct.pack(">HH", ACK, 0), peer)
        answer = sock.recvfrom(70000)[0]
    content, block = b"", 1
    while True:
        assert struct.unpack(">HH", answer[:4]) == (DATA, block & 0xffff)
        content += answer[4:]
        sock.sendto(struct.pack(">HH", ACK, block & 0xffff), peer)
        if len(answer) < blksize + 4:
            return content
        block += 1
        answer = sock.recvfrom(70000)[0]


def assert_logged(farboot, text):
    """The answer may be here before the line is."""
    deadline = time.monotonic() + 5
    while text not in farboot.log_text():
        assert time.monotonic() < deadline, f"not in the log: {text}"
        time.sleep(0.05)


# ---- clients as people have them ----

CLIENTS = {
    "tftp-hpa": lambda server, name, to: ["tftp", "-m", "binary", server, "-c", "get", name, to],
    "curl": lambda server, name, to: ["curl", "-sS", "-o", to, f"tftp://{server}/{name}"],
    "curl-1468": lambda server, name, to: ["curl", "-sS", "--tftp-blksize", "1468", "-o", to, f"tftp://{server}/{name}"],
    "curl-plain": lambda server, name, to: ["curl", "-sS", "--tftp-no-options", "-o", to, f"tftp://{server}//{name}"],
    "busybox": lambda server, name, to: ["busybox", "tftp", "-g", "-r", name, "-l", to, server],
    "busybox-1468": lambda server, name, to: ["busybox", "tftp", "-g", "-b", "1468", "-r", name, "-l", to, server],
    "atftp": lambda server, name, to: ["atftp", "-g", "-r", name, "-l", to, server],
    "atftp-window": lambda server, name, to: ["atftp", "--option", "blksize 1428", "--option", "windowsize 16",
                                              "--option", "tsize 0", "-g", "-r", name, "-l", to, server],
    "atftp-large-window": lambda server, name, to: ["atftp", "--option", "blksize 1468", "--option", "windowsize 512",
                                                    "-g", "-r", name, "-l", to, server],
}


@pytest.mark.parametrize("name", ["start4.elf", "even.bin", "overlays/README", "1234abcd/vmlinuz",
                                  "dc-a6-32-01-02-03/vmlinuz", "DC-A6-32-01-02-03/START4.ELF"])
@pytest.mark.parametrize("client", CLIENTS)
def test_real_clients_get_the_file_of_the_disk(lab, pi, client, name, tmp_path):
    got = tmp_path / "got"
    lab.run_in(pi, *CLIENTS[client](lab.server_address, name, got))
    path = {"VMLINUZ": "vmlinuz", "START4.ELF": "start4.elf"}.get(name.rsplit("/", 1)[-1], name.rsplit("/", 1)[-1])
    assert got.read_bytes() == FILES[name if name in FILES else path]


@pytest.mark.parametrize("client", ["curl-plain", "busybox", "tftp-hpa"])
def test_block_numbers_roll_over(lab, pi, farboot, client, tmp_path):
    lab.run_in(pi, *CLIENTS[client](lab.server_address, "large.bin", tmp_path / "got"))
    assert (tmp_path / "got").read_bytes() == FILES["large.bin"]
    assert_logged(farboot, "large.bin needs more than 65535 blocks of 512 bytes")


def test_an_empty_file_is_one_empty_block(lab, pi):
    with socket_in(pi) as sock:
        assert fetch(lab, sock, request("empty.bin")) == b""


def test_netascii(lab, pi, tmp_path):
    got = tmp_path / "got"
    lab.run_in(pi, "tftp", "-m", "ascii", lab.server_address, "-c", "get", "text.txt", got)
    assert got.read_bytes() == FILES["text.txt"]
    with socket_in(pi) as sock:
        assert fetch(lab, sock, request("text.txt", mode=b"NetASCII")) == b"one\r\ntwo\r\0\r\nthree\r\0"
        # tsize counts octets of the file, which are not those on the wire.
        assert opcode_of(ask(lab, sock, request("text.txt", "tsize", "0", mode=b"netascii"))[0]) == DATA


# ---- what farboot writes itself ----

@pytest.mark.parametrize("name", ["cmdline.txt", "CMDLINE.TXT", "1234abcd/cmdline.txt", "/./dc-a6-32-01-02-03//cmdline.txt"])
def test_the_command_line_is_rewritten_on_the_wire(lab, pi, name):
    with socket_in(pi) as sock:
        assert fetch(lab, sock, request(name)).decode() == \
            f"console=serial0,115200 {OURS}root=LABEL=writable rootfstype=ext4 rootwait fixrtc\n"
        answer, _ = ask(lab, sock, request(name, "tsize", "0"))
        assert int(answer.split(b"\0")[3 - 1]) == len(OURS) + len(FILES["cmdline.txt"])


def test_words_of_the_command_line_are_a_setting(lab, pi, farboot):
    farboot.run("defaults", "set", "--cmdline-remove", "fixrtc console")
    farboot.run("machine", "set", "pi-01", "--cmdline-add", 'console=ttyAMA10 x="a b"')
    with socket_in(pi) as sock:
        assert fetch(lab, sock, request("cmdline.txt")).decode() == \
            f'{OURS}root=LABEL=writable rootfstype=ext4 rootwait console=ttyAMA10 x="a b"\n'
    farboot.run("machine", "set", "pi-01", "--unset", "cmdline-add")
    farboot.run("defaults", "set", "--cmdline-remove=")
    with socket_in(pi) as sock:
        assert fetch(lab, sock, request("cmdline.txt")).decode() == \
            f"console=serial0,115200 {OURS}root=LABEL=writable rootfstype=ext4 rootwait fixrtc\n"


def test_ipxe_gets_a_script_with_the_names_of_config_txt(lab, pi):
    with socket_in(pi) as sock:
        script = fetch(lab, sock, request("boot.ipxe")).decode()
    assert script == ("#!ipxe\n"
                      f"kernel tftp://192.168.20.1/vmlinuz console=serial0,115200 {OURS}root=LABEL=writable "
                      "rootfstype=ext4 rootwait fixrtc initrd=initrd.img\n"
                      "initrd --name initrd.img tftp://192.168.20.1/initrd.img\n"
                      "boot\n")


# ---- who may have what ----

def refused(lab, host, path):
    with socket_in(host) as sock:
        answer, _ = ask(lab, sock, request(path))
        assert opcode_of(answer) == ERROR
        return struct.unpack(">H", answer[2:4])[0]


def test_a_serial_is_learned_from_the_prefix(lab, pi, pi_2, farboot):
    with socket_in(pi_2) as sock:
        assert fetch(lab, sock, request("0badcafe/config.txt")) == FILES["config.txt"]
    assert farboot.json("machine", "show", "pi-02")["serial"] == "0badcafe"
    # From now on it is pi-02's, and nobody else's.
    assert refused(lab, pi, "0badcafe/config.txt") == 1
    assert_logged(farboot, "the prefix names another machine")


def test_a_machine_reaches_only_its_own_files(lab, pi, pi_2):
    assert refused(lab, pi_2, "dc-a6-32-01-02-03/config.txt") == 1
    stranger = lab.add_host("02:00:00:00:00:77", f"{STRANGER}/24")
    assert refused(lab, stranger, "config.txt") == 1
    assert refused(lab, stranger, "dc-a6-32-01-02-03/config.txt") == 1


@pytest.mark.parametrize("path", ["nothing", "overlays", "overlays/", "config.txt/x", "..", "../config.txt", "/../../etc/passwd",
                                  "..\\config.txt", "overlays/../config.txt", "1234abcd/../config.txt", "%2e%2e/config.txt",
                                  "/etc/passwd", "a\x1b[2J", "x" * 500, "CON", "config.txt::$DATA", "."], ids=lambda path: repr(path)[:30])
def test_what_is_not_there_is_error_1_at_once(lab, pi, path):
    started = time.monotonic()
    assert refused(lab, pi, path) == 1
    assert time.monotonic() - started < 1


def test_nothing_can_be_written(lab, pi):
    with socket_in(pi) as sock:
        assert ask(lab, sock, request("config.txt", opcode=WRQ))[0][:4] == struct.pack(">HH", ERROR, 2)


MALFORMED = {
    "name-without-end": struct.pack(">H", RRQ) + b"name",
    "no-mode": struct.pack(">H", RRQ) + b"name\0",
    "no-name": struct.pack(">H", RRQ) + b"\0octet\0",
    "empty-mode": struct.pack(">H", RRQ) + b"name\0\0\0",
    "mail": request("config.txt", mode=b"mail"),
    "long-name": struct.pack(">H", RRQ) + b"a" * 1000 + b"\0octet\0",
}
NO_REQUEST = {
    "empty": b"", "one-byte": b"\0", "ack": struct.pack(">HH", ACK, 1), "data": struct.pack(">HH", DATA, 1) + b"x",
    "error": struct.pack(">HH", ERROR, 0) + b"\0", "unknown": struct.pack(">H", 77) + b"x\0octet\0",
}


@pytest.mark.parametrize("packet", MALFORMED.values(), ids=MALFORMED)
def test_malformed_requests_are_illegal(lab, pi, packet):
    with socket_in(pi) as sock:
        assert ask(lab, sock, packet)[0][:4] == struct.pack(">HH", ERROR, 4)


@pytest.mark.parametrize("packet", NO_REQUEST.values(), ids=NO_REQUEST)
def test_what_is_no_request_is_not_answered(lab, pi, packet):
    with socket_in(pi) as sock:
        sock.sendto(packet, (lab.server_address, 69))
        assert answers_within(sock, 0.3) == []


def test_nobody_outside_the_served_networks_is_answered(lab, pi, farboot):
    run("ip", "-n", pi, "address", "add", f"{OUTSIDER}/32", "dev", "eth0")
    # The server could reach it, if it would.
    run("ip", "-n", lab.server, "route", "add", f"{OUTSIDER}/32", "via", CLIENT)
    try:
        with socket_in(pi, OUTSIDER) as sock:
            for packet in (request("config.txt"), request("nothing"), request("x", opcode=WRQ), request("x", mode=b"mail")):
                sock.sendto(packet, (lab.server_address, 69))
            assert answers_within(sock, 1) == []
        assert_logged(farboot, f"{OUTSIDER} is outside the networks of eth0")
    finally:
        run("ip", "-n", lab.server, "route", "delete", f"{OUTSIDER}/32")
        run("ip", "-n", pi, "address", "delete", f"{OUTSIDER}/32", "dev", "eth0")


# ---- the conversation ----

def test_only_what_was_asked_for_is_granted(lab, pi):
    with socket_in(pi) as sock:
        def granted(*options):
            packet, peer = ask(lab, sock, request("start4.elf", *options))
            sock.sendto(struct.pack(">HH", ERROR, 0) + b"Early terminate\0", peer)
            if opcode_of(packet) != OACK:
                return None
            words = packet[2:].decode().split("\0")
            return dict(zip(words[0::2], words[1::2]))

        size = str(len(FILES["start4.elf"]))
        assert granted("tsize", "0") == {"tsize": size}
        assert granted("TSize", "0", "BlkSize", "1468") == {"tsize": size, "blksize": "1468"}
        assert granted("blksize", "65464") == {"blksize": "1468"}
        assert granted("timeout", "5") == {"timeout": "5"}
        assert granted("windowsize", "65535") == {"windowsize": "64"}
        assert granted("multicast", "", "blksize", "7", "windowsize", "0", "timeout", "0") is None
        assert granted("rollover", "1", "blksize", "-5") is None


def test_a_probe_is_no_failure(lab, pi, farboot):
    before = len(farboot.log_text())
    for _ in range(30):
        with socket_in(pi) as sock:
            packet, peer = ask(lab, sock, request("start4.elf", "tsize", "0", "blksize", "1468"))
            assert opcode_of(packet) == OACK
            sock.sendto(struct.pack(">HH", ERROR, 0) + b"Early terminate\0", peer)
    time.sleep(0.2)
    log = farboot.log_text()[before:].lower()
    assert "warning" not in log and "error" not in log


def test_the_answer_to_a_forged_request_is_small(lab, pi):
    """Whoever does not answer gets at most ten times what it sent, counted with headers, or one packet; and no window."""
    with socket_in(pi) as plain, socket_in(pi) as window:
        plain.sendto(request("start4.elf"), (lab.server_address, 69))
        window.sendto(request("start4.elf", "windowsize", "64"), (lab.server_address, 69))
        assert [opcode_of(packet) for packet in answers_within(plain, 12)] == [DATA]
        window.settimeout(0.1)
        assert [opcode_of(packet) for packet in answers_within(window, 1)] == [OACK] * 3


def test_duplicates_do_not_breed(lab, pi):
    """Every ACK twice: no block may come twice for it."""
    with socket_in(pi) as sock:
        answer, peer = ask(lab, sock, request("start4.elf"))
        seen = []
        while len(seen) < 300:
            seen.append(struct.unpack(">HH", answer[:4])[1])
            for _ in range(2):
                sock.sendto(answer[2:4].join([struct.pack(">H", ACK), b""]), peer)
            answer = sock.recvfrom(70000)[0]
        assert seen == list(range(1, 301))
        sock.sendto(struct.pack(">HH", ERROR, 0) + b"\0", peer)


def test_a_lost_block_comes_again_after_a_moment(lab, pi):
    """The round trip is short here: a fifth of a second, then twice that."""
    with socket_in(pi) as sock:
        answer, peer = ask(lab, sock, request("start4.elf"))
        sock.sendto(struct.pack(">HH", ACK, 1), peer)
        assert sock.recvfrom(70000)[0][:4] == struct.pack(">HH", DATA, 2)
        started = time.monotonic()
        assert sock.recvfrom(70000)[0][:4] == struct.pack(">HH", DATA, 2)
        assert 0.15 < time.monotonic() - started < 0.8
        assert sock.recvfrom(70000)[0][:4] == struct.pack(">HH", DATA, 2)
        assert 0.5 < time.monotonic() - started < 1.6
        sock.sendto(struct.pack(">HH", ERROR, 0) + b"\0", peer)


def test_a_window_goes_on_from_the_gap(lab, pi):
    with socket_in(pi) as sock:
        _, peer = ask(lab, sock, request("start4.elf", "windowsize", "8"))
        sock.sendto(struct.pack(">HH", ACK, 0), peer)
        blocks = [struct.unpack(">HH", packet[:4])[1] for packet in answers_within(sock, 0.1)]
        assert blocks == list(range(1, 9))
        sock.sendto(struct.pack(">HH", ACK, 5), peer)
        blocks = [struct.unpack(">HH", packet[:4])[1] for packet in answers_within(sock, 0.1)]
        assert blocks == list(range(6, 14))
        sock.sendto(struct.pack(">HH", ERROR, 0) + b"\0", peer)


def test_a_repeated_request_is_one_transfer(lab, pi):
    """Firmware asks again after two seconds; a slow answer must not become two."""
    with socket_in(pi) as sock:
        for _ in range(3):
            sock.sendto(request("config.txt"), (lab.server_address, 69))
        answer, peer = sock.recvfrom(70000)
        sock.sendto(struct.pack(">HH", ACK, 1), peer)
        assert opcode_of(answer) == DATA
        assert answers_within(sock, 0.5) == []


def test_a_restarted_client_takes_its_place_back(lab, pi):
    """The same port asks for something else while the old transfer still runs."""
    with socket_in(pi) as sock:
        answer, peer = ask(lab, sock, request("start4.elf"))
        sock.sendto(struct.pack(">HH", ACK, 1), peer)
        assert sock.recvfrom(70000)[1] == peer
        answer, other = ask(lab, sock, request("config.txt"))
        assert other != peer and answer[4:] == FILES["config.txt"]
        sock.sendto(struct.pack(">HH", ACK, 1), other)
        # The old one is gone: nothing is repeated from its port.
        assert answers_within(sock, 1.5) == []


def test_one_client_cannot_take_every_place(lab, pi, pi_2):
    """Half-open transfers of one client are few, and another client does not notice."""
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket_in(pi)) for _ in range(40)]
        for sock in socks:
            sock.sendto(request("start4.elf"), (lab.server_address, 69))
        time.sleep(0.3)
        served, open_ends = 0, []
        for sock in socks:
            sock.settimeout(0.01)
            with contextlib.suppress(TimeoutError):
                packet, peer = sock.recvfrom(70000)
                served += opcode_of(packet) == DATA
                open_ends.append((sock, peer))
        assert served == 16
        with socket_in(pi_2) as other:
            assert fetch(lab, other, request("config.txt")) == FILES["config.txt"]
        for sock, peer in open_ends:
            sock.sendto(struct.pack(">HH", ERROR, 0) + b"\0", peer)


def test_many_at_once(lab, pi, pi_2, tmp_path):
    """Sixteen transfers from two machines side by side, every byte in its place."""
    jobs = [lab.start(f"curl-{host[-1]}-{number}", ["curl", "-sS", "--tftp-blksize", "1468", "-o", tmp_path / f"{host}-{number}",
                                                  f"tftp://{lab.server_address}/vmlinuz"], namespace=host)
            for number in range(8) for host in (pi, pi_2)]
    for job in jobs:
        assert job.wait(60) == 0, job.tail()
    assert len(list(tmp_path.iterdir())) == 16
    for got in tmp_path.iterdir():
        assert got.read_bytes() == FILES["vmlinuz"]


def test_a_transfer_may_end_when_the_daemon_stops(lab, pi, farboot):
    """SIGTERM: what is being sent arrives, what comes later is not answered."""
    ends = []
    with socket_in(pi) as sock, socket_in(pi) as late:
        answer, peer = ask(lab, sock, request("even.bin"))
        stopping = threading.Thread(target=lambda: ends.append(farboot.stop()))
        stopping.start()
        time.sleep(0.3)
        late.sendto(request("config.txt"), (lab.server_address, 69))
        content = answer[4:]
        for block in (1, 2):
            sock.sendto(struct.pack(">HH", ACK, block), peer)
            content += sock.recvfrom(70000)[0][4:]
        assert content == FILES["even.bin"]
        sock.sendto(struct.pack(">HH", ACK, 3), peer)
        stopping.join(10)
        assert ends == [0]
        assert answers_within(late, 0.1) == []
    farboot.start()
