"""Exceptions into words: what happened, why, what to do. The traceback goes into the details."""

import errno
import traceback

from studio.contract.errors import Problem, SettingsError, StudioError
from studio.contract.events import Failed


def failed(error: BaseException) -> Failed:
    """The final event of a job that went wrong."""
    if isinstance(error, SettingsError):
        return Failed(problem=error.problem, problems=error.problems)
    return Failed(problem=explain(error))


def explain(error: BaseException) -> Problem:
    """An exception as a problem for a person; unknown ones keep their technical text in the details."""
    details = "".join(traceback.format_exception(error))[-8000:]
    if isinstance(error, StudioError):
        return error.problem
    if isinstance(error, MemoryError) or "DefaultCPUAllocator: can't allocate memory" in str(error):
        return Problem(
            code="memory.host",
            what="The computer's memory ran out.",
            why="The model, the batch and the longest text together need more than is free.",
            fix="Choose fewer examples at once, a shorter longest text or a smaller model; close other programs.",
            details=details,
        )
    if type(error).__name__ == "OutOfMemoryError":  # torch.cuda's, named so that torch need not be imported here
        return Problem(
            code="memory.gpu",
            what="The graphics card's memory ran out.",
            why="The model, the batch and the longest text together need more than is free.",
            fix="Choose fewer examples at once with more gather steps, a shorter longest text, or 4-bit loading.",
            details=details,
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return Problem(
            code="disk.full",
            what="The disk is full.",
            why=str(error),
            fix="Free some space, then resume: what was saved is kept.",
            details=details,
        )
    if isinstance(error, PermissionError) or (isinstance(error, OSError) and error.errno == errno.EROFS):
        return Problem(
            code="disk.not_writable",
            what="A file or folder cannot be read or written.",
            why=str(error),
            fix="Choose another folder, or change its permissions.",
            where=str(error.filename or ""),
            details=details,
        )
    return Problem(
        code="unexpected",
        what="Something went wrong that the program did not expect.",
        why=f"{type(error).__name__}: {error}"[:500],
        fix="The details below help whoever looks into it; what was saved is kept.",
        details=details,
    )
