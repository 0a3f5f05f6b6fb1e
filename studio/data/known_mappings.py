"""Mappings that the user chose by hand, to be used again for files of the same columns."""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from studio.contract.errors import StudioError
from studio.contract.job import Mapping
from studio.contract.run_folder import home_folder
from studio.contract.whole_file import write_whole
from studio.data import column_names
from studio.data.wording import shown

FILE = "known_mappings.json"
MOST = 500
"""Mappings that are kept; the oldest goes first."""
_LARGEST_FILE = 10_000_000


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A choice.

    Attributes:
        columns: Of the file it was made for, sorted.
        mapping: What was chosen.
        file_name: The file it was made for.
        chosen: When, Unix time in seconds.
    """

    columns: tuple[str, ...]
    mapping: Mapping
    file_name: str
    chosen: float


_decoder: msgspec.json.Decoder[dict[str, Known]] = msgspec.json.Decoder(dict[str, Known])


def recall(columns: Sequence[str]) -> Mapping | None:
    """What was chosen for a file of the same columns, in any order; the reason says so. None: nothing was.

    Names that were made up for columns without any tell nothing of two files: no choice is recalled for them.
    A file of choices that cannot be read counts as empty: a guess is as good a beginning.
    """
    known = None if column_names.are_numbered(columns) else _read().get(_key(columns))
    if known is None or known.columns != tuple(sorted(columns)):
        return None
    reason = f"The columns are those of {known.file_name}, so the choice that you made for it is used."
    return msgspec.structs.replace(known.mapping, reason=reason)


def remember(columns: Sequence[str], mapping: Mapping, file_name: str) -> None:
    """Keep a choice, in place of an earlier one for the same columns; none where the file does not name its columns.

    Raises:
        OSError: It cannot be written.
        StudioError: The program's folder cannot be made.
    """
    if column_names.are_numbered(columns):
        return
    chosen = Known(columns=tuple(sorted(columns)), mapping=mapping, file_name=shown(file_name, 120), chosen=time.time())
    every = {**_read(), _key(columns): chosen}
    newest = sorted(every, key=lambda key: -every[key].chosen)[:MOST]
    _write({key: every[key] for key in newest})


def forget(columns: Sequence[str]) -> None:
    """Choose anew by guess for files of these columns.

    Raises:
        OSError: It cannot be written.
        StudioError: The program's folder cannot be made.
    """
    every = _read()
    if every.pop(_key(columns), None) is not None:
        _write(every)


def _key(columns: Sequence[str]) -> str:
    return hashlib.sha256(msgspec.json.encode(sorted(columns))).hexdigest()[:32]


def _path() -> Path:
    return home_folder() / FILE


def _read() -> dict[str, Known]:
    try:
        path = _path()
        if path.stat().st_size > _LARGEST_FILE:
            return {}
        return _decoder.decode(path.read_bytes())
    except (OSError, StudioError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _write(every: dict[str, Known]) -> None:
    write_whole(_path(), msgspec.json.format(msgspec.json.encode(every), indent=2) + b"\n")
