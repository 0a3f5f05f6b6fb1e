"""Doing the next piece of work while the last one is used: for work that leaves Python's lock to others."""

import queue
import threading
from collections.abc import Generator, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_DEPTH = 2
_LOOK_SECONDS = 0.1


class _End:
    """The last thing in the queue: nothing more, or what went wrong."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Ahead(Generic[T]):
    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._queue: queue.Queue[T | _End] = queue.Queue(_DEPTH)
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._work, name="ahead")

    def __iter__(self) -> Iterator[T]:
        self._thread.start()
        try:
            while not isinstance(item := self._queue.get(), _End):
                yield item
            if item.error is not None:
                raise item.error
        finally:
            self._left.set()
            self._thread.join()

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                if not self._put(item):
                    break
        except BaseException as raised:  # noqa: BLE001 - raised again where the items are used
            error = raised
        close = getattr(self._items, "close", None)
        if close is not None:  # where they come from another thread in turn, that one must end now
            close()
        self._put(_End(error))

    def _put(self, item: T | _End) -> bool:
        """Wait for room; False when nobody wants more."""
        while not self._left.is_set():
            try:
                self._queue.put(item, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return True
        return False


def ahead(items: Iterator[T]) -> Generator[T, None, None]:
    """The same items in the same order; two of them are made in advance, in a thread that ends with the generator.

    Use it with `contextlib.closing`: an error keeps the generator of a loop that it left alive, and its thread with it.

    Raises:
        BaseException: Whatever `items` raises, at its place.
    """
    yield from _Ahead(items)
