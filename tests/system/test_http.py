"""Boot files over HTTP against the real daemon: curl, wget, and connections that no client makes."""

import os
import pathlib
import re
import socket
import sys
import threading
import time

import pytest
import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from lab import Farboot, Lab, run  # noqa: E402

MAC = {"pi-01": "dc:a6:32:01:02:03", "pi-02": "dc:a6:32:01:02:04"}
CLIENT, CLIENT_2, STRANGER = "192.168.20.50", "192.168.20.51", "192.168.20.52"
OUTSIDER = "10.99.0.9"
SERVER = "192.168.20.1"
OURS = ("ip=dhcp iscsi_initiator=iqn.2026-11.internal.farboot:machine:dc-a6-32-01-02-03 "
        "iscsi_target_name=iqn.2026-11.internal.farboot:root:dc-a6-32-01-02-03 iscsi_target_ip=192.168.20.1 ")
FILES = {
    "config.txt": b"[all]\nkernel=vmlinuz\ncmdline=cmdline.txt\ninitramfs initrd.img followkernel\n",
    "cmdline.txt": b"console=serial0,115200 root=LABEL=writable rootfstype=ext4 rootwait fixrtc\n",
    "empty.bin": b"",
    "vmlinuz": os.urandom(8_600_000),
    "initrd.img": os.urandom(30_000_001),
    "a name.efi": os.urandom(5000),
}


# ---- the laboratory ----

def make_image(directory):
    image = directory / "disk.img"
    with open(image, "wb") as disk:
        disk.truncate(65 << 20)
    run("sfdisk", "-q", image, input="2048,,c\n")
    run("/sbin/mkfs.vfat", "-F", "32", "-n", "BOOT", "--offset", "2048", image, 64 * 1024)
    for name, content in FILES.items():
        source = directory / "file"
        source.write_bytes(content)
        run("mcopy", "-i", f"{image}@@1M", source, f"::{name}", env={"MTOOLS_SKIP_CHECK": "1"})
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


def connect(namespace):
    """A connection to the server that lives in a namespace: a thread goes there and makes it."""
    made = []

    def enter():
        with open(f"/run/netns/{namespace}") as handle:
            setns(handle.fileno())
        made.append(socket.create_connection((SERVER, 80), 5))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    return made[0]


def setns(descriptor):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def read_head(stream):
    """The status and the headers of an answer, by lower-case name."""
    status = int(stream.readline().split()[1])
    headers = {}
    while (line := stream.readline().strip()):
        name, value = line.split(b": ", 1)
        headers[name.decode().lower()] = value.decode()
    return status, headers


def answer(namespace, request):
    """What is answered to bytes, on a connection of its own."""
    with connect(namespace) as sock:
        sock.sendall(request)
        stream = sock.makefile("rb")
        status, headers = read_head(stream)
        return status, headers, stream.read(int(headers["content-length"]))


def curl(lab, pi, path, *options):
    return lab.run_in(pi, "curl", "-sS", *options, f"http://{SERVER}/{path}")


def assert_logged(farboot, text):
    deadline = time.monotonic() + 5
    while text not in farboot.log_text():
        assert time.monotonic() < deadline, text
        time.sleep(0.05)


# ---- files ----

@pytest.mark.parametrize("name", ["vmlinuz", "initrd.img", "empty.bin", "VMLINUZ", "dc-a6-32-01-02-03/vmlinuz", "/./vmlinuz"])
def test_curl_gets_the_file_of_the_disk(lab, pi, name, tmp_path):
    got = tmp_path / "got"
    curl(lab, pi, name, "-f", "-o", got)
    assert got.read_bytes() == FILES[name.rsplit("/", 1)[-1].lower()]


def test_wget_takes_several_over_one_connection(lab, pi, tmp_path):
    done = lab.run_in(pi, "wget", "-P", tmp_path, *(f"http://{SERVER}/{name}" for name in ("vmlinuz", "initrd.img", "vmlinuz")))
    assert done.stderr.count("Reusing existing connection") == 2
    assert (tmp_path / "initrd.img").read_bytes() == FILES["initrd.img"]


def test_head_tells_length_and_type(lab, pi):
    head = curl(lab, pi, "a%20name.efi", "-I").stdout
    assert head.startswith("HTTP/1.1 200 OK")
    assert re.search(r"Content-Length: 5000\s", head) and "Content-Type: application/efi" in head
    assert "Content-Length: 30000001" in curl(lab, pi, "initrd.img", "-I").stdout


