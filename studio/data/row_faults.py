"""What can be wrong with one row, in words: such rows are left out of a dataset and counted."""

import msgspec

from studio.contract.errors import Problem, StudioError
from studio.data import turn_order
from studio.data.wording import count, row_numbers

MOST_NUMBERED = 20
"""Of the rows of one fault. A dataset lacks them, so that their numbers are all that says which they are."""


class RowFault(msgspec.Struct, frozen=True):
    """A row of the table.

    Attributes:
        what: About one row, a sentence.
        summary: About many, after "12 rows were left out: ".
        fix: What to do, a sentence.
    """

    what: str
    summary: str
    fix: str


FAULTS: dict[str, RowFault] = {
    "row.missing_column": RowFault(
        "The row lacks a column that holds the question, the answer or the turns.",
        "they lack a column that holds the question, the answer or the turns",
        "Add it there, or choose other columns.",
    ),
    "row.empty_question": RowFault("The question is empty.", "the question is empty", "Fill it in or delete the row."),
    "row.empty_answer": RowFault(
        "The answer is empty.", "the answer is empty, so there is nothing to learn", "Fill it in or delete the row."
    ),
    "row.content_not_text": RowFault(
        "A question or an answer is no text.",
        "a question or an answer is no text",
        "Only text can be learned: write numbers in quotes.",
    ),
    "row.not_words": RowFault(
        "A question or an answer holds something other than words, such as a picture or sound.",
        "they hold something other than words, such as pictures or sound",
        "Only words can be learned here: take it out, or leave these rows out.",
    ),
    "row.no_turns": RowFault(
        "The list of turns is missing, empty or no list.",
        "the list of turns is missing, empty or no list",
        'A conversation looks like [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}].',
    ),
    "row.unknown_role": RowFault(
        "A turn has a role that is not known.",
        "a turn has a role that is not known",
        "Use the roles system, user, assistant and tool (or human, gpt, function_call and observation).",
    ),
    "row.assistant_first": RowFault(
        "The conversation begins with the assistant.",
        "the conversation begins with the assistant, so nothing was asked",
        "Begin each conversation with the user.",
    ),
    "row.ends_on_user": RowFault(
        "The conversation does not end with the assistant.",
        "the conversation does not end with the assistant, so there is no answer to learn",
        "End each conversation with the assistant's answer.",
    ),
    "row.two_in_a_row": RowFault(
        "The same side speaks twice in a row.",
        "the same side speaks twice in a row, which models are not made for",
        "Join the two turns into one.",
    ),
    "row.system_not_first": RowFault(
        "A system message stands after the beginning.",
        "a system message stands after the beginning, which models are not made for",
        "Put it first, once.",
    ),
    "row.broken_character": RowFault(
        "The text holds half a character.",
        "the text holds half a character (a lone surrogate), which no model can read",
        "Correct the text there.",
    ),
    "row.tool_without_call": RowFault(
        "The result of a tool stands where the assistant has called none.",
        "the result of a tool stands where the assistant has called none",
        "Put the assistant's call before it.",
    ),
    "row.bad_tool_call": RowFault(
        "A tool call is not as it should be.",
        "a tool call is not as it should be",
        'A call looks like {"name": "weather", "arguments": {"city": "Bonn"}}.',
    ),
    "row.bad_tools": RowFault(
        "The tools are not declared as they should be.",
        "the tools are not declared as they should be",
        'Tools look like [{"type": "function", "function": {"name": "weather", "parameters": {…}}}].',
    ),
    "row.bad_history": RowFault(
        "The earlier exchanges are no list of pairs.",
        "the earlier exchanges are no list of pairs",
        'They look like [["first question", "first answer"], ["second question", "second answer"]].',
    ),
    "row.bad_instances": RowFault(
        "The instances of an instruction are no list of objects.",
        "the instances of an instruction are no list of objects",
        'They look like [{"input": "…", "output": "…"}].',
    ),
    "row.empty_text": RowFault("The text is empty.", "the text is empty", "Fill it in or delete the row."),
    "row.bad_label": RowFault(
        "It is not said whether the answer is good.",
        "it is not said whether the answer is good",
        "Write true or false (or 1 or 0) in the column of the label.",
    ),
    "row.no_winner": RowFault(
        "Neither of the two answers is said to be the better one.",
        "neither of the two answers is said to be the better one",
        "Name the better answer there, or leave these rows out.",
    ),
    "row.same_answers": RowFault(
        "The better answer and the worse one are the same.",
        "the better answer and the worse one are the same, so there is nothing to prefer",
        "Change one of them or delete the row.",
    ),
    "row.other_question": RowFault(
        "The better answer and the worse one do not answer the same question.",
        "the better answer and the worse one do not answer the same question",
        "Both conversations must be the same up to the answers that are compared.",
    ),
}


def row_error(code: str, number: int, why: str = "") -> StudioError:
    """The error of one row.

    Args:
        code: A key of FAULTS.
        number: Row of the source file, from 1.
        why: What exactly, a sentence.
    """
    fault = FAULTS[code]
    return StudioError(code, fault.what, why, fault.fix, where=f"row {number}")


class FaultTally:
    """Counts problems by code and keeps the first few examples of each."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._rows: dict[str, list[int]] = {}
        self._first: dict[str, Problem] = {}
        self._mendable: dict[str, int] = {}

    @property
    def total(self) -> int:
        """Rows counted."""
        return sum(self._counts.values())

    def add(self, problem: Problem, number: int, can_be_mended: bool = False) -> None:
        """Count one row; `can_be_mended`: it would be kept if the order of turns were mended."""
        code = problem.code
        self._counts[code] = self._counts.get(code, 0) + 1
        self._first.setdefault(code, problem)
        self._mendable[code] = self._mendable.get(code, 0) + can_be_mended
        rows = self._rows.setdefault(code, [])
        if len(rows) < MOST_NUMBERED:
            rows.append(number)

    def problems(self, file_name: str) -> list[Problem]:
        """One problem a code, most frequent first, then in the file's order: count in words, row numbers."""
        order = sorted(self._counts, key=lambda code: (-self._counts[code], self._rows[code][0], code))
        return [self._problem(code, file_name) for code in order]

    def _problem(self, code: str, file_name: str) -> Problem:
        number, first = self._counts[code], self._first[code]
        fault = FAULTS.get(code)
        left_out = f"{count(number, 'row')} {'was' if number == 1 else 'were'} left out"
        summary = fault.summary if fault else f"damaged, such as: {first.what}"
        if fault and number == 1:
            summary = fault.what[0].lower() + fault.what[1:-1]
        mendable = self._mendable[code]
        return Problem(
            code=code,
            what=f"{left_out}: {summary.rstrip('.')}.",
            why=first.why,
            fix=turn_order.offer(mendable, number, first.fix) if mendable else first.fix,
            where=f"{file_name}, {row_numbers(self._rows[code], number, MOST_NUMBERED)}",
        )
