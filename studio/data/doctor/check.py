"""What checks have in common: what they are told, and how they say what they found."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.contract.diagnosis import Finding, Fix, Level, RowExample
from studio.contract.records import Record
from studio.contract.settings import TrainSettings
from studio.data.dataset import Dataset
from studio.data.doctor.batch import Batch, Ints
from studio.data.doctor.similar import Similar
from studio.data.wording import shown

EXAMPLES = 5
_EXCERPT = 120


class Measured(msgspec.Struct, frozen=True):
    """A row in a model's tokens.

    Attributes:
        tokens: Of the whole row, before anything is cut.
        lost: Tokens of its answers that the settings cut away; all of them where the row is left out.
        left_out: The settings leave the row out because it is too long.
        nothing: Not one of its tokens is learned.
    """

    tokens: int
    lost: int
    left_out: bool
    nothing: bool = False


Measure = Callable[[Record], Measured]
"""Counts a row's tokens; comes from the worker, because this room knows no tokenizer."""


class Context(msgspec.Struct, kw_only=True):
    """What checks are told before they begin.

    Attributes:
        dataset: The open dataset.
        held: Whether each row is held back, (rows).
        similar: Finds rows of almost the same text.
        asked: Finds rows of almost the same questions; None where there is no test file.
        measure: Counts tokens, or None.
        limit: The longest text in tokens: the chosen one, or what the model reads at most.
        is_models_limit: It is the model's: no setting raises it.
        settings: What is learned, and how much is to be held back.
        counted: Stored rows whose tokens were counted, and what came of each; see `lengths.measured`.
        tick: To be called in long loops of a check: name of the stage, done, total. It ends the doctor where the user
            wishes.
    """

    dataset: Dataset
    held: NDArray[np.bool_]
    similar: Similar
    asked: Similar | None = None
    measure: Measure | None
    limit: int
    is_models_limit: bool = False
    settings: TrainSettings = msgspec.field(default_factory=TrainSettings)
    counted: tuple[Ints, list[Measured]] | None = None
    tick: Callable[[str, int, int], None]

    def sign(self, batch: Batch) -> None:
        """Take rows in that are to be found again."""
        self.similar.add(batch)
        if self.asked is not None:
            self.asked.add(batch)

    def unlearned(self, batch: Batch) -> Ints:
        """Which rows of a batch hold nothing to learn, because their answers are marked so."""
        if not self.settings.learn_answers_only:
            return np.zeros(0, np.int64)
        return batch.unlearned(self.settings.learned_turns == "last")

    def close(self) -> None:
        """All rows of one source were taken in."""
        self.similar.close()
        if self.asked is not None:
            self.asked.close()


class Found(msgspec.Struct, frozen=True):
    """A finding and all its rows.

    Attributes:
        finding: What the user reads.
        rows: Stored rows, (found).
        because: For each, the stored row that makes it superfluous; -1 where none does. A fix leaves a row in where
            that other row is gone.
    """

    finding: Finding
    rows: Ints
    because: Ints


class Check:
    """Base of all checks; one is made for one look through a dataset."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def look(self, batch: Batch) -> None:
        """See some rows; called for all of them, in order."""

    def findings(self) -> Iterable[Found]:
        """What was found, after all rows were seen."""
        return ()

    def figures(self) -> dict[str, Any]:
        """Fields of `Diagnosed` that this check fills."""
        return {}

    def found(
        self,
        code: str,
        level: Level,
        title: str,
        rows: Iterable[int] | Ints,
        *,
        why: str,
        fix: Fix = "",
        advice: str = "",
        because: Ints | None = None,
        count: int | None = None,
        sampled: int = 0,
        part: str = "answer",
        fix_rows: int | None = None,
    ) -> Found:
        """A finding with its examples.

        Args:
            code: Its name behind "doctor.".
            level, title, why, fix, advice, sampled: See `Finding`.
            rows: Stored rows, all of them.
            because: See `Found`.
            count: Where it is not the number of rows.
            part: What excerpts show: "answer" or "row".
            fix_rows: Rows that the fix changes, where it is not all of them.
        """
        numbers = np.asarray(rows if isinstance(rows, np.ndarray) else list(rows), np.int64)
        examples = tuple(RowExample(int(row), self._excerpt(int(row), part)) for row in numbers[:EXAMPLES])
        finding = Finding(
            code=f"doctor.{code}",
            title=title,
            count=len(numbers) if count is None else count,
            level=level,
            examples=examples,
            why=why,
            fix=fix,
            fix_rows=(len(numbers) if fix_rows is None else fix_rows) if fix else 0,
            sampled=sampled,
            advice=advice,
        )
        return Found(finding, numbers, np.full(len(numbers), -1) if because is None else because)

    def _excerpt(self, row: int, part: str) -> str:
        record = self.context.dataset.stored_record(row)
        if part == "answer":
            return shown(answer_text(record), _EXCERPT)
        return shown(" · ".join(text for text in _texts(record) if text), _EXCERPT)


def answer_text(record: Record) -> str:
    """What is learned of a row: its last answer, or the whole of a plain text."""
    return record.messages[-1].content if record.messages else record.text


def _texts(record: Record) -> Iterator[str]:
    for message in (*record.messages, *record.rejected):
        if message.role != "system":
            yield from (message.reasoning, message.content, message.tool_calls)
    yield record.text


class Rows:
    """Collects one number a row, or row numbers, batch by batch."""

    def __init__(self) -> None:
        self._parts: list[Any] = []

    def add(self, part: Any) -> None:
        """Keep a batch's numbers."""
        if len(part):
            self._parts.append(part)

    def joined(self, kind: Any = np.int64) -> Any:
        """All of them in order."""
        self._parts = [np.concatenate(self._parts)] if self._parts else [np.zeros(0, kind)]
        return self._parts[0]
