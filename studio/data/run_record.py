"""events.jsonl as it is written: whole lines only, each with a later time than the one before it."""

import os
import time

import msgspec

from studio.contract import events
from studio.contract.run_folder import RunFolder

_LAST_BYTES = 1 << 20
"""So much of the end is looked through for the last line; events are far shorter."""


class Times:
    """Gives each event a time of its own, later than the one before, even where the clock is set back.

    Readers tell by it which events they know already.
    """

    def __init__(self, newest: float = 0.0) -> None:
        self._newest = newest

    def next(self) -> float:
        """Now, in Unix seconds; a thousandth after the last one where the clock says less."""
        self._newest = round(max(time.time(), self._newest + 0.001), 3)
        return self._newest


def open_record(folder: RunFolder) -> tuple[int, Times]:
    """Open the file for appending; a last line that was cut is ended, so that it spoils no other.

    Returns:
        The descriptor, which the caller closes, and the times of what comes next.
    """
    record = os.open(folder.events, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    size = os.fstat(record).st_size
    os.lseek(record, max(0, size - _LAST_BYTES), os.SEEK_SET)
    end = os.read(record, _LAST_BYTES)
    if end and not end.endswith(b"\n"):
        os.write(record, b"\n")
    return record, Times(_newest(end))


def append(folder: RunFolder, *told: events.AnyEvent) -> tuple[events.AnyEvent, ...]:
    """Add to the record of a run that no worker works on.

    Returns:
        The events with the times that they have in the record.

    Raises:
        OSError: The disk refuses.
    """
    record, times = open_record(folder)
    kept = tuple(msgspec.structs.replace(event, at=times.next()) for event in told)
    try:
        for event in kept:
            os.write(record, events.encode(event))
    finally:
        os.close(record)
    return kept


def _newest(end: bytes) -> float:
    """The time of the last line that can be read; 0 where there is none."""
    for line in reversed(end.split(b"\n")):
        try:
            return events.decode(line).at
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
    return 0.0
