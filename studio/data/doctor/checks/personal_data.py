"""What looks like personal data: e-mail addresses, telephone and card numbers, keys. A hint, never a promise."""

import re
from collections.abc import Iterator
from functools import partial

import numpy as np

from studio.data.doctor.batch import Batch, Ints, Texts
from studio.data.doctor.check import Check as Base
from studio.data.doctor.check import Context, Found, Rows
from studio.data.wording import count

_EMAIL = r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*\.[A-Za-z]{2,24}"
_NO_FRACTION = r"(?<!\d\.)(?<!\b\d,)(?<!\b\d\d,)(?<!\b\d\d\d,)"  # digits behind 0. or 0, are a part of a number
_PHONE = (
    rf"(?:\+|{_NO_FRACTION}\b00)"
    r"[1-9]\d{0,2}[ ./-]?(?:\(0?\d{1,4}\)|\d)(?:[ ./-]?\d){5,12}"  # with the country's number
    r"|(?<!\d[ ./-])\b0\d{2,5}[ /-]{1,3}\d{3,4}(?:[ -]?\d){1,5}\b(?![ ./-]\d)"  # with a leading 0 and a gap
    r"|\(\d{3}\) ?\d{3}[-. ]\d{4}\b|(?<!\d[ ./-])\b\d{3}[-.]\d{3}[-.]\d{4}\b(?![ ./-]\d)"  # North America
)
_CARD = _NO_FRACTION + r"\b\d(?:[ -]?\d){12,18}\b(?!\.\d)"
_KEY = (
    r"\bsk-[A-Za-z0-9_-]{20,}|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}|\bhf_[A-Za-z0-9]{30,}"
    r"|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bAIza[A-Za-z0-9_-]{30,}|-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\."
)

KINDS = {
    "e-mail addresses": (re.compile(_EMAIL), r"@[A-Za-z0-9]"),
    "telephone numbers": (
        re.compile(_PHONE),
        r"\d[ ./)-]{0,3}\d[ ./()-]{0,3}\d[ ./()-]{0,3}\d[ ./()-]{0,3}\d[ ./()-]{0,3}\d[ ./-]?\d",
    ),
    "card numbers": (re.compile(_CARD), r"\d(?:[ -]?\d){12}"),
    "keys or passwords of services": (re.compile(_KEY), r"sk-|AKIA|gh[pousr]_|hf_|xox[abprs]-|AIza|PRIVATE KEY|eyJ"),
}
"""Kind -> the exact pattern, and a wider one that all texts are searched with first, because that is much quicker."""


class Check(Base):
    """Counts rows, kind by kind."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._rows = {kind: Rows() for kind in KINDS}

    def look(self, batch: Batch) -> None:
        for kind in KINDS:
            self._rows[kind].add(batch.rows_where(partial(_holding, kind)))

    def findings(self) -> Iterator[Found]:
        for kind, collected in self._rows.items():
            rows = collected.joined()
            if len(rows):
                yield self.found(
                    "personal_data." + kind.split()[0].replace("-", ""),
                    "warning" if kind.startswith("keys") else "hint",
                    f"{count(len(rows), 'row holds', 'rows hold')} what looks like {kind}.",
                    rows,
                    why="A model can repeat what it has read, word for word. This is a guess from the form of the "
                    "text: it can be wrong, and others may be missed.",
                    advice="Replace them if they belong to real people or real services.",
                    part="row",
                )


def _holding(kind: str, texts: Texts) -> Ints:
    exact, wide = KINDS[kind]
    found = [number for number in texts.matching(wide).tolist() if holds(kind, exact, texts.text(number))]
    return np.array(found, np.int64)


def holds(kind: str, exact: "re.Pattern[str]", text: str) -> bool:
    """Whether a text holds this kind; a card number's last digit must be right."""
    if kind == "card numbers":
        return any(is_card(match.group()) for match in exact.finditer(text))
    return exact.search(text) is not None


def is_card(number: str) -> bool:
    """Luhn's check, which one number in ten passes by chance; numbers of one digit repeated are none."""
    digits = [int(digit) for digit in number if digit.isdecimal()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1 or digits[0] not in (2, 3, 4, 5, 6):
        return False
    doubled = [digit if place % 2 == 0 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0
