"""Safetensors files written tensor by tensor: the header first, as shapes are known, then the numbers as they come."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

import torch

from studio.contract.errors import StudioError

FORMATS = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64"}
SHARD_BYTES = 4_000_000_000
"""Of one file, as makers of models choose it; a larger tensor has a file of its own."""


def write_shards(
    folder: Path,
    shapes: Mapping[str, tuple[int, ...]],
    formats: Mapping[str, torch.dtype],
    tensors: Iterator[tuple[str, torch.Tensor]],
    told: Callable[[int], None],
    shard_bytes: int = SHARD_BYTES,
) -> dict[str, str]:
    """Write a model's tensors, and an index where there are several files.

    Args:
        folder: Exists.
        shapes, formats: Of every tensor, in the order of `tensors`.
        tensors: Names and values; only one is in memory at a time.
        told: Called with the bytes written so far.
        shard_bytes: Of one file.

    Returns:
        SHA-256 of what was meant to be in each file, by its name.

    Raises:
        StudioError: A tensor holds numbers that are not finite.
        OSError: The disk fails.
    """
    groups = _groups(shapes, formats, shard_bytes)
    hashes: dict[str, str] = {}
    done = 0
    places: dict[str, str] = {}
    for number, names in enumerate(groups, 1):
        several = f"model-{number:05d}-of-{len(groups):05d}.safetensors"
        file_name = several if len(groups) > 1 else "model.safetensors"
        digest = hashlib.sha256()
        with (folder / file_name).open("wb") as file:
            _put(file, digest, _header(names, shapes, formats))
            for name in names:
                found, value = next(tensors)
                assert found == name, f"{found} came for {name}"
                _put(file, digest, _bytes(name, value))
                places[name] = file_name
                done += value.numel() * value.itemsize
                told(done)
        hashes[file_name] = digest.hexdigest()
    if len(groups) > 1:
        index = {"metadata": {"total_size": done}, "weight_map": places}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    return hashes


def file_hash(path: Path, told: Callable[[int], None] = lambda count: None) -> str:
    """SHA-256 of a file, read in blocks; `told` is called with the bytes read so far."""
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
            done += len(block)
            told(done)
    return digest.hexdigest()


def require_written(path: Path, wanted: str, told: Callable[[int], None] = lambda count: None) -> None:
    """See that a file on the disk has the bytes that were meant.

    Args:
        path: Of the file; it is flushed, and read from the disk where the system can be asked to.
        wanted: SHA-256 of those bytes.
        told: Called with the bytes read so far.

    Raises:
        StudioError: It has others.
    """
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):  # so that it is read from the disk, not from memory
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if file_hash(path, told) != wanted:
        raise StudioError(
            "export.damaged",
            f"The file {path.name} reads otherwise than it was written.",
            "The disk may be failing.",
            "Export to another disk.",
            where=path.name,
        )


def _put(file: IO[bytes], digest: "hashlib._Hash", data: bytes | memoryview) -> None:
    file.write(data)
    digest.update(data)


def _groups(
    shapes: Mapping[str, tuple[int, ...]], formats: Mapping[str, torch.dtype], shard_bytes: int
) -> list[list[str]]:
    groups: list[list[str]] = [[]]
    size = 0
    for name, shape in shapes.items():
        more = torch.Size(shape).numel() * formats[name].itemsize
        if groups[-1] and size + more > shard_bytes:
            groups.append([])
            size = 0
        groups[-1].append(name)
        size += more
    return groups


def _header(names: list[str], shapes: Mapping[str, tuple[int, ...]], formats: Mapping[str, torch.dtype]) -> bytes:
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    begin = 0
    for name in names:
        end = begin + torch.Size(shapes[name]).numel() * formats[name].itemsize
        entries[name] = {"dtype": FORMATS[formats[name]], "shape": list(shapes[name]), "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _bytes(name: str, value: torch.Tensor) -> memoryview:
    if not bool(torch.isfinite(value).all()):
        raise StudioError(
            "export.not_finite",
            f"The merged weights {name} hold numbers that are not finite.",
            "They are too large for the number format, or the run went wrong.",
            "Choose another number format (BF16 or F32), or train again with a lower learning speed.",
            where=name,
        )
    return memoryview(value.reshape(-1).view(torch.uint8).numpy())
