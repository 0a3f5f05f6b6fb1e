"""Questions that a run has not learned from, with the answers that its dataset expects."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from studio.contract.errors import StudioError
from studio.contract.records import Record
from studio.data.dataset import Dataset, open_dataset
from studio.data.run_history import RunSummary

SEARCHED_ROWS = 20_000
"""The window looks at no more rows than this: it must not stand still for a dataset of a million."""


class Question(msgspec.Struct, frozen=True):
    """A held-back row: what is asked, what is expected, and the system prompt it was written for."""

    text: str
    expected: str
    system: str = ""


def questions_of(run: RunSummary) -> list[Question]:
    """Held-back questions of a run's dataset; those that its own test saw become right come first."""
    verdict = run.finished.verdict if run.finished is not None else None
    first = verdict.newly_right if verdict is not None else ()
    return questions(Path(run.job.dataset), run.job.settings.held_back_share, first)


def questions(folder: Path, share: float, first: Sequence[str] = (), most: int = 60) -> list[Question]:
    """Held-back questions of a dataset, spread over it; none where the dataset is gone or damaged.

    Only rows of one question and one answer: a longer conversation cannot be asked with one click.

    Args:
        folder: The dataset's folder.
        share: The run's held-back share.
        first: Texts of questions that are wanted at the front: those that the run's own test saw become right.
        most: Largest number of questions.
    """
    found: dict[str, Question] = {}
    try:
        for record in _held_back(open_dataset(folder), share):
            question = _single(record)
            if question is not None:
                found.setdefault(question.text, question)
    except StudioError:
        return []
    wanted = [found.pop(text) for text in first if text in found]
    every = list(found.values())
    step = max(1, len(every) // most)
    return [*wanted, *every[::step]][:most]


def _held_back(dataset: Dataset, share: float) -> Iterator[Record]:
    # Rows of an own test file stand at the end.
    tested = dataset.info.held_back_rows
    start = dataset.index_from(dataset.table.num_rows - tested) if tested else 0
    for index, record in enumerate(dataset.records(start, start + SEARCHED_ROWS), start):
        if dataset.is_held_back(index, share):
            yield record


def _single(record: Record) -> Question | None:
    """The row as one question and one answer; None for longer talks, texts, and what needs tools."""
    if not record.messages or record.tools or record.rejected or record.label is not None:
        return None
    system = record.messages[0].content if record.messages[0].role == "system" else ""
    turns = [message for message in record.messages if message.role != "system"]
    if [turn.role for turn in turns] != ["user", "assistant"]:
        return None
    return Question(turns[0].content, turns[1].content, system)
