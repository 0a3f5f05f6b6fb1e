"""Memory that is given back stays with the process: a step, or a block of rows, does not touch all its pages anew."""

import platform
import subprocess
import sys

import pytest

CHILD = """
import ctypes, resource, sys
from studio.data.allocator import give_back_large_blocks, keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory() and keep_freed_memory()
if sys.argv[1] == "give":
    assert give_back_large_blocks()
size = int(sys.argv[2])
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.free.argtypes = [ctypes.c_void_p]
def use():
    place = library.malloc(ctypes.c_size_t(size))
    ctypes.memset(place, 1, size)
    library.free(place)
use()
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(way: str, size: int) -> int:
    """New pages that a block of so many bytes touches when it is taken for the third time, by a process of its own."""
    done = subprocess.run([sys.executable, "-c", CHILD, way, str(size)], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told so")
def test_an_array_made_again_touches_no_new_pages() -> None:
    assert faults("leave", 100_000_000) > 10_000
    assert faults("keep", 100_000_000) < 1_000


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told so")
def test_large_blocks_are_given_back_at_once_where_that_is_asked_for() -> None:
    assert faults("leave", 8_000_000) < 100, "glibc keeps blocks of this size by itself, once it has seen one"
    assert faults("give", 8_000_000) > 1_900
    assert faults("give", 1_000_000) < 100
