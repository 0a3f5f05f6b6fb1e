"""A large file is on the disk when it is finished, whatever the file system lets it do and however it was cut."""

import errno
import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.data import settled_file
from studio.data.settled_file import SettledFile

_PAGE = 4096
_STAGE = 4 * _PAGE
_DIRECT = getattr(os, "O_DIRECT", 0)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two stages through the cache, what is large of all others past it."""
    monkeypatch.setattr(settled_file, "_STAGE_BYTES", _STAGE)
    monkeypatch.setattr(settled_file, "_CACHED_BYTES", 2 * _STAGE)
    monkeypatch.setattr(settled_file, "_BULK_BYTES", 2 * _PAGE)


class System:
    """What was asked of the system for a file, in order: bytes that were written ("direct" past the cache), "fsync"."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, int]] = []
        self.refuse_direct = False
        self.short = 0
        self.room = 10**9
        self._write, self._sync = os.write, os.fsync
        monkeypatch.setattr(os, "write", self.write)
        monkeypatch.setattr(os, "fsync", self.fsync)

    def write(self, descriptor: int, data: memoryview) -> int:
        import fcntl

        is_direct = bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & _DIRECT)
        place = os.lseek(descriptor, 0, os.SEEK_CUR)
        if is_direct and (self.refuse_direct or place % _PAGE or len(data) % _PAGE):
            raise OSError(errno.EINVAL, "Invalid argument")
        if place + len(data) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        if is_direct and self.short:
            data, self.short = data[: self.short], 0
        self.asked.append(("direct" if is_direct else "cached", len(data)))
        return self._write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        self.asked.append(("fsync", 0))
        self._sync(descriptor)


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    pytest.importorskip("fcntl", reason="only Linux lets a file go past the cache")
    return System(monkeypatch)


def written(path: Path, pieces: list[bytes]) -> bytes:
    file = SettledFile(path)
    try:
        for piece in pieces:
            assert file.write(piece) == len(piece)
        file.finish()
    finally:
        file.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "settle"]
    return path.read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(sizes=st.lists(st.sampled_from([0, 1, 7, 4095, 4096, 4097, 12_288, 30_000, 100_000]), max_size=9))
def test_all_that_was_written_lies_there_in_order(tmp_path: Path, sizes: list[int]) -> None:
    path = tmp_path / "file"
    path.unlink(missing_ok=True)
    pieces = [bytes(n % 251 for n in range(start, start + size)) for start, size in enumerate(sizes)]
    assert written(path, pieces) == b"".join(pieces)


def test_beyond_its_beginning_it_goes_past_the_cache_and_its_end_is_settled(tmp_path: Path, system: System) -> None:
    try:
        os.close(os.open(tmp_path / "probe", os.O_WRONLY | os.O_CREAT | _DIRECT))
    except OSError:
        pytest.skip("this file system lets no file go past the cache")
    small, large = os.urandom(100), os.urandom(3 * _STAGE)
    pieces = [os.urandom(2 * _STAGE), small, large, small]
    assert written(tmp_path / "file", pieces) == b"".join(pieces)
    whole, sync = ("cached", _STAGE), ("fsync", 0)
    first = [("cached", _PAGE), ("direct", 3 * _PAGE)]  # where texts lie stands before the texts, on the same page
    last = ("cached", 200)
    assert system.asked == [whole, whole, sync, *first, ("direct", _STAGE), sync, ("direct", _STAGE), last, sync]


def test_small_pieces_stay_in_the_cache(tmp_path: Path, system: System) -> None:
    pieces = [os.urandom(_PAGE)] * 40
    assert written(tmp_path / "file", pieces) == b"".join(pieces)
    assert {how for how, _ in system.asked} == {"cached", "fsync"}


def test_without_a_way_past_the_cache_every_stretch_is_settled(
    tmp_path: Path, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "O_DIRECT")
    data = os.urandom(5 * _STAGE)
    assert written(tmp_path / "file", [data]) == data
    cached, sync = ("cached", _STAGE), ("fsync", 0)
    assert system.asked == [cached, cached, sync, cached, cached, sync, cached, sync]


@pytest.mark.parametrize("short", [0, 100])
def test_a_file_system_that_refuses_it_while_writing_loses_nothing(tmp_path: Path, system: System, short: int) -> None:
    system.refuse_direct, system.short = not short, short
    data = os.urandom(9 * _STAGE + 10)
    assert written(tmp_path / "file", [data]) == data
    assert system.asked[-1] == ("fsync", 0)


@pytest.mark.parametrize("room", [_STAGE, 3 * _STAGE, 7 * _STAGE])
def test_a_full_disk_is_told_and_no_thread_stays(tmp_path: Path, system: System, room: int) -> None:
    system.room = room
    with pytest.raises(OSError, match="No space left") as caught:
        written(tmp_path / "file", [os.urandom(_STAGE)] * 7 + [b"rest"])
    assert caught.value.errno == errno.ENOSPC
    assert not [thread for thread in threading.enumerate() if thread.name == "settle"]


@pytest.mark.parametrize("stages", [1, 4])
def test_whatever_goes_wrong_in_the_thread_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stages: int
) -> None:
    def no_memory(descriptor: int, data: memoryview) -> int:
        raise MemoryError

    monkeypatch.setattr(os, "write", no_memory)
    with pytest.raises(MemoryError):
        written(tmp_path / "file", [os.urandom(_STAGE)] * stages + [b"x"])


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    with pytest.raises(FileExistsError):
        SettledFile(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"kept"
