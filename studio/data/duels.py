"""Two answers to each question and a column that says which of them won, as arenas keep them."""

import re
from typing import Literal

import msgspec

from studio.data import column_names
from studio.data.column_content import Rows
from studio.data.no_mapping import no_mapping
from studio.data.number_columns import number_text
from studio.data.wording import listed, shown

_TAGS = (("a", "b", "c"), ("1", "2", "3"), ("0", "1", "2"))
"""What tells the two columns apart, as in response_a and response_b; with a third one there are more than two."""
_TIES = frozenset(
    (
        "tie",
        "both",
        "bothbad",
        "neither",
        "none",
        "equal",
        "equally",
        "same",
        "draw",
        "gleich",
        "beide",
        "unentschieden",
    )
)
_AROUND = frozenset(
    (
        *("model", "modell", "assistant", "option", "candidate", "text", "is", "was", "the", "ist", "die", "der"),
        *("better", "best", "wins", "won", "winner", "preferred", "chosen", "besser", "gewinnt", "bevorzugt"),
        *("slightly", "somewhat", "clearly", "much", "far", "strongly", "significantly", "etwas", "klar", "viel"),
        *("das", "deutlich", "win", "prefer", "prefers", "preferable", "very", "bit", "lot", "overall", "marginally"),
        *("narrowly", "nr", "number", "nummer", "version", "variante", "system", "chatbot", "agent", "side", "column"),
        *("choice", "llm", "one", "i", "strong", "hat", "gewonnen", "est", "meilleure", "meilleur", "gagne"),
    )
)
"""What may stand beside the name of the winner. Any other word may turn its sense: "not A", "A is wrong"."""
_TURNED = re.compile(r"\W*[-+−–‒]\s*[\d.]|\s*[!~¬]|.*[≠❌👎]", re.DOTALL)
_WHOLE = re.compile(r"\s*(\d+)[.,]0+\s*")
_WINNERS = (
    *("winner", "preference", "preferred", "better", "chosen", "choice", "gewinner", "sieger", "bevorzugt", "besser"),
    *("better_response_id", "better_answer", "preferred_answer", "preferred_response", "bessere_antwort", "vote"),
)
_ANSWERS = frozenset(
    name for names in (column_names.COMPLETIONS, column_names.MESSAGES) for name in names if len(name) > 1
)
_GLUED = re.compile(r"(?<=[a-z])(?=[012]$)")


class Duel(msgspec.Struct, frozen=True):
    """The columns of one answer, of the other, and of the one that won."""

    one: str
    other: str
    winner: str


def find_duel(names: list[str], rows: Rows) -> Duel | None:
    """Two columns of answers that differ by a letter or a number, and the one that compares them; None without these.

    Raises:
        StudioError: `data.no_mapping`: what the column of the winner says is not understood, so that the worse answers
            would be learned.
    """
    pair = _pair(names, rows)
    if pair is None:
        return None
    winner = column_names.find([name for name in names if name not in pair], _WINNERS)
    if not winner:
        return None
    said = [value for row in rows if (value := row.get(winner)) not in (None, "")]
    verdicts = [verdict(value, *pair) for value in said]
    if "" in verdicts or not {"one", "other"}.intersection(verdicts):
        raise no_mapping(
            names,
            f'Two answers are compared, {listed(list(pair))}, but what "{shown(winner)}" says is not understood.',
            f'Write the name of the better one in that column, or "tie"; for instance "{shown(pair[0])}".',
        )
    return Duel(*pair, winner)


def verdict(value: object, one: str, other: str) -> Literal["one", "other", "tie", ""]:
    """Which of two columns a value names as the better one.

    Args:
        value: Of the column of the winner: "model_a", "B", 1, "tie", the name of a column.
        one, other: The columns' names.

    Returns:
        "" where it says nothing that is understood.
    """
    text = number_text(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        return ""
    if _TURNED.match(text):  # on a scale from minus to plus nobody says which side is whose
        return ""
    if whole := _WHOLE.fullmatch(text):  # a table with empty cells has 1.0 for 1
        text = whole[1]
    said = column_names.plain(text)
    if said in (column_names.plain(one), column_names.plain(other)):
        return "one" if said == column_names.plain(one) else "other"
    words = set(said.split("_"))
    if words & _TIES:
        return "tie"
    first, second = (words & (set(_words(name)) - set(_words(rest))) for name, rest in ((one, other), (other, one)))
    around = words - {*_words(one), *_words(other)} - _AROUND - _ANSWERS
    if bool(first) == bool(second) or around:
        return ""
    return "one" if first else "other"


def _words(name: str) -> tuple[str, ...]:
    return tuple(_GLUED.sub("_", column_names.plain(name)).split("_"))


def _pair(names: list[str], rows: Rows) -> tuple[str, str] | None:
    """The two columns of answers; of several pairs the one with the shortest names."""
    holding = [name for name in names if any(isinstance(row.get(name), str | list | dict) for row in rows)]
    by_words = {_words(name): name for name in reversed(holding)}
    for words, name in sorted(by_words.items(), key=lambda item: len(item[0])):
        for one, *others in _TAGS:
            if words.count(one) != 1 or not _ANSWERS.intersection(words):
                continue
            place = words.index(one)
            twin, third = (by_words.get((*words[:place], tag, *words[place + 1 :])) for tag in others)
            if twin is not None and third is None:
                return name, twin
    return None
