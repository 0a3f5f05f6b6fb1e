"""The worker's import job: a file's rows become a dataset folder, whole or not at all."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from studio.contract.control import Control, Emit
from studio.contract.errors import Problem, StudioError
from studio.contract.events import Imported, Inspected, Progress
from studio.contract.job import ImportJob, Mapping, Reading
from studio.contract.records import Record
from studio.data import mapping as mappings
from studio.data import parts
from studio.data.arrow_file import RowWriter
from studio.data.dataset import ROWS_FILE, DatasetInfo, SourceFile, write_info
from studio.data.formats import Rows
from studio.data.inspecting import SAMPLE_ROWS, Look, look
from studio.data.new_folder import check_destination, new_folder
from studio.data.parts import Choice, Chosen
from studio.data.repeats import FileRows, overlapping, repeated
from studio.data.row_faults import FaultTally
from studio.data.weights import copies
from studio.data.wording import count, shown

PROGRESS_SECONDS = 0.1
_CHECKED_ROWS = 20
"""Of every file after the first: enough to see its columns."""
_MOST_OF_A_KIND = 5


def import_dataset(job: ImportJob, emit: Emit, control: Control) -> Imported:
    """Read dataset files (and the user's own test rows) into a dataset folder.

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
    choice = parts.of_job(job)
    files, notes = _look_at_all(choice, job.skip_damaged)
    chosen = _choose_mapping(job, files[0].seen, choice.splits, emit)
    for file in files[1:]:
        _check_columns(chosen, file)
    with_tests = any(file.chosen.test for file in files)
    pace = _Pace(emit, control, sum(file.seen.packed_bytes for file in files))
    hashes = _Hashes()
    with new_folder(destination) as folder:
        with RowWriter(folder / ROWS_FILE) as writer:
            readings = [
                _read(file, chosen, _side(file, with_tests), writer, pace, hashes, job.skip_damaged) for file in files
            ]
        _check_enough(readings)
        info = _describe(job, destination, chosen, files[0].seen.columns, readings, [*choice.notes, *notes])
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


class _File(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is read, and what its first rows look like."""

    chosen: Chosen
    seen: Look

    @property
    def name(self) -> str:
        return shown(self.chosen.part.name or self.chosen.part.path.name, 120)


class _Reading(msgspec.Struct, kw_only=True):
    """What came of one file.

    Attributes:
        rows: Those that can be learned from (some of them, where a weight below 1 asks for fewer).
        written: Rows in the dataset; more or fewer where a weight says so.
        left_out: Rows that cannot be learned from.
    """

    file: SourceFile
    test: bool
    rows: FileRows
    written: int
    left_out: int
    problems: list[Problem]


class _Hashes:
    """SHA-256 of ZIP archives, each taken once although many of its members are read."""

    def __init__(self) -> None:
        self._known: dict[Path, str] = {}

    def of(self, path: Path) -> str:
        if path not in self._known:
            with path.open("rb") as file:
                self._known[path] = hashlib.file_digest(file, "sha256").hexdigest()
        return self._known[path]


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


def _look_at_all(choice: Choice, skip_damaged: bool) -> tuple[list[_File], list[Problem]]:
    """The first rows of every file; of several, those without rows are left out and named."""
    files: list[_File] = []
    notes: list[Problem] = []
    refused: StudioError | None = None
    for chosen in choice.files:
        try:
            seen = look(chosen.part, skip_damaged, SAMPLE_ROWS if not files else _CHECKED_ROWS)
        except StudioError as error:
            if error.problem.code not in ("data.empty_file", "data.no_rows") or not chosen.part.name:
                raise
            refused = refused or error
            notes.append(error.problem)
        else:
            files.append(_File(chosen=chosen, seen=seen))
    if refused is not None and (not files or files[0].chosen.test):
        raise refused
    return files, notes


def _choose_mapping(job: ImportJob, seen: Look, splits: tuple[str, ...], emit: Emit) -> Mapping:
    def inspected(mapping: Mapping | None) -> Inspected:
        return Inspected(
            columns=tuple(shown(name, 200) for name in seen.columns),
            rows_seen=len(seen.rows),
            mapping=mapping,
            first_rows=seen.first_rows(),
            reading=_fit_for_the_wire(seen.reading),
            sheets=tuple(shown(name, 200) for name in seen.sheets),
            splits=tuple(shown(name, 200) for name in splits),
        )

    if job.mapping is not None:
        emit(inspected(job.mapping))
        mappings.check(job.mapping, seen.columns)
        return job.mapping
    try:
        mapping = mappings.guess(seen.columns, seen.rows)
    except StudioError as error:
        emit(inspected(None))
        raise _placed(error, shown(Path(job.source).name, 120)) from error
    emit(inspected(mapping))
    return mapping


def _fit_for_the_wire(reading: Reading) -> Reading:
    return msgspec.structs.replace(reading, sheet=shown(reading.sheet, 200))


def _check_columns(mapping: Mapping, file: _File) -> None:
    try:
        mappings.check(mapping, file.seen.columns)
    except StudioError as error:
        raise _placed(error, file.name) from error


def _placed(error: StudioError, name: str) -> StudioError:
    problem = error.problem
    return StudioError(problem.code, problem.what, problem.why, problem.fix, name, problem.details)


def _side(file: _File, with_tests: bool) -> str:
    if not with_tests:
        return ""
    return "held_back" if file.chosen.test else "train"


def _read(
    file: _File,
    mapping: Mapping,
    side: str,
    writer: RowWriter,
    pace: _Pace,
    hashes: _Hashes,
    skip_damaged: bool,
) -> _Reading:
    """Write every usable row of one file, as often as its weight says."""
    tally = FaultTally()
    usable = FileRows(name=file.name)
    part, weight = file.chosen.part, file.chosen.weight
    good = written = 0

    def leave_out(problem: Problem) -> None:
        tally.add(problem, _line_of(problem))

    on_fault: Callable[[Problem], None] | None = leave_out if skip_damaged else None
    with Rows(part, on_fault) as rows:
        source = rows.source
        if source.signature != file.seen.signature:
            source.signature = file.seen.signature  # it changed since it was looked at: this says so
            source.check_unchanged()
        for row in rows:
            try:
                record = mappings.to_record(row, mapping, rows.number)
            except StudioError as error:
                tally.add(error.problem, rows.number)
            else:
                key = record.key
                good += 1
                times = copies(key, weight)
                if times:
                    usable.add(key, rows.number)
                for _ in range(times):
                    writer.add(_with_side(record, side), key)
                written += times
            pace.row(source.bytes_read)
        source.read_to_end()
        sha256 = source.sha256 or hashes.of(part.path)
        source.check_unchanged()
        pace.next_file(file.seen.packed_bytes)
        return _Reading(
            file=_described(rows, part.path, sha256, good + tally.total),
            test=file.chosen.test,
            rows=usable,
            written=written,
            left_out=tally.total,
            problems=[*tally.problems(file.name), *source.notes, *_weighted(file.name, weight, good, written)],
        )


def _described(rows: Rows, path: Path, sha256: str, number: int) -> SourceFile:
    return SourceFile(
        name=rows.source.name,
        path=shown(str(path.absolute()), 4096),
        sha256=sha256,
        size_bytes=rows.source.signature[1],
        format=rows.format,
        encoding=rows.source.encoding,
        rows=number,
    )


def _weighted(name: str, weight: float, good: int, written: int) -> list[Problem]:
    if weight == 1:
        return []
    what = f"Its rows count {weight:g} times: {count(good, 'usable row')} became {count(written, 'row')}."
    return [Problem(code="data.weighted", what=what, where=name)]


def _with_side(record: Record, side: str) -> Record:
    return record if not side else msgspec.structs.replace(record, side=side)


def _line_of(problem: Problem) -> int:
    line = problem.where.rpartition(":")[2]
    return int(line) if line.isdecimal() else 0


def _check_enough(readings: list[_Reading]) -> None:
    for reading in readings:
        if not reading.rows.keys:
            raise _nothing_usable(reading)
    if sum(reading.written for reading in readings) < 2:
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
    if reading.left_out < reading.file.rows:
        return StudioError(
            "data.weights",
            "Its weight leaves none of its rows.",
            f"It has {count(reading.file.rows - reading.left_out, 'usable row')}.",
            "Give it a larger weight, or leave the file out.",
            where=reading.file.name,
        )
    first = reading.problems[0]
    return StudioError(
        "data.no_usable_rows",
        f"None of the {count(reading.file.rows, 'row')} can be learned from.",
        " ".join(problem.what for problem in reading.problems[:3]),
        first.fix or "Check which columns are chosen.",
        where=reading.file.name,
    )


def _describe(
    job: ImportJob,
    destination: Path,
    mapping: Mapping,
    columns: tuple[str, ...],
    readings: list[_Reading],
    notes: list[Problem],
) -> DatasetInfo:
    learned = [reading.rows for reading in readings if not reading.test]
    tests = [reading.rows for reading in readings if reading.test]
    problems = [problem for reading in readings for problem in reading.problems]
    problems += [*repeated(learned), *repeated(tests), *overlapping(learned, tests)]
    return DatasetInfo(
        id=destination.name,
        name=shown(job.name.strip(), 200) or shown(Path(job.source).stem, 200),
        sources=tuple(reading.file for reading in readings),
        mapping=mapping,
        columns=columns,
        rows=sum(reading.written + reading.left_out for reading in readings),
        usable=sum(reading.written for reading in readings),
        held_back_rows=sum(reading.written for reading in readings if reading.test),
        problems=(*_few_of_each(problems), *notes),
        created=time.time(),
    )


def _few_of_each(problems: list[Problem]) -> list[Problem]:
    """At most so many problems of one kind; a folder of thousands of files must not hide the others."""
    counts = Counter(problem.code for problem in problems)
    seen: Counter[str] = Counter()
    kept = []
    for problem in problems:
        seen[problem.code] += 1
        rest = counts[problem.code] - _MOST_OF_A_KIND
        if seen[problem.code] == _MOST_OF_A_KIND and rest > 0:
            more = f"{problem.what} The same goes for {count(rest, 'more file')}."
            problem = msgspec.structs.replace(problem, what=more)
        if seen[problem.code] <= _MOST_OF_A_KIND:
            kept.append(problem)
    return kept
