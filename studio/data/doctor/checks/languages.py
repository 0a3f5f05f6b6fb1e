"""Which language each row is in: by script, and within the Latin script by frequent short words. A guess."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.contract.diagnosis import Share
from studio.data.doctor.batch import SYSTEM, USER, Batch, Ints, hash_words
from studio.data.doctor.check import Check as Base
from studio.data.doctor.check import Context, Found, Rows
from studio.data.doctor.stop_words import STOP_WORDS
from studio.data.wording import count

SCRIPTS = (
    "Latin",
    "Greek",
    "Cyrillic script",
    "Hebrew",
    "Arabic script",
    "Devanagari script",
    "Thai",
    "Kana",
    "Han",
    "Korean",
)
LATIN_LANGUAGES = tuple(STOP_WORDS)
LANGUAGES = ("", *LATIN_LANGUAGES, *SCRIPTS[1:7], "Japanese", "Chinese", "Korean")
"""Code -> name; 0: cannot be told."""
FEWEST_LETTERS, FEWEST_WORDS, LEAD = 12, 3, 1.5
"""A text is judged from so many letters on (a Chinese or Korean one counts three); a language needs so many of its
words, and so much more of them than the second."""
_WEIGHT = np.array([1, 1, 1, 1, 1, 1, 1, 3, 3, 3])


def _script_table() -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Script by a character's first byte, and for 0xE0 and 0xE3 by its second; -1: none."""
    first, second = np.full(256, -1, np.int8), np.full(512, -1, np.int8)
    first[[*range(65, 91), *range(97, 123), *range(0xC3, 0xCA)]] = 0
    first[[0xCE, 0xCF]] = 1
    first[0xD0:0xD4] = 2
    first[[0xD6, 0xD7]] = 3
    first[0xD8:0xDC] = 4
    first[0xE4:0xEA] = 8
    first[0xEA:0xEE] = 9
    second[[0xA4, 0xA5]] = 5
    second[[0xB8, 0xB9]] = 6
    second[[256 + 0x81, 256 + 0x82, 256 + 0x83]] = 7
    return first, second


_FIRST, _SECOND = _script_table()
_ASCII_LETTER = np.zeros(256, bool)
_ASCII_LETTER[[*range(65, 91), *range(97, 123)]] = True


class _StopWords:
    """A table from word hashes to languages: one look-up a word."""

    def __init__(self) -> None:
        found: dict[int, int] = {}
        for code, words in enumerate(STOP_WORDS.values()):
            for word in hash_words(words):
                found[word] = found.get(word, 0) | 1 << code
        hashes = np.array(list(found), np.uint64)
        self._masks = np.append(np.array(list(found.values()), np.int64), 0)
        self._hashes = np.append(hashes, np.uint64(0))
        self._slots = np.full(65536, len(hashes), np.int16)
        self._slots[(hashes >> np.uint64(48)).astype(np.int64)] = np.arange(len(hashes), dtype=np.int16)

    def counts(self, batch: Batch) -> Ints:
        """How many words of each language each message holds, (messages, languages)."""
        words = batch.words
        slots = self._slots[(words >> np.uint64(48)).astype(np.int64)]
        hits = np.flatnonzero(self._hashes[slots] == words)
        masks = self._masks[slots[hits]]
        message = np.searchsorted(batch.word_offsets, hits, "right") - 1
        size = len(batch.sizes)
        out = np.zeros((size, len(LATIN_LANGUAGES)), np.int64)
        for code in range(len(LATIN_LANGUAGES)):
            out[:, code] = np.bincount(message[(masks >> code) & 1 == 1], minlength=size)
        return out


def letters(batch: Batch) -> Ints:
    """Letters of each script in each message, (messages, scripts)."""
    data, size = batch.data, len(batch.sizes)
    out = np.zeros((size, len(SCRIPTS)), np.int64)
    sums = np.zeros(len(data) + 1, np.int32)
    np.cumsum(_ASCII_LETTER[data], out=sums[1:])
    out[:, 0] = np.diff(sums[batch.offsets])
    high = np.flatnonzero(data >= 0xC3)
    if len(high):
        first = data[high]
        script = _FIRST[first]
        for lead, shift in ((0xE0, 0), (0xE3, 256)):
            here = np.flatnonzero(first == lead)
            script[here] = _SECOND[data[np.minimum(high[here] + 1, len(data) - 1)].astype(np.int64) + shift]
        known = script >= 0
        message = np.searchsorted(batch.offsets, high[known], "right") - 1
        codes = np.bincount(message * len(SCRIPTS) + script[known], minlength=size * len(SCRIPTS))
        out += codes.reshape(size, len(SCRIPTS))
    return out


