"""A mapping applied: each row of a file becomes the records it stands for."""

from collections.abc import Iterator, Sequence

import msgspec

from studio.contract.errors import StudioError
from studio.contract.job import COLUMN_FIELDS, Mapping
from studio.contract.records import Message, Record
from studio.data.column_content import BAD, GOOD
from studio.data.conversation import check_order, is_turn_list, kind_of, text_of, to_messages, unpacked
from studio.data.duels import verdict
from studio.data.guessing import guess
from studio.data.number_columns import in_use, number_text, written_out
from studio.data.opened_turns import turns_opened
from studio.data.row_faults import row_error
from studio.data.tool_calls import tools_text
from studio.data.transcript import is_transcript
from studio.data.turn_order import MendTally, mend
from studio.data.wording import listed, shown

__all__ = ["check", "guess", "rows_of", "to_record"]


def rows_of(row: dict[str, object], mapping: Mapping, number: int) -> Iterator[dict[str, object]]:
    """The rows that one row of a file stands for: one for each instance of its instruction, else itself.

    Numbers that are asked, answered or written are texts in them.

    Raises:
        StudioError: `row.bad_instances`.
    """
    columns = in_use(mapping)
    row = written_out(turns_opened(row, mapping), columns)
    if not mapping.instances:
        yield row
        return
    instances = unpacked(_value(row, mapping.instances, number))
    if not isinstance(instances, list) or not instances:
        raise row_error("row.bad_instances", number)
    for instance in instances:
        if not isinstance(instance, dict):
            raise row_error("row.bad_instances", number, f"One is {kind_of(instance)}.")
        yield {**row, **written_out(instance, columns)}


def to_record(row: dict[str, object], mapping: Mapping, number: int, mended: MendTally | None = None) -> Record:
    """One row as a record.

    Args:
        row: As read from the file, or one of `rows_of`.
        mapping: Which columns hold what.
        number: Row of the file, from 1.
        mended: Counts the row where the order of its turns was mended; None: it is not. Pairs of answers never are.

    Raises:
        StudioError: The row cannot be learned from; the code is a key of `row_faults.FAULTS`.
    """
    if mapping.shape == "text":
        return _text_record(row, mapping, number)
    tools = tools_text(row.get(mapping.tools), number) if mapping.tools else ""
    if mapping.shape == "preference":
        return _preference(row, mapping, number, tools)
    if mapping.messages:
        messages = to_messages(_value(row, mapping.messages, number), number)
    else:
        messages = _pair(row, mapping, number)
    messages = _opened(messages, row, mapping, number)
    messages, steps = mend(messages) if mended is not None else (messages, ())
    check_order(messages, number)
    label = _label(_value(row, mapping.label, number), number) if mapping.shape == "label" else None
    if mended is not None:
        mended.add(number, steps)
    return Record(messages=tuple(messages), tools=tools, label=label, source_row=number)


def check(mapping: Mapping, columns: Sequence[str], is_open: bool = False) -> None:
    """Make sure that a mapping fits a file.

    Args:
        mapping: What is chosen.
        columns: Of the file, as far as they are known.
        is_open: Further columns may begin further down: one that is not among these is no fault yet.

    Raises:
        StudioError: A needed column is not chosen, a chosen one is not there, or one is chosen twice.
    """
    inside = ("context", "completion") if mapping.instances else ()
    for field in COLUMN_FIELDS:
        column = getattr(mapping, field)
        if column and not is_open and field not in inside and column not in columns:
            raise StudioError(
                "data.mapping_column",
                f'There is no column "{shown(column)}".',
                f"The file has the columns {listed(list(columns))}.",
                "Choose one of them.",
            )
    for thing, column in _needed(mapping).items():
        if not column:
            raise StudioError(
                "data.mapping_incomplete",
                f"No column is chosen for the {thing}.",
                f"The file has the columns {listed(list(columns))}.",
                "Choose one.",
            )
    if mapping.speaker and len({mapping.messages, mapping.speaker, mapping.conversation}) < 3:
        raise StudioError(
            "data.mapping_same",
            "The same column is chosen twice.",
            "Who speaks, what is said and in which conversation stand in three columns.",
            "Choose three columns.",
        )
    if mapping.messages:
        return
    for one, other, words in (
        ("prompt", "completion", "The model would learn to repeat what it is asked."),
        ("completion", "rejected", "Nothing can be preferred where both answers are the same."),
        ("prompt", "rejected", "A question is no answer."),
    ):
        if getattr(mapping, one) and getattr(mapping, one) == getattr(mapping, other):
            names = {"prompt": "question", "completion": "answer", "rejected": "worse answer"}
            raise StudioError(
                "data.mapping_same",
                f"The same column is chosen for the {names[one]} and the {names[other]}.",
                words,
                "Choose two columns.",
            )


