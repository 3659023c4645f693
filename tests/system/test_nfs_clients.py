"""Linux as a client: mount.nfs as fstab calls it, klibc's nfsmount as an initramfs calls it, BusyBox, and restarts.

The client is a guest in QEMU that is nothing else (tests/nfs/make-guest), behind QEMU's own network, so that it reaches
this host's loopback interface and nothing more.
"""

import os
import pathlib
import re
import shutil
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from lab import Lab, accelerator, find_program, run  # noqa: E402
from lab.machine import Console  # noqa: E402

RECIPE = pathlib.Path(__file__).resolve().parent.parent / "nfs" / "make-guest"
SERVER, BOOT, ROOT = "10.0.2.2", "/srv/tftp/dc-a6-32-01-02-03", "/srv/nfs/dc-a6-32-01-02-03"
BOOT_SECONDS = 180


class Stage:
    def __init__(self, lab):
        self.lab = lab
        self.state = lab.directory / "state"
        self.state.mkdir()
        self.program = find_program().parents[2] / "tests" / "nfs" / "nfs_folder"
        if not self.program.exists():
            pytest.skip("nfs_folder is not built")
        self.guest_files = pathlib.Path(run(RECIPE, timeout=600).stdout.strip())
        self.servers = 0
        self.start()

    def start(self):
        self.servers += 1
        self.server = self.lab.start(f"nfs-{self.servers}", [self.program, "2049", "111", self.state, f"*:{BOOT}:root",
                                                             f"*:{ROOT}:mapped"])
        assert self.server.wait_output(re.compile(b"ready"), 0, 10)

    def kill(self):
        self.server.child.kill()
        self.server.stop()

    def guest(self, name, host_name="raspberrypi"):
        words = ["qemu-system-x86_64", "-machine", "q35,graphics=off", "-nodefaults", "-display", "none", "-no-reboot",
                 "-serial", "stdio", "-accel", accelerator(), "-smp", "2", "-m", "256",
                 "-kernel", self.guest_files / "vmlinuz", "-initrd", self.guest_files / "initrd",
                 "-append", f"console=ttyS0 quiet hostname={host_name}", "-netdev", "user,id=n0",
                 "-device", "virtio-net-pci,netdev=n0,romfile="]
        process = self.lab.start(name, words, interactive=True)
        console = Console(process)
        console.wait_for("guest", "guest ready", BOOT_SECONDS)
        console.wait_for("prompt", "# ", 30)
        return console

    def server_text(self):
        return self.server.output.decode()


@pytest.fixture(scope="module")
def stage():
    if os.geteuid() != 0 or os.uname().machine != "x86_64":
        pytest.skip("needs root, and an x86-64 host")
    for program in ("qemu-system-x86_64", "depmod", "cpio"):
        if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            pytest.skip(f"not installed: {program} (scripts/setup check)")
    with Lab() as lab:
        yield Stage(lab)


@pytest.fixture(scope="module")
def guest(stage):
    return stage.guest("guest")


@pytest.fixture
def boot(guest):
    guest.command(f"mount.nfs {SERVER}:{BOOT} /mnt")
    yield guest
    guest.command("cd /; umount /mnt")


def test_the_line_of_fstab_mounts(stage, boot):
    assert "vers=4.1" in boot.command("grep nfs /proc/mounts")
    boot.command("cd /mnt && mkdir overlays && echo kernel > vmlinuz.new && mv vmlinuz.new vmlinuz && cat vmlinuz")
    boot.command("dd if=/dev/urandom of=big bs=1M count=4 conv=fsync && md5sum big > big.md5 && sync")
    kept = stage.state / f"all{BOOT.replace('/', '_')}"
    assert (kept / "vmlinuz").read_text() == "kernel\n" and (kept / "big").stat().st_size == 4 << 20
    boot.command("echo 3 > /proc/sys/vm/drop_caches; md5sum -c big.md5 && rm -r overlays big big.md5")
    assert boot.command("stat -c '%u %g %a' vmlinuz").split() == ["0", "0", "755"]


def test_whatever_a_file_system_has(boot):
    boot.command("cd /mnt && mkdir d && echo x > d/f && ln -s f d/l && ln d/f d/h && mknod d/p p && mknod d/c c 5 1")
    assert boot.command("readlink d/l; cat d/l; stat -c '%h %t:%T' d/h d/c").split() == ["f", "x", "2", "0:0", "1", "5:1"]
    boot.command("touch -d '2020-01-02 03:04:05' d/f && truncate -s 100 d/f && chmod 600 d/f && chown 5:6 d/f")
    assert boot.command("stat -c '%s %Y' d/f").split()[0] == "100"
    boot.command("exec 5<>d/f; rm d/f; echo abc >&5; exec 5>&-; df /mnt; rm -r d; test ! -e d")
    assert boot.command("for i in $(seq 300); do echo $i > n$i; done; ls | wc -l; cat n* | sort -n | tail -1; rm n*").split()[-1] == "300"


