"""Texts told again, shorter or in other words: the retelling is the answer, the text the question."""

import msgspec

from studio.data import column_names
from studio.data.column_content import Column, Rows, measure

_WHERE_FROM = ("source", "user", "task")
"""Names of a question that as often say whose the text is, or of what kind."""


class Retold(msgspec.Struct, frozen=True):
    """What was found; "" for a column that there is not.

    Attributes:
        prompt: The question, which is the text itself where nobody asks anything.
        text: The text, where the question is another column.
        completion: The retelling.
    """

    prompt: str = ""
    text: str = ""
    completion: str = ""


def retold(names: list[str], prompt: str, rows: Rows) -> Retold:
    """The columns of a text and of its summary, translation or reply, by the names of the latter.

    Args:
        names: The columns of texts.
        prompt: The one that is named like a question, or "".
        rows: A sample.
    """
    measured = [column for name in names if (column := measure(name, rows)) is not None]
    wordy = [column.name for column in measured if not column_names.is_side_matter(column.name)]
    longest = max((c for c in measured if c.name in wordy), key=lambda column: column.mean_length, default=None)
    if longest is None:
        return Retold()
    taken = (prompt,)
    digest = column_names.find(wordy, column_names.DIGESTS, (*taken, longest.name))  # shorter than what it tells
    found = digest or column_names.find(wordy, column_names.RETELLINGS, taken)
    found = found or column_names.find_compound(wordy, taken)
    if not found:
        return Retold()
    text = _longest_but(measured, (*taken, found), wordy)
    if prompt and not (text and column_names.plain(prompt) in _WHERE_FROM and _is_longer(text, prompt, measured)):
        return Retold(prompt, text if digest and _is_longer(text, found, measured) else "", found)
    return Retold(text, "", found) if text else Retold()


def _longest_but(measured: list[Column], taken: tuple[str, ...], wordy: list[str]) -> str:
    rest = [column for column in measured if column.name in wordy and column.name not in taken]
    return max(rest, key=lambda column: column.mean_length).name if rest else ""


def _is_longer(one: str, other: str, measured: list[Column]) -> bool:
    lengths = {column.name: column.mean_length for column in measured}
    return lengths.get(one, 0) > lengths.get(other, 0)
