"""GGUF files, written tensor by tensor and read again by the package `gguf`: byte for byte what was meant."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from studio.contract.errors import StudioError
from studio.engine.gguf_model import Array

KINDS = {
    "f32": ("F32", "ALL_F32"), "f16": ("F16", "MOSTLY_F16"), "bf16": ("BF16", "MOSTLY_BF16"),
    "q8_0": ("Q8_0", "MOSTLY_Q8_0"), "q5_1": ("Q5_1", "MOSTLY_Q5_1"), "q5_0": ("Q5_0", "MOSTLY_Q5_0"),
    "q4_1": ("Q4_1", "MOSTLY_Q4_1"), "q4_0": ("Q4_0", "MOSTLY_Q4_0"),
}  # fmt: skip
"""Number formats that are written without native code -> names of the package's types for tensors and files."""
COARSE = ("q5_1", "q5_0", "q4_1", "q4_0")
FINER = "q8_0"
"""Of the table of words and the output layer where the rest is coarse: rounding there shows most."""
TABLES = ("token_embd.weight", "output.weight")
LARGEST_F16 = 65504.0


class Planned(msgspec.Struct, frozen=True):
    """A tensor before its numbers are known."""

    name: str
    shape: tuple[int, ...]
    kind: str

    @property
    def byte_shape(self) -> tuple[int, ...]:
        """Shape of its bytes in the file."""
        import gguf

        block, size = gguf.GGML_QUANT_SIZES[_type(self.kind)]
        return (*self.shape[:-1], self.shape[-1] // block * size)

    @property
    def nbytes(self) -> int:
        """Its bytes in the file."""
        return int(np.prod(self.byte_shape, dtype=np.int64))


def plan(name: str, shape: tuple[int, ...], numbers: str) -> Planned:
    """The number format of one tensor: vectors stay exact, tables are finer, what does not divide is F16.

    Args:
        name: In GGUF.
        shape: Rows first.
        numbers: Key of KINDS that was wished for.
    """
    import gguf

    if len(shape) == 1:
        return Planned(name, shape, "f32")
    kind = FINER if numbers in COARSE and name in TABLES else numbers
    if shape[-1] % gguf.GGML_QUANT_SIZES[_type(kind)][0]:
        kind = "f16"
    return Planned(name, shape, kind)


def _type(kind: str) -> Any:
    import gguf

    return getattr(gguf.GGMLQuantizationType, KINDS[kind][0])


def file_type(numbers: str) -> int:
    """What `general.file_type` says."""
    import gguf

    return int(getattr(gguf.LlamaFileType, KINDS[numbers][1]))


def write_tensors(
    writer: Any, path: Path, planned: list[Planned], values: Iterator[Array], told: Callable[[int], None]
) -> dict[str, str]:
    """Write header, keys and tensors.

    Args:
        writer: A `gguf.GGUFWriter` whose keys are all added.
        path: Of the file.
        planned: In the order of `values`.
        values: fp32, one at a time.
        told: Called with the bytes written so far.

    Returns:
        SHA-256 of each tensor's bytes.

    Raises:
        StudioError: Numbers are not finite or too large for the format.
        OSError: The disk fails.
    """
    for tensor in planned:
        writer.add_tensor_info(tensor.name, tensor.byte_shape, np.dtype(np.uint8), tensor.nbytes, _type(tensor.kind))
    hashes, done = {}, 0
    try:
        writer.write_header_to_file(path)
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor in planned:
            data = _encoded(tensor, next(values))
            hashes[tensor.name] = hashlib.sha256(data).hexdigest()  # type: ignore[arg-type]
            writer.write_tensor_data(data)
            done += tensor.nbytes
            told(done)
        writer.flush()
    finally:
        writer.close()
    return hashes


def _encoded(tensor: Planned, value: Array) -> npt.NDArray[np.uint8]:
    import gguf

    assert value.shape == tensor.shape, f"{tensor.name}: {value.shape} is not {tensor.shape}"
    most = float(np.abs(value).max(initial=0.0))
    if not np.isfinite(most) or (most > LARGEST_F16 and tensor.kind != "f32" and tensor.kind != "bf16"):
        raise StudioError(
            "export.not_finite",
            f"The weights {tensor.name} hold numbers that this format cannot hold.",
            "They are too large for the number format, or the run went wrong.",
            "Choose another number format (BF16 or F32), or train again with a lower learning speed.",
            where=tensor.name,
        )
    data = gguf.quantize(np.ascontiguousarray(value, np.float32), _type(tensor.kind))
    return np.ascontiguousarray(data).view(np.uint8)


def require_same(path: Path, planned: list[Planned], hashes: dict[str, str], told: Callable[[int], None]) -> None:
    """Read a file again: every tensor is there with its shape, its format, and the bytes that were written.

    Raises:
        StudioError: One is not.
    """
    import gguf

    reader = gguf.GGUFReader(path)
    found = {tensor.name: tensor for tensor in reader.tensors}
    done = 0
    for tensor in planned:
        there = found.pop(tensor.name, None)
        whole = (
            there is not None
            and there.tensor_type == _type(tensor.kind)
            and tuple(int(n) for n in reversed(there.shape)) == tensor.shape
            and hashlib.sha256(np.ascontiguousarray(there.data).view(np.uint8)).hexdigest() == hashes[tensor.name]  # type: ignore[arg-type]
        )
        if not whole:
            raise _damaged(path, tensor.name)
        done += tensor.nbytes
        told(done)
    if found:
        raise _damaged(path, min(found))


def _damaged(path: Path, name: str) -> StudioError:
    return StudioError(
        "export.damaged",
        f"The file {path.name} reads otherwise than it was written, at {name}.",
        "The disk may be failing.",
        "Export to another disk.",
        where=path.name,
    )
