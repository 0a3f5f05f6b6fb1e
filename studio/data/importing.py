"""The worker's import job: a file's rows become a dataset folder, whole or not at all."""

import time
from collections import Counter
from pathlib import Path

import msgspec

from studio.contract.control import Control, Emit
from studio.contract.errors import Problem, StudioError
from studio.contract.event import Event
from studio.contract.events import Imported, Inspected
from studio.contract.job import ImportJob, Mapping
from studio.data import allocator, parts
from studio.data.arrow_file import RowWriter
from studio.data.choosing import (
    guessed_by_length,
    keep_choice,
    unread_rating,
)
from studio.data.dataset import ROWS_FILE, DatasetInfo, write_info
from studio.data.inspecting import SAMPLE_ROWS, look
from studio.data.intake import ChosenFile, FileResult, Hashes, Pace, read_file
from studio.data.late_choice import mappings_for, read_again, reconsidered, unread
from studio.data.made_from import keep_origin
from studio.data.new_folder import check_destination, new_folder
from studio.data.parts import Choice
from studio.data.repeats import overlapping, repeated
from studio.data.split import SplitColumns
from studio.data.turn_order import is_offered, unmended
from studio.data.wording import count, shown

_CHECKED_ROWS = 20
"""Of every file after the first: enough to see its columns."""
_MOST_OF_A_KIND = 5
_LARGE_BYTES = 64 * 1024 * 1024
"""From here on it is worth changing how the process treats its memory."""


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
    _check_asked(job, files, choice.splits)
    _check_split(job, files)
    inspected: list[Inspected] = []

    def notice(event: Event) -> None:
        if isinstance(event, Inspected):
            inspected.append(event)
        emit(event)

    mappings = mappings_for(job, files, choice.splits, notice)
    size = sum(file.seen.packed_bytes for file in files)
    if size >= _LARGE_BYTES:
        allocator.keep_freed_memory()
    hashes = Hashes()
    with new_folder(destination) as folder:
        readings, split_by = _read_all(job, files, mappings, folder, Pace(emit, control, size), hashes)
        late, before = [reading.late for reading in readings], mappings
        files, mappings = reconsidered(job, files, before, late, choice.splits, notice)
        if any(not new.same_columns(old) for new, old in zip(mappings, before, strict=True)):
            del readings  # its keys are many
            readings, split_by = _read_all(job, files, mappings, folder, Pace(emit, control, size), hashes)
            notes += read_again(files, before, mappings, late) if job.mapping is None else []
        _check_split(job, files, is_whole=True)
        chosen, seen = mappings[0], files[0].seen
        notes += [*guessed_by_length(chosen), *unread_rating(chosen, seen)]
        notes += [*_own_columns(files, mappings), *_few_of_each(unread(files, mappings, late))]
        _check_enough(readings)
        split_by.check_found()
        notes += [*split_by.problems(), *_unmended(job, readings), *keep_choice(job, seen)]
        info = _describe(job, destination, chosen, seen.columns, readings, [*choice.notes, *notes])
        info = msgspec.structs.replace(info, split=split_by.split)
        write_info(folder, info)
        keep_origin(folder, job, inspected[-1])
        Pace(emit, control, size).check()
    return Imported(
        folder=str(destination),
        name=info.name,
        rows=info.rows,
        usable=info.usable,
        held_back_rows=info.held_back_rows,
        mapping=chosen,
        problems=info.problems,
    )


def _read_all(
    job: ImportJob, files: list[ChosenFile], mappings: list[Mapping], folder: Path, pace: Pace, hashes: Hashes
) -> tuple[list[FileResult], SplitColumns]:
    """Write the rows of all files into the folder; what lies there of an earlier reading is written over."""
    split_by = SplitColumns(job.group, job.time)
    (folder / ROWS_FILE).unlink(missing_ok=True)
    with_tests = any(file.chosen.test for file in files)
    with RowWriter(folder / ROWS_FILE, split_by.names) as writer:
        readings = [
            read_file(file, mapping, _side(file, with_tests), writer, pace, hashes, job, split_by)
            for file, mapping in zip(files, mappings, strict=True)
        ]
    return readings, split_by


