"""The test images, made on first use and kept."""

import functools
import pathlib

from .process import run

RECIPE = pathlib.Path(__file__).resolve().parent.parent / "images" / "make-image"


@functools.lru_cache
def disk(arch):
    """The raw disk image of an architecture; disk.img.xz lies beside it. Read-only for everyone."""
    return pathlib.Path(run(RECIPE, arch, timeout=1800).stdout.split()[-1])


def compressed(arch):
    path = disk(arch)
    return path.with_name(path.name + ".xz")
