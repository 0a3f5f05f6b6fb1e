"""Which rows are held back for testing: by what the row is, so that the same row is on the same side, always."""

import datetime
import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

from studio.contract.errors import Problem, StudioError
from studio.contract.splits import Split
from studio.data.wording import count, listed, shown

_WHOLE = 2**64


def position(key: str, seed: int = 0) -> float:
    """Where a row lies between 0 and 1; it depends on nothing but its content's key (and the seed)."""
    text = f"{seed}:{key}" if seed else key
    digest = hashlib.blake2b(text.encode("utf-8"), digest_size=8, person=b"held-back").digest()
    return int.from_bytes(digest, "big") / _WHOLE


def is_held_back(key: str, share: float) -> bool:
    """Whether a row is kept aside for testing.

    A row that is held back at 10 % is also held back at 20 %, in any file, in any order, in every version.

    Args:
        key: `Record.key`.
        share: From 0 (none) to 1 (all).
    """
    return position(key) < share


def positions(
    split: Split,
    keys: Sequence[str],
    groups: Sequence[str | None],
    times: Sequence[float | None],
    sides: Sequence[str],
) -> list[float]:
    """Where each row lies between 0 and 1: it is held back where this is below the share.

    A row whose source gives it a side lies below 0 ("held_back") or at 1 ("train"). A row without a group stands for
    itself; the first group lies at 0. By time, 0 is the newest; rows of one time lie in the middle of the room that
    they take up, so they stay together.
    A row without a time is learned from.

    Args:
        split: The rule.
        keys, groups, times, sides: Of each row; `groups` and `times` may be empty where the rule does not ask for them.
    """
    given = {"held_back": -1.0, "train": 1.0}
    if split.by == "time":
        ranks = _ranks([time if not side else None for time, side in zip(times, sides, strict=True)])
        free = [1.0 if time is None else ranks.get(time, 1.0) for time in times]
    elif split.by == "group":
        named = _group_positions(groups, split.seed)
        free = [
            position(key, split.seed) if group is None else named[group]
            for key, group in zip(keys, groups, strict=True)
        ]
    else:
        free = [position(key, split.seed) for key in keys]
    return [given[side] if side else place for side, place in zip(sides, free, strict=True)]


def _group_positions(groups: Sequence[str | None], seed: int) -> dict[str, float]:
    """Where each group lies: by its name alone, but for one.

    With few groups it may be that none lies below the share and nothing would be tested. So the first that is not
    most of the rows lies at 0: it is held back whatever the share, where there is any.
    """
    sizes = Counter(group for group in groups if group is not None)
    named = {group: position(group, seed) for group in sizes}
    first = min((group for group in named if 2 * sizes[group] <= len(groups)), key=named.__getitem__, default=None)
    return named if first is None else {**named, first: 0.0}


def _ranks(times: Sequence[float | None]) -> dict[float, float]:
    import numpy as np

    known = np.array([time for time in times if time is not None], dtype=np.float64)
    values, counts = np.unique(-known, return_counts=True)
    if not len(values):
        return {}
    middles = (np.cumsum(counts) - counts / 2) / len(known)
    return dict(zip((-values).tolist(), middles.tolist(), strict=True))


_UNREAD = {
    "group": "All of its fields are empty.",
    "time": "Dates are read as 2024-05-06, 06.05.2024 or a number that grows; 05/06/2024 could mean two days.",
}
_MISSING = {
    "group": "Each of them is split by itself, so rows that belong together may come to stand on both sides.",
    "time": "They are learned from, however new they are. Dates are read as 2024-05-06 or 06.05.2024.",
}


class SplitColumns:
    """The values of a source's rows that a dataset can be split by.

    Attributes:
        names: Columns of rows.arrow that they are kept in.
        split: The rule that a new dataset starts with.
    """

    def __init__(self, group: str = "", time: str = "") -> None:
        self._group, self._time = group, time
        self._missing: Counter[str] = Counter()
        self._seen = 0
        self.names = (("group",) if group else ()) + (("time",) if time else ())
        by_time = Split(by="time", column=time) if time else Split()
        self.split = Split(by="group", column=group) if group else by_time

    def check(self, columns: Sequence[str], file_name: str) -> None:
        """See that a file has the columns.

        Raises:
            StudioError: `data.no_column`.
        """
        for name in (self._group, self._time):
            if name and name not in columns:
                raise StudioError(
                    "data.no_column",
                    f'There is no column "{shown(name)}" to split by.',
                    f"The columns are {listed(list(columns))}.",
                    "Choose one of these columns.",
                    where=file_name,
                )

    def values(self, row: dict[str, object], is_test: bool = False) -> dict[str, str | float | None]:
        """A row's group and time, where they are asked for; None where it has none.

        Args:
            row: As the file has it.
            is_test: It is held back whatever they say, so nobody misses them.
        """
        found: dict[str, str | float | None] = {}
        if self._group:
            found["group"] = group_of(row.get(self._group))
        if self._time:
            found["time"] = time_of(row.get(self._time))
        if not is_test:
            self._seen += 1
            self._missing.update(name for name, value in found.items() if value is None)
        return found

    def check_found(self) -> None:
        """See that the rows seen so far give anything to split by.

        Raises:
            StudioError: `data.no_group`, `data.no_time`: not one row has a value.
        """
        for name, column in (("group", self._group), ("time", self._time)):
            if column and self._missing[name] == self._seen > 0:
                raise StudioError(
                    f"data.no_{name}",
                    f'No row has a {name} in the column "{shown(column)}".',
                    _UNREAD[name],
                    "Choose another column, or split by chance.",
                )

    def problems(self) -> tuple[Problem, ...]:
        """What should be known about the values seen so far."""
        return tuple(
            Problem(
                code=f"data.no_{name}",
                what=f"{count(number, 'row has', 'rows have')} no {name} that can be read.",
                why=_MISSING[name],
                fix=f'Look at the column "{shown(column)}" there.',
            )
            for name, column in (("group", self._group), ("time", self._time))
            if (number := self._missing[name])
        )


def group_of(value: object) -> str | None:
    """A value as the name of a group: text without the spaces around it, a whole number however it is written."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return None if value is None or isinstance(value, list | dict) else str(value)


_TIME_FORMS = ("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S")


def time_of(value: object) -> float | None:
    """A value as a number that grows with time: a number as it stands, a date or its text as seconds since 1970.

    Forms in which month and day could be confused (05/06/2024) are no times: a guess would split wrongly, silently.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if value == value and abs(value) < 1e300 else None
    if isinstance(value, datetime.datetime):
        return _seconds(value)
    if isinstance(value, datetime.date):
        return _seconds(datetime.datetime(value.year, value.month, value.day))
    return _time_of_text(value.strip()) if isinstance(value, str) else None


def _time_of_text(text: str) -> float | None:
    readers: list[Any] = [lambda: time_of(float(text)), lambda: _seconds(datetime.datetime.fromisoformat(text))]
    readers += [lambda form=form: _seconds(datetime.datetime.strptime(text, form)) for form in _TIME_FORMS]
    for read in readers:
        try:
            found: float | None = read()
        except (ValueError, OverflowError):
            continue
        return found
    return None


def _seconds(moment: datetime.datetime) -> float:
    """Seconds since 1970; a time without a zone is taken as UTC, so that it means the same on every computer."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()