def _needed(mapping: Mapping) -> dict[str, str]:
    """The columns without which no row can be read, by the word for what they hold."""
    match mapping.shape:
        case "chat" | "sharegpt" if mapping.speaker or mapping.conversation:
            return {
                "turns": mapping.messages,
                "speaker": mapping.speaker,
                "conversation that a turn belongs to": mapping.conversation,
            }
        case "chat" | "sharegpt":
            return {"turns": mapping.messages}
        case "text":
            return {"text": mapping.text}
        case "preference":
            return {"better answer": mapping.completion, "worse answer": mapping.rejected}
        case "label" if mapping.messages:
            return {"label": mapping.label}
        case "label":
            return {"question": mapping.prompt, "answer": mapping.completion, "label": mapping.label}
        case "alpaca" | "prompt_completion":
            return {"question": mapping.prompt, "answer": mapping.completion}


def _value(row: dict[str, object], column: str, number: int) -> object:
    if column not in row:
        raise row_error("row.missing_column", number, f'It has no "{shown(column)}".')
    return row[column]


def _text_record(row: dict[str, object], mapping: Mapping, number: int) -> Record:
    text = text_of(_value(row, mapping.text, number), number, "row.empty_text")
    if not text or text.isspace():
        raise row_error("row.empty_text", number)
    return Record(text=text, source_row=number)


def _opened(messages: list[Message], row: dict[str, object], mapping: Mapping, number: int) -> list[Message]:
    """The turns with the system prompt of its column before them; a blank one is left away."""
    if mapping.system and row.get(mapping.system) is not None:
        text = text_of(row[mapping.system], number, "row.content_not_text")
        if text.strip() and messages[0].role != "system":
            messages = [Message("system", text), *messages]
    if messages[0].role == "system" and not messages[0].content.strip():
        return messages[1:]
    return messages


def _pair(row: dict[str, object], mapping: Mapping, number: int) -> list[Message]:
    messages = _question(row, mapping, number)
    completion = _as_turns(_value(row, mapping.completion, number))
    if is_turn_list(completion):
        return messages + to_messages(completion, number)
    answer = text_of(completion, number, "row.empty_answer")
    thought = row.get(mapping.reasoning) if mapping.reasoning else None
    reasoning = text_of(thought, number, "row.content_not_text") if thought is not None else ""
    return [*messages, Message("assistant", answer, reasoning)]


def _question(row: dict[str, object], mapping: Mapping, number: int) -> list[Message]:
    """What is asked, with earlier exchanges before it and further input below it."""
    prompt = _as_turns(_value(row, mapping.prompt, number))
    before = _history(row.get(mapping.history), number) if mapping.history else []
    if is_turn_list(prompt):
        return before + to_messages(prompt, number)
    question = text_of(prompt, number, "row.empty_question")
    context = row.get(mapping.context) if mapping.context else None
    extra = text_of(_in_lines(context), number, "row.content_not_text") if context is not None else ""
    if question.strip() and extra.strip():
        question = f"{question}\n\n{extra}"
    return [*before, Message("user", question)]


def _in_lines(value: object) -> object:
    """Further input that is a list of texts, or texts by name (the options of a question), one a line."""
    inside = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
    if not inside or not all(isinstance(one, str | int | float) for one in inside):
        return value
    told = [one if isinstance(one, str) else number_text(one) or "" for one in inside]
    named = value if isinstance(value, dict) else ()
    return "\n".join(f"{name}: {one}" for name, one in zip(named, told, strict=True)) if named else "\n".join(told)


