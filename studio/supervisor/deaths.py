"""Why a worker died that could not say so itself: its exit code, its last words, and what was seen of its memory."""

from studio.contract.errors import GO_ON, Problem
from studio.contract.run_folder import RunFolder
from studio.supervisor import processes
from studio.supervisor.memory_witness import MemoryWitness

SIGNALS: dict[int, tuple[str, str]] = {
    2: ("The trainer was interrupted (signal 2).", "Ctrl+C was pressed where it was started."),
    4: ("The trainer crashed (signal 4).", "It used a command that this processor does not know."),
    6: ("The trainer crashed (signal 6).", "A library gave up; its last words are in the details."),
    7: ("The trainer crashed (signal 7).", "A file that it was reading disappeared, or the disk failed."),
    8: ("The trainer crashed (signal 8).", "A library calculated something impossible."),
    9: ("The trainer was killed (signal 9).", "Another program or a person ended it."),
    11: ("The trainer crashed (signal 11).", "A library used memory that was not its own."),
    15: (
        "The trainer was told to end (signal 15).",
        "The system does so at the end of a session or before a shutdown.",
    ),
}
KILLED = 9
OUT_OF_MEMORY = ("bad_alloc", "can't allocate memory", "Cannot allocate memory", "MemoryError", "out of memory")
"""Last words of a worker that ended for want of memory before it could say more."""
GPU_LOST = ("CUDA error", "cudaError", "GPU is lost", "NVRM: Xid")


def problem_of(folder: RunFolder, exit_code: int | None, forced: bool, witness: MemoryWitness) -> Problem:
    """The cause of death, in words.

    Args:
        folder: Of the worker.
        exit_code: Below 0 the signal that ended it; None: not known, another window had started it.
        forced: The user asked for it.
        witness: What was seen of its memory.
    """
    log = processes.last_lines(folder.log)
    if forced:
        return Problem(
            code="worker.forced",
            what="The trainer was ended by force.",
            why="You asked for it.",
            fix=GO_ON,
            details=log,
        )
    by_memory = witness.problem(log) if exit_code in (None, -KILLED) else None
    return by_memory or _by_last_words(log, exit_code) or _by_signal(exit_code, witness, log)


def _by_last_words(log: str, exit_code: int | None) -> Problem | None:
    if exit_code == -KILLED:
        return None  # who is killed has no time for words: these are about something else
    if any(words in log for words in OUT_OF_MEMORY):
        gpu = "CUDA out of memory" in log or "CUDA error: out of memory" in log
        return Problem(
            code="memory.gpu" if gpu else "memory.host",
            what="The graphics card's memory ran out." if gpu else "The computer's memory ran out.",
            why="These were the trainer's last words before it ended.",
            fix="Change the settings so that the run needs less memory, then go on from the last checkpoint.",
            details=log,
        )
    if any(words in log for words in GPU_LOST):
        return Problem(
            code="gpu.lost",
            what="The graphics card was lost.",
            why="These were the trainer's last words before it ended.",
            fix=f"{GO_ON} If that fails at once, restart the computer first.",
            details=log,
        )
    return None


def _by_signal(exit_code: int | None, witness: MemoryWitness, log: str) -> Problem:
    if exit_code is None:
        what, why = "The trainer ended without a word.", ""
    elif exit_code >= 0:
        what, why = "The trainer ended without a word.", f"Exit code {exit_code}."
    else:
        known = (f"The trainer crashed (signal {-exit_code}).", "The system ended it.")
        what, why = SIGNALS.get(-exit_code, known)
        if exit_code == -KILLED and witness.free_told():
            why += f" Memory was not the reason: {witness.free_told()} were free when it was last seen."
    return Problem(code="worker.died", what=what, why=why, fix=GO_ON, details=log)
