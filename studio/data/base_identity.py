"""Which base model a run was trained on: a fingerprint that tells two models of the same shape apart, in a moment.

Hashing every byte of a large model takes minutes; this reads the headers of its weight files and the first bytes of
every tensor. Other weights give another fingerprint; the same files copied elsewhere give the same.
"""

import hashlib
import json
from pathlib import Path

import msgspec

from studio.contract.run_folder import RunFolder
from studio.contract.whole_file import write_whole
from studio.data.own_files import own_files

BYTES_A_TENSOR = 4096
FILE = "base.json"


class BaseIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Content of a run's base.json.

    Attributes:
        name: By which people know the model.
        path: Where it lay.
        sha256: Of the weight files' headers and the first bytes of each tensor.
    """

    name: str
    path: str
    sha256: str


def fingerprint(model: Path) -> str:
    """SHA-256 of a model's weights, sampled; files of several parts count as one.

    Raises:
        OSError: A file cannot be read.
        ValueError: There is no safetensors file, or one has no header.
    """
    tensors: dict[str, tuple[str, bytes]] = {}
    for path in own_files(model, ["*.safetensors"]):
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= 100_000_000:
                raise ValueError(f"{path.name} has no header")
            header = json.loads(file.read(length))
            try:
                for name, entry in header.items():
                    if name == "__metadata__":
                        continue
                    start, end = entry["data_offsets"]
                    file.seek(8 + length + start)
                    told = json.dumps([entry["dtype"], entry["shape"]])
                    tensors[name] = told, file.read(min(BYTES_A_TENSOR, end - start))
            except (AttributeError, KeyError, TypeError) as error:  # a stranger's header need not be a table of tensors
                raise ValueError(f"{path.name} has a damaged header") from error
    if not tensors:
        raise ValueError("there is no safetensors file")
    digest = hashlib.sha256()
    for name, (told, data) in sorted(tensors.items()):
        digest.update(f"{name} {told} {len(data)}\n".encode())
        digest.update(data)
    return digest.hexdigest()


def identify(model: Path, name: str) -> BaseIdentity:
    """The identity of the model in a folder.

    Raises:
        OSError, ValueError: Its weights cannot be read.
    """
    return BaseIdentity(name=name, path=str(model), sha256=fingerprint(model))


def remember(folder: RunFolder, identity: BaseIdentity) -> None:
    """Write it into a run's folder."""
    write_whole(folder.path / FILE, msgspec.json.encode(identity) + b"\n")


def recall(folder: RunFolder) -> BaseIdentity | None:
    """What a run was trained on; None for runs of earlier versions."""
    try:
        return msgspec.json.decode((folder.path / FILE).read_bytes(), type=BaseIdentity)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
