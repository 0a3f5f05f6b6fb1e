"""Memory that is given back stays with the process: a step, or a block of rows, does not touch all its pages anew."""

import platform
import subprocess
import sys

import pytest

CHILD = """
import ctypes, resource, sys
from studio.data.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory() and keep_freed_memory()
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.free.argtypes = [ctypes.c_void_p]
def use(size=100_000_000):
    place = library.malloc(ctypes.c_size_t(size))
    ctypes.memset(place, 1, size)
    library.free(place)
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told so")
def test_an_array_made_again_touches_no_new_pages() -> None:
    faults = {}
    for way in ("keep", "leave"):
        done = subprocess.run([sys.executable, "-c", CHILD, way], capture_output=True, text=True, check=True)
        faults[way] = int(done.stdout)
    assert faults["leave"] > 10_000
    assert faults["keep"] < 1_000
