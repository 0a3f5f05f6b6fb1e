"""K-quants: number formats that llama.cpp alone can round to, by its own code, where llama-cpp-python is installed."""

import ctypes
import importlib.util
import os
from pathlib import Path

from studio.contract.errors import StudioError
from studio.engine.gguf_file import Planned

PACKAGE = "llama_cpp"
FILE_TYPES = {"q6_k": "LLAMA_FTYPE_MOSTLY_Q6_K", "q5_k_m": "LLAMA_FTYPE_MOSTLY_Q5_K_M"}
FILE_TYPES |= {"q4_k_m": "LLAMA_FTYPE_MOSTLY_Q4_K_M"}
ROUNDED_FROM = "f16"
"""Number format of the file that is rounded."""


def are_there() -> bool:
    """Whether this environment has llama.cpp's code."""
    return importlib.util.find_spec(PACKAGE) is not None


def require(numbers: str) -> None:
    """See that a number format can be had.

    Raises:
        StudioError: It is a K-quant, and llama-cpp-python is not installed.
    """
    if numbers in FILE_TYPES and not are_there():
        raise StudioError(
            "export.no_k_quants",
            f"{numbers.upper()} cannot be written here.",
            "Only llama.cpp itself can round to it, and the package llama-cpp-python is not installed.",
            "Choose Q8_0, Q5_1 or Q4_1, or install llama-cpp-python into the program's Python environment.",
        )


def write(source: Path, path: Path, numbers: str) -> None:
    """Round a GGUF file that was written here.

    Args:
        source: In ROUNDED_FROM.
        path: Of the new file; does not exist yet.
        numbers: Key of FILE_TYPES.

    Raises:
        StudioError: llama.cpp refuses or fails.
    """
    import llama_cpp  # type: ignore[import-not-found, unused-ignore]

    wish = llama_cpp.llama_model_quantize_default_params()
    wish.ftype = getattr(llama_cpp, FILE_TYPES[numbers])
    wish.nthread = max(1, (os.cpu_count() or 2) // 2)
    failed = llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(path), ctypes.byref(wish))
    if failed or not path.is_file():
        raise StudioError(
            "export.k_quants_failed",
            f"llama.cpp could not round the model to {numbers.upper()}.",
            f"Its code ended with {failed}; the log of the export has its own words.",
            "See whether the disk is full; else choose Q8_0, which is written without it.",
        )


def require_same_names(path: Path, planned: list[Planned]) -> None:
    """See that the rounded file has every tensor in its shape.

    Raises:
        StudioError: One is missing or another.
    """
    import gguf

    there = {tensor.name: tuple(int(n) for n in reversed(tensor.shape)) for tensor in gguf.GGUFReader(path).tensors}
    if there != {tensor.name: tensor.shape for tensor in planned}:
        raise StudioError(
            "export.k_quants_failed",
            "llama.cpp wrote another model than it was given.",
            fix="Choose Q8_0, which is written without it.",
        )
