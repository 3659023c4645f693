"""Keeps the virtual Pi honest: its bytes against public captures, its refusals against what Pis are known to refuse."""

import json
import pathlib
import socket
import struct
import types

import pytest

from pi import Refused, config, dhcp, firmware, tftp, wire

TRANSCRIPTS = pathlib.Path(__file__).resolve().parents[1] / "transcripts" / "pi"


def transcript(name):
    return json.loads((TRANSCRIPTS / f"{name}.json").read_text())


PI4, PI3, PROXY = transcript("pi4"), transcript("pi3b"), transcript("proxy")
CONFIG = b"[all]\narm_64bit=1\nkernel=vmlinuz\ncmdline=cmdline.txt\ninitramfs initrd.img followkernel\n"
FILES = {"config.txt": CONFIG, "start4.elf": b"4" * 5000, "fixup4.dat": b"f" * 1468, "initrd.img": b"i" * 30000,
         "vmlinuz": b"k" * 40000, "cmdline.txt": b"root=LABEL=writable\n", "bcm2711-rpi-4-b.dtb": b"d" * 100,
         "bootcode.bin": b"b" * 1024, "start.elf": b"3" * 2000, "fixup.dat": b"x" * 20}


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def ip(text):
    return socket.inet_aton(text)


def board(record, model, prefix="serial"):
    return firmware.Board(model, mac_bytes(record["mac"]), int(record["serial"], 16),
                          int(record.get("revision", "0"), 16), prefix)


def reply(options, xid, mac, yiaddr="0.0.0.0", siaddr="0.0.0.0"):
    header = struct.pack("!BBBBIHH4s4s4s4s16s64s128s", 2, 1, 6, 0, xid, 0, 0, bytes(4), ip(yiaddr), ip(siaddr),
                         bytes(4), mac, b"", b"")
    return header + dhcp.COOKIE + options


class FakeWire:
    """A server without a network: answers DHCP with fixed offers and TFTP from a dictionary."""

    def __init__(self, mac, files, offers, tftp_server="192.0.2.1"):
        self.mac, self.address = mac, None
        self.files, self.offers, self.server = files, offers, ip(tftp_server)
        self.neighbours, self.sent, self.requests, self.outcomes = {}, [], [], []
        self._queue, self._transfers, self._next_port = [], {}, 50000
        self.twist = lambda packet: [packet]

    def resolve(self, address):
        self.neighbours[address] = b"\2" * 6
        return self.neighbours[address]

    def receive(self, deadline):
        return self._queue.pop(0) if self._queue else None

    def _answer(self, source_port, destination_port, payload, source=None):
        for packet in self.twist(payload):
            self._queue.append(types.SimpleNamespace(source_port=source_port, destination_port=destination_port,
                                                     source=source or self.server, payload=packet))

    def send_udp(self, _mac, _destination, source_port, destination_port, payload):
        self.sent.append((source_port, destination_port, payload))
        if destination_port == 67:
            self._dhcp(payload)
        elif destination_port == 69:
            self._rrq(source_port, payload)
        else:
            self._go_on(source_port, destination_port, payload)

    def _dhcp(self, payload):
        xid, kind = struct.unpack_from("!I", payload, 4)[0], payload[242]
        for offer in self.offers:
            options = bytes.fromhex(offer["options"])
            if kind == dhcp.REQUEST:
                options = options.replace(b"\x35\1\2", b"\x35\1\5", 1)
            if kind == dhcp.DISCOVER or offer["yiaddr"] != "0.0.0.0":
                self._queue.append(types.SimpleNamespace(
                    source_port=67, destination_port=68, source=self.server,
                    payload=reply(options, xid, self.mac, offer["yiaddr"], offer["siaddr"])))

    def _rrq(self, client_port, payload):
        words = payload[2:].split(b"\0")
        name, options = words[0].decode(), dict(zip(words[2:-1:2], words[3:-1:2]))
        self.requests.append((name, client_port, {key.decode(): value.decode() for key, value in options.items()}))
        data = self.files.get(name)
        self._next_port += 1
        if data is None:
            self.outcomes.append("missing")
            self._answer(self._next_port, client_port, b"\0\5\0\1File not found\0")
            return
        self.outcomes.append("data")
        self._transfers[self._next_port] = (data, int(options.get(b"blksize", 512)))
        if options:
            oack = b"\0\6tsize\0" + str(len(data)).encode() + b"\0"
            oack += b"blksize\0" + options[b"blksize"] + b"\0" if b"blksize" in options else b""
            self._answer(self._next_port, client_port, oack)
        else:
            self._send_block(self._next_port, client_port, 1)

    def _go_on(self, client_port, port, payload):
        opcode, number = struct.unpack_from("!HH", payload)
        if opcode == tftp.ERROR:
            self.outcomes[-1] = payload[4:-1].decode()
        else:
            self._send_block(port, client_port, number + 1)

    def _send_block(self, port, client_port, number):
        data, blksize = self._transfers[port]
        start = (number - 1) * blksize
        if start <= len(data):
            self._answer(port, client_port, struct.pack("!HH", tftp.DATA, number) + data[start:start + blksize])


