"""The rows of a test file, to be compared with those of a dataset: of any shape, also questions without answers."""

from collections.abc import Iterator
from pathlib import Path

from studio.contract.errors import StudioError
from studio.contract.job import Mapping
from studio.contract.records import Message, Record
from studio.data import column_names
from studio.data.column_content import is_text
from studio.data.conversation import to_messages
from studio.data.dataset import INFO_FILE, open_dataset
from studio.data.doctor.batch import Batch, batches
from studio.data.guessing import guess
from studio.data.inspecting import look
from studio.data.mapping import rows_of, to_record
from studio.data.number_columns import written_out
from studio.data.rows import Rows
from studio.data.turn_rows import conversations
from studio.data.wording import shown

_AT_ONCE = 1000


class ForeignRows:
    """Iterating gives batches; a file is read as it goes, never held whole.

    Attributes:
        unread: Rows so far that say neither question nor text.
    """

    def __init__(self, test: str, with_texts: bool = False) -> None:
        """See what it is.

        Args:
            test: A file of rows, or a dataset's folder.
            with_texts: It is compared with rows of plain text; else plain text in it is taken for questions.

        Raises:
            StudioError: It cannot be read.
        """
        self._path = Path(test)
        self.unread = 0
        self._with_texts = with_texts
        self._mapping: Mapping | None = None
        self._question = ""
        self._dataset = open_dataset(self._path) if (self._path / INFO_FILE).is_file() else None
        if self._dataset is not None:
            return
        seen = look(self._path)
        names = [name for name in seen.columns if is_text(name, seen.rows)]
        self._question = column_names.find_whole(names, column_names.INSTRUCTIONS) or column_names.find(
            names, column_names.PROMPTS
        )
        try:
            self._mapping = guess(seen.columns, seen.rows)
        except StudioError as error:
            if len(names) == 1 and column_names.find_whole(names, column_names.COMPLETIONS):
                raise StudioError(
                    "data.no_questions",
                    "This file holds answers without their questions.",
                    "Rows are compared by what is asked: nothing would be found.",
                    "Choose a file with the questions, too.",
                    where=shown(self._path.name),
                ) from error
            self._question = self._question or (names[0] if len(names) == 1 else "")
            if not self._question:
                raise
        if self._mapping is not None and self._mapping.kind == "text" and self._question:
            self._mapping = None  # a column of questions alone is no text to go on from

    def __iter__(self) -> Iterator[Batch]:
        if self._dataset is not None:
            yield from batches(self._dataset.batches())
            return
        held: list[Record] = []
        for record in self._records():
            held.append(record)
            if len(held) == _AT_ONCE:
                yield Batch.of_records(held)
                held = []
        if held:
            yield Batch.of_records(held)

    def _records(self) -> Iterator[Record]:
        found = False
        with Rows(self._path) as rows:
            whole = conversations(rows.numbered(), self._mapping) if self._mapping is not None else rows.numbered()
            for number, row in whole:
                for record in self._of_row(row, number):
                    found = True
                    yield record
        if not found:
            raise StudioError(
                "data.no_usable_rows",
                "No row of this file holds a question or a text.",
                fix="Choose a file of questions and answers, of questions, or of texts.",
                where=shown(self._path.name),
            )

    def _of_row(self, row: dict[str, object], number: int) -> list[Record]:
        if self._mapping is not None:
            try:
                parts = rows_of(row, self._mapping, number)
                return [self._as_asked(to_record(part, self._mapping, number)) for part in parts]
            except StudioError:
                pass  # a row without an answer may still ask something
        question = _asked(row, self._mapping, self._question, number)
        if question:
            return [Record(messages=(*question,), source_row=number)]
        self.unread += 1
        return []

    def _as_asked(self, record: Record) -> Record:
        if self._with_texts or not record.text:
            return record
        return Record(messages=(Message("user", record.text),), source_row=record.source_row)


def _asked(row: dict[str, object], mapping: Mapping | None, column: str, number: int) -> list[Message]:
    """What a row asks, without an answer; empty where it asks nothing."""
    if mapping is not None and mapping.messages:
        try:
            return list(to_messages(row.get(mapping.messages), number))
        except StudioError:
            return []
    name = mapping.prompt if mapping is not None and mapping.prompt else column
    value = written_out(row, (name,)).get(name)
    return [Message("user", value)] if isinstance(value, str) and value.strip() else []
