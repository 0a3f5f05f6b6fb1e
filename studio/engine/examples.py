"""What a run learns from: rows of the dataset, encoded once, split, counted, and refused where nothing is learned."""

import heapq
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from studio.contract.control import Control, Emit
from studio.contract.errors import Problem, StudioError
from studio.contract.events import DataReport, Progress
from studio.contract.job import TrainJob
from studio.contract.plan import replayed_rows
from studio.contract.records import Message, Record
from studio.data.arrow_file import records_of
from studio.data.chat_rows import read_chat_rows
from studio.data.dataset import ROWS_FILE, DatasetInfo, open_dataset
from studio.data.dataset import Dataset as Opened
from studio.engine import tokens
from studio.engine.batches import Rows

MOST_TESTED = 200
"""Held-back rows that tests during training use: enough to see a trend, few enough to be quick."""
ROWS_AT_ONCE = 500
MOST_ASKED = 60
MOST_ASKED_OWN = 100
"""Held-back questions that are asked; more where the user brought an own test file."""
SHORT_ANSWER = 64
"""Tokens: where half of the held-back answers are longer, word-for-word comparison says nothing."""


class Held(msgspec.Struct, frozen=True):
    """One held-back row that tests use."""

    record: Record
    ids: Sequence[int]
    labels: Sequence[int]
    learned: int

    @property
    def question(self) -> tuple[Message, ...]:
        """The conversation up to the last answer; empty where that is no answer in words to a user's question, or one
        that is not to be learned.
        """
        talk = self.record.messages
        asked = talk[:-1]
        plain = self.record.is_plain and asked and talk[-1].role == "assistant" and not talk[-1].weight
        return asked if plain and all(turn.role != "tool" for turn in asked) else ()

    @property
    def answer(self) -> str:
        """The last answer."""
        return self.record.messages[-1].content if self.record.messages else ""


class Examples(msgspec.Struct, frozen=True):
    """Encoded rows.

    Attributes:
        rows: Training rows first, general rows after them.
        train_rows: How many are training rows.
        held: Held-back rows for tests, at most MOST_TESTED, in an order that follows from their content.
        asked: Those of them whose question is asked; empty where answers are long.
        report: The counts, made from the very labels that are trained on.
        notices: What is risky about it.
        fingerprint: SHA-256 of all ids and labels.
        longer: Training and general rows that were left out, or cut, because they are too long.
    """

    rows: Rows
    train_rows: int
    held: tuple[Held, ...]
    asked: tuple[Held, ...]
    report: DataReport
    notices: tuple[Problem, ...]
    fingerprint: str
    longer: int = 0

    @property
    def longest(self) -> int:
        """Tokens of the longest row that is learned from or tested on."""
        return max([self.rows.longest, *(len(held.ids) for held in self.held)])


class Ended(Exception):
    """The user ended the run before there was anything to save."""


def read_examples(job: TrainJob, tokenizer: Any, emit: Emit, control: Control) -> Examples:
    """Read, split, encode and count everything a run learns from.

    Raises:
        StudioError: There is nothing to learn from, or the rows compare or rate answers; and why.
        Ended: The user ended the run meanwhile.
    """
    settings = job.settings
    rules = tokens.Rules.of(settings)
    dataset = open_dataset(Path(job.dataset))
    _check_kind(dataset.info)
    sides = dataset.sides(settings.held_back_share)
    train, held = _Side(tokenizer, rules), _Side(tokenizer, rules, sample=MOST_TESTED)
    own_test_file = False
    for number, record in enumerate(_polled(_records(dataset), len(dataset), "Reading the examples", emit, control)):
        own_test_file = own_test_file or record.side == "held_back"
        (held if sides[number] else train).add(record, number)
    general = _Side(tokenizer, rules)
    if job.general and settings.replay_share > 0:
        extra = read_chat_rows(Path(job.general))
        for number, record in enumerate(_polled(extra, len(extra), "Reading the general examples", emit, control)):
            general.add(record, number)
    most = tokens.limit(tokenizer, rules)
    at_end = tokens.is_models_limit(tokenizer, rules)
    _refuse(train, held, most, at_end)
    tested = held.sample()
    rows = train.rows.joined(general.rows)
    return Examples(
        rows=rows,
        train_rows=len(train.rows),
        held=tested,
        asked=_asked(tested, MOST_ASKED_OWN if own_test_file else MOST_ASKED),
        report=_report(train, held, general, tokenizer, settings.replay_share),
        notices=(*tokenizer.notices, *_notices(job, train, held, most, at_end)),
        fingerprint=rows.digest(),
        longer=sum(side.fates[fate] for side in (train, general) for fate in ("left_out", "cut")),
    )


def _check_kind(info: DatasetInfo) -> None:
    """Refuse rows that compare or rate answers.

    Raises:
        StudioError: They do.
    """
    if info.kind in ("preference", "label"):
        raise _compared(info)