def _history(value: object, number: int) -> list[Message]:
    exchanges = unpacked(value)
    if exchanges in (None, "", []):
        return []
    if not isinstance(exchanges, list):
        raise row_error("row.bad_history", number, f"They are {kind_of(exchanges)}.")
    messages: list[Message] = []
    for exchange in exchanges:
        if not isinstance(exchange, list) or len(exchange) != 2:
            raise row_error("row.bad_history", number, "One is no pair.")
        question, answer = (text_of(said, number, "row.bad_history") for said in exchange)
        messages += [Message("user", question), Message("assistant", answer)]
    return messages


def _preference(row: dict[str, object], mapping: Mapping, number: int, tools: str) -> Record:
    prompt = row.get(mapping.prompt) if mapping.prompt else None
    as_turns = not mapping.prompt or is_turn_list(_as_turns(unpacked(prompt)))
    answers = []
    for column in _ranked(row, mapping, number):
        ending = _ending(_value(row, column, number), as_turns, not mapping.prompt, number)
        if ending[0].role in ("system", "user"):  # the whole conversation, whatever the column of the question says
            messages = ending
        elif mapping.prompt:
            shown_prompt = {**row, mapping.prompt: unpacked(prompt)} if as_turns else row
            messages = _question(shown_prompt, mapping, number) + ending
        else:
            raise row_error("row.assistant_first", number)
        messages = _opened(messages, row, mapping, number)
        check_order(messages, number)
        answers.append(messages)
    better, worse = answers
    shared = next((i for i, (a, b) in enumerate(zip(better, worse, strict=False)) if a != b), -1)
    if shared < 0:
        if len(better) == len(worse):
            raise row_error("row.same_answers", number)
        raise row_error("row.other_question", number, "One of them is the beginning of the other.")
    if better[shared].role != "assistant" or worse[shared].role != "assistant":
        raise row_error("row.other_question", number)
    if _same_words(better[shared:], worse[shared:]):
        raise row_error("row.same_answers", number, "They differ in white space only.")
    return Record(messages=tuple(better), rejected=tuple(worse[shared:]), shared=shared, tools=tools, source_row=number)


def _ranked(row: dict[str, object], mapping: Mapping, number: int) -> tuple[str, str]:
    """The columns of the better answer and of the worse one; where a column says who won, that of this row counts."""
    one, other = mapping.completion, mapping.rejected
    if not mapping.label:
        return one, other
    won = verdict(row.get(mapping.label), one, other)
    if won not in ("one", "other"):
        raise row_error("row.no_winner", number)
    return (one, other) if won == "one" else (other, one)


def _ending(value: object, as_turns: bool, alone: bool, number: int) -> list[Message]:
    """One of two answers: text or turns; `alone` (no column holds the question) also a transcript."""
    if alone and isinstance(value, str) and is_transcript(value):
        return to_messages(value, number)
    turns = _as_turns(unpacked(value) if as_turns else value)
    if is_turn_list(turns):
        return to_messages(turns, number)
    return [Message("assistant", text_of(value, number, "row.empty_answer"))]


def _same_words(one: list[Message], other: list[Message]) -> bool:
    def bare(messages: list[Message]) -> list[Message]:
        return [msgspec.structs.replace(message, content=message.content.strip()) for message in messages]

    return bare(one) == bare(other)


def _as_turns(value: object) -> object:
    """A single turn (as preference data have it) as a list of one; everything else, text above all, as it is."""
    return [value] if isinstance(value, dict) and is_turn_list([value]) else value


def _label(value: object, number: int) -> bool:
    if isinstance(value, bool | int | float | str):
        word = str(value).strip().lower()
        if word in GOOD:
            return True
        if word in BAD:
            return False
    told = f'It is "{shown(value, 40)}".' if isinstance(value, str) else f"It is {kind_of(value)}."
    raise row_error("row.bad_label", number, told)
