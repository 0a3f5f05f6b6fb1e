"""Which columns hold what, guessed from their names and a sample of rows; every guess says why."""

from collections.abc import Sequence

import msgspec

from studio.contract.job import COLUMN_FIELDS, Mapping
from studio.data import column_names
from studio.data.column_content import (
    Rows,
    has_words,
    is_class,
    is_dated,
    is_id,
    is_python_turns,
    is_rating,
    is_text,
    measure,
    tells_much,
    text_column,
    turns_columns,
)
from studio.data.conversation import is_turn_list, turn_keys, unpacked
from studio.data.duels import find_duel
from studio.data.no_mapping import all_texts, nested, no_mapping, one_turn_a_row
from studio.data.number_columns import in_use, number_columns, worded_columns
from studio.data.retelling import retold
from studio.data.transcript import is_transcript
from studio.data.turn_rows import find_speaker, find_turn_rows
from studio.data.wording import listed, shown

BY_CONTENT = "Guessed from the content, because"
"""How the reason of such a mapping begins."""
_BY_LENGTH = "one column is longer"


def is_by_length(mapping: Mapping) -> bool:
    """Whether nothing but their length told question and answer apart."""
    return mapping.reason.startswith(f"{BY_CONTENT} {_BY_LENGTH}")


def guess(columns: Sequence[str], rows: Rows) -> Mapping:
    """Guess the mapping from the columns' names and a sample of rows.

    Args:
        columns: All names seen, in the file's order.
        rows: A sample, the first rows.

    Raises:
        StudioError: `data.no_mapping` with the columns seen.
    """
    names = list(columns)
    system = text_column(names, column_names.SYSTEMS, rows)
    tools = column_names.find_whole(names, column_names.TOOLS)
    compared = _preference(names, system, tools, rows)
    if compared is not None:
        return _as_json(_with_unused(compared, names, rows), names, rows)
    rating = next((name for name in _named(names, column_names.LABELS) if is_rating(name, rows)), "")
    found = _found(names, rating, system, rows)
    if rating and found.shape == "text":  # no answer to be rated: it is the answer itself
        rating = ""
        found = _found(names, rating, system, rows)
    found = _with_more(found, system, tools if found.shape != "text" else "", rating)
    return _as_json(_with_unused(found, names, rows), names, rows)


def _as_json(found: Mapping, names: list[str], rows: Rows) -> Mapping:
    """The guess, unless it would learn lists as Python spells them: `to_csv` of pandas writes turns so.

    Raises:
        StudioError: `data.no_mapping`.
    """
    spelled = next((name for name in sorted(in_use(found)) if is_python_turns(name, rows)), "")
    if not spelled:
        return found
    raise no_mapping(
        names,
        f"\"{shown(spelled)}\" holds lists of turns as Python spells them ([{{'role': …}}]), which is no JSON.",
        'Save the table as JSON lines, in pandas by df.to_json("rows.jsonl", orient="records", lines=True), and choose '
        "that file.",
    )


def _with_unused(found: Mapping, names: list[str], rows: Rows) -> Mapping:
    """The guess with the columns that it leaves out, in words: those that may hold something to learn first."""
    used = {getattr(found, field) for field in COLUMN_FIELDS}
    unused = sorted((name for name in names if name not in used), key=lambda name: not tells_much(name, rows))
    told = f" Not used: {listed(unused, 4)}." if unused else ""
    return msgspec.structs.replace(found, reason=found.reason + told)


def _found(names: list[str], rating: str, system: str, rows: Rows) -> Mapping:
    found = _conversations(names, rating, rows) or _instances(names, rows) or find_turn_rows(names, rows)
    if found is not None:
        return found
    texts = [name for name in names if name not in (system, rating) and is_text(name, rows)]
    worded = worded_columns(names, rows)
    named = [name for name in names if name in texts or (name in worded and name not in (system, rating))]
    # A column of numbers is an answer only where its whole name says so.
    numbers = [
        name for name in names if name != rating and name in worded | number_columns(names, rows) and name not in texts
    ]
    ids = [name for name in named if is_id(name, rows)]
    dated = [name for name in named if is_dated(name, rows)]
    instruction = column_names.find_whole(named, column_names.INSTRUCTIONS)
    prompt = instruction or column_names.find(named, column_names.PROMPTS, later=dated)
    completion = column_names.find(named, column_names.COMPLETIONS, (prompt, *column_names.wrong(named)), dated)
    if prompt in ids and column_names.plain(prompt) not in column_names.INSTRUCTIONS:
        others = [name for name in _wordy(texts, rows) if name not in (completion, *ids)]
        if not completion and column_names.find_whole(others, column_names.TURN_TEXTS):
            raise one_turn_a_row(names, prompt)
        asked = [name for name in others if column_names.plain(name) not in column_names.CONTEXTS]
        if better := column_names.find_whole(asked, column_names.PROMPTS):
            prompt = better
        elif others and column_names.plain(prompt) in column_names.SPEAKER_WORDS:
            texts, prompt = [name for name in texts if name != prompt], ""
    prompt = prompt or column_names.find_whole(numbers, column_names.PROMPTS)
    completion = completion or column_names.find_whole(numbers, column_names.COMPLETIONS, (prompt,))
    if prompt and completion:
        return _prompt_of_turns(names, rows) or _pair(names, named, prompt, completion, rows)
    if not completion and (again := retold(texts, prompt, rows)).completion:
        return _pair(names, named, again.prompt, again.completion, rows, again.text)
    if not prompt and not completion and (speaker := find_speaker(names, rows)):
        raise one_turn_a_row(names, speaker)
    return (
        _prompt_of_turns(names, rows)
        or _text(names, texts, numbers, prompt, completion, rows)
        or _classified(names, texts, numbers, prompt, completion, rows)
        or _by_content(texts, prompt, completion, rows, names)
    )


