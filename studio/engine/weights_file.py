"""Headers of safetensors files, read without torch: which tensors, of which shape, and whether the file is whole.

The format: 8 bytes little-endian length, that many bytes of JSON {name: {dtype, shape, data_offsets}}, then the data.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeGuard

import msgspec

from studio.contract.errors import Problem
from studio.data.json_text import JsonFault, decode
from studio.data.own_files import is_own
from studio.engine.model_faults import broken_file, lfs_pointer

LONGEST_HEADER = 100_000_000
"""Bytes; the limit of the safetensors library."""
LARGEST_INDEX = 50_000_000
SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4}
SIZES |= {"U16": 2, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1}
WHOLE = frozenset({"F64", "F32", "F16", "BF16"})
"""Number formats of weights that are not quantised."""
Span = tuple[int, int]
LFS = b"version https://git-lfs"
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


class Tensor(msgspec.Struct, frozen=True):
    """One tensor as a header tells it."""

    dtype: str
    shape: tuple[int, ...]


class Weights(msgspec.Struct, frozen=True):
    """All tensors of a model folder, the size of their files, and what is wrong with them."""

    tensors: dict[str, Tensor]
    file_bytes: int
    problems: tuple[Problem, ...]

    @property
    def parameters(self) -> int:
        """Numbers in all tensors."""
        return sum(math.prod(tensor.shape) for tensor in self.tensors.values())


class Damaged(Exception):
    """One file is not what it should be; carries the problem."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.what)


def read_weights(folder: Path) -> Weights:
    """Read the headers of all weight files of a model folder."""
    try:
        files, wanted = _files(folder)
    except Damaged as damage:
        return Weights({}, 0, (damage.problem,))
    tensors: dict[str, Tensor] = {}
    problems: list[Problem] = []
    size = 0
    for name in files:
        try:
            path = inside(folder, name)
            found = read_header(path)
            size += path.stat().st_size
        except Damaged as damage:
            problems.append(damage.problem)
            continue
        twice = found.keys() & tensors.keys()
        if twice:
            problems.append(broken_file(name, f"It holds {min(twice)} a second time."))
        tensors |= found
    missing = sorted(name for name in wanted if name not in tensors and not problems)
    if missing:
        problems.append(broken_file("model.safetensors.index.json", f"It promises {missing[0]}, which no file holds."))
    return Weights(tensors, size, tuple(problems))


def places(folder: Path) -> dict[str, Path]:
    """Name of each tensor -> the file of a checked model folder that holds it."""
    return {name: path for path in weight_files(folder) for name in read_header(path)}


def weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights of a model folder, in the order of their names.

    Raises:
        Damaged: There are none, or a name leads out of the folder.
    """
    return [inside(folder, name) for name in _files(folder)[0]]


def _files(folder: Path) -> tuple[list[str], set[str]]:
    """Names of the weight files, and of the tensors that an index promises."""
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").is_file():
        return ["model.safetensors"], set()
    if index.is_file():
        told = read_json(inside(folder, index.name), LARGEST_INDEX)
        places = told.get("weight_map")
        if not isinstance(places, Mapping) or not all(isinstance(v, str) for v in places.values()) or not places:
            raise Damaged(broken_file(index.name, "It has no weight_map."))
        return sorted(set(places.values())), set(places)
    pickled = sorted(path.name for kind in PICKLED for path in folder.glob(kind))
    if pickled:
        raise Damaged(
            Problem(
                code="model.pickle",
                where=pickled[0],
                what="The model's weights are only there as pickle files, which can run code when they are opened.",
                why=f"Found {', '.join(pickled[:3])}, but no file ending in .safetensors.",
                fix="Get the model in the safetensors format; most makers offer it.",
            )
        )
    alone = sorted(path.name for path in folder.glob("*.safetensors"))
    if "model.safetensors" in alone:
        why = "There is a model.safetensors, but it is no ordinary file, or a link to one that is gone."
    elif alone:
        why = f"Found {alone[0]}, but neither model.safetensors nor model.safetensors.index.json."
    else:
        why = "Neither model.safetensors nor model.safetensors.index.json is there."
    raise Damaged(
        Problem(
            code="model.no_weights",
            where="model.safetensors",
            what="The model's weights are missing.",
            why=why,
            fix="Get the model's files again, all of them.",
        )
    )


def inside(folder: Path, name: str) -> Path:
    """A plain file of the folder, or of the Hugging Face cache that the folder is part of.

    Raises:
        Damaged: It is missing, is no plain file, or lies outside.
    """
    if not re.fullmatch(r"[\w][\w.\-]*", name):
        raise Damaged(broken_file(name[:100], "Names of files must not lead out of the folder."))
    path = folder / name
    if not path.exists():
        raise Damaged(
            Problem(
                code="model.shard_missing",
                where=name,
                what=f"The file {name} is missing.",
                why="The model's index names it." if name.endswith(".safetensors") else "The model needs it.",
                fix="Get the model's files again, all of them.",
            )
        )
    if not is_own(path):
        raise Damaged(_elsewhere(name))
    return path


def _elsewhere(name: str) -> Problem:
    return broken_file(name, "It is no plain file of this folder, but leads elsewhere.")


def read_json(path: Path, most_bytes: int) -> dict[str, object]:
    """A JSON object from a file of strangers.

    Raises:
        Damaged: It cannot be read, is too long, or is no JSON object; or it is no plain file of its folder.
    """
    if path.exists() and not is_own(path):  # opening a pipe would wait for ever
        raise Damaged(_elsewhere(path.name))
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except OSError as error:
        raise Damaged(broken_file(path.name, error.strerror or str(error))) from error
    if data.startswith(LFS):
        raise Damaged(lfs_pointer(path.name))
    if len(data) > most_bytes:
        raise Damaged(broken_file(path.name, f"It is longer than {most_bytes:,} bytes."))
    try:
        told = decode(data)
    except JsonFault as fault:
        raise Damaged(broken_file(path.name, f"Line {fault.line}: {fault.what}")) from fault
    if not isinstance(told, dict):
        raise Damaged(broken_file(path.name, "It is no JSON object."))
    return told


def read_header(path: Path) -> dict[str, Tensor]:
    """Tensors of one safetensors file, checked against the file's length.

    Raises:
        Damaged: See `read_places`.
    """
    return {name: tensor for name, (tensor, _) in read_places(path).items()}


def read_places(path: Path) -> dict[str, tuple[Tensor, Span]]:
    """Tensors of one safetensors file and the bytes of the file where each lies.

    Raises:
        Damaged: The header is corrupt, or the file is cut or too long.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(max(8, len(LFS)))
            length = int.from_bytes(start[:8], "little")
            if start.startswith(LFS):
                raise Damaged(lfs_pointer(path.name))
            if size < 8 or length > min(LONGEST_HEADER, size - 8):
                raise Damaged(
                    broken_file(path.name, f"Its header is corrupt: it claims {length:,} bytes, the file has {size:,}.")
                )
            file.seek(8)
            told = decode(file.read(length))
    except OSError as error:
        raise Damaged(broken_file(path.name, error.strerror or str(error))) from error
    except JsonFault as fault:
        raise Damaged(broken_file(path.name, f"Its header is corrupt: {fault.what}")) from fault
    if not isinstance(told, dict):
        raise Damaged(broken_file(path.name, "Its header is corrupt: no JSON object."))
    tensors = {name: _entry(path.name, name, entry) for name, entry in told.items() if name != "__metadata__"}
    end = 0
    for begin, stop in sorted(span for _, span in tensors.values()):
        if begin != end:
            raise Damaged(broken_file(path.name, "Its header is corrupt: tensors overlap or leave gaps."))
        end = stop
    if 8 + length + end != size:
        raise Damaged(
            Problem(
                code="model.shard_truncated",
                where=path.name,
                what=f"The file {path.name} is {'cut' if size < 8 + length + end else 'too long'}.",
                why=f"It should have {8 + length + end:,} bytes and has {size:,}.",
                fix="Get this file again.",
            )
        )
    start_of_data = 8 + length
    return {n: (t, (start_of_data + a, start_of_data + b)) for n, (t, (a, b)) in tensors.items()}


def _entry(file: str, name: str, entry: object) -> tuple[Tensor, Span]:
    fault = Damaged(broken_file(file, f"Its header is corrupt at {name[:200]}."))
    if not isinstance(entry, dict):
        raise fault
    dtype, shape, span = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not (isinstance(dtype, str) and dtype in SIZES and _are_counts(shape) and _are_counts(span) and len(span) == 2):
        raise fault
    if span[1] - span[0] != math.prod(shape) * SIZES[dtype]:
        raise fault
    return Tensor(dtype, tuple(shape)), (span[0], span[1])


def _are_counts(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 2**48 for n in value) and len(value) < 9
