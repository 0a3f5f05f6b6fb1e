"""Which columns hold what: guessed from names and content, and applied row by row."""

from collections.abc import Sequence

import msgspec

from studio.contract.errors import StudioError
from studio.contract.job import Mapping
from studio.contract.records import Message, Record
from studio.data import column_names
from studio.data.conversation import check_order, is_turn_list, text_of, to_messages, turn_keys, unpacked
from studio.data.row_faults import row_error
from studio.data.wording import listed, shown

Rows = Sequence[dict[str, object]]


class _Column(msgspec.Struct, frozen=True):
    """What the sampled values of a text column look like."""

    name: str
    mean_length: float
    questions: float
    """Share of values that end with a question mark."""


def guess(columns: Sequence[str], rows: Rows) -> Mapping:
    """Guess the mapping from the columns' names and a sample of rows.

    Args:
        columns: All names seen, in the file's order.
        rows: A sample, the first rows.

    Raises:
        StudioError: `data.no_mapping` with the columns seen; `data.preference_not_supported` for rows that rate or
            compare answers.
    """
    names = list(columns)
    _refuse_preferences(names, rows)
    system = _text_column(names, column_names.SYSTEMS, rows)
    turns = _turns_column(names, rows)
    if turns:
        return _turns_mapping(turns, system, rows)
    texts = [name for name in names if name != system and _is_text(name, rows)]
    prompt = column_names.find_whole(texts, column_names.INSTRUCTIONS) or column_names.find(texts, column_names.PROMPTS)
    completion = column_names.find(texts, column_names.COMPLETIONS, (prompt,))
    if prompt and completion:
        return _named(texts, prompt, completion, system)
    return _prompt_of_turns(names, rows) or _by_content(texts, prompt, completion, system, rows, names)


def to_record(row: dict[str, object], mapping: Mapping, number: int) -> Record:
    """One row as a record.

    Args:
        row: As read from the file.
        mapping: Which columns hold what.
        number: Row of the file, from 1.

    Raises:
        StudioError: The row cannot be learned from; the code is a key of `row_faults.FAULTS`.
    """
    if mapping.shape in ("chat", "sharegpt"):
        messages = to_messages(_value(row, mapping.messages, number), number)
    else:
        messages = _pair(row, mapping, number)
    if mapping.system and row.get(mapping.system) is not None:
        text = text_of(row[mapping.system], number, "row.content_not_text")
        if text.strip() and messages[0].role != "system":
            messages.insert(0, Message("system", text))
    if messages[0].role == "system" and not messages[0].content.strip():
        del messages[0]
    check_order(messages, number)
    return Record(messages=tuple(messages), source_row=number)


def check(mapping: Mapping, columns: Sequence[str]) -> None:
    """Make sure that a mapping fits a file.

    Raises:
        StudioError: A needed column is not chosen, or a chosen one is not there.
    """
    needed = (
        {"turns": mapping.messages}
        if mapping.shape in ("chat", "sharegpt")
        else {"question": mapping.prompt, "answer": mapping.completion}
    )
    for thing, column in needed.items():
        if not column:
            raise StudioError(
                "data.mapping_incomplete",
                f"No column is chosen for the {thing}.",
                f"The file has the columns {listed(list(columns))}.",
                "Choose one.",
            )
    for column in filter(None, (*needed.values(), mapping.context, mapping.system)):
        if column not in columns:
            raise StudioError(
                "data.mapping_column",
                f'There is no column "{shown(column)}".',
                f"The file has the columns {listed(list(columns))}.",
                "Choose one of them.",
            )
    if mapping.prompt and mapping.prompt == mapping.completion and "messages" not in needed:
        raise StudioError(
            "data.mapping_same",
            "The same column is chosen for the question and the answer.",
            "The model would learn to repeat what it is asked.",
            "Choose two columns.",
        )


def _value(row: dict[str, object], column: str, number: int) -> object:
    if column not in row:
        raise row_error("row.missing_column", number, f'It has no "{shown(column)}".')
    return row[column]


def _pair(row: dict[str, object], mapping: Mapping, number: int) -> list[Message]:
    prompt = _as_turns(_value(row, mapping.prompt, number))
    completion = _as_turns(_value(row, mapping.completion, number))
    if is_turn_list(prompt):
        messages = to_messages(prompt, number)
    else:
        question = text_of(prompt, number, "row.empty_question")
        context = row.get(mapping.context) if mapping.context else None
        extra = text_of(context, number, "row.content_not_text") if context is not None else ""
        if question.strip() and extra.strip():
            question = f"{question}\n\n{extra}"
        messages = [Message("user", question)]
    if is_turn_list(completion):
        return messages + to_messages(completion, number)
    return [*messages, Message("assistant", text_of(completion, number, "row.empty_answer"))]


def _as_turns(value: object) -> object:
    """A single turn (as preference data have it) as a list of one; everything else, text above all, as it is."""
    return [value] if isinstance(value, dict) and is_turn_list([value]) else value


def _refuse_preferences(names: list[str], rows: Rows) -> None:
    plain = {column_names.plain(name): name for name in names}
    compared = "chosen" in plain and "rejected" in plain
    label = plain.get("label", "")
    rated = bool(label) and any(isinstance(row.get(label), bool) for row in rows)
    if not compared and not rated:
        return
    kind = "compare a better answer with a worse one" if compared else "rate an answer as good or bad"
    fix = "Use rows with one good answer each."
    if compared and "prompt" in plain:
        fix = "Choose the columns yourself to learn from the better answers only: question = prompt, answer = chosen."
    elif compared and "conversations" in plain:
        fix = (
            "Choose the columns yourself to learn from the better answers only: question = conversations, "
            "answer = chosen."
        )
    raise StudioError(
        "data.preference_not_supported",
        f"These rows {kind} (preference data), which cannot be trained on yet.",
        f"The file has the columns {listed(names)}. Learning from all of it would teach the bad answers, too.",
        fix,
    )


