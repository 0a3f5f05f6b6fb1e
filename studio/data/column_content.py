"""What the values of a column look like, from a sample of rows."""

import re
from collections.abc import Sequence

import msgspec

from studio.data import column_names
from studio.data.conversation import CONTENT_KEYS, ROLE_KEYS, is_turn_list, unpacked

Rows = Sequence[dict[str, object]]

GOOD = frozenset(
    ("true", "1", "1.0", "yes", "good", "desirable", "y", "ja", "gut", "oui", "bon", "bonne", "sí", "si", "bueno", "👍")
)
BAD = frozenset(
    (
        "false",
        "0",
        "0.0",
        "no",
        "bad",
        "undesirable",
        "n",
        "nein",
        "schlecht",
        "non",
        "mauvais",
        "mauvaise",
        "malo",
        "👎",
    )
)
"""What a rating says, in small letters."""


class Column(msgspec.Struct, frozen=True):
    """What the sampled values of a text column look like."""

    name: str
    mean_length: float
    questions: float
    """Share of values that end with a question mark."""


def is_text(name: str, rows: Rows, share: float = 0.5) -> bool:
    """Whether more than this share of the values is text (blank ones allowed)."""
    texts = sum(isinstance(row.get(name), str) for row in rows)
    return texts > share * len(rows)


def text_column(names: list[str], wanted: tuple[str, ...], rows: Rows) -> str:
    """The column of one of these names that holds text; "" where none does."""
    texts = [name for name in names if is_text(name, rows, share=0.0)]
    plain = {column_names.plain(name): name for name in texts}
    return next((plain[name] for name in wanted if name in plain), "")


def turns_columns(names: list[str], rows: Rows) -> list[str]:
    """The columns that hold lists of turns, or JSON text of them."""
    return [name for name in names if any(is_turn_list(unpacked(row.get(name))) for row in rows)]


def is_rating(name: str, rows: Rows) -> bool:
    """Whether every value says good or bad (true, false, 1, 0, ja, nein ...); missing ones allowed."""
    values = [value for row in rows if (value := row.get(name)) is not None and value != ""]
    return bool(values) and all(
        isinstance(value, bool | int | float | str) and str(value).strip().lower() in GOOD | BAD for value in values
    )


def has_words(name: str, rows: Rows) -> bool:
    """Whether a column holds texts: neither numbers, dates, addresses, nor few values again and again."""
    return measure(name, rows) is not None


def tells_much(name: str, rows: Rows) -> bool:
    """Whether a column may hold something to learn: texts, lists or objects."""
    is_deep = any(isinstance(row.get(name), list | dict) for row in rows)
    return not column_names.is_side_matter(name) and (is_deep or has_words(name, rows))


def is_class(name: str, rows: Rows) -> bool:
    """Whether a column of many rows holds two or a few short texts again and again."""
    values = [value.strip() for row in rows if isinstance(value := row.get(name), str) and value.strip()]
    return len(values) >= 10 and 2 <= len(set(values)) <= max(2, 0.2 * len(values)) and max(map(len, values)) <= 40


def is_id(name: str, rows: Rows) -> bool:
    """Whether a column says which row or person: running numbers, codes, or few short words again and again."""
    values = [str(value).strip() for row in rows if isinstance(value := row.get(name), str | int) and value != ""]
    if len(values) < 2 or any(len(value) > _LONGEST_ID or len(value.split()) != 1 for value in values):
        return False
    is_repeated = len(values) >= _FEWEST_REPEATED and len(set(values)) <= len(values) / 2
    return is_repeated or all(_ID.fullmatch(value) for value in values)


_LONGEST_ID = 40
_FEWEST_REPEATED = 4
_ID = re.compile(r"(?=.*\d)[\w-]+")


def is_dated(name: str, rows: Rows) -> bool:
    """Whether every text of a column looks like a date, with or without a time of day; `split` asks which one."""
    values = [value.strip() for row in rows if isinstance(value := row.get(name), str) and value.strip()]
    return bool(values) and all(_DATE.match(value) for value in values)


_DATE = re.compile(r"\d{1,4}([-./])\d{1,2}\1\d{1,4}(?:[T, ]+\d{1,2}:\d\d\S*(?: ?[AP]M)?)?\Z", re.IGNORECASE)


def is_python_turns(name: str, rows: Rows) -> bool:
    """Whether most texts of a column are lists of turns as Python spells them, `[{'role': 'user', …}]`."""
    values = [value for row in rows if isinstance(value := row.get(name), str) and value.strip()]
    spelled = [value for value in values if _PYTHON_LIST.match(value) and _PYTHON_TURN.search(value[:_LOOKED_AT])]
    return 2 * len(spelled) > len(values)


_LOOKED_AT = 4000
_PYTHON_LIST = re.compile(r"\s*\[\s*\{\s*'")
_PYTHON_TURN = re.compile(rf"'(?:{'|'.join((*ROLE_KEYS, *CONTENT_KEYS))})'\s*:")


def measure(name: str, rows: Rows) -> Column | None:
    """None where the column holds no sentences: numbers, dates, addresses, or few values again and again."""
    values = [value.strip() for row in rows if isinstance(value := row.get(name), str) and value.strip()]
    if not values:
        return None
    wordy = sum(any(char.isalpha() for char in value) and "://" not in value[:10] for value in values)
    if wordy < 0.5 * len(values) or (len(values) >= 10 and len(set(values)) <= max(2, 0.1 * len(values))):
        return None
    questions = sum(value.endswith(("?", "？", "؟")) for value in values) / len(values)
    return Column(name, sum(map(len, values)) / len(values), questions)