def test_a_range_is_a_part_of_the_file(lab, pi, tmp_path):
    for given, part in (("0-0", slice(0, 1)), ("5-", slice(5, None)), ("-7", slice(-7, None)),
                        ("4000000-4999999", slice(4000000, 5000000))):
        head = curl(lab, pi, "vmlinuz", "-r", given, "-o", tmp_path / "part", "-D", "-").stdout
        assert head.startswith("HTTP/1.1 206")
        assert (tmp_path / "part").read_bytes() == FILES["vmlinuz"][part]
    assert "416" in curl(lab, pi, "vmlinuz", "-r", "8600000-", "-o", "/dev/null", "-w", "%{http_code}").stdout
    # What was cut off goes on where it was.
    (tmp_path / "resumed").write_bytes(FILES["initrd.img"][:1234567])
    curl(lab, pi, "initrd.img", "-C", "-", "-o", tmp_path / "resumed")
    assert (tmp_path / "resumed").read_bytes() == FILES["initrd.img"]


def test_the_command_line_is_rewritten_and_ipxe_is_sent_to_http(lab, pi):
    assert curl(lab, pi, "cmdline.txt").stdout == \
        f"console=serial0,115200 {OURS}root=LABEL=writable rootfstype=ext4 rootwait fixrtc\n"
    script = curl(lab, pi, "boot.ipxe").stdout
    assert f"kernel http://{SERVER}/vmlinuz console" in script
    assert f"initrd --name initrd.img http://{SERVER}/initrd.img\n" in script


def test_what_is_sent_is_an_event_of_the_machine(lab, pi, farboot):
    curl(lab, pi, "vmlinuz", "-o", "/dev/null")
    assert_logged(farboot, "sent vmlinuz 8.2 MiB in")
    curl(lab, pi, "nothing", "-o", "/dev/null")
    assert_logged(farboot, "has no nothing")


# ---- cloud-init ----

def cloud_init(lab, pi, name):
    return curl(lab, pi, f"cloud-init/{name}", "-f").stdout


def test_cloud_init_is_told_what_the_settings_say(lab, pi, farboot, tmp_path):
    odd = 'echo "it\'s: #1 \\\\ é \u2028 😀" > /root/x; printf \'%s\\n\' {a: b} - c'
    (tmp_path / "keys").write_text("ssh-ed25519 AAAA anna@desk\n\nssh-rsa BBBB # two\n")
    (tmp_path / "run").write_text(f"{odd}\nsystemctl enable x\n")
    farboot.run("defaults", "set", "--timezone", "Europe/Berlin", "--ssh-keys", tmp_path / "keys")
    farboot.run("machine", "set", "pi-01", "--cloud-init", "on", "--hostname", "pi-01.lab", "--users", "anna ben",
                "--packages", "htop nfs-common", "--run", tmp_path / "run")
    try:
        text = cloud_init(lab, pi, "user-data")
        assert text.startswith("#cloud-config\n")
        data = yaml.safe_load(text)
        assert data["hostname"] == "pi-01.lab" and data["timezone"] == "Europe/Berlin"
        assert [user["name"] for user in data["users"]] == ["anna", "ben"]
        assert data["users"][1]["ssh_authorized_keys"] == ["ssh-ed25519 AAAA anna@desk", "ssh-rsa BBBB # two"]
        assert data["packages"] == ["htop", "nfs-common"]
        assert data["runcmd"] == [odd, "systemctl enable x"]
        assert farboot.run("machine", "show", "pi-01", "--user-data").stdout == text
        meta = yaml.safe_load(cloud_init(lab, pi, "meta-data"))
        assert meta["local-hostname"] == "pi-01.lab" and meta["instance-id"]
        assert cloud_init(lab, pi, "vendor-data") == cloud_init(lab, pi, "network-config") == ""
        assert " ds=nocloud;s=http://192.168.20.1/dc-a6-32-01-02-03/cloud-init/ root=" in curl(lab, pi, "cmdline.txt").stdout
        script = curl(lab, pi, "boot.ipxe").stdout
        assert " ds=nocloud;s=http://192.168.20.1/dc-a6-32-01-02-03/cloud-init/ root=" in script
        # What is said of the boot stays what it was.
        assert all(event["stage"] != "firmware" for event in events(farboot) if "cloud-init" in event["text"])

        (tmp_path / "own").write_text("#cloud-config\nbootcmd: [ls]\n")
        farboot.run("machine", "set", "pi-01", "--user-data", tmp_path / "own")
        assert cloud_init(lab, pi, "user-data") == "#cloud-config\nbootcmd: [ls]\n"
    finally:
        for key in ("cloud-init", "hostname", "users", "packages", "run", "user-data"):
            farboot.run("machine", "set", "pi-01", "--unset", key)
        farboot.run("defaults", "set", "--timezone=", "--ssh-keys=")
    assert "ds=" not in curl(lab, pi, "cmdline.txt").stdout