def boot(record, model, files, offers=None, prefix="serial", **wire_options):
    fake = FakeWire(mac_bytes(record["mac"]), files, offers or [PI4["offer"]], **wire_options)
    events = []
    machine = firmware.Boot(fake, board(record, model, prefix), lambda event, **details: events.append((event, details)))
    fake.machine, fake.events = machine, events
    return fake


def with_prefix(files, prefix):
    return {prefix + name: data for name, data in files.items()}


# --- bytes ---

def test_pi4_discover_is_the_captured_one():
    fake = boot(PI4, "pi4", with_prefix(FILES, "1234abcd/"))
    fake.machine.run()
    source, destination, payload = fake.sent[0]
    assert (source, destination) == (68, 67)
    assert len(payload) == PI4["discover"]["payload"]
    assert payload[236:] == dhcp.COOKIE + bytes.fromhex(PI4["discover"]["options"])
    assert payload[:4] == b"\1\1\6\0" and payload[8:28] == bytes(20) and payload[28:34] == mac_bytes(PI4["mac"])


def test_pi4_request_repeats_the_identity_and_names_address_and_server():
    fake = boot(PI4, "pi4", with_prefix(FILES, "1234abcd/"))
    fake.machine.run()
    discover, request = fake.sent[0][2], fake.sent[1][2]
    assert request[4:8] == discover[4:8]
    assert request[240:255] == bytes.fromhex("350103 3204c0000232 3604c0000201")
    assert request[255:] == discover[243:]


def test_pi3_discovers_are_the_captured_ones():
    fake = boot(PI3, "pi3", FILES | with_prefix(FILES, "9d123456/"))
    fake.machine.run()
    discovers = [payload for _, port, payload in fake.sent if port == 67]
    assert len(discovers) == 2, "a Pi 3 never sends REQUEST"
    for payload, record in zip(discovers, (PI3["rom_discover"], PI3["bootcode_discover"])):
        assert len(payload) == record["payload"]
        assert payload[4:8].hex() == record["xid"]
        assert payload[240:] == bytes.fromhex(record["options"])


def test_pi3_first_requests():
    fake = boot(PI3, "pi3", FILES | with_prefix(FILES, "9d123456/"))
    fake.machine.run()
    seen = [[name, " ".join(f"{key} {value}" for key, value in options.items())] for name, _, options in fake.requests]
    assert seen[:4] == PI3["first_requests"]
    assert [port for _, port, _ in fake.requests[:4]] == [49152, 49153, 49153, 49154]


def test_udp_packet_of_a_pi3_has_no_checksum_and_ip_id_zero():
    packet = wire.udp_packet(bytes(4), b"\xff" * 4, 68, 67, b"x" * 320, 128, 0, False)
    assert packet[8] == PI3["rom_discover"]["ttl"] and packet[4:6] == b"\0\0" and packet[26:28] == b"\0\0"
    assert wire.checksum(packet[:20]) == 0


def test_udp_packet_of_a_pi4_sums_up():
    packet = wire.udp_packet(ip("192.0.2.50"), ip("192.0.2.1"), 40134, 69, b"odd", 64, 7, True)
    pseudo = packet[12:20] + struct.pack("!BBH", 0, 17, len(packet) - 20)
    assert packet[8] == PI4["discover"]["ttl"] and wire.checksum(pseudo + packet[20:]) == 0