def _turns_column(names: list[str], rows: Rows) -> str:
    holding = [name for name in names if any(is_turn_list(unpacked(row.get(name))) for row in rows)]
    best = column_names.find(holding, column_names.MESSAGES)
    if best:
        return best
    if len(holding) == 1 and not column_names.find(names, ("completion", "response", "answer")):
        return holding[0]
    return ""


def _turns_mapping(column: str, system: str, rows: Rows) -> Mapping:
    sample = next(turns for row in rows if is_turn_list(turns := unpacked(row.get(column))))
    role, content = turn_keys(sample)
    reason = f'The column "{shown(column)}" holds conversations: a list of turns, each with "{role}" and "{content}".'
    if system:
        reason += f' "{shown(system)}" is the system prompt.'
    return Mapping(shape="sharegpt" if role == "from" else "chat", messages=column, system=system, reason=reason)


def _prompt_of_turns(names: list[str], rows: Rows) -> Mapping | None:
    """A prompt that is a conversation so far and a completion that ends it, as TRL has them."""
    prompt, completion = column_names.find(names, ("prompt",)), column_names.find(names, ("completion", "response"))
    if not prompt or not completion or not any(is_turn_list(row.get(prompt)) for row in rows):
        return None
    reason = f'"{shown(prompt)}" holds the conversation so far, "{shown(completion)}" its answer.'
    return Mapping(shape="prompt_completion", prompt=prompt, completion=completion, reason=reason)


def _text_column(names: list[str], wanted: tuple[str, ...], rows: Rows) -> str:
    texts = [name for name in names if _is_text(name, rows, share=0.0)]
    plain = {column_names.plain(name): name for name in texts}
    return next((plain[name] for name in wanted if name in plain), "")


def _is_text(name: str, rows: Rows, share: float = 0.5) -> bool:
    """Whether more than this share of the values is text (blank ones allowed)."""
    texts = sum(isinstance(row.get(name), str) for row in rows)
    return texts > share * len(rows)


def _named(texts: list[str], prompt: str, completion: str, system: str) -> Mapping:
    taken = (prompt, completion, system)
    alpaca = column_names.plain(prompt) in column_names.INSTRUCTIONS
    context = column_names.find_whole(texts, column_names.CONTEXTS, taken)
    if alpaca and not context:  # "instruction", "question", "answer": the question must not be lost
        context = column_names.find_whole(texts, column_names.PROMPTS, taken)
    reason = f'By their names, "{shown(prompt)}" is the question and "{shown(completion)}" the answer.'
    if context:
        reason += f' "{shown(context)}" is put below the question.'
    if system:
        reason += f' "{shown(system)}" is the system prompt.'
    return Mapping(
        shape="alpaca" if alpaca else "prompt_completion",
        prompt=prompt,
        context=context,
        completion=completion,
        system=system,
        reason=reason,
    )


def _by_content(texts: list[str], prompt: str, completion: str, system: str, rows: Rows, names: list[str]) -> Mapping:
    measured = [column for name in texts if (column := _measure(name, rows)) is not None]
    rest = [column for column in measured if column.name not in (prompt, completion)]
    two = sorted(rest, key=lambda column: -column.mean_length)[: 2 - bool(prompt) - bool(completion)]
    if len(two) + bool(prompt) + bool(completion) < 2:
        raise _no_mapping(names, rows)
    if prompt:
        completion, why = two[0].name, f'"{shown(prompt)}" is named like a question'
    elif completion:
        prompt, why = two[0].name, f'"{shown(completion)}" is named like an answer'
    else:
        first, second = sorted(two, key=lambda column: names.index(column.name))
        if abs(first.questions - second.questions) > 0.3:
            asks_first, why = first.questions > second.questions, "one column asks questions"
        elif not 2 / 3 < (first.mean_length + 1) / (second.mean_length + 1) < 3 / 2:
            asks_first, why = first.mean_length < second.mean_length, "one column is longer"
        else:
            asks_first, why = True, "one column comes first"
        prompt, completion = (first.name, second.name) if asks_first else (second.name, first.name)
    reason = (
        f'Guessed from the content, because {why}: "{shown(prompt)}" is the question and "{shown(completion)}" the '
        "answer. Please check."
    )
    return Mapping(shape="prompt_completion", prompt=prompt, completion=completion, system=system, reason=reason)


def _measure(name: str, rows: Rows) -> _Column | None:
    """None where the column holds no sentences: numbers, dates, addresses, or few values again and again."""
    values = [value.strip() for row in rows if isinstance(value := row.get(name), str) and value.strip()]
    if not values:
        return None
    wordy = sum(any(char.isalpha() for char in value) and "://" not in value[:10] for value in values)
    if wordy < 0.5 * len(values) or (len(values) >= 10 and len(set(values)) <= max(2, 0.1 * len(values))):
        return None
    questions = sum(value.endswith(("?", "？", "؟")) for value in values) / len(values)
    return _Column(name, sum(map(len, values)) / len(values), questions)


def _no_mapping(names: list[str], rows: Rows) -> StudioError:
    fix = "Choose the columns yourself, or bring a file with a column of questions and a column of answers."
    if len(names) == 1:
        fix = (
            "A row needs a question and an answer (two columns), or a list of turns. If this is a table, its columns "
            "should be cut by comma, semicolon, tab or bar."
        )
    return StudioError(
        "data.no_mapping",
        "No columns were found that look like questions and answers.",
        f"The file has the columns {listed(names)}." if names else "The rows have no columns.",
        fix,
    )
