"""One file of what the user chose: a file itself, one of a folder, or a member of a ZIP archive."""

from pathlib import Path

import msgspec

from studio.contract.job import Reading
from studio.data.streams import Member


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What is read as one file, and how.

    Attributes:
        path: The regular file on the disk.
        member: What to read of it, where it is a ZIP archive.
        name: Shown instead of the file's name; "": that.
        split: Where its name or folder says so: train, test, validation ...; else "".
        reading: What was chosen about sheets and documents.
    """

    path: Path
    member: Member | None = None
    name: str = ""
    split: str = ""
    reading: Reading = Reading()
