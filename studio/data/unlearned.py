"""Answers that a file asks not to learn (OpenAI's `"weight": 0`): counted, and told as what they are."""

from studio.contract.errors import Problem
from studio.contract.records import Record
from studio.data.wording import count, row_numbers


class UnlearnedTally:
    """Counts rows of one file with such answers, and keeps the first few."""

    def __init__(self) -> None:
        self._count = 0
        self._empty = 0
        self._rows: list[int] = []

    def look(self, record: Record) -> None:
        """Count a row if it has such answers."""
        if not any(message.weight for message in (*record.messages, *record.rejected)):
            return
        self._count += 1
        self._empty += all(message.weight for message in record.messages if message.role == "assistant")
        if len(self._rows) < 3:
            self._rows.append(record.source_row)

    def problems(self, file_name: str) -> list[Problem]:
        """One remark, or none; the rows were kept."""
        if not self._count:
            return []
        nothing = f"{count(self._empty, 'of them has', 'of them have')} no other answer, so nothing is learned from it."
        if self._empty > 1:
            nothing = nothing.replace("from it.", "from them.")
        return [
            Problem(
                code="data.answers_unlearned",
                what=f'{count(self._count, "row has", "rows have")} answers with "weight": 0: they are read with the '
                "conversation and not learned.",
                why=nothing if self._empty else "",
                where=f"{file_name}, {row_numbers(self._rows, self._count)}",
            )
        ]