def _wordy(names: list[str], rows: Rows) -> list[str]:
    """The columns of texts that may be learned."""
    return [name for name in names if not column_names.is_side_matter(name) and has_words(name, rows)]


def _with_more(found: Mapping, system: str, tools: str, rating: str) -> Mapping:
    """The guess with the columns that may stand beside any shape."""
    if found.shape == "text":
        return found
    reason, shape = found.reason, found.shape
    if rating and not found.speaker:
        shape = "label"
        reason += f' "{shown(rating)}" says whether the answer is good.'
    if system:
        reason += f' "{shown(system)}" is the system prompt.'
    if tools:
        reason += f' "{shown(tools)}" holds the tools that may be called.'
    return msgspec.structs.replace(
        found, shape=shape, label=rating if shape == "label" else found.label, system=system, tools=tools, reason=reason
    )


def _named(names: list[str], wanted: Sequence[str]) -> list[str]:
    plain = {column_names.plain(name): name for name in reversed(names)}
    return [plain[name] for name in map(column_names.plain, wanted) if name in plain]


# --- shapes -----------------------------------------------------------------------------------------------


def _preference(names: list[str], system: str, tools: str, rows: Rows) -> Mapping | None:
    """A better and a worse answer to one question, or two whole conversations that begin alike."""
    holding = [name for name in names if any(isinstance(row.get(name), str | list | dict) for row in rows)]
    numbers = [name for name in names if name in number_columns(names, rows)]
    better = column_names.find(holding, column_names.CHOSEN) or column_names.find_whole(numbers, column_names.CHOSEN)
    worse = column_names.find(holding, column_names.REJECTED, (better,))
    worse = worse or column_names.find_whole(numbers, column_names.REJECTED)
    winner = ""
    if not better or not worse:
        duel = find_duel(names, rows)
        if duel is None:
            return None
        better, worse, winner = duel.one, duel.other, duel.winner
    told = f' "{shown(winner)}" says which is the better one; rows without a better one are left out.' if winner else ""
    ranked = ", the better one and the worse one" if not winner else ""
    if any(_is_whole(row.get(better)) for row in rows):
        reason = f'"{shown(better)}" and "{shown(worse)}" hold whole conversations{ranked}.{told}'
        found = Mapping(shape="preference", completion=better, rejected=worse, label=winner, reason=reason)
        return _with_more(found, system, tools, "")
    reason = f'"{shown(better)}" holds the better answer, "{shown(worse)}" the worse one.'
    if winner:
        reason = f'"{shown(better)}" and "{shown(worse)}" are two answers.{told}'
    rest = [name for name in names if name not in (better, worse, winner, system, tools)]
    texts = [name for name in rest if is_text(name, rows)]
    prompt = _turns_column(rest, rows)
    prompt = prompt or column_names.find_whole(texts, column_names.INSTRUCTIONS)
    prompt = prompt or column_names.find(texts, column_names.PROMPTS)
    if not prompt and len(texts) == 1:
        prompt = texts[0]
    if not prompt:
        raise no_mapping(names, "Two answers are compared, but no column was found that holds the question.")
    context = _context(texts, prompt, (better, worse))
    history = column_names.find_whole(rest, column_names.HISTORIES, (prompt, context))
    reason += f' "{shown(prompt)}" is the question.' + _more_words(context, history)
    found = Mapping(
        shape="preference",
        prompt=prompt,
        context=context,
        history=history,
        completion=better,
        rejected=worse,
        label=winner,
        reason=reason,
    )
    return _with_more(found, system, tools, "")


