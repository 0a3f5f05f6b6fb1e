"""One file's rows on their way into a dataset: read, checked, counted, written."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from studio.contract.control import Control, Emit
from studio.contract.errors import Problem, StudioError
from studio.contract.events import Progress
from studio.contract.job import COLUMN_FIELDS, ImportJob, Mapping
from studio.contract.records import Record
from studio.data import mapping as mappings
from studio.data import turn_order
from studio.data.arrow_file import RowWriter
from studio.data.dataset import SourceFile
from studio.data.inspecting import Look
from studio.data.late_columns import LateColumns
from studio.data.markers import MarkTally
from studio.data.number_columns import NumberTally, in_use, written_out
from studio.data.opened_turns import turns_opened
from studio.data.parts import Chosen
from studio.data.quick_lane import Lane, Plain, lane_for
from studio.data.repeats import FileRows
from studio.data.row_faults import FaultTally
from studio.data.rows import Rows
from studio.data.split import SplitColumns
from studio.data.turn_order import MendTally
from studio.data.turn_rows import conversations
from studio.data.unlearned import UnlearnedTally
from studio.data.weights import copies
from studio.data.wording import count, shown

PROGRESS_SECONDS = 0.1


class ChosenFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is read, and what its first rows look like."""

    chosen: Chosen
    seen: Look

    @property
    def name(self) -> str:
        """The file's name, fit for a sentence."""
        return shown(self.chosen.part.name or self.chosen.part.path.name, 120)


class FileResult(msgspec.Struct, kw_only=True):
    """What came of one file.

    Attributes:
        rows: Those that can be learned from (some of them, where a weight below 1 asks for fewer).
        written: Rows in the dataset; more or fewer where a weight says so.
        left_out: Rows that cannot be learned from.
        late: The columns that begin below the rows that were looked at.
    """

    file: SourceFile
    test: bool
    rows: FileRows
    written: int
    left_out: int
    late: LateColumns
    problems: list[Problem]


class Hashes:
    """SHA-256 of ZIP archives, each taken once although many of its members are read."""

    def __init__(self) -> None:
        self._known: dict[Path, str] = {}

    def of(self, path: Path) -> str:
        if path not in self._known:
            with path.open("rb") as file:
                self._known[path] = hashlib.file_digest(file, "sha256").hexdigest()
        return self._known[path]


class Pace:
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


def read_file(
    file: ChosenFile,
    mapping: Mapping,
    side: str,
    writer: RowWriter,
    pace: Pace,
    hashes: Hashes,
    job: ImportJob,
    split_by: SplitColumns,
) -> FileResult:
    """Write every usable row of one file, as often as its weight says.

    Raises:
        StudioError: The file is damaged or changed meanwhile; `data.cancelled`.
    """
    tally = FaultTally()
    usable = FileRows(name=file.name)
    marks, numbers = MarkTally(), NumberTally(mapping, file.seen.numbers)
    mended = MendTally() if job.mend_turns else None
    part, weight = file.chosen.part, file.chosen.weight
    late = _watcher(file.seen, mapping)

    def leave_out(problem: Problem) -> None:
        tally.add(problem, _line_of(problem))

    on_fault: Callable[[Problem], None] | None = leave_out if job.skip_damaged else None
    with Rows(part, on_fault, late) as rows:
        source = rows.source
        if source.signature != file.seen.signature:
            source.signature = file.seen.signature  # it changed since it was looked at: this says so
            source.check_unchanged()
        taker = _Taker(mapping, side, weight, writer, tally, marks, numbers, usable, split_by, mended)
        is_plain = weight == 1 and not split_by.names
        lane = lane_for(mapping, file.seen.rows) if is_plain else None
        _take_all(rows, taker, lane, mapping, pace)
        source.read_to_end()
        sha256 = source.sha256 or hashes.of(part.path)
        source.check_unchanged()
        pace.next_file(file.seen.packed_bytes)
        described = SourceFile(
            name=source.name,
            path=shown(str(part.path.absolute()), 4096),
            sha256=sha256,
            size_bytes=source.signature[1],
            format=rows.format,
            encoding=source.encoding,
            rows=taker.good + tally.total,
            written=taker.written,
        )
        problems = [
            *tally.problems(file.name),
            *marks.problems(file.name),
            *numbers.problems(file.name),
            *taker.unlearned.problems(file.name),
            *(mended.problems(file.name) if mended is not None else ()),
            *source.notes,
            *_weighted(file.name, weight, taker.good, taker.written),
        ]
        return FileResult(
            file=described,
            test=file.chosen.test,
            rows=usable,
            written=taker.written,
            left_out=tally.total,
            late=late,
            problems=problems,
        )


