"""Garbage is collected on the window's thread, whoever makes it: elsewhere it would pull widgets away from under Qt."""

import gc
import threading
import weakref
from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot

from studio.ui.collector import due


class Knot:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def collecting() -> Iterator[list[int]]:
    """The threads that collect, as they do it."""
    seen: list[int] = []

    def note(phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            seen.append(threading.get_ident())

    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)


def test_what_another_thread_knots_is_collected_on_the_windows_thread(qtbot: QtBot, collecting: list[int]) -> None:
    knots: list[weakref.ref[Knot]] = []

    def make() -> None:
        knots.extend(weakref.ref(Knot()) for _ in range(5_000))

    other = threading.Thread(target=make)
    other.start()
    other.join()
    qtbot.waitUntil(lambda: all(knot() is None for knot in knots), timeout=20_000)
    assert set(collecting) == {threading.get_ident()}


@pytest.mark.parametrize(
    ("counts", "generation"), [((700, 10, 10), None), ((701, 0, 0), 0), ((9_000, 11, 3), 1), ((3, 2, 11), 2)]
)
def test_the_oldest_generation_that_is_due_is_collected(counts: tuple[int, int, int], generation: int | None) -> None:
    assert due(counts, (700, 10, 10)) == generation
