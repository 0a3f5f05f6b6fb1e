"""What the doctor found, kept in the dataset's folder: the last diagnosis, and all rows of each finding.

The rows serve the table's filter and the one-click fixes, which therefore need no second look through the dataset.
Which rows were rewritten then, and how, is kept too: a fix spares those that read otherwise now.
"""

import os
import shutil
from pathlib import Path

import msgspec
import numpy as np

from studio.contract.diagnosis import Diagnosed
from studio.contract.errors import StudioError
from studio.data.dataset import Dataset, unwritable
from studio.data.doctor.batch import Ints
from studio.data.doctor.check import Found
from studio.data.edits import Edits

FOLDER = "doctor"
_DIAGNOSIS = "diagnosis.json"
_REWRITTEN = "rewritten.texts"
_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Diagnosed] = msgspec.json.Decoder(Diagnosed)


def save(diagnosed: Diagnosed, found: list[Found], edits: Edits) -> None:
    """Keep a diagnosis in place of the one before.

    Args:
        diagnosed: It.
        found: All rows of its findings.
        edits: Those of the dataset that was looked at.

    Raises:
        StudioError: `data.unwritable`.
    """
    folder = Path(diagnosed.dataset)
    beside = folder / f".{FOLDER}-{os.getpid()}"
    old = folder / f".{FOLDER}-old-{os.getpid()}"
    try:
        beside.mkdir(mode=0o700)
        for one in found:
            pairs = np.stack([one.rows, one.because]).astype("<i8")
            (beside / f"{one.finding.code}.rows").write_bytes(pairs.tobytes())
        texts = np.array(list(edits.text_numbers().items()), "<i8")
        (beside / _REWRITTEN).write_bytes(texts.tobytes())
        (beside / _DIAGNOSIS).write_bytes(_encoder.encode(diagnosed))
        if (folder / FOLDER).exists():
            (folder / FOLDER).rename(old)
        beside.rename(folder / FOLDER)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise unwritable(folder, error) from error


def last_diagnosis(folder: Path) -> Diagnosed | None:
    """The last diagnosis of a dataset; None where there is none, or none that this version can read.

    It is out of date where its `edits` are not the dataset's (`Dataset.edits.digest`).
    """
    try:
        return _decoder.decode((folder / FOLDER / _DIAGNOSIS).read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def found_rows(folder: Path, code: str) -> tuple[Ints, Ints]:
    """All rows of a finding of the last diagnosis.

    Returns:
        Stored rows, and for each the stored row that makes it superfluous (-1: none).

    Raises:
        StudioError: `doctor.no_finding`.
    """
    path = folder / FOLDER / f"{code}.rows"
    try:
        pairs = np.frombuffer(path.read_bytes(), "<i8").reshape(2, -1)
    except (OSError, ValueError) as error:
        raise StudioError(
            "doctor.no_finding",
            "The rows of this finding are not there any more.",
            "The data was checked anew, or the dataset was deleted, perhaps in another window.",
            "Let the data be checked again.",
        ) from error
    return pairs[0], pairs[1]


def changed_since(dataset: Dataset) -> set[int]:
    """Stored rows whose texts a person, or a fix, changed since the last diagnosis: what it found may not hold there.

    After one of an earlier version these are all rewritten rows, unless nothing was changed at all.
    """
    now = dataset.edits.text_numbers()
    try:
        numbers = np.frombuffer((dataset.folder / FOLDER / _REWRITTEN).read_bytes(), "<i8").reshape(-1, 2)
        then: dict[int, int] = dict(numbers.tolist())
    except (OSError, ValueError):
        diagnosed = last_diagnosis(dataset.folder)
        then = now if diagnosed is not None and diagnosed.edits == dataset.edits.digest else {}
    return {row for row in now.keys() | then.keys() if now.get(row) != then.get(row)}
