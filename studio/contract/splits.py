"""How a dataset is split into rows to learn from and rows held back for testing."""

from typing import Literal

import msgspec


class Split(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rule that decides each row's side by nothing but the row (and, for "time", its rank).

    Attributes:
        by: "hash": of the row's content; "group": all rows of one value of a column are on the same side; "time": the
            newest rows are held back.
        column: Column of the source that holds the group or the time; "" for "hash".
        share: How much is held back, from 0 to 1. A run's own setting (`held_back_share`) stands above it.
        seed: Another number holds back other rows; 0 is what earlier versions did. Not used by "time".
    """

    by: Literal["hash", "group", "time"] = "hash"
    column: str = ""
    share: float = 0.1
    seed: int = 0
