"""Where answers are classes: how often each is there."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from studio.contract.diagnosis import Share
from studio.data.doctor.answers import MOST_CLASSES, AnswerHashes
from studio.data.doctor.check import Found, answer_text
from studio.data.doctor.keys import stored_rows
from studio.data.wording import count, shown

MOST_SHARE, RARE_SHARE, RARE_ROWS = 0.8, 0.01, 10


class Check(AnswerHashes):
    """Compares how often each short answer is given."""

    def figures(self) -> dict[str, Any]:
        if not self.are_classes():
            return {}
        first, times = self.classes()
        pairs = zip(first[:MOST_CLASSES].tolist(), times[:MOST_CLASSES].tolist(), strict=True)
        return {"classes": tuple(Share(self._name(row), number) for row, number in pairs)}

    def findings(self) -> Iterator[Found]:
        if not self.are_classes():
            return
        first, times = self.classes()
        hashes, stored = self.hashes(), stored_rows(self.context)
        share = times[0] / len(hashes)
        if share > MOST_SHARE:
            yield self.found(
                "one_class",
                "warning",
                f'{100 * share:.0f} % of the answers are "{self._name(int(first[0]))}".',
                stored[np.flatnonzero(hashes == hashes[first[0]])],
                why="A model that always gives this answer is already right that often, and learns to do so.",
                advice="Add rows with other answers, or leave out some of these.",
                part="row",
            )
        rare = first[times < max(RARE_ROWS, RARE_SHARE * len(hashes) / len(times))]
        if len(rare):
            yield self.found(
                "rare_classes",
                "hint",
                f"{count(len(rare), 'answer is', 'answers are')} given in very few rows.",
                stored[np.flatnonzero(np.isin(hashes, hashes[rare]))],
                why="What is seen a few times only is hardly learned.",
                advice="Add rows with these answers.",
                count=len(rare),
                part="row",
            )

    def _name(self, row: int) -> str:
        return shown(answer_text(self.context.dataset.record(row)))
