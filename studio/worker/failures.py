"""Exceptions into words: what happened, why, what to do. The traceback goes into the details."""

import errno
import traceback

from studio.contract.errors import GO_ON, Problem, SeveralProblems, StudioError
from studio.contract.events import Failed

TOO_LONG = "disk.name_too_long"
HOST_MEMORY = (
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
    "Cannot allocate memory",
    "std::bad_alloc",
    "The paging file is too small",
)
GPU_MEMORY = ("CUDA out of memory", "CUDA error: out of memory", "STATUS_ALLOC_FAILED", "cudaErrorMemoryAllocation")
GPU_REFUSED = ("device-side assert", "illegal memory access", "misaligned address", "illegal instruction")
"""The card lives, but a calculation went wrong on it; this process cannot use it any more."""
GPU_LOST = (
    "CUDA error",
    "CUDA driver error",
    "CUDA unknown error",
    "cudaError",
    "CUBLAS_STATUS_",
    "CUDNN_STATUS_",
    "cuDNN error",
    "unspecified launch failure",
    "device lost",
    "No CUDA GPUs are available",
    "no NVIDIA driver",
    "GPU is lost",
)
"""What torch and the driver say when the card is gone: after a suspend, a driver's reset, a fault of the card."""


def failed(error: BaseException) -> Failed:
    """The final event of a job that went wrong."""
    if isinstance(error, SeveralProblems):
        return Failed(problem=error.problem, problems=error.problems)
    return Failed(problem=explain(error))


def explain(error: BaseException) -> Problem:
    """An exception as a problem for a person; unknown ones keep their technical text in the details."""
    if isinstance(error, StudioError):
        return error.problem
    details = "".join(traceback.format_exception(error))[-8000:]
    return _of_memory(error, details) or _of_gpu(error, details) or _of_disk(error, details) or _unknown(error, details)


def _of_memory(error: BaseException, details: str) -> Problem | None:
    text = str(error)
    # torch.OutOfMemoryError is known by its name, so that torch need not be imported here.
    if type(error).__name__ == "OutOfMemoryError" or any(words in text for words in GPU_MEMORY):
        return Problem(
            code="memory.gpu",
            what="The graphics card's memory ran out.",
            why="The model, the batch and the longest text together need more than is free.",
            fix="Choose fewer examples at once with more gather steps, a shorter longest text, or 4-bit loading.",
            details=details,
        )
    full = isinstance(error, OSError) and error.errno == errno.ENOMEM
    if full or isinstance(error, MemoryError) or any(words in text for words in HOST_MEMORY):
        return Problem(
            code="memory.host",
            what="The computer's memory ran out.",
            why="The model, the batch and the longest text together need more than is free.",
            fix="Choose fewer examples at once, a shorter longest text or a smaller model; close other programs.",
            details=details,
        )
    return None


def _of_gpu(error: BaseException, details: str) -> Problem | None:
    text = str(error)
    if any(words in text for words in GPU_REFUSED):
        return Problem(
            code="gpu.refused",
            what="A calculation went wrong on the graphics card.",
            why=_first_line(text),
            fix=f"{GO_ON} If it fails at the same step again, run it on the processor (device: cpu) to see the cause.",
            details=details,
        )
    if any(words in text for words in GPU_LOST):
        return Problem(
            code="gpu.lost",
            what="The graphics card was lost.",
            why="It does not answer any more, as after a suspend, a reset of its driver or too much heat: "
            f"{_first_line(text)}",
            fix=f"{GO_ON} If that fails at once, restart the computer first.",
            details=details,
        )
    return None


def _of_disk(error: BaseException, details: str) -> Problem | None:
    if not isinstance(error, OSError):
        return None
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return Problem(
            code="disk.full",
            what="The disk is full.",
            why=str(error),
            fix="Free some space, then resume: what was saved is kept.",
            where=str(error.filename or ""),
            details=details,
        )
    if error.errno == errno.EIO:
        return Problem(
            code="disk.failing",
            what="The disk did not read or write what it was asked to.",
            why=str(error),
            fix=f"Check the disk and its cable. {GO_ON}",
            where=str(error.filename or ""),
            details=details,
        )
    if error.errno == errno.ENAMETOOLONG:
        return Problem(
            code=TOO_LONG,
            what="A name is longer than a disk can hold.",
            why="Most hold 255 bytes for one file or folder; letters beyond a to z take two to four.",
            fix="Check what was typed, or choose a shorter name.",
            where=str(error.filename or "")[:80],
            details=details,
        )
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return Problem(
            code="disk.not_writable",
            what="A file or folder cannot be read or written.",
            why=str(error),
            fix="Choose another folder, or change its permissions.",
            where=str(error.filename or ""),
            details=details,
        )
    return None


def _unknown(error: BaseException, details: str) -> Problem:
    return Problem(
        code="unexpected",
        what="Something went wrong that the program did not expect.",
        why=f"{type(error).__name__}: {error}"[:500],
        fix="The details below help whoever looks into it; what was saved is kept.",
        details=details,
    )


def _first_line(text: str) -> str:
    """A library's own words, without its advice to developers."""
    line = text.strip().splitlines()[0][:300] if text.strip() else ""
    return line if line.endswith(".") else f"{line}."
