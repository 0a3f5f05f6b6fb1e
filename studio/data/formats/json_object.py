"""One JSON object that holds the rows of a file: in a list, in a list for each column, by their names ..."""

from studio.data import column_names
from studio.data.conversation import is_turn_list
from studio.data.source import Source
from studio.data.wording import count, listed, shown

_Row = dict[str, object]
_DEEPEST = 4
_FEWEST_PAIRS = 3
_LOOKED_AT = 20


def rows_within(only: _Row, source: Source) -> list[_Row]:
    """The rows of `{"data": [...]}` and its kin; an object that is none of them is a row itself.

    Raises:
        StudioError: It holds the lists of several parts and nothing else (`{"train": [...], "test": [...]}`), or
            columns of different lengths.
    """
    return _found(only, source, _DEEPEST) or [only]


def is_names(value: object) -> bool:
    """Whether the first element of a list is a row of names, as tables without names in each row have it."""
    if not isinstance(value, list) or len(value) < 2 or not all(isinstance(cell, str) for cell in value):
        return False
    return len(set(value)) == len(value) and any(map(column_names.is_known, value))


def bare_row(value: object, first: object, names: list[str]) -> object:
    """An element of a list that is no object, as the row that it stands for: turns, a text, the cells of a table.

    Anything else stays what it is: cells that do not fit the names, and what is of another kind than the first element.
    """
    if type(value) is not type(first) or is_turn_list(value) != is_turn_list(first):
        return value
    if isinstance(value, str):
        return {"text": value}
    if not isinstance(value, list):
        return value
    if is_turn_list(value):
        return {"messages": value}
    if len(value) < 2 or any(isinstance(cell, list | dict) for cell in value) or (names and len(names) != len(value)):
        return value
    return dict(zip(names or [column_names.numbered(at) for at in range(1, len(value) + 1)], value, strict=True))


def _found(only: _Row, source: Source, deep: int) -> list[_Row]:
    lists = {name: value for name, value in only.items() if isinstance(value, list) and value}
    holding = [value for value in lists.values() if _holds_rows(value)]
    chosen = _only_one_to_learn(only, lists) if len(lists) > 1 else ""
    if chosen:
        others = listed([name for name in lists if name != chosen], 4)
        source.note("json_inside", f"The rows were taken from {listed([chosen])}; not read: {others}.")
        return lists[chosen]
    if len(lists) > 1 and len(lists) == len(only) == len(holding):
        names = ", ".join(shown(name, 40) for name in list(only)[:5])
        raise source.error(
            "several_lists",
            f"The file holds several lists of rows: {names}.",
            "Which of them is for learning and which for testing is not known.",
            "Save each list as a file of its own; add files together, or choose one as the test file.",
        )
    if len(lists) == 1 and holding:
        return holding[0]
    return _columns(only, source) or _named(only, source) or _pairs(only, source) or _inside(only, source, deep)


def _only_one_to_learn(only: _Row, lists: dict[str, list[object]]) -> str:
    """Of several lists beside each other the one of questions and answers; "" where there are more, or none."""
    if any(column_names.is_known(name) for name in only if name not in lists):
        return ""
    found = [name for name, values in lists.items() if _holds_rows(values) and _has_answers(values)]
    return found[0] if len(found) == 1 else ""


def _has_answers(rows: list[object]) -> bool:
    names = [str(name) for row in rows[:_LOOKED_AT] if isinstance(row, dict) for name in row]
    wanted = (column_names.PROMPTS, column_names.COMPLETIONS)
    return all(column_names.find_whole(names, some) for some in wanted)


def _holds_rows(values: list[object]) -> bool:
    return not is_turn_list(values) and all(isinstance(item, dict) for item in values)


def _columns(only: _Row, source: Source) -> list[_Row]:
    """`{"question": ["…", "…"], "answer": ["…", "…"]}`, also as data frames are written: `{"question": {"0": "…"}}`."""
    columns = {name: _column(value) for name, value in only.items()}
    filled = {name: values for name, values in columns.items() if values is not None}
    if len(filled) < 2 or len(filled) < len(columns):
        return []
    sizes = {name: len(values) for name, values in filled.items()}
    if max(sizes.values()) < 2:
        return []
    if len(set(sizes.values())) > 1:
        told = ", ".join(f'"{shown(name, 40)}" {size:,}' for name, size in list(sizes.items())[:4])
        raise source.error(
            "columns_differ",
            "The file holds a list for each column, and they are not of the same length.",
            f"They hold so many values: {told}. Which answer belongs to which question is not known.",
            "Write each question with its answer: a list of objects with a question and an answer each.",
        )
    source.note("json_columns", "The file holds a list for each column; the values of one place were read as a row.")
    return [dict(zip(filled, values, strict=True)) for values in zip(*filled.values(), strict=True)]


def _column(value: object) -> list[object] | None:
    if isinstance(value, dict) and value and all(name.isdecimal() for name in value):
        value = list(value.values())
    is_flat = isinstance(value, list) and value and not any(isinstance(item, list | dict) for item in value)
    return value if is_flat else None  # type: ignore[return-value] # a list, then


def _named(only: _Row, source: Source) -> list[_Row]:
    """`{"faq-1": {"question": "…", "answer": "…"}, "faq-2": …}`: each row under a name of its own."""
    rows = [value for value in only.values() if isinstance(value, dict)]
    if (
        len(rows) < 2
        or len(rows) < len(only)
        or any(map(column_names.is_known, only))
        or not set(rows[0]).intersection(*rows[1:])
    ):
        return []
    if not all(any(isinstance(value, str) for value in row.values()) for row in rows):
        return []
    source.note(
        "json_named_rows", f"The file holds {count(len(rows), 'row')}, each under a name; the names were left out."
    )
    return rows


def _pairs(only: _Row, source: Source) -> list[_Row]:
    """`{"Who keeps the keys?": "Ann.", …}`: the question is the name of its answer."""
    names = [name for name in only if name.rstrip().endswith(("?", "？", "؟")) or len(name.split()) > 2]
    if len(only) < _FEWEST_PAIRS or 2 * len(names) <= len(only) or any(map(column_names.is_known, only)):
        return []
    if not all(isinstance(value, str) for value in only.values()):
        return []
    source.note("json_pairs", "The file holds answers under their questions; each was read as a row of both.")
    return [{"question": name, "answer": value} for name, value in only.items()]


def _inside(only: _Row, source: Source, deep: int) -> list[_Row]:
    """`{"version": 1, "data": {"rows": [...]}}`: the rows lie further inside, in one place."""
    inside = [(name, value) for name, value in only.items() if isinstance(value, dict) and value]
    if len(inside) != 1 or not deep or any(map(column_names.is_known, only)):
        return []
    ((name, value),) = inside
    found = _found(value, source, deep - 1)
    if found:
        source.note("json_inside", f"The rows were taken from {listed([name])}, where the file holds them.")
    return found