def judged(script_letters: Ints, words: Ints) -> Ints:
    """Codes of languages (places in LANGUAGES) by a text's letters and stop words, (texts)."""
    weighed = script_letters * _WEIGHT
    script = weighed.argmax(axis=1)
    enough = weighed.sum(axis=1) >= FEWEST_LETTERS
    ranked = np.sort(words, axis=1)
    clear = (ranked[:, -1] >= FEWEST_WORDS) & (ranked[:, -1] >= LEAD * ranked[:, -2])
    latin = np.where(clear, words.argmax(axis=1) + 1, 0)
    offset = len(LATIN_LANGUAGES)
    kana, han = script_letters[:, 7], script_letters[:, 8]
    other = np.where((script == 8) & (kana > 0.05 * han), 7, script) + offset
    return np.where(enough, np.where(script == 0, latin, other), 0)


class Check(Base):
    """Judges each row as a whole, and the question and the answer apart."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._stop_words = _StopWords()
        self._codes, self._rows, self._changed = Rows(), Rows(), Rows()

    def look(self, batch: Batch) -> None:
        scripts, words = letters(batch), self._stop_words.counts(batch)
        spoken = batch.roles != SYSTEM
        asked = batch.roles == USER
        whole, question = self._judge(batch, scripts, words, spoken), self._judge(batch, scripts, words, asked)
        answer = self._judge(batch, scripts, words, spoken & ~asked)
        self._codes.add(whole)
        self._rows.add(batch.rows)
        self._changed.add((question != answer) & (question > 0) & (answer > 0))

    def _judge(self, batch: Batch, scripts: Ints, words: Ints, which: NDArray[np.bool_]) -> Ints:
        sums = (_row_sums(batch, part * which[:, None]) for part in (scripts, words))
        return judged(*sums)

    def figures(self) -> dict[str, Any]:
        codes, times = np.unique(self._codes.joined(), return_counts=True)
        pairs = sorted(zip(codes.tolist(), times.tolist(), strict=True), key=lambda pair: -pair[1])
        return {"languages": tuple(Share(LANGUAGES[code] or "language unclear", number) for code, number in pairs)}

    def findings(self) -> Iterator[Found]:
        codes, rows = self._codes.joined(), self._rows.joined()
        known = np.flatnonzero(codes)
        if not len(known):
            return
        times = np.bincount(codes[known])
        main = int(times.argmax())
        others = known[codes[known] != main]
        if len(others):
            names = [LANGUAGES[code] for code in np.argsort(-times) if times[code] and code != main]
            yield self.found(
                "mixed_languages",
                "hint",
                f"{count(len(others), 'row is', 'rows are')} not in {LANGUAGES[main]} as most are, but in "
                f"{', '.join(names[:3])}{' and others' if len(names) > 3 else ''} (a guess from frequent words).",
                rows[others],
                why="Rows in another language teach the model to change languages.",
                advice="Leave them out if the model is to speak one language only.",
                part="row",
            )
        changed = rows[np.flatnonzero(self._changed.joined(bool))]
        if len(changed):
            yield self.found(
                "answer_language",
                "hint",
                f"{count(len(changed), 'answer is', 'answers are')} in another language than the question (a guess).",
                changed,
                why="The model learns to answer in a language that was not asked in.",
                advice="This is right for translations; otherwise leave these rows out.",
                part="row",
            )


def _row_sums(batch: Batch, values: Ints) -> Ints:
    sums = np.zeros((len(values) + 1, values.shape[1]), np.int64)
    np.cumsum(values, axis=0, out=sums[1:])
    totals: Ints = np.diff(sums[batch.starts], axis=0)
    return totals