def _compared(info: DatasetInfo) -> StudioError:
    mapping = info.mapping
    if info.kind == "label":
        return StudioError(
            "train.rated_rows",
            "The rows of this dataset rate an answer as good or bad, which cannot be trained on yet.",
            "Learning from all of them would teach the bad answers, too.",
            "Keep the good answers in a file of their own and import that.",
            where=info.name,
        )
    if mapping.prompt:
        columns = f"question = {mapping.prompt}, answer = {mapping.completion}"
    else:
        columns = f"conversations, messages = {mapping.completion}"
    return StudioError(
        "train.compared_rows",
        "The rows of this dataset compare a better answer with a worse one, which cannot be trained on yet.",
        "Learning from all of them would teach the worse answers, too.",
        f"Choose the columns anew to learn from the better answers only: {columns}.",
        where=info.name,
    )


def _records(opened: Opened) -> Iterator[Record]:
    """All rows in order as they read now, some hundreds in memory at a time.

    `datasets` maps them into memory; nothing is copied or cached elsewhere. It checks nothing: all is checked before.
    """
    from datasets import Dataset

    opened.table.check()
    edits, row = opened.edits, 0
    rows = Dataset.from_file(str(opened.folder / ROWS_FILE)).with_format("arrow")
    for table in rows.iter(ROWS_AT_ONCE):
        for batch in table.to_batches():
            for record in records_of(batch):
                if row not in edits.excluded:
                    yield edits.edited(row, record)
                row += 1


class _Side:
    """Encodes the rows of one side, keeps them compactly, and counts what becomes of them.

    Attributes:
        rows: What is used.
        fates: How many rows met which fate.
        keys: How often each text (by a number made from its key) is there.
    """

    def __init__(self, tokenizer: Any, rules: tokens.Rules, sample: int = 0) -> None:
        self._tokenizer, self._rules = tokenizer, rules
        self.rows = Rows()
        self.fates: Counter[str] = Counter()
        self.keys: Counter[int] = Counter()
        self.bos_count = 0
        self.end_always_learned = True
        self._most = sample
        self._sample: list[tuple[tuple[int, int, int], Held]] = []

    def add(self, record: Record, number: int) -> None:
        try:
            row = tokens.encode(record, self._tokenizer, self._rules)
        except StudioError as error:
            problem = error.problem
            place = f"row {number + 1}" + (f", {problem.where}" if problem.where else "")
            raise StudioError.of(msgspec.structs.replace(problem, where=place)) from error
        key = int(record.key, 16)
        self.fates[row.fate] += 1
        self.keys[key] += 1
        if row.fate not in ("kept", "cut"):
            return
        for window, (ids, labels) in enumerate(tokens.windows(row, tokens.limit(self._tokenizer, self._rules))):
            self.rows.append(ids, labels)
            if self._most:
                learned = sum(label != tokens.NOTHING for label in labels)
                self._keep((-key, -number, -window), Held(record, ids, labels, learned))
        # Where a row begins: later ones are a template's own marks of turns (ChatML's bos is <|im_start|>).
        bos = self._tokenizer.bos_token_id
        self.bos_count = max(self.bos_count, sum(1 for _ in itertools.takewhile(lambda i: i == bos, row.ids)))
        unlearned_end = bool(record.messages) and bool(record.messages[-1].weight)
        if not unlearned_end and not (row.fate == "cut" and self._rules.too_long == "cut_end"):
            # A template may put a line feed behind the end token.
            ends = self._tokenizer.end_ids
            self.end_always_learned = self.end_always_learned and any(label in ends for label in row.labels[-4:])

    def _keep(self, order: tuple[int, int, int], held: Held) -> None:
        """Keep the rows with the smallest keys: chosen by their content alone, whatever the order of the file."""
        heapq.heappush(self._sample, (order, held))
        if len(self._sample) > self._most:
            heapq.heappop(self._sample)

    def sample(self) -> tuple[Held, ...]:
        """The rows kept for tests."""
        return tuple(held for _, held in sorted(self._sample, key=lambda entry: entry[0], reverse=True))


def _polled(records: Iterable[Record], total: int, stage: str, emit: Emit, control: Control) -> Iterator[Record]:
    emit(Progress(stage=stage, total=total, unit="rows"))
    for number, record in enumerate(records):
        if number % 256 == 255:
            if control.poll() in ("stop", "discard"):
                raise Ended
            emit(Progress(stage=stage, done=number + 1, total=total, unit="rows"))
        yield record


