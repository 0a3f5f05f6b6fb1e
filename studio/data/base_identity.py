"""Which base model a run was trained on: a fingerprint that tells two models of the same shape apart, in a moment.

Hashing every byte of a large model takes minutes; this reads the headers of its weight files and the first bytes of
every tensor. Other weights give another fingerprint; the same files copied elsewhere give the same. Weights alone are
not the whole model: what its config.json says is kept beside the fingerprint.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import msgspec

from studio.contract.plain_text import one_line
from studio.contract.run_folder import RunFolder
from studio.contract.whole_file import write_whole
from studio.data.own_files import own_files

BYTES_A_TENSOR = 4096
FILE = "base.json"
LARGEST_CONFIG = 1_000_000
MOST_TOLD = 5
NO_MATTER = frozenset(
    {
        "_attn_implementation_autoset", "_commit_hash", "_flash_attn_2_enabled", "_name_or_path", "architectures",
        "auto_map", "dtype", "id2label", "initializer_range", "label2id", "output_attentions", "output_hidden_states",
        "problem_type", "return_dict", "torch_dtype", "transformers_version", "use_cache",
    }
)  # fmt: skip
"""Keys of config.json that may change: none says what a model that is there computes (how its numbers are stored,
stands in the weight files)."""


class BaseIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Content of a run's base.json.

    Attributes:
        name: By which people know the model.
        path: Where it lay.
        sha256: Of the weight files' headers and the first bytes of each tensor.
        config: What its config.json says, without `NO_MATTER`, as JSON; "": not kept yet, or it could not be read.
    """

    name: str
    path: str
    sha256: str
    config: str = ""


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


def config_of(model: Path) -> str:
    """What a model's config.json says of what it computes, in order, as JSON; "" where it cannot be read."""
    try:
        (path,) = own_files(model, ["config.json"])
        with path.open("rb") as file:
            told = json.loads(file.read(LARGEST_CONFIG))
        return json.dumps({key: told[key] for key in sorted(told.keys() - NO_MATTER)}, sort_keys=True)
    except (OSError, ValueError, AttributeError, RecursionError):
        return ""


def identify(model: Path, name: str) -> BaseIdentity:
    """The identity of the model in a folder.

    Raises:
        OSError, ValueError: Its weights cannot be read.
    """
    return BaseIdentity(name=name, path=str(model), sha256=fingerprint(model), config=config_of(model))


def differences(model: Path, identity: BaseIdentity) -> list[str]:
    """In which respects the model in a folder is another one, in sentences; none: it is the very one."""
    try:
        same = fingerprint(model) == identity.sha256
    except (OSError, ValueError):  # no model, or a damaged one
        same = False
    if not same:
        return [f"Its weights are not those of the fingerprint {identity.sha256[:16]}…"]
    here = config_of(model)
    if here == identity.config or not identity.config:
        return []
    if not here:
        return ["Its config.json cannot be read."]
    now, then = json.loads(here), json.loads(identity.config)
    keys = [key for key in sorted(now.keys() | then.keys()) if now.get(key) != then.get(key)]
    told = [_short(key, now.get(key), then.get(key)) for key in keys[:MOST_TOLD]]
    more = [f"and {len(keys) - MOST_TOLD:,} more"] if len(keys) > MOST_TOLD else []
    return [f"Its config.json was changed: {', '.join(told + more)}."] if keys else []


def _short(key: str, now: object, then: object) -> str:
    """One value that was changed, fit to be read: it is a stranger's text."""
    return one_line(f"{key[:40]} is {json.dumps(now)[:40]} and was {json.dumps(then)[:40]}")


def remember(folder: RunFolder, identity: BaseIdentity) -> None:
    """Write it into a run's folder."""
    write_whole(folder.path / FILE, msgspec.json.encode(identity) + b"\n")


def recall(folder: RunFolder) -> BaseIdentity | None:
    """What a run was trained on; None for runs of earlier versions."""
    try:
        return msgspec.json.decode((folder.path / FILE).read_bytes(), type=BaseIdentity)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def is_one_base(runs: Sequence[tuple[RunFolder, str]]) -> bool:
    """Whether runs learned on one base model: by its fingerprint, and by where it lay where none knows that.

    Args:
        runs: Each run's folder, and the path of its base model.
    """
    known = [(recall(folder), path) for folder, path in runs]
    prints = {identity.sha256 for identity, _ in known if identity is not None}
    unknown = {path for identity, path in known if identity is None}
    return len(prints) <= 1 and (bool(prints) or len(unknown) <= 1)
