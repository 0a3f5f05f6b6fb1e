"""Number formats of Excel cells: the parser gives 0.035 where the sheet shows 3.50 %, so such cells are counted."""

import re

MOST_BYTES = 1024**2
"""Of the styles that are looked at; larger ones are no human's."""
_BUILT_IN = frozenset((*range(2, 14), *range(37, 45), 48))
"""Decimals, thousands, currency, percent, powers of ten, fractions; the rest are whole numbers, dates and text."""
_FORMAT = re.compile(
    rb'<(?:\w{1,20}:)?numFmt\b[^<>]{0,200}?\bnumFmtId="(\d{1,9})"[^<>]{0,200}?\bformatCode="([^"<>]{0,500})"'
)
_LIST = b"cellXfs"
_STYLE = re.compile(rb'<(?:\w{1,20}:)?xf\b(?:[^<>]{0,200}?\bnumFmtId="(\d{1,9})")?')
_NOT_SHOWN = re.compile(rb"&quot;.*?&quot;|\[[^\]]*\]|\\.|_.|\*.")
_TYPED = re.compile(rb"""\bt=["'](?!n["'])""")


def telling_styles(styles: bytes) -> list[int]:
    """The cell styles (from 0) under which a number is shown otherwise than it is stored.

    Args:
        styles: `xl/styles.xml`.
    """
    own = {int(number): code for number, code in _FORMAT.findall(styles)}
    listed = styles.partition(_LIST)[2].partition(_LIST)[0]
    numbers = [int(number or 0) for number in _STYLE.findall(listed)]
    return [at for at, number in enumerate(numbers) if _tells(own.get(number), number)]


def _tells(code: bytes | None, number: int) -> bool:
    if code is None:
        return number in _BUILT_IN
    bare = _NOT_SHOWN.sub(b"", code).partition(b";")[0].strip()
    is_date = re.search(rb"[dmyhs]", bare, re.IGNORECASE) is not None
    return not is_date and any(digit in bare for digit in b"0#?") and code.strip() not in (b"0", b"#")


class FormattedCells:
    """Counts the numbers in cells of such styles, in a sheet's XML piece by piece."""

    def __init__(self, styles: list[int]) -> None:
        wanted = "|".join(map(str, styles)).encode()
        self._cell = re.compile(rb"""<(?:\w{1,20}:)?c\s([^<>]{0,200}?\bs=["'](?:%b)["'][^<>]{0,200}(?<!/))>""" % wanted)
        self._rest = b""
        self.count = 0

    def look(self, chunk: bytes) -> None:
        """Take one piece."""
        text = self._rest + chunk
        end = text.rfind(b">") + 1
        self._rest = text[end:]
        self.count += sum(_TYPED.search(tag) is None for tag in self._cell.findall(text[:end]))