def events(farboot):
    import json
    answer = run("curl", "-s", "--unix-socket", farboot.socket, "http://farboot/v1/events?since=0").stdout
    return json.loads(answer)["events"]


def test_an_instance_is_a_disk(lab, pi, farboot):
    def instance():
        return yaml.safe_load(cloud_init(lab, pi, "meta-data"))["instance-id"]

    first = instance()
    farboot.run("snapshot", "create", "pi-01@one")
    farboot.run("rollback", "pi-01@one")
    farboot.run("machine", "set", "pi-01", "--name", "pi-one", "--hostname", "other")
    assert instance() == first
    farboot.run("machine", "remove", "pi-one")
    farboot.run("machine", "add", "pi-01", MAC["pi-01"], "--image", "boot")
    assert instance() != first


def test_cloud_init_data_is_a_machines_own(lab, pi, pi_2):
    code = ("-o", "/dev/null", "-w", "%{http_code}")
    assert curl(lab, pi_2, "dc-a6-32-01-02-03/cloud-init/user-data", *code).stdout == "404"
    assert curl(lab, pi_2, "cloud-init/passwd", *code).stdout == "404"
    assert "pi-02" in cloud_init(lab, pi_2, "meta-data")


@pytest.mark.parametrize("words, says", [
    (("--hostname", "a b"), "is not a host name"),
    (("--cloud-init", "yes"), "is not one of auto"),
    (("--user-data", "/etc/hostname"), "is not user data of cloud-init"),
    (("--ssh-keys", "/etc/hostname"), "is not a file of public SSH keys"),
])
def test_what_cloud_init_would_not_understand_is_refused(farboot, words, says):
    done = farboot.run("machine", "set", "pi-01", *words, check=False)
    assert done.returncode == 1 and says in done.stderr


def test_a_file_that_is_not_there_is_said(farboot):
    done = farboot.run("machine", "set", "pi-01", "--user-data", "/nowhere", check=False)
    assert done.returncode == 2 and "--user-data: /nowhere: No such file" in done.stderr


# ---- whose files ----

def test_a_machine_reaches_its_own_files_only(lab, pi, pi_2, farboot):
    code = ("-o", "/dev/null", "-w", "%{http_code}")
    assert curl(lab, pi_2, "dc-a6-32-01-02-03/vmlinuz", *code).stdout == "404"
    assert_logged(farboot, "the prefix names another machine")
    stranger = lab.add_host("dc:a6:32:01:02:99", f"{STRANGER}/24")
    assert curl(lab, stranger, "vmlinuz", *code).stdout == "404"
    for path in ("..%2f..%2fetc/passwd", "%2e%2e/x", "a%5c..%5c..%5cb", "%0a"):
        assert curl(lab, pi, path, "--path-as-is", *code).stdout == "404"


def test_who_is_outside_gets_no_answer(lab, pi, farboot):
    run("ip", "-n", pi, "address", "add", f"{OUTSIDER}/32", "dev", "eth0")
    # The server could reach it, if it would.
    run("ip", "-n", lab.server, "route", "add", f"{OUTSIDER}/32", "via", CLIENT)
    try:
        done = lab.run_in(pi, "curl", "-sS", "--interface", OUTSIDER, f"http://{SERVER}/vmlinuz", check=False)
        assert done.returncode != 0 and done.stdout == ""
        assert_logged(farboot, f"{OUTSIDER} is outside the networks served")
    finally:
        run("ip", "-n", lab.server, "route", "delete", f"{OUTSIDER}/32")
        run("ip", "-n", pi, "address", "delete", f"{OUTSIDER}/32", "dev", "eth0")


# ---- connections that no client makes ----

