"""NFS from the real daemon: each machine its own folder, by libnfs's tools over version 3 and by hand over 4.1."""

import os
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from lab import Farboot, Lab, run  # noqa: E402

MAC, OTHER_MAC = "dc:a6:32:01:02:03", "dc:a6:32:01:02:04"
SERVER, CLIENT, OTHER_CLIENT, STRANGER = "192.168.20.1", "192.168.20.50", "192.168.20.51", "192.168.20.52"
TESTS = pathlib.Path(__file__).resolve().parent.parent
PATH = f"/srv/tftp/{MAC.replace(':', '-')}"


class Stage:
    """The daemon, confined and as nobody, with two machines; the first has a boot folder."""

    def __init__(self, lab):
        self.lab = lab
        self.farboot = Farboot(lab, user="nobody", nfs={"port": 2049})
        self.client = lab.add_host(MAC, f"{CLIENT}/24")
        self.other = lab.add_host(OTHER_MAC, f"{OTHER_CLIENT}/24")
        self.stranger = lab.add_host("02:00:00:00:00:99", f"{STRANGER}/24")
        lab.directory.chmod(0o755)
        for parent in lab.directory.parents:
            if parent != pathlib.Path("/") and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)

    def start(self):
        image = self.lab.directory / "disk.img"
        with open(image, "wb") as disk:
            disk.truncate(8 << 20)
        run("sfdisk", "-q", image, input="2048,,83\n")
        self.farboot.start()
        self.farboot.run("image", "import", image, "--name", "plain")
        for name, mac in (("pi-01", MAC), ("pi-02", OTHER_MAC)):
            self.farboot.run("machine", "add", name, mac, "--image", "plain")
        self.make_folder("boot-1", "root")
        return self

    def make_folder(self, name, owner):
        """What farboot's own extraction does, in short: an empty folder with its identity."""
        folder = pathlib.Path(self.farboot.config["store"]) / "folders" / name
        folder.mkdir()
        os.setxattr(folder, "user.farboot.folder", f"{owner} {os.urandom(8).hex()}".encode())
        shutil.chown(folder, "nobody", "nogroup")
        folder.chmod(0o700)
        self.folder = folder

    def tool(self, *argv, host=None, check=True):
        return self.lab.run_in(host or self.client, "timeout", "30", *argv, check=check)

    def speak(self, code, host=None):
        """Python in a client's namespace, with lab.nfs at hand."""
        program = f"import sys; sys.path.insert(0, {str(TESTS)!r})\nfrom lab.nfs import *\n" \
                  f"client = Client(2049, address={SERVER!r})\nPATH = {PATH.strip('/').split('/')!r}\n{code}"
        return self.lab.run_in(host or self.client, "/usr/bin/python3", "-c", program).stdout


@pytest.fixture(scope="module")
def stage():
    if os.geteuid() != 0 or not shutil.which("nfs-ls"):
        pytest.skip("needs root and libnfs-utils")
    with Lab() as lab:
        yield Stage(lab).start()


