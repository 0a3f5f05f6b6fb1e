"""Range tests that came to their end, kept in the dataset's folder: window and command line advise by the same ones."""

import os
from pathlib import Path

import msgspec

from studio.contract.advice import RateTest
from studio.contract.job import TrainJob
from studio.contract.methods import METHODS, tag_of
from studio.contract.range_test import RangeResult
from studio.contract.whole_file import write_whole
from studio.data.edits import EDITS_FILE

FILE = "rate_tests.json"
MOST = 8
"""Tests of a dataset that are kept, newest first."""
LARGEST = 1 << 20
"""Bytes; what is larger was not written by us."""


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A test and what it was about; edited rows are other rows. It tells nothing of rates above the highest tried."""

    model: str
    general: str
    start_from: str
    edits: int
    highest: float
    test: RateTest


_decoder = msgspec.json.Decoder(tuple[_Kept, ...])


def keep(work: TrainJob, result: RangeResult) -> bool:
    """Keep what a test of this run found, without its curve.

    Returns:
        Whether it could be kept: the disk may refuse, and the dataset be gone.
    """
    folder = Path(work.dataset)
    model, general, start_from, edits = _about(work)
    test = RateTest(settings=work.settings, result=msgspec.structs.replace(result, points=()))
    newest = _Kept(model=model, general=general, start_from=start_from, edits=edits, highest=_highest(work), test=test)
    try:
        write_whole(folder / FILE, msgspec.json.encode((newest, *_read(folder))[:MOST]))
    except OSError:
        return False
    return True


def tests_of(work: TrainJob) -> tuple[RateTest, ...]:
    """Tests with this model and these rows, newest first; whether they fit its settings is not asked."""
    about = (*_about(work), _highest(work))
    kept = _read(Path(work.dataset))
    return tuple(one.test for one in kept if (one.model, one.general, one.start_from, one.edits, one.highest) == about)


def _highest(work: TrainJob) -> float:
    """Where a test of this way of tuning ends."""
    return METHODS[tag_of(work.settings.method)].highest_rate


def _about(work: TrainJob) -> tuple[str, str, str, int]:
    try:
        edits = (Path(work.dataset) / EDITS_FILE).stat().st_mtime_ns
    except OSError:
        edits = 0
    model, general, start_from = (
        os.path.realpath(one) if one else "" for one in (work.model, work.general, work.start_from)
    )
    return model, general, start_from, edits


def _read(folder: Path) -> tuple[_Kept, ...]:
    """Nothing where the file is missing, damaged or of another version."""
    try:
        with (folder / FILE).open("rb") as file:
            return _decoder.decode(file.read(LARGEST))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
