"""What a combined adapter was made of, beside the run that holds it."""

import msgspec

from studio.contract.combinations import Ancestry
from studio.contract.run_folder import RunFolder
from studio.contract.whole_file import write_whole

FILE = "parents.json"


def write_ancestry(folder: RunFolder, ancestry: Ancestry) -> None:
    """Keep it in a run's folder."""
    write_whole(folder.path / FILE, msgspec.json.format(msgspec.json.encode(ancestry), indent=2) + b"\n")


def read_ancestry(folder: RunFolder) -> Ancestry | None:
    """None for a run that learned by itself."""
    try:
        return msgspec.json.decode((folder.path / FILE).read_bytes(), type=Ancestry)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def is_combined(folder: RunFolder) -> bool:
    """Whether a run was made of others: it has learned nothing by itself, and there is no training to go on with."""
    return (folder.path / FILE).is_file()