def _watcher(seen: Look, mapping: Mapping) -> LateColumns:
    """What watches for columns that say something below the first rows, and are not read anyway."""
    used = {getattr(mapping, field) for field in COLUMN_FIELDS}
    return LateColumns({*seen.filled(), *used.intersection(seen.columns)}, seen.columns)


def _take_all(rows: Rows, taker: "_Taker", lane: Lane | None, mapping: Mapping, pace: Pace) -> None:
    if mapping.speaker:
        for number, row in conversations(_paced(rows, pace), mapping):
            taker.take(row, number)
            pace.row(rows.source.bytes_read)
        return
    for item in rows.sorted_by(lane):
        if isinstance(item, Plain):
            taker.take_plain(item)
        else:
            taker.take(item, rows.number)
        pace.row(rows.source.bytes_read)


def _paced(rows: Rows, pace: Pace) -> Iterator[tuple[int, dict[str, object]]]:
    for row in rows:
        yield rows.number, row
        pace.row(rows.source.bytes_read)


class _Taker:
    """Writes the usable rows of one file, as often as its weight says, and counts all of them."""

    def __init__(
        self,
        mapping: Mapping,
        side: str,
        weight: float,
        writer: RowWriter,
        tally: FaultTally,
        marks: MarkTally,
        numbers: NumberTally,
        usable: FileRows,
        split_by: SplitColumns,
        mended: MendTally | None,
    ) -> None:
        self._mapping, self._side, self._weight, self._writer = mapping, side, weight, writer
        self._tally, self._marks, self._numbers, self._usable, self._split_by = tally, marks, numbers, usable, split_by
        self._columns, self._mended = in_use(mapping), mended
        self.unlearned = UnlearnedTally()
        self.good = self.written = 0

    def take_plain(self, plain: Plain) -> None:
        """Many rows at once."""
        self._writer.add_plain(plain, self._side)
        self._usable.add_many(plain.keys, plain.numbers)
        self._numbers.look_plain(plain.numbers)
        for row, mark in plain.marked():
            self._marks.add(int(plain.numbers[row]), mark)
        self.good += len(plain)
        self.written += len(plain)

    def take(self, row: dict[str, object], number: int) -> None:
        """One row, or the instances in it."""
        optional = self._split_by.values(row, self._side == "held_back") if self._split_by.names else None
        row = turns_opened(row, self._mapping)
        self._numbers.look(row, number)
        for piece in self._pieces(row, number):
            try:
                record = mappings.to_record(piece, self._mapping, number, self._mended)
            except StudioError as error:
                self._tally.add(error.problem, number, self._can_be_mended(error.problem, piece, number))
                continue
            key = record.key
            self._marks.look(record)
            self.unlearned.look(record)
            self.good += 1
            times = copies(key, self._weight)
            if times:
                self._usable.add(key, number)
            for _ in range(times):
                self._writer.add(_with_side(record, self._side), key, optional)
            self.written += times

    def _can_be_mended(self, problem: Problem, row: dict[str, object], number: int) -> bool:
        """Whether a row would be kept if the order of its turns were mended."""
        if self._mended is not None or not turn_order.is_fault(problem):
            return False
        try:
            mappings.to_record(row, self._mapping, number, MendTally())
        except StudioError:
            return False
        return True

    def _pieces(self, row: dict[str, object], number: int) -> Sequence[dict[str, object]]:
        """The rows that one row of the file stands for; none, and counted, where that cannot be told."""
        if not self._mapping.instances:
            return (written_out(row, self._columns),)
        try:
            return list(mappings.rows_of(row, self._mapping, number))
        except StudioError as error:
            self._tally.add(error.problem, number)
            return ()


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
