"""How a dataset came to be: what the import was asked for and what it saw, so that it can be done anew."""

from bisect import bisect_right
from itertools import accumulate
from pathlib import Path

import msgspec

from studio.contract.events import Inspected
from studio.contract.job import ImportJob
from studio.contract.whole_file import write_whole
from studio.data.dataset import DatasetInfo

ORIGIN_FILE = "import.json"


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What an import was asked for, and what it saw of the first file."""

    job: ImportJob
    seen: Inspected


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Origin] = msgspec.json.Decoder(Origin)


def keep_origin(folder: Path, job: ImportJob, seen: Inspected) -> None:
    """Write it into a dataset's folder.

    Raises:
        OSError: It cannot be written.
    """
    write_whole(folder / ORIGIN_FILE, _encoder.encode(Origin(job=job, seen=seen)) + b"\n")


def origin_of(info: DatasetInfo) -> Origin | None:
    """How a dataset came to be; for one of an older version as far as its sources tell, None where they do not.

    The job's mapping is None where it was guessed.
    """
    try:
        kept = _decoder.decode((Path(info.folder) / ORIGIN_FILE).read_bytes())
        return msgspec.structs.replace(kept, job=msgspec.structs.replace(kept.job, destination=info.folder))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # made by another version: what dataset.json says is enough to go on
    if not info.sources or len(info.sources) > 2 or (len(info.sources) == 2 and not info.held_back_rows):
        return None
    own_test = info.sources[1].path if len(info.sources) == 2 else ""
    job = ImportJob(source=info.sources[0].path, destination=info.folder, name=info.name, held_back=own_test)
    return Origin(job=job, seen=Inspected(columns=info.columns, rows_seen=0, mapping=info.mapping, first_rows=()))


def file_of(info: DatasetInfo, stored: int) -> str:
    """Name of the file that a stored row came from; "" where all came from one, or an earlier version did not say."""
    written = [source.written for source in info.sources]
    if len(written) < 2 or sum(written) != info.usable:
        return ""
    return info.sources[bisect_right(list(accumulate(written)), stored)].name