@pytest.mark.parametrize("request_bytes, status", [
    (b"GET /%00 HTTP/1.1\r\n\r\n", 400),
    (b"nonsense\r\n\r\n", 400),
    (b"GET / HTTP/3.0\r\n\r\n", 505),
    (b"POST /vmlinuz HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 413),
    (b"POST /vmlinuz HTTP/1.1\r\n\r\n", 405),
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\n\r\n", 404),
])
def test_bad_requests_are_answered(pi, request_bytes, status):
    got, headers, body = answer(pi, request_bytes)
    assert got == status and body
    assert headers["connection"] == ("keep-alive" if status in (404, 405) else "close")


def test_requests_may_wait_in_the_connection(pi):
    names = ["cmdline.txt", "nothing", "vmlinuz", "empty.bin", "vmlinuz"]
    with connect(pi) as sock:
        sock.sendall(b"".join(f"GET /{name} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for name in names))
        stream = sock.makefile("rb")
        for name in names:
            status, headers = read_head(stream)
            body = stream.read(int(headers["content-length"]))
            assert status == (404 if name == "nothing" else 200)
            if name in ("vmlinuz", "empty.bin"):
                assert body == FILES[name]


def test_more_requests_in_one_breath_than_a_turn_answers_harm_nobody(pi):
    with connect(pi) as s:
        s.settimeout(5)
        try:
            s.sendall(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n" * 30000)
            while s.recv(1 << 20):
                pass
        except OSError:
            pass
    assert answer(pi, b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")[0] == 404


def test_a_request_may_come_byte_by_byte(pi):
    with connect(pi) as sock:
        for byte in b"GET /empty.bin HTTP/1.0\r\n\r\n":
            sock.sendall(bytes([byte]))
        assert sock.makefile("rb").read().startswith(b"HTTP/1.1 200 OK")


def test_a_slow_reader_gets_all_and_delays_nobody(lab, pi, farboot, tmp_path):
    with connect(pi) as sock:
        sock.sendall(b"GET /initrd.img HTTP/1.0\r\n\r\n")
        stream = sock.makefile("rb")
        read_head(stream)
        body = stream.read(100_000)
        begun = time.monotonic()
        curl(lab, pi, "vmlinuz", "-f", "-o", tmp_path / "got")
        assert time.monotonic() - begun < 5
        while (piece := stream.read(3_000_000)):
            body += piece
            time.sleep(0.02)
        assert body == FILES["initrd.img"]


def test_one_client_cannot_take_all_connections(pi, pi_2, lab, tmp_path):
    held = [connect(pi) for _ in range(40)]
    try:
        open_now = 0
        for sock in held:
            sock.settimeout(0.3)
            try:
                open_now += sock.recv(1) != b""
            except TimeoutError:
                open_now += 1
            except ConnectionResetError:
                pass
        assert open_now <= 16
        curl(lab, pi_2, "vmlinuz", "-f", "-o", tmp_path / "got")
    finally:
        for sock in held:
            sock.close()


def test_who_goes_away_is_told(lab, pi, farboot):
    sock = connect(pi)
    sock.sendall(b"GET /initrd.img HTTP/1.0\r\n\r\n")
    sock.recv(1000)
    sock.close()
    assert_logged(farboot, "initrd.img: went away before all of its 28.6 MiB had left")
    assert answer(pi, b"GET /empty.bin HTTP/1.0\r\n\r\n")[0] == 200


# ---- the port ----

def test_a_port_that_is_taken_is_no_reason_not_to_start(lab, farboot):
    other = Farboot(lab, name="other", dhcp={"mode": "off"}, tftp={"enabled": False}, iscsi={"port": 3299}).start()
    assert_logged(other, "HTTP port 80 is taken by another program")
    other.stop()


def test_stopping_lets_a_transfer_end(lab, tmp_path):
    with Lab() as own:
        daemon = Farboot(own, dhcp={"mode": "off"}, http={"port": 8080}).start()
        daemon.run("image", "import", make_image(own.directory), "--name", "boot")
        daemon.run("machine", "add", "pi-01", MAC["pi-01"], "--image", "boot")
        host = own.add_host(MAC["pi-01"], f"{CLIENT}/24")
        assert "kernel http://192.168.20.1:8080/vmlinuz" in \
            own.run_in(host, "curl", "-sS", f"http://{SERVER}:8080/boot.ipxe").stdout
        got = tmp_path / "got"
        slow = own.start("curl", ["ip", "netns", "exec", host, "curl", "-sS", "--limit-rate", "20M", "-o", str(got),
                                  f"http://{SERVER}:8080/initrd.img"])
        while not got.exists() or got.stat().st_size == 0:
            time.sleep(0.02)
        assert daemon.stop() == 0
        while slow.running():
            time.sleep(0.05)
        assert got.read_bytes() == FILES["initrd.img"]