def _refuse(train: _Side, held: _Side, most: int, at_end: bool) -> None:
    """Refuse where nothing can be learned.

    Args:
        train, held: The rows of both sides.
        most: Longest text in tokens.
        at_end: The model itself reads no longer ones.

    Raises:
        StudioError: There is nothing to learn from, and why.
    """
    total = train.fates.total()
    if total + held.fates.total() < 2:
        raise StudioError(
            "train.too_few_rows",
            f"The dataset has {total + held.fates.total()} usable row(s).",
            "Learning needs at least two examples.",
            "Add more examples.",
        )
    if total == 0:
        raise StudioError(
            "train.all_held_back",
            "All rows are held back for testing, so nothing is left to learn from.",
            "They are all the same, and equal rows stay on one side."
            if len(held.keys) == 1
            else "The share is too high for so few rows.",
            "Add examples that differ."
            if len(held.keys) == 1
            else "Lower the share of held-back examples, or add more examples.",
            where="held_back_share",
        )
    if len(train.rows):
        return
    if train.fates["left_out"]:
        raise StudioError(
            "train.all_too_long",
            f"All {train.fates['left_out']} examples with something to learn are longer than {most} tokens"
            + (", the most that this model can read." if at_end else "."),
            "Examples that are too long are left out, so nothing would be learned.",
            "Choose a model with a longer context, shorten the examples, or let longer ones be cut."
            if at_end
            else "Raise the longest text, or let longer examples be cut.",
            where="max_tokens",
        )
    raise StudioError(
        "train.nothing_to_learn",
        f"None of the {total} examples holds anything to learn.",
        "Only answers are learned, and no example has one, or all of them were cut away or bear the weight 0.",
        "Look at the rows as the model sees them; check the columns, 'Learn answers only' and the longest text.",
        where="learn_answers_only",
    )


def _asked(tested: Sequence[Held], most: int) -> tuple[Held, ...]:
    lengths = sorted(held.learned for held in tested)
    if not lengths or lengths[len(lengths) // 2] > SHORT_ANSWER:
        return ()
    askable = [h for h in tested if h.learned <= SHORT_ANSWER and h.question]
    return tuple(askable[:most])


def _report(train: _Side, held: _Side, general: _Side, tokenizer: Any, share: float) -> DataReport:
    return DataReport(
        train_rows=len(train.rows),
        held_back_rows=len(held.rows),
        general_rows=len(general.rows),
        mixed_in=replayed_rows(len(train.rows), share) if len(general.rows) else 0,
        kept=train.fates["kept"],
        cut=train.fates["cut"],
        left_out=train.fates["left_out"],
        nothing_to_learn=train.fates["nothing_to_learn"],
        tokens=int(train.rows.lengths.sum()),
        learned_tokens=int(train.rows.learned_counts.sum()),
        end_token=tokenizer.convert_ids_to_tokens(tokenizer.end_ids[0]) if tokenizer.end_ids else "",
        end_token_learned=train.end_always_learned,
        bos_count=max(train.bos_count, held.bos_count, general.bos_count),
        pad_token=str(tokenizer.pad_token or ""),
        longest=train.rows.longest,
        duplicates=sum(count - 1 for count in train.keys.values()),
        overlap=sum(count for key, count in held.keys.items() if key in train.keys),
    )


def _notices(job: TrainJob, train: _Side, held: _Side, most: int, at_end: bool) -> Iterator[Problem]:
    settings = job.settings
    if settings.replay_share > 0 and not job.general:
        yield Problem(
            code="train.no_general_rows",
            where="replay_share",
            what="Nothing is mixed in to keep what the model knew.",
            why="'Keep what it knew' is on, but no general examples were chosen.",
            fix="Choose general examples for this model, or switch the setting off; the model may forget.",
        )
    if not len(held.rows):
        yield Problem(
            code="train.no_held_back",
            where="held_back_share",
            what="There are no held-back examples, so nothing can be tested on unseen text.",
            why="The share is 0, or so few rows that none fell on the test side.",
            fix="Raise the share of held-back examples, hold others back (Data page, or `apprentice data split`), "
            "or add examples.",
        )
    total = train.fates.total()
    for fate, word in (("left_out", "too long and are left out"), ("cut", "too long and are cut")):
        if train.fates[fate]:
            yield Problem(
                code=f"train.rows_{fate}",
                where="max_tokens",
                what=f"{train.fates[fate]} of {total} examples are {word}.",
                why=f"The longest text is {most} tokens" + (": more the model cannot read." if at_end else "."),
                fix="Choose a model with a longer context, or shorten the examples."
                if at_end
                else "Raise the longest text if the memory allows it.",
            )
    if train.fates["nothing_to_learn"]:
        yield Problem(
            code="train.rows_nothing_to_learn",
            what=f"{train.fates['nothing_to_learn']} of {total} examples hold nothing to learn and are not used.",
            why="They have no answer, or it was cut away or bears the weight 0.",
            fix="Look at the rows as the model sees them.",
        )
    overlap = sum(count for key, count in held.keys.items() if key in train.keys)
    if overlap:
        yield Problem(
            code="train.overlap",
            what=f"{overlap} held-back examples are also among the training examples.",
            why="Tests on them show memory, not learning.",
            fix="Remove them from one of the two files.",
        )
    if not train.end_always_learned:
        yield Problem(
            code="train.end_not_learned",
            what="Some examples do not teach the model where an answer ends.",
            why="Their last learned token is not the end token.",
            fix="The model may ramble on; check the model's chat template.",
        )
