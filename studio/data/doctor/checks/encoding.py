"""Letters damaged by a wrong encoding: what can be put right, and what is lost."""

from collections.abc import Iterator

import numpy as np

from studio.data.doctor.batch import Batch, Ints, Texts
from studio.data.doctor.beside import More
from studio.data.doctor.check import Check as Base
from studio.data.doctor.check import Context, Found, Rows
from studio.data.doctor.mojibake import repaired, repaired_json
from studio.data.wording import count

_FIRST = np.zeros(256, bool)  # U+00C2 to U+00F4 (what the first byte of a letter becomes), and U+0080 to U+00BF
_FIRST[[0xC2, 0xC3, 0xC4, 0xC5, 0xCE, 0xCF, 0xD0, 0xD1, 0xE2]] = True
_SECOND = np.zeros(256, bool)  # first byte of what 0x80 to 0xBF become: U+0080 to U+00BF, Œ, ƒ, ˆ, “, ™ and others
_SECOND[[0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xCB, 0xE2]] = True


class Check(Base):
    """Finds where two letters of a wrong decoding stand side by side, then asks the library about those texts."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._damaged, self._lost = Rows(), Rows()

    def look(self, batch: Batch) -> None:
        damaged, lost = zip(*(_found(texts) for texts in batch.every()), strict=True)
        self._damaged.add(np.unique(np.concatenate(damaged)))
        self._lost.add(np.unique(np.concatenate(lost)))

    def findings(self) -> Iterator[Found]:
        rows = self._damaged.joined()
        if len(rows):
            yield self.found(
                "mojibake",
                "warning",
                f"{count(len(rows), 'row holds', 'rows hold')} letters that were read in the wrong encoding.",
                rows,
                why='"Ã¼" stands where "ü" should: the model would learn to write it so.',
                fix="repair_encoding",
                part="row",
            )
        rows = self._lost.joined()
        if len(rows):
            yield self.found(
                "lost_letters",
                "warning",
                f"{count(len(rows), 'row holds', 'rows hold')} the mark of a letter that was lost (\ufffd).",
                rows,
                why="A program before this one could not read these letters; they cannot be restored.",
                advice="Import from a file where they are still whole.",
                part="row",
            )


def _found(texts: Texts) -> tuple[Ints, Ints]:
    """Stored rows with damaged texts, and those with lost letters."""
    data, none = texts.data, np.zeros(0, np.int64)
    if len(data) < 3:
        return none, none
    high = np.flatnonzero(data[:-2] >= 0xC2)  # first bytes of letters outside ASCII
    if not len(high):
        return none, none
    one, two, three = data[high], data[high + 1], data[high + 2]
    lost = high[(one == 0xEF) & (two == 0xBF) & (three == 0xBD)]
    pairs = high[((one == 0xC3) | (one == 0xC2)) & _SECOND[three]]
    bad = [number for number in _numbers(texts, pairs).tolist() if _is_damaged(texts, number)]
    return texts.rows_of(np.array(bad, np.int64)), texts.rows_of(_numbers(texts, lost))


def _numbers(texts: Texts, places: Ints) -> Ints:
    """Which texts these bytes stand in."""
    found: Ints = np.unique(np.searchsorted(texts.offsets, places, "right") - 1)
    return found


def _is_damaged(texts: Texts, number: int) -> bool:
    text = texts.text(number)
    return (repaired_json if isinstance(texts, More) and texts.is_json(number) else repaired)(text) != text