def _is_whole(value: object) -> bool:
    """Whether an answer is a whole conversation, its question included."""
    if isinstance(value, str) and is_transcript(value):
        return True
    turns = unpacked(value)
    if not isinstance(turns, list) or not is_turn_list(turns):
        return False
    role = turns[0].get(turn_keys(turns)[0])
    return isinstance(role, str) and role.strip().lower() in ("system", "user", "human", "developer")


def _conversations(names: list[str], rating: str, rows: Rows) -> Mapping | None:
    column = _turns_column(names, rows)
    if not column:
        return None
    sample = next(turns for row in rows if is_turn_list(turns := unpacked(row.get(column))))
    role, content = turn_keys(sample)
    reason = f'The column "{shown(column)}" holds conversations: a list of turns, each with "{role}" and "{content}".'
    shape = "label" if rating else "sharegpt" if role == "from" else "chat"
    return Mapping(shape=shape, messages=column, reason=reason)  # type: ignore[arg-type]


def _turns_column(names: list[str], rows: Rows) -> str:
    holding = turns_columns(names, rows)
    best = column_names.find(holding, column_names.MESSAGES)
    if best:
        return best
    if len(holding) == 1 and not column_names.find(names, ("completion", "response", "answer")):
        return holding[0]
    return ""


def _instances(names: list[str], rows: Rows) -> Mapping | None:
    """Instructions that each have several inputs with their outputs, as self-instruct has them."""
    column = column_names.find_whole(names, column_names.INSTANCES)
    prompt = column_names.find_whole(names, (*column_names.INSTRUCTIONS, *column_names.PROMPTS), (column,))
    if not column or not prompt:
        return None
    lists = (unpacked(row.get(column)) for row in rows)
    inside = [instance for told in lists if isinstance(told, list) for instance in told if isinstance(instance, dict)]
    keys = list(dict.fromkeys(key for instance in inside for key in instance))
    completion = column_names.find(keys, column_names.COMPLETIONS)
    if not completion:
        return None
    context = column_names.find_whole(keys, column_names.CONTEXTS, (completion,))
    reason = (
        f'"{shown(column)}" holds several instances of each "{shown(prompt)}", each with its own '
        f'"{shown(completion)}": every one becomes an example.'
    )
    return Mapping(
        shape="alpaca", prompt=prompt, instances=column, context=context, completion=completion, reason=reason
    )


def _prompt_of_turns(names: list[str], rows: Rows) -> Mapping | None:
    """A prompt that is a conversation so far and a completion that ends it, as TRL has them."""
    prompt, completion = column_names.find(names, ("prompt",)), column_names.find(names, ("completion", "response"))
    if not prompt or not completion or not any(is_turn_list(unpacked(row.get(prompt))) for row in rows):
        return None
    reason = f'"{shown(prompt)}" holds the conversation so far, "{shown(completion)}" its answer.'
    return Mapping(shape="prompt_completion", prompt=prompt, completion=completion, reason=reason)


def _pair(names: list[str], texts: list[str], prompt: str, completion: str, rows: Rows, further: str = "") -> Mapping:
    alpaca = column_names.plain(prompt) in column_names.INSTRUCTIONS
    context = further or _context(texts, prompt, (completion,))
    history = ""
    for name in _named(names, column_names.HISTORIES):
        if name not in (prompt, completion, context) and any(_is_history(row.get(name)) for row in rows):
            history = name
    reasoning = column_names.find_whole(texts, column_names.REASONINGS, (prompt, completion, context))
    reason = f'By their names, "{shown(prompt)}" is the question and "{shown(completion)}" the answer.'
    thought = f' "{shown(reasoning)}" is what was thought before the answer.' if reasoning else ""
    return Mapping(
        shape="alpaca" if alpaca else "prompt_completion",
        prompt=prompt,
        context=context,
        completion=completion,
        history=history,
        reasoning=reasoning,
        reason=reason + _more_words(context, history) + thought,
    )


def _context(texts: list[str], prompt: str, taken: tuple[str, ...]) -> str:
    context = column_names.find_whole(texts, column_names.CONTEXTS, (prompt, *taken))
    if not context and column_names.plain(prompt) in column_names.INSTRUCTIONS:
        # "instruction", "question", "answer": the question must not be lost
        context = column_names.find_whole(texts, column_names.PROMPTS, (prompt, *taken))
    return context


def _more_words(context: str, history: str) -> str:
    words = f' "{shown(context)}" is put below the question.' if context else ""
    return words + (f' "{shown(history)}" holds what was said before.' if history else "")