def test_a_root_file_system_keeps_its_owners(guest):
    guest.command(f"mount.nfs {SERVER}:{ROOT} /mnt -o vers=3,nolock")
    guest.command("cd /mnt && mkdir -m 1777 tmp && cp /bin/busybox su && chown 0:0 su && chmod 4755 su && mkdir home && "
                  "chown 1000:1000 home && mknod null c 1 3 && chmod 666 null")
    assert guest.command("stat -c '%a %u %g %F' tmp su home null").splitlines() == [
        "1777 0 0 directory", "4755 0 0 regular file", "755 1000 1000 directory", "666 0 0 character special file"]
    guest.command("su alice -c 'echo mine > /mnt/home/file && echo x > /mnt/tmp/alice'")
    guest.command("echo root > tmp/root; su alice -c 'rm -f /mnt/tmp/root' && exit 1; test -e tmp/root")
    assert "denied" in guest.command("su alice -c 'echo no > /mnt/file' || true")
    guest.command("cd /; umount /mnt")


def test_versions_and_mounters(guest):
    for options, expected in (("vers=3,nolock", "vers=3"), ("vers=3,nolock,proto=tcp,mountproto=tcp,port=2049,mountport=2049", "vers=3"),
                              ("vers=4.1", "vers=4.1"), ("nfsvers=4", "vers=4.1")):
        assert expected in guest.command(f"mount.nfs {SERVER}:{BOOT} /mnt -o {options} && grep nfs /proc/mounts; umount /mnt")
    assert "vers=3" in guest.command(f"nfsmount -o nolock,rw {SERVER}:{BOOT} /mnt && grep nfs /proc/mounts; umount /mnt")
    assert "vers=4.1" in guest.command(f"mount -t nfs -o vers=4.1,addr={SERVER},clientaddr=10.0.2.15 {SERVER}:{BOOT} /mnt "
                                       "&& grep nfs /proc/mounts; umount /mnt")


def test_a_wrong_path(stage, guest):
    for command in (f"mount.nfs {SERVER}:/srv/tftp/wrong /mnt -o vers=4.1", f"nfsmount -o nolock {SERVER}:/srv/tftp/wrong /mnt"):
        assert "No such file" in guest.command(f"{command} || true")
    assert "asked for /srv/tftp/wrong" in stage.server_text()


WRITER = ("exec 9<>/mnt/log; for i in $(seq 60); do echo line $i >&9; dd if=/dev/urandom of=/mnt/big bs=64k count=4 conv=fsync "
          "2>> /tmp/errors; usleep 50000; done; exec 9>&-; md5sum /mnt/big > /tmp/sum")


@pytest.mark.parametrize("options", ["vers=4.1", "vers=3,nolock"])
def test_what_is_being_written_outlives_the_server(stage, guest, options):
    guest.command(f"mount.nfs {SERVER}:{BOOT} /mnt -o {options}; rm -f /tmp/errors")
    guest.type(f"({WRITER}; echo writer ''ended) &")
    time.sleep(1.5)
    stage.kill()
    time.sleep(2)
    stage.start()
    guest.wait_for("writer", "writer ended", 120)
    assert guest.command("grep -v records /tmp/errors | grep -v copied; wc -l < /mnt/log; tail -1 /mnt/log").split() == ["60", "line", "60"]
    guest.command("echo 3 > /proc/sys/vm/drop_caches; md5sum -c /tmp/sum && umount /mnt")
    assert "lost" not in guest.command("dmesg")


def test_two_machines_share_a_folder(stage, guest):
    """No farboot exports one to two machines, but what each writes must be seen by the other all the same."""
    guest.command(f"mount.nfs {SERVER}:{BOOT} /mnt -o vers=4.1 && echo one > /mnt/one")
    other = stage.guest("other", host_name="other")
    other.command(f"mount.nfs {SERVER}:{BOOT} /mnt -o vers=4.1 && echo two > /mnt/two && cat /mnt/one")
    assert guest.command("cat /mnt/two; echo still > /mnt/one; umount /mnt").strip() == "two"
    assert other.command("echo 3 > /proc/sys/vm/drop_caches; cat /mnt/one; umount /mnt").strip() == "still"
