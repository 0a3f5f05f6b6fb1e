"""The worker's import job: a file's rows become a dataset folder, whole or not at all."""

import array
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from studio.contract.control import Control, Emit
from studio.contract.errors import Problem, StudioError
from studio.contract.events import Imported, Inspected, Progress
from studio.contract.job import ImportJob, Mapping
from studio.contract.records import Record
from studio.data import mapping as mappings
from studio.data.arrow_file import RowWriter
from studio.data.dataset import ROWS_FILE, DatasetInfo, SourceFile, write_info
from studio.data.formats import Rows
from studio.data.inspecting import Look, look
from studio.data.new_folder import check_destination, new_folder
from studio.data.row_faults import FaultTally
from studio.data.split import SplitColumns
from studio.data.wording import count, row_numbers, shown

PROGRESS_SECONDS = 0.1


def import_dataset(job: ImportJob, emit: Emit, control: Control) -> Imported:
    """Read a dataset file (and the user's own test file) into a dataset folder.

    Emits `Inspected` first, then `Progress` in bytes, at most ten a second. Rows that cannot be learned from are left
    out and counted; exact duplicates are counted and kept. The files themselves are only read. The folder appears
    under its name when it is complete.

    Args:
        job: What to read, and where to.
        emit: Gets the events.
        control: Asked between rows; "stop" and "discard" both end the import and leave nothing behind.

    Returns:
        The final event; the caller emits it.

    Raises:
        StudioError: A file is damaged, cannot be mapped, has fewer than two usable rows, or changed meanwhile; the
            folder cannot be written; `data.cancelled`.
    """
    destination = Path(job.destination)
    check_destination(destination)
    seen = look(Path(job.source), job.skip_damaged)
    split_by = SplitColumns(job.group, job.time)
    split_by.check(seen.columns, shown(Path(job.source).name, 120))
    chosen = _choose_mapping(job, seen, emit)
    sources = [(Path(job.source), seen)]
    if job.held_back:
        test = look(Path(job.held_back), job.skip_damaged)
        _check_test_columns(chosen, test, Path(job.held_back))
        sources.append((Path(job.held_back), test))
    pace = _Pace(emit, control, sum(seen.signature[1] for _, seen in sources))
    with new_folder(destination) as folder:
        with RowWriter(folder / ROWS_FILE, split_by.names) as writer:
            readings = [
                _read(path, seen, chosen, _side(job, index), writer, pace, job.skip_damaged, split_by)
                for index, (path, seen) in enumerate(sources)
            ]
        _check_enough(readings)
        info = _describe(job, destination, chosen, seen.columns, readings)
        info = msgspec.structs.replace(info, split=split_by.split, problems=info.problems + split_by.problems())
        write_info(folder, info)
        pace.check()
    return Imported(
        folder=str(destination),
        name=info.name,
        rows=info.rows,
        usable=info.usable,
        held_back_rows=info.held_back_rows,
        mapping=chosen,
        problems=info.problems,
    )


class _Reading(msgspec.Struct, kw_only=True):
    """What came of one file. `keys` are the leading 8 bytes of the usable rows' keys, `numbers` their rows."""

    file: SourceFile
    keys: "array.array[int]"
    numbers: "array.array[int]"
    problems: list[Problem]

    @property
    def usable(self) -> int:
        return len(self.keys)


class _Pace:
    """Reports progress and listens to the user, neither more often than is of use."""

    def __init__(self, emit: Emit, control: Control, total_bytes: int) -> None:
        self._emit = emit
        self._control = control
        self._total = total_bytes
        self._before = 0
        self._next_time = 0.0

    def row(self, bytes_read: int) -> None:
        """To be called after every row.

        Raises:
            StudioError: `data.cancelled`.
        """
        now = time.monotonic()
        if now >= self._next_time:
            self._next_time = now + PROGRESS_SECONDS
            self._emit(Progress(stage="Reading", done=self._before + bytes_read, total=self._total, unit="bytes"))
            self.check()

    def next_file(self, bytes_read: int) -> None:
        """A file is done."""
        self._before += bytes_read

    def check(self) -> None:
        """Wait while the user wants to pause; end when the user wants to.

        Raises:
            StudioError: `data.cancelled`.
        """
        while (wish := self._control.poll()) == "pause":
            self._control.wait(0.5)
        if wish != "go":
            raise StudioError("data.cancelled", "The import was cancelled; nothing was kept.")


def _choose_mapping(job: ImportJob, seen: Look, emit: Emit) -> Mapping:
    def inspected(mapping: Mapping | None) -> Inspected:
        return Inspected(
            columns=tuple(shown(name, 200) for name in seen.columns),
            rows_seen=len(seen.rows),
            mapping=mapping,
            first_rows=seen.first_rows(),
        )

    if job.mapping is not None:
        emit(inspected(job.mapping))
        mappings.check(job.mapping, seen.columns)
        return job.mapping
    try:
        mapping = mappings.guess(seen.columns, seen.rows)
    except StudioError as error:
        emit(inspected(None))
        raise _placed(error, Path(job.source)) from error
    emit(inspected(mapping))
    return mapping


def _check_test_columns(mapping: Mapping, test: Look, path: Path) -> None:
    try:
        mappings.check(mapping, test.columns)
    except StudioError as error:
        raise _placed(error, path) from error