def test_read_request_bytes():
    assert tftp.request("1234abcd/start4.elf", 1468, True) == b"\0\x011234abcd/start4.elf\0octet\0tsize\x000\0blksize\x001468\0"
    assert tftp.request("bootcode.bin", None, False) == b"\0\1bootcode.bin\0octet\0"
    assert tftp.EARLY_TERMINATE == b"\0\5\0\0Early terminate\0"


# --- the order of requests ---

def order(fake):
    return [[name, outcome] for (name, _, _), outcome in zip(fake.requests, fake.outcomes)]


def test_pi4_order_with_prefix():
    fake = boot(PI4, "pi4", with_prefix(FILES, "1234abcd/"))
    fake.machine.run()
    expected = PI4["first_requests"]["prefix"]
    assert order(fake)[:len(expected)] == expected
    assert all(name.startswith("1234abcd/") for name, _, _ in fake.requests)


def test_pi4_order_when_the_prefix_is_dropped():
    fake = boot(PI4, "pi4", FILES)
    fake.machine.run()
    assert order(fake) == PI4["first_requests"]["no_prefix"]
    assert fake.machine.files["vmlinuz"] == FILES["vmlinuz"]


def test_mac_prefix():
    fake = boot(PI4, "pi4", with_prefix(FILES, "dc-a6-32-aa-bb-cc/"), prefix="mac")
    fake.machine.run()
    assert order(fake)[0] == ["dc-a6-32-aa-bb-cc/start4.elf", "Early terminate"]


# --- which server ---

def offers(*replies):
    collected = dhcp.Offers(spaces_needed=False)
    for options, yiaddr, siaddr in replies:
        collected.add(dhcp.Reply(reply(bytes.fromhex(options), 1, bytes(6), yiaddr, siaddr)))
    return collected


def test_proxy_and_router_are_merged_and_the_proxy_serves():
    both = [(offer["options"], offer["yiaddr"], offer["siaddr"]) for offer in PROXY["offers"]]
    for replies in (both, both[::-1]):
        collected = offers(*replies)
        assert collected.complete()
        assert socket.inet_ntoa(collected.lease.tftp_server) == PROXY["tftp_server"]
        assert socket.inet_ntoa(collected.lease.address) == "192.0.2.50"
        assert socket.inet_ntoa(collected.lease.dhcp_server) == "192.0.2.1"


def test_option_66_beats_siaddr():
    collected = offers((PI4["offer"]["options"], "192.0.2.50", "192.0.2.9"))
    assert socket.inet_ntoa(collected.lease.tftp_server) == "192.0.2.1"


def test_siaddr_without_the_magic_text_is_nothing():
    collected = offers(("350102 3604c0000201 3c09505845436c69656e74 ff", "192.0.2.50", "192.0.2.1"))
    assert not collected.complete()
    assert "Raspberry Pi Boot" in collected.refusal()


def test_option_66_with_a_nul_or_a_name_is_nothing():
    for text in (b"192.0.2.1\0", b"server.lan"):
        named = (b"\x42" + bytes([len(text)]) + text).hex()
        assert not offers((f"350102 3604c0000201 {named} ff", "192.0.2.50", "192.0.2.1")).complete()


def test_pads_between_options_are_refused():
    collected = offers(("350102 00 3604c0000201 4209 3139322e302e322e31 ff", "192.0.2.50", "0.0.0.0"))
    assert not collected.complete() and "pad" in collected.refusal()


def test_a_pi3_rom_needs_the_three_spaces():
    short = dhcp.Reply(reply(bytes.fromhex(PROXY["offers"][0]["options"]), 1, bytes(6)))
    long = dhcp.Reply(reply(bytes.fromhex(PI4["offer"]["options"]), 1, bytes(6), siaddr="192.0.2.1"))
    assert dhcp.boot_server(short, spaces_needed=True)[0] is None
    assert dhcp.boot_server(long, spaces_needed=True)[0] == ip("192.0.2.1")


def test_a_server_elsewhere_needs_a_router():
    lease = dhcp.Lease()
    lease.address, lease.netmask, lease.tftp_server = ip("192.0.2.50"), ip("255.255.255.0"), ip("198.51.100.1")
    with pytest.raises(Refused, match="router"):
        lease.hop()
    lease.router = ip("192.0.2.254")
    assert lease.hop() == lease.router


