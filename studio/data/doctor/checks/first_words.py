"""How answers begin: a dataset whose answers all begin alike teaches that beginning first."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from studio.contract.diagnosis import Share
from studio.data.doctor.batch import Batch, Hashes, Ints
from studio.data.doctor.check import Check as Base
from studio.data.doctor.check import Context, Found, Rows, answer_text
from studio.data.doctor.keys import stored_rows
from studio.data.wording import shown

WORDS, SHOWN, MOST_SHARE, FEWEST_ROWS = 3, 10, 0.3, 50
_PLACE = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)


class Check(Base):
    """Compares the first three words of answers that have more than three."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._hashes = Rows()

    def look(self, batch: Batch) -> None:
        answers, ends = batch.answers, batch.word_offsets
        hashes = np.zeros(len(batch), np.uint64)
        long: Ints = np.zeros(0, np.int64)
        if len(batch.sizes):
            long = np.flatnonzero((answers >= 0) & (np.diff(ends)[answers] > WORDS))
        begins = ends[answers[long]]
        for place in range(WORDS):
            hashes[long] += batch.words[begins + place] * _PLACE[place]
        self._hashes.add(hashes)

    def figures(self) -> dict[str, Any]:
        _, first, times = self._counted()
        pairs = zip(first[:SHOWN].tolist(), times[:SHOWN].tolist(), strict=True)
        return {"first_words": tuple(Share(self._words(row), number) for row, number in pairs)}

    def findings(self) -> Iterator[Found]:
        hashes, first, times = self._counted()
        rows = int((hashes != 0).sum())
        if rows < FEWEST_ROWS or times[0] <= MOST_SHARE * rows:
            return
        alike = np.flatnonzero(hashes == hashes[first[0]])
        yield self.found(
            "same_beginnings",
            "hint",
            f'{100 * times[0] / rows:.0f} % of the longer answers begin with "{self._words(int(first[0]))}".',
            stored_rows(self.context)[alike],
            why="The model learns this beginning before anything else, and then begins every answer so.",
            advice="Vary how answers begin, unless this is wanted.",
        )

    def _counted(self) -> tuple[Hashes, Ints, Ints]:
        hashes: Hashes = self._hashes.joined(np.uint64)
        long = np.flatnonzero(hashes)
        _, first, times = np.unique(hashes[long], return_index=True, return_counts=True)
        order = np.lexsort((first, -times))
        return hashes, long[first[order]], times[order]

    def _words(self, row: int) -> str:
        text = answer_text(self.context.dataset.record(row))
        return shown(" ".join(text.split()[:WORDS]), 60)