def _check_split(job: ImportJob, files: list[ChosenFile], is_whole: bool = False) -> None:
    """See that every file to learn from has the columns to split by, as far as its columns are known.

    Raises:
        StudioError: `data.no_column`.
    """
    split_by = SplitColumns(job.group, job.time)
    for file in files:
        if not file.chosen.test and (is_whole or not file.seen.is_open):
            split_by.check(file.seen.columns, file.name)


def _own_columns(files: list[ChosenFile], mappings: list[Mapping]) -> list[Problem]:
    """Remarks on files whose columns are not those of the first."""
    return [
        Problem(code="data.own_columns", what=f"Its columns are others. {mapping.reason}", where=file.name)
        for file, mapping in zip(files, mappings, strict=True)
        if mapping is not mappings[0]
    ]


def _look_at_all(choice: Choice, skip_damaged: bool) -> tuple[list[ChosenFile], list[Problem]]:
    """The first rows of every file; of several, those without rows are left out and named."""
    files: list[ChosenFile] = []
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
            files.append(ChosenFile(chosen=chosen, seen=seen))
    if refused is not None and (not files or files[0].chosen.test):
        raise refused
    return files, notes


def _check_asked(job: ImportJob, files: list[ChosenFile], splits: tuple[str, ...]) -> None:
    """Refuse what was asked for and would change nothing.

    Raises:
        StudioError: `data.no_sheets`, `data.no_documents`, `data.no_split`, `data.no_first_line`.
    """
    if job.reading.documents and not any(file.seen.format == "text" for file in files):
        raise StudioError(
            "data.no_documents",
            "Only text files are divided into documents.",
            "In this file each row is told apart by its form already.",
            "Leave the choice of documents out.",
            where=files[0].name,
        )
    if job.reading.first_line and not any(file.seen.format in ("csv", "xlsx") for file in files):
        raise StudioError(
            "data.no_first_line",
            "Only CSV and Excel tables have a first line that may name the columns.",
            "In this file the names stand with the values, or there are none.",
            "Leave the choice of the first line out.",
            where=files[0].name,
        )
    if job.reading.split and not splits:
        raise StudioError(
            "data.no_split",
            f'There is no split "{shown(job.reading.split, 80)}".',
            "This file does not say that it has splits.",
            "Leave the split out.",
            where=files[0].name,
        )
    if job.reading.sheet and not any(file.seen.sheets for file in files):
        raise StudioError(
            "data.no_sheets",
            "Only Excel files have sheets.",
            f'The sheet "{shown(job.reading.sheet, 80)}" was asked for, but this file has none.',
            "Leave the sheet out.",
            where=files[0].name,
        )


def _side(file: ChosenFile, with_tests: bool) -> str:
    if not with_tests:
        return ""
    return "held_back" if file.chosen.test else "train"


def _check_enough(readings: list[FileResult]) -> None:
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


def _nothing_usable(reading: FileResult) -> StudioError:
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
    first = next((problem for problem in reading.problems if is_offered(problem.fix)), reading.problems[0])
    return StudioError(
        "data.no_usable_rows",
        "The only row cannot be learned from."
        if reading.file.rows == 1
        else f"None of the {reading.file.rows:,} rows can be learned from.",
        " ".join(problem.what for problem in reading.problems[:3]),
        first.fix or "Check which columns are chosen.",
        where=reading.file.name,
    )


def _unmended(job: ImportJob, readings: list[FileResult]) -> list[Problem]:
    every = [problem for reading in readings for problem in reading.problems]
    return unmended(readings[0].file.name, every) if job.mend_turns else []


def _describe(
    job: ImportJob,
    destination: Path,
    mapping: Mapping,
    columns: tuple[str, ...],
    readings: list[FileResult],
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
