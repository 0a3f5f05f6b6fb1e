"""The order of turns, mended where it is asked for: people write twice in a row, and say hello and thank you.

Only neighbours are joined and only ends are left out, in which there is nothing to learn. Calls of tools and their
results stay as they are: a row whose order is wrong there is refused, mended or not.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import msgspec

from studio.contract.errors import Problem
from studio.contract.records import Message
from studio.data.wording import count, row_numbers

Step = Literal["joined", "opening", "ending"]
OPTION = "Mend the order of turns"
"""What the choice is called, wherever it is offered."""
_OFFER = (
    f"{OPTION}: messages of one side that follow each other are joined, a greeting before the first question and a "
    "last message without an answer are left out."
)
_FAULTS = ("row.two_in_a_row", "row.assistant_first", "row.ends_on_user")
_LEFT_OUT = (*_FAULTS, "row.system_not_first", "row.tool_without_call")


def mend(messages: Sequence[Message]) -> tuple[list[Message], tuple[Step, ...]]:
    """A conversation in the order that models are made for, as far as it can be brought there, and what was done to it.

    Args:
        messages: Of a row; one in order stays as it is. Whether the outcome is in order, `check_order` says.
    """
    steps: list[Step] = []
    kept = list(messages)
    first = 1 if kept and kept[0].role == "system" else 0
    question = next((place for place, message in enumerate(kept) if message.role == "user"), 0)
    if question > first and all(_is_said(message, "assistant") for message in kept[first:question]):
        del kept[first:question]
        steps.append("opening")
    last = next((place for place in reversed(range(len(kept))) if kept[place].role != "user"), len(kept))
    if last < len(kept) - 1 and kept[last].role == "assistant":
        del kept[last + 1 :]
        steps.append("ending")
    mended: list[Message] = []
    for message in kept:
        joined = _joined(mended[-1], message) if mended else None
        if joined is None:
            mended.append(message)
        else:
            mended[-1] = joined
    if len(mended) < len(kept):
        steps.append("joined")
    return mended, tuple(steps)


def _joined(one: Message, other: Message) -> Message | None:
    """Two neighbours as one, with a blank line between them; None where they stay two."""
    if one.role != other.role or not (_is_said(one, one.role) and _is_said(other, one.role)):
        return None
    thought_later = bool(other.reasoning)
    if one.role not in ("user", "assistant") or thought_later or one.weight != other.weight:
        return None
    told = [message.content for message in (one, other) if message.content and not message.content.isspace()]
    return msgspec.structs.replace(one, content="\n\n".join(told))


def _is_said(message: Message, role: str) -> bool:
    return message.role == role and not message.tool_calls


def is_fault(problem: Problem) -> bool:
    """Whether a row's fault is one of its order."""
    return problem.code in _FAULTS


def offer(rows: int, total: int, otherwise: str) -> str:
    """What to do about rows whose order is wrong.

    Args:
        rows: Those that can be mended, at least 1.
        total: All that have this fault.
        otherwise: What else a person can do, a sentence.
    """
    if rows == total:
        kept = "It is kept then." if total == 1 else "All of them are kept then."
    else:
        kept = f"{rows:,} of them {'is' if rows == 1 else 'are'} kept then."
    return f"{_OFFER} {kept} Or {otherwise[:1].lower()}{otherwise[1:]}"


def is_offered(advice: str) -> bool:
    """Whether a problem's fix, or a finding's advice, is that the order be mended."""
    return advice.startswith(OPTION)


class MendTally:
    """Counts mended rows of one file, and keeps the first few."""

    def __init__(self) -> None:
        self._counts: dict[Step, int] = dict.fromkeys(get_args(Step), 0)
        self._total = 0
        self._rows: list[int] = []

    def add(self, number: int, steps: tuple[Step, ...]) -> None:
        """Count a row that was mended in this way; none: it was in order."""
        if not steps:
            return
        self._total += 1
        if len(self._rows) < 3:
            self._rows.append(number)
        for step in steps:
            self._counts[step] += 1

    def problems(self, file_name: str) -> list[Problem]:
        """What was mended, as one remark, or none."""
        if not self._total:
            return []
        words: dict[Step, str] = {
            "joined": "messages of one side that followed each other were joined",
            "opening": "what the assistant says before the first question was left out",
            "ending": "a last message without an answer was left out",
        }
        told: list[str] = []
        for step, number in self._counts.items():
            if number:
                told.append(f"in {f'{number:,}' if told else count(number, 'row')} {words[step]}")
        return [
            Problem(
                code="data.turns_mended",
                what=f"The order of turns was mended: {', '.join(told)}.",
                why="Such rows are left out where that is not chosen.",
                where=f"{file_name}, {row_numbers(self._rows, self._total)}",
            )
        ]


def unmended(file_name: str, problems: Sequence[Problem]) -> list[Problem]:
    """What is to be said where mending was asked for, beside what was mended.

    Args:
        file_name: The first file.
        problems: Of the import of all files.
    """
    codes = {problem.code for problem in problems}
    if codes.isdisjoint(_LEFT_OUT):
        what = "The order of turns was to be mended; no row needed it."
        in_order = Problem(code="data.turns_in_order", what=what, where=file_name)
        return [] if "data.turns_mended" in codes else [in_order]
    none = "The order of turns was to be mended; of the rows that were left out for it none could be."
    some = "Not all rows whose order of turns was to be mended could be; the others were left out."
    return [
        Problem(
            code="data.turns_unmended",
            what=some if "data.turns_mended" in codes else none,
            why="Left as they are: answers that are compared, calls of tools and their results, neighbours of which only "
            "one is learned (weight), system messages further down, and conversations without a question or an answer.",
            fix="Put their turns in order in the file.",
            where=file_name,
        )
    ]
