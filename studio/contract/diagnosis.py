"""What the doctor says about a dataset: findings, a verdict in one line, and figures to draw."""

from typing import Literal

import msgspec

from studio.contract.event import Event
from studio.contract.splits import Split

Fix = Literal[
    "",
    "drop_duplicates",
    "drop_near_duplicates",
    "drop_overlap",
    "drop_test_overlap",
    "drop_empty_answers",
    "drop_equal_pairs",
    "repair_encoding",
    "hold_back",
]
"""Safe one-click fixes that can be undone: each is one operation on the dataset's edits, "hold_back" another split."""

Level = Literal["hint", "warning", "error"]
"""hint: worth a look; warning: it makes a model worse; error: these rows cannot be learned from."""


class RowExample(msgspec.Struct, frozen=True):
    """A row that shows a finding.

    Attributes:
        row: Stored row of the dataset, from 0: edits do not move it. -1: not in the dataset (left out by the import).
            In the output of `apprentice data doctor NAME --json` it is what `apprentice preview NAME --row` takes, from
            1: the row's number in its file, as the window's table shows it; of a dataset of several files its place
            among all rows.
        excerpt: A short part of its text on one line.
    """

    row: int
    excerpt: str


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that a person should know about a dataset.

    Attributes:
        code: Stable dotted name, `doctor.fault`.
        title: One sentence with the count in it.
        count: Rows concerned; an estimate where `sampled` is not 0.
        examples: The first few of them.
        why: Why it matters, one or two sentences.
        fix: The one-click fix that is safe here, or "".
        level: How bad it is.
        fix_rows: Rows that the fix changes or leaves out.
        sampled: Rows that were looked at to estimate the count; 0: all of them.
        advice: What a person can do where no click does it; may be empty.
    """

    code: str
    title: str
    count: int
    level: Level
    examples: tuple[RowExample, ...] = ()
    why: str = ""
    fix: Fix = ""
    fix_rows: int = 0
    sampled: int = 0
    advice: str = ""


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """How long the rows are.

    Attributes:
        unit: "tokens" of the chosen model, or "characters" without one.
        edges: Bar i holds lengths from edges[i] to before edges[i + 1], (bars + 1).
        counts: (bars).
        median, most_95, longest: In `unit`; 95 % of the rows are no longer than `most_95`.
        limit: The chosen longest text in `unit`; 0: none.
        sampled: Rows that were measured; 0: all of them.
    """

    unit: Literal["tokens", "characters"]
    edges: tuple[int, ...]
    counts: tuple[int, ...]
    median: int
    most_95: int
    longest: int
    limit: int = 0
    sampled: int = 0


class Share(msgspec.Struct, frozen=True):
    """How many rows have one value: an answer's class, its first words, a language."""

    value: str
    count: int


class Diagnosed(Event, frozen=True, kw_only=True, tag="diagnosed"):
    """The end of the doctor's job. Also lies in the dataset's folder, as the last thing that was found.

    Attributes:
        dataset: Its folder.
        rows: Rows that were read from the source, those left out included.
        usable: Rows that can be learned from or tested with.
        verdict: The state of the dataset in one or two sentences.
        findings: Worst first.
        lengths: Of the rows; None where there are none.
        classes: Short answers that are classes, most frequent first; empty where answers are no classes.
        first_words: The most frequent beginnings of answers.
        languages: Of the rows, most frequent first.
        edits: Which state of the edits this is about (`Edits.digest`): another one means that it is out of date.
        split: How rows were held back then.
        model: Folder of the model whose tokens were counted, or "".
        test: The file or dataset of test rows that the rows were compared with, or "".
        test_rows: How many of its rows were compared.
        test_unread: How many of them say neither question nor text, and were not.
        general, general_rows, general_lengths: The general rows' file, how many they are and how long; "" or None
            where they were not counted.
        seconds: How long it took.
    """

    dataset: str
    rows: int
    usable: int
    verdict: str
    findings: tuple[Finding, ...]
    lengths: Histogram | None = None
    classes: tuple[Share, ...] = ()
    first_words: tuple[Share, ...] = ()
    languages: tuple[Share, ...] = ()
    edits: str = ""
    split: Split = Split()
    model: str = ""
    test: str = ""
    test_rows: int = 0
    test_unread: int = 0
    general: str = ""
    general_rows: int = 0
    general_lengths: Histogram | None = None
    seconds: float = 0.0