# --- transfers that go wrong ---

def transfer(data, twist, blksize=1468):
    fake = FakeWire(mac_bytes(PI4["mac"]), {"f": data}, [])
    fake.twist = twist
    client = tftp.Client(fake, fake.server, b"\2" * 6, 40134, blksize)
    return client.get("f")


def test_a_file_of_whole_blocks_ends_with_an_empty_one():
    assert transfer(b"a" * 2936, lambda packet: [packet]).data == b"a" * 2936


def test_an_empty_file():
    result = transfer(b"", lambda packet: [packet])
    assert result.status == "data" and result.data == b""


def test_a_block_sent_twice_is_refused():
    with pytest.raises(Refused, match="sent twice"):
        transfer(b"a" * 5000, lambda packet: [packet, packet] if packet[1] == tftp.DATA else [packet])


def test_options_nobody_asked_for_are_refused():
    with pytest.raises(Refused, match="windowsize"):
        transfer(b"a", lambda packet: [packet + b"windowsize\x004\0"] if packet[1] == tftp.OACK else [packet])


def test_a_wrong_tsize_is_refused():
    with pytest.raises(Refused, match="tsize"):
        transfer(b"a" * 9, lambda packet: [packet.replace(b"tsize\x009", b"tsize\x008")])


def test_a_server_that_ignores_options_works():
    def plain(packet):
        return [struct.pack("!HH", tftp.DATA, 1) + b"short"] if packet[1] == tftp.OACK else [packet]
    assert transfer(b"short", plain).data == b"short"


def test_a_file_that_takes_too_long_is_given_up(monkeypatch):
    clock = iter(range(0, 10000, 8))
    monkeypatch.setattr(tftp, "time", types.SimpleNamespace(monotonic=lambda: next(clock)))
    fake = FakeWire(mac_bytes(PI4["mac"]), {"f": b"a" * 50000}, [])
    with pytest.raises(Refused, match="limit of 30 s"):
        tftp.Client(fake, fake.server, b"\2" * 6, 40134, 1468).get("f")
    assert fake.sent[-1][2] == tftp.EARLY_TERMINATE


def test_a_silent_server_counts_as_missing():
    fake = FakeWire(mac_bytes(PI4["mac"]), {}, [])
    fake.twist = lambda packet: []
    assert tftp.Client(fake, fake.server, b"\2" * 6, 40134, 1468).get("f").status == "silent"
    assert len({port for port, _, _ in fake.sent}) == 1 and len(fake.sent) > 2


# --- config.txt ---

def test_sections_and_names():
    text = "[pi3]\nkernel=wrong\n[pi4]\nkernel=right # why\n[all]\ninitramfs first followkernel\ndtoverlay=vc4,x\n[none]\ncmdline=no\n"
    parsed = config.parse(text, "pi4", "board.dtb")
    assert (parsed.kernel, parsed.initramfs_file, parsed.cmdline) == ("right", "first", "cmdline.txt")
    assert parsed.overlays == ["vc4"]


def test_includes_and_os_prefix():
    parsed = config.parse("os_prefix=current/\ninclude more.txt\n", "pi4", "board.dtb", {"more.txt": "kernel=k\n"}.get)
    assert parsed.kernel == "current/k" and parsed.device_tree == "current/board.dtb" and parsed.includes == ["more.txt"]


def test_defaults():
    assert config.parse("", "pi4", "b").kernel == "kernel8.img"
    assert config.parse("arm_64bit=0\nauto_initramfs=1\n", "pi4", "b").initramfs_file == "initramfs8"


def test_missing_kernel_is_named():
    files = dict(FILES)
    del files["vmlinuz"]
    with pytest.raises(Refused, match="vmlinuz"):
        boot(PI4, "pi4", files).machine.run()


def test_config_that_changes_during_a_boot_is_refused():
    fake = boot(PI4, "pi4", dict(FILES))
    first = fake._rrq
    def rrq(port, payload):
        first(port, payload)
        if b"fixup4.dat" in payload:
            fake.files["config.txt"] = CONFIG + b"#\n"
    fake._rrq = rrq
    with pytest.raises(Refused, match="changed"):
        fake.machine.run()
