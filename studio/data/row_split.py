"""How many rows of a dataset are learned from and how many are held back, for any share, without reading their text;
and another rule for it.
"""

from bisect import bisect_left
from pathlib import Path

import msgspec

from studio.contract.errors import StudioError
from studio.contract.splits import Split
from studio.data.dataset import DatasetInfo, open_dataset, read_info, unwritable, write_info
from studio.data.wording import shown

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
        dataset = open_dataset(folder)
        sides = dataset.given_sides()
        self.rows = len(sides)
        self._fixed = sides.count("held_back")
        self._free = sides.count("")
        # By group the share alone says little: one large group weighs as much as a hundred small ones.
        self.exact = self._free <= COUNTED_ROWS or dataset.info.split.by == "group"
        self._positions: list[float] = []
        if self.exact and self._free:
            places = dataset.positions()
            self._positions = sorted(place for place, side in zip(places, sides, strict=True) if not side)

    def counts(self, share: float) -> tuple[int, int]:
        """Rows to learn from, and rows held back.

        Args:
            share: The setting `held_back_share`.
        """
        free = bisect_left(self._positions, share) if self.exact else round(self._free * share)
        held_back = self._fixed + free
        return self.rows - held_back, held_back


def change_split(dataset: Path | DatasetInfo, split: Split, as_imported: bool = False) -> DatasetInfo:
    """Split a dataset's rows another way from now on.

    Args:
        dataset: It, or its folder.
        split: By "group" or "time" only where the import kept that column.
        as_imported: The import asked for it: what is changed later can be taken back to this.

    Raises:
        StudioError: The dataset lacks the column, is damaged, or cannot be written.
    """
    folder = Path(dataset.folder) if isinstance(dataset, DatasetInfo) else dataset
    info = read_info(folder)
    if split.by != "hash" and split.by not in open_dataset(folder).table.column_names:
        raise StudioError(
            "data.no_split_column",
            f"The dataset does not know the {split.by} of its rows.",
            fix="Import its file again and choose the column there.",
            where=shown(folder.name),
        )
    first = split.seed if as_imported else info.imported_seed
    info = msgspec.structs.replace(info, split=split, imported_seed=first)
    try:
        write_info(folder, info)
    except OSError as error:
        raise unwritable(folder, error) from error
    return info
