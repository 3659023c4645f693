"""What the boot tests share: a laboratory with a running farboot, and a limit on every test's time."""

import os
import pathlib
import shutil
import signal
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent))

from lab import Farboot, Lab, find_program, images  # noqa: E402

TEST_SECONDS = 1200
HOST_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
EMULATORS = {"amd64": "qemu-system-x86_64", "arm64": "qemu-system-aarch64"}


def need(*programs):
    """Skips where a test cannot run at all, and says what is missing."""
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [name for name in programs if not shutil.which(name, path=path)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (scripts/setup check)")


@pytest.fixture(autouse=True)
def time_limit(request):
    def expire(_signal, _frame):
        raise TimeoutError(f"{request.node.name} ran for {TEST_SECONDS} s")
    before = signal.signal(signal.SIGALRM, expire)
    signal.alarm(TEST_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    need("ip", EMULATORS[HOST_ARCH], "mmdebstrap")
    with Lab(directory=tmp_path_factory.mktemp("lab")) as laboratory:
        yield laboratory


@pytest.fixture(scope="module")
def farboot(lab):
    """A running farboot, DHCP in server mode, with one image called debian."""
    daemon = Farboot(lab, program=find_program()).start()
    daemon.run("image", "import", images.compressed(HOST_ARCH), "--name", "debian")
    return daemon
