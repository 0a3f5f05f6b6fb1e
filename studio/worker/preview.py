"""The mask preview: rows as the model sees them, by the trainer's own encoder. Needs no model weights."""

from pathlib import Path

import msgspec

from studio.contract import commands, events, job
from studio.contract.control import Emit
from studio.contract.records import Record
from studio.data.dataset import Dataset, open_dataset
from studio.data.edits import EDITS_FILE
from studio.engine import model_folder, tokens
from studio.worker.commands import CommandReader


def serve(work: job.PreviewJob, emit: Emit, control: CommandReader) -> None:
    """Answer ShowRows until told to stop.

    Raises:
        StudioError: The model's tokenizer or the dataset cannot be read.
    """
    model = Path(work.model)
    model_folder.require_usable(model)
    emit(events.Progress(stage="Loading the tokenizer"))
    reader = RowReader(work, open_dataset(Path(work.dataset)))
    emit(events.Ready())
    for command in control.each():
        if isinstance(command, commands.ShowRows):
            emit(events.RowsShown(request=command.request, rows=reader.read_stored(command.rows)))


class RowReader:
    """Encodes rows of one dataset for one model and one set of settings."""

    def __init__(self, work: job.PreviewJob, dataset: Dataset) -> None:
        self._tokenizer = tokens.load_tokenizer(Path(work.model))
        self._rules = tokens.Rules.of(work.settings)
        self._limit = tokens.limit(self._tokenizer, self._rules)
        self._share = work.settings.held_back_share
        self._dataset = dataset
        self._changed = _age(dataset)

    def read(self, rows: tuple[int, ...]) -> tuple[events.MaskedRow, ...]:
        """The rows that exist, in the order asked for; counted without those that are left out."""
        there = [(row, self._dataset.stored_row(row)) for row in rows if 0 <= row < len(self._dataset)]
        return tuple(msgspec.structs.replace(self._row(stored), row=row) for row, stored in there)

    def read_stored(self, rows: tuple[int, ...]) -> tuple[events.MaskedRow, ...]:
        """Stored rows as they read now: what was edited meanwhile is seen."""
        if _age(self._dataset) != self._changed:
            self._dataset = open_dataset(self._dataset.folder)
            self._changed = _age(self._dataset)
        return tuple(self._row(row) for row in rows if 0 <= row < self._dataset.table.num_rows)

    def _row(self, row: int) -> events.MaskedRow:
        record = self._dataset.stored_record(row)
        shown = self._masked(row, record)
        if not record.rejected:
            return shown
        worse = self._masked(row, tokens.worse_of(record))
        nothing = (False,) * len(worse.learned)
        return msgspec.structs.replace(shown, rejected=msgspec.structs.replace(worse, learned=nothing))

    def _masked(self, row: int, record: Record) -> events.MaskedRow:
        encoded = tokens.encode(record, self._tokenizer, self._rules)
        return events.MaskedRow(
            row=row,
            pieces=tuple(tokens.pieces(encoded.ids, self._tokenizer)),
            ids=tuple(encoded.ids),
            learned=tuple(label != tokens.NOTHING for label in encoded.labels),
            fate=encoded.fate,
            cut_tokens=encoded.cut_tokens,
            cut_answer_tokens=encoded.cut_answer_tokens,
            held_back=self._dataset.stored_is_held_back(row, self._share),
            excluded=row in self._dataset.edits.excluded,
            limit=self._limit,
            control=tuple(token in self._tokenizer.control_ids for token in encoded.ids),
        )


def _age(dataset: Dataset) -> tuple[int, int]:
    """Another one when the dataset's edits were changed."""
    try:
        stat = (dataset.folder / EDITS_FILE).stat()
    except FileNotFoundError:
        return (0, 0)
    return (stat.st_size, stat.st_mtime_ns)