def test_libnfs_reads_back_what_it_wrote(stage, tmp_path):
    source = tmp_path / "vmlinuz"
    source.write_bytes(os.urandom(3_000_000))
    url = f"nfs://{SERVER}{PATH}"
    stage.tool("nfs-cp", source, f"{url}/vmlinuz")
    assert "vmlinuz" in stage.tool("nfs-ls", url).stdout
    stage.tool("nfs-cp", f"{url}/vmlinuz", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == source.read_bytes() == (stage.folder / "vmlinuz").read_bytes()
    owner = (stage.folder / "vmlinuz").stat()
    assert shutil._get_uid("nobody") == owner.st_uid and owner.st_mode & 0o7777 == 0o600


def test_the_machine_sees_a_folder_of_roots(stage):
    (line,) = [line for line in stage.tool("nfs-ls", f"nfs://{SERVER}{PATH}").stdout.splitlines() if "vmlinuz" in line]
    assert line.split()[:4] == ["-rwxr-xr-x", "1", "0", "0"]


@pytest.mark.parametrize("who,reason", [("other", "it has no folder"), ("stranger", "no machine of ours is at that address")])
def test_nobody_else_gets_it(stage, who, reason):
    host = getattr(stage, who)
    assert stage.tool("nfs-ls", f"nfs://{SERVER}{PATH}", host=host, check=False).returncode != 0
    assert stage.speak("s = client.session('x'); print(s.at(PATH).status, s.at([], lookup('srv')).status)",
                       host=host).split() == ["2", "2"]
    told = [line for line in stage.farboot.log_text().splitlines() if reason in line]
    assert [f"asked for {PATH} over NFS" in line for line in told] == [True, False] and "asked for /srv over" in told[1]


def test_a_wrong_path_is_told_with_the_right_one(stage):
    assert stage.speak("print(client.session('x').at(PATH[:2] + ['wrong']).status)").strip() == "2"
    assert f"asked for /srv/tftp/wrong over NFS: that is none of its folders; it has {PATH}" in stage.farboot.log_text()


def test_names_move_between_directories_of_a_confined_daemon(stage):
    assert stage.speak("""
s = client.session("mover")
print(s.at(PATH, create("a", DIRECTORY)).status, s.at(PATH, create("b", DIRECTORY)).status)
a, b = s.handle(PATH + ["a"]), s.handle(PATH + ["b"])
stateid, handle = s.opened(a, "file")
print(s.on(handle, write(stateid, b"x")).status, s.on(handle, close(stateid)).status)
print(s.compound(putfh(a), SAVEFH, putfh(b), rename("file", "moved")).status)
print(s.compound(putfh(handle), SAVEFH, putfh(a), link("second")).status)
""").split() == ["0"] * 6


def test_a_handle_outlives_the_daemon(stage):
    handle = stage.speak("print(client.session('before').handle(PATH + ['b', 'moved']).hex())").strip()
    stage.farboot.kill()
    stage.farboot.start()
    assert stage.speak(f"s = client.session('after'); print(s.on(bytes.fromhex('{handle}'), read(ANONYMOUS)).raw[-4:-3])") == "b'x'\n"


def test_rpcinfo_and_showmount_by_hand(stage):
    """Port mapper and MOUNT over UDP, as U-Boot and klibc use them."""
    assert stage.speak(f"""
for udp in (False, True):
    rpc = Rpc(111, address={SERVER!r}, udp=udp)
    print(*[rpc.call(100000, 2, 3, u32(program, version, protocol, 0), cred=NOBODY).u32()
            for program, version in ((100003, 3), (100005, 3), (100021, 4)) for protocol in (6, 17)])
    print(rpc.call(100000, 2, 1, u32(7, 7, 17, 7)).u32())
    mount = Rpc(2049, address={SERVER!r}, udp=udp)
    r = mount.call(100005, 3, 1, opaque("/" + "/".join(PATH)), cred=NOBODY)
    print(r.u32(), len(r.opaque()))
    r = mount.call(100005, 3, 5, cred=NOBODY)
    print(r.u32(), r.opaque().decode(), r.u32(), r.opaque().decode(), r.u32(), r.u32())
""").splitlines() == ["2049 2049 2049 2049 0 0", "0", "0 32", f"1 {PATH} 1 {CLIENT} 0 0"] * 2


def test_version_3_over_udp_reads_a_file_as_u_boot_does(stage):
    assert stage.speak(f"""
rpc = Rpc(2049, address={SERVER!r}, udp=True)
r = rpc.call(100005, 3, 1, opaque("/" + "/".join(PATH)), cred=NOBODY)
r.u32()
top = r.opaque()
r = rpc.call(100003, 3, 3, opaque(top) + opaque("vmlinuz"))
print(r.u32())
handle = r.opaque()
r = rpc.call(100003, 3, 6, opaque(handle) + u64(0) + u32(1024))
print(r.u32(), r.u32())
r.bytes(84)
print(r.u32(), r.u32(), len(r.opaque()))
""").splitlines() == ["0", "0 1", "1024 0 1024"]


def test_what_version_3_did_once_is_not_done_again(stage):
    assert stage.speak(f"""
rpc = Rpc(2049, address={SERVER!r})
r = rpc.call(100005, 3, 1, opaque("/" + "/".join(PATH)))
r.u32()
top = r.opaque()
for procedure, name in ((9, "once"), (13, "once")):
    what = opaque(top) + opaque(name) + (u32(0, 0, 0, 0, 0, 0) if procedure == 9 else b"")
    message = rpc.message(100003, 3, procedure, what, xid=procedure)
    answers = []
    for _ in range(2):
        rpc.send(message)
        answers.append(rpc.receive())
    print(answers[0] == answers[1], answers[0][27])
print(rpc.call(100003, 3, 13, opaque(top) + opaque("once")).u32())
""").splitlines() == ["True 0", "True 0", "2"]


def test_it_ends_while_clients_are_connected(stage):
    assert stage.farboot.stop() == 0
    stage.farboot.start()
