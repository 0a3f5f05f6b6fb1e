"""Marks of a chat template that stand in the text itself, such as <|im_start|> or [INST]."""

from collections.abc import Iterator

from studio.data.doctor.batch import Batch
from studio.data.doctor.check import Check as Base
from studio.data.doctor.check import Context, Found, Rows
from studio.data.markers import PATTERN
from studio.data.wording import count


class Check(Base):
    """Searches all texts: system prompts, reasoning, calls and rejected answers too."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._rows = Rows()

    def look(self, batch: Batch) -> None:
        self._rows.add(batch.rows_where(lambda texts: texts.matching(PATTERN)))

    def findings(self) -> Iterator[Found]:
        rows = self._rows.joined()
        if len(rows):
            yield self.found(
                "template_markers",
                "warning",
                f"{count(len(rows), 'row holds', 'rows hold')} marks of a chat template in the text.",
                rows,
                why="The template puts them in by itself: here they are read as ordinary text, and the model learns to "
                "write them. Someone may also have put them there to change what it does.",
                advice="Import the data as conversations, with the turns taken apart, or delete the marks.",
                part="row",
            )