def _placed(error: StudioError, path: Path) -> StudioError:
    problem = error.problem
    return StudioError(problem.code, problem.what, problem.why, problem.fix, shown(path.name, 120), problem.details)


def _side(job: ImportJob, index: int) -> str:
    if not job.held_back:
        return ""
    return "held_back" if index else "train"


def _read(
    path: Path,
    seen: Look,
    mapping: Mapping,
    side: str,
    writer: RowWriter,
    pace: _Pace,
    skip_damaged: bool,
    split_by: SplitColumns,
) -> _Reading:
    """Write every usable row of one file."""
    tally = FaultTally()
    keys, numbers = array.array("Q"), array.array("Q")
    good = 0

    def leave_out(problem: Problem) -> None:
        tally.add(problem, _line_of(problem))

    on_fault: Callable[[Problem], None] | None = leave_out if skip_damaged else None
    with Rows(path, on_fault) as rows:
        if rows.source.signature != seen.signature:
            rows.source.signature = seen.signature  # it changed since it was looked at: this says so
            rows.source.check_unchanged()
        for row in rows:
            try:
                record = mappings.to_record(row, mapping, rows.number)
            except StudioError as error:
                tally.add(error.problem, rows.number)
            else:
                key = record.key
                writer.add(_with_side(record, side), key, split_by.values(row) if split_by.names else None)
                keys.append(int(key, 16))
                numbers.append(rows.number)
                good += 1
            pace.row(rows.source.bytes_read)
        rows.source.check_unchanged()
        pace.next_file(rows.source.bytes_read)
        file = SourceFile(
            name=rows.source.name,
            path=shown(str(path.absolute()), 4096),
            sha256=rows.source.sha256,
            size_bytes=rows.source.size,
            format=rows.format,
            encoding=rows.source.encoding,
            rows=good + tally.total,
        )
        return _Reading(
            file=file, keys=keys, numbers=numbers, problems=[*tally.problems(file.name), *rows.source.notes]
        )


def _with_side(record: Record, side: str) -> Record:
    return record if not side else msgspec.structs.replace(record, side=side)


def _line_of(problem: Problem) -> int:
    line = problem.where.rpartition(":")[2]
    return int(line) if line.isdecimal() else 0


def _check_enough(readings: list[_Reading]) -> None:
    for reading in readings:
        if reading.usable == 0:
            raise _nothing_usable(reading)
    if sum(reading.usable for reading in readings) < 2:
        only = readings[0]
        raise StudioError(
            "data.one_row",
            "There is only one usable row.",
            "At least two are needed: one to learn from and one to test with."
            + "".join(f" {problem.what}" for problem in only.problems[:2]),
            "Add more rows.",
            where=only.file.name,
        )


def _nothing_usable(reading: _Reading) -> StudioError:
    if not reading.file.rows:
        return StudioError("data.no_rows", "There are no records in the file.", where=reading.file.name)
    first = reading.problems[0]
    return StudioError(
        "data.no_usable_rows",
        f"None of the {count(reading.file.rows, 'row')} can be learned from.",
        " ".join(problem.what for problem in reading.problems[:3]),
        first.fix or "Check which columns are chosen.",
        where=reading.file.name,
    )


def _describe(
    job: ImportJob, destination: Path, mapping: Mapping, columns: tuple[str, ...], readings: list[_Reading]
) -> DatasetInfo:
    problems = [problem for reading in readings for problem in reading.problems]
    problems += _duplicates(readings)
    if len(readings) > 1:
        problems += _overlap(*readings)
    return DatasetInfo(
        id=destination.name,
        name=shown(job.name.strip(), 200) or shown(Path(job.source).stem, 200),
        sources=tuple(reading.file for reading in readings),
        mapping=mapping,
        columns=columns,
        rows=sum(reading.file.rows for reading in readings),
        usable=sum(reading.usable for reading in readings),
        held_back_rows=sum(reading.usable for reading in readings[1:]),
        problems=tuple(problems),
        created=time.time(),
    )


def _duplicates(readings: list[_Reading]) -> list[Problem]:
    problems = []
    for reading in readings:
        keys = np.frombuffer(reading.keys, dtype=np.uint64)
        _, first = np.unique(keys, return_index=True)
        again = len(keys) - len(first)
        if again:
            repeats: Any = np.ones(len(keys), dtype=bool)
            repeats[first] = False
            examples = [reading.numbers[int(index)] for index in np.flatnonzero(repeats)[:3]]
            problems.append(
                Problem(
                    code="data.duplicates",
                    what=f"{count(again, 'row repeats', 'rows repeat')} an earlier row word for word; all were kept.",
                    why="What is repeated is learned more strongly.",
                    fix="Delete the repetitions if you do not want that.",
                    where=f"{reading.file.name}, {row_numbers(examples, again)}",
                )
            )
    return problems


def _overlap(main: _Reading, test: _Reading) -> list[Problem]:
    both = np.isin(np.frombuffer(test.keys, dtype=np.uint64), np.frombuffer(main.keys, dtype=np.uint64))
    number = int(both.sum())
    if not number:
        return []
    examples = [test.numbers[int(index)] for index in np.flatnonzero(both)[:3]]
    return [
        Problem(
            code="data.overlap",
            what=f"{count(number, 'test row is', 'test rows are')} also learned from.",
            why="Such rows say nothing about unseen questions.",
            fix="Delete them from one of the two files.",
            where=f"{test.file.name}, {row_numbers(examples, number)}",
        )
    ]
