"""How many rows of a dataset are learned from and how many are held back, for any share, without reading their text."""

from bisect import bisect_left
from pathlib import Path

from studio.data.dataset import open_dataset
from studio.data.split import position

COUNTED_ROWS = 50_000
"""Up to here rows are counted one by one (some 0.1 s); above, the share tells it closely enough."""


class RowSplit:
    """The split of one dataset, as the trainer will make it (before rows are left out as too long).

    Attributes:
        exact: Counted, not estimated.

    Raises:
        StudioError: The dataset cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        table = open_dataset(folder).table
        sides = table.column("side").to_pylist()
        self.rows = len(sides)
        self._fixed = sides.count("held_back")
        self._free = sides.count("")
        self.exact = self._free <= COUNTED_ROWS
        self._positions: list[float] = []
        if self.exact and self._free:
            keys = table.column("key").to_pylist()
            self._positions = sorted(position(key) for key, side in zip(keys, sides, strict=True) if not side)

    def counts(self, share: float) -> tuple[int, int]:
        """Rows to learn from, and rows held back.

        Args:
            share: The setting `held_back_share`.
        """
        free = bisect_left(self._positions, share) if self.exact else round(self._free * share)
        held_back = self._fixed + free
        return self.rows - held_back, held_back