def _is_history(value: object) -> bool:
    exchanges = unpacked(value)
    return isinstance(exchanges, list) and bool(exchanges) and all(isinstance(pair, list) for pair in exchanges)


def _text(
    names: list[str], texts: list[str], numbers: list[str], prompt: str, completion: str, rows: Rows
) -> Mapping | None:
    """Plain text to go on from: a column of that name, or the only one; a class beside it is an answer."""
    text = column_names.find_whole(texts, column_names.TEXTS)
    wordy = [name for name in texts if has_words(name, rows)]
    rest = [name for name in wordy if name != text and column_names.plain(name) not in column_names.TITLES]
    if text and not completion:
        kinds = [name for name in names if name != text and (name in texts or name in numbers)]
        kind = column_names.find_whole(kinds, column_names.CLASSES)
        if kind and not [name for name in rest if name not in (kind, prompt)] and not prompt:
            reason = (
                f'"{shown(text)}" is a text and "{shown(kind)}" what it is: the one is the question, the other the '
                "answer. Please check."
            )
            return Mapping(shape="prompt_completion", prompt=text, completion=kind, reason=reason)
    if prompt or completion:
        return None
    if not text and len(names) == 1 and wordy and _is_plain_name(names[0]):
        text, rest = wordy[0], []
    if not text or rest:
        return None
    reason = f'"{shown(text)}" holds texts without questions: the model learns to write such texts.'
    return Mapping(shape="text", text=text, reason=reason)


def _classified(
    names: list[str], texts: list[str], numbers: list[str], prompt: str, completion: str, rows: Rows
) -> Mapping | None:
    """One text in each row and, beside it, one of a few words for it: the class is the answer.

    Raises:
        StudioError: The few words say who speaks, or what is named like answers is no text.
    """
    spoken = column_names.find_whole([name for name in texts if name != prompt], column_names.SPEAKERS)
    if spoken and not completion and not prompt:
        raise one_turn_a_row(names, spoken)
    unread = column_names.find_whole(
        [name for name in names if name not in (*texts, *numbers)], column_names.COMPLETIONS
    )
    if unread and not completion:
        what = f'"{shown(unread)}" is named like the answers, but holds no plain text.'
        raise no_mapping(names, what, "Write the answers as text in that column, or choose other columns yourself.")
    if completion:
        return None
    beside = [name for name in (*texts, *numbers) if name != prompt]
    kind = column_names.find_whole(beside, column_names.CLASSES)
    kind = kind or next((name for name in beside if name in texts and is_class(name, rows)), "")
    wordy = [name for name in _wordy(texts, rows) if name != kind]
    text = prompt or (wordy[0] if len(wordy) == 1 else "")
    if not kind or not text:
        return None
    reason = (
        f'"{shown(text)}" is a text and "{shown(kind)}" one of a few words for it: the one is the question, the other '
        "the answer. Please check."
    )
    return Mapping(shape="prompt_completion", prompt=text, completion=kind, reason=reason)


def _is_plain_name(name: str) -> bool:
    """Whether a name is no line of a table whose columns were cut by a character that is not known."""
    return bool(name.strip()) and all(char.isalnum() or char in " _-" for char in name) and len(name.split()) <= 3


def _by_content(texts: list[str], prompt: str, completion: str, rows: Rows, names: list[str]) -> Mapping:
    texts = [name for name in texts if not column_names.is_side_matter(name)]
    measured = [column for name in texts if (column := measure(name, rows)) is not None]
    rest = [column for column in measured if column.name not in (prompt, completion)]
    two = sorted(rest, key=lambda column: -column.mean_length)[: 2 - bool(prompt) - bool(completion)]
    if len(two) + bool(prompt) + bool(completion) < 2:
        raise nested(names, rows) or no_mapping(names, is_table=all_texts(rows))
    if prompt:
        completion, why = two[0].name, f'"{shown(prompt)}" is named like a question'
    elif completion:
        prompt, why = two[0].name, f'"{shown(completion)}" is named like an answer'
    else:
        first, second = sorted(two, key=lambda column: names.index(column.name))
        if abs(first.questions - second.questions) > 0.3:
            asks_first, why = first.questions > second.questions, "one column asks questions"
        elif not 2 / 3 < (first.mean_length + 1) / (second.mean_length + 1) < 3 / 2:
            asks_first, why = first.mean_length < second.mean_length, _BY_LENGTH
        else:
            asks_first, why = True, "one column comes first"
        prompt, completion = (first.name, second.name) if asks_first else (second.name, first.name)
    reason = (
        f'{BY_CONTENT} {why}: "{shown(prompt)}" is the question and "{shown(completion)}" the answer. Please check.'
    )
    return Mapping(shape="prompt_completion", prompt=prompt, completion=completion, reason=reason)
