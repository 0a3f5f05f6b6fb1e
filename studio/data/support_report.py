"""A report for whoever helps: texts that the user can read first, then one ZIP. No rows, no questions, no answers
of ours; what libraries print may quote some, which is why everything is shown before it is saved.

What goes in is listed here one by one; files are never copied whole. Every text is redacted: no known kind of secret,
no user's folder, nothing that steers a terminal.
"""

import os
import platform
import sys
import time
import zipfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import msgspec

from studio import __version__
from studio.contract import events
from studio.contract.device_report import DeviceReport
from studio.contract.errors import Problem, StudioError
from studio.contract.fields import fields, flatten
from studio.contract.plain_text import harmless, redact, without_quotes
from studio.contract.run_folder import RunFolder
from studio.data.run_history import RunSummary, read_events

MOST_RUNS = 5
LOG_LINES = 200
LOG_BYTES = 64 * 1024
PACKAGES = (
    "PySide6-Essentials", "pyqtgraph", "msgspec", "pyarrow", "numpy", "torch", "transformers", "tokenizers", "peft",
    "safetensors", "bitsandbytes", "accelerate", "jinja2",
)  # fmt: skip


class Piece(msgspec.Struct, frozen=True):
    """One file of the report: its name in the ZIP, what it is for, and all that is in it."""

    name: str
    purpose: str
    text: str


def pieces(device: DeviceReport | None, runs: Sequence[RunSummary]) -> tuple[Piece, ...]:
    """Everything that the report holds, as it will be written.

    Args:
        device: What the program found out about the computer; None where it is not known yet.
        runs: Newest first; of the first MOST_RUNS the settings, the end and the last lines of the log are told.
    """
    found = [Piece("versions.txt", "versions of the program, of its libraries and of the system", _versions())]
    if device is not None:
        found.append(Piece("computer.json", "processor, memory, graphics cards and what is missing", _computer(device)))
    for summary in runs[:MOST_RUNS]:
        folder = RunFolder(summary.folder)
        found.append(Piece(f"runs/{folder.id}/run.json", "settings and end of a run, without its names", _run(summary)))
        log = tail(folder.log)
        if log:
            found.append(
                Piece(f"runs/{folder.id}/log.txt", "last lines of what its libraries printed", without_quotes(log))
            )
    found.insert(0, Piece("README.txt", "this list", _contents(found)))
    return tuple(msgspec.structs.replace(piece, text=redact(_in_lines(piece.text))) for piece in found)


def write(path: Path, report: Sequence[Piece]) -> int:
    """Write the report as a ZIP that only the user can read; gives its size in bytes.

    Raises:
        StudioError: It cannot be written there.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for piece in report:
                archive.writestr(piece.name, piece.text)
        beside.replace(path)
        return path.stat().st_size
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise StudioError(
            "report.unwritable",
            f"The report cannot be saved as {path.name}.",
            f"{error.strerror or error}.",
            "Choose another folder.",
            where=str(path.parent),
        ) from error


def tail(log: Path) -> str:
    """The last lines of a log, as they may be shown; empty where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - LOG_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-LOG_LINES:])


def _in_lines(text: str) -> str:
    return "\n".join(harmless(line) for line in text.split("\n"))


def _contents(found: Sequence[Piece]) -> str:
    lines = [f"{piece.name}: {piece.purpose}" for piece in found]
    return "\n".join(
        [
            f"A report of Apprentice Studio {__version__}, made {time.strftime('%Y-%m-%d %H:%M')}.",
            "It was sent nowhere. The program writes no rows of your data, no questions and no answers into it.",
            "Users' folders and what looks like a password, an access token or a private key were replaced, and quoted",
            "words in messages were left out. But what libraries print (log.txt, details in run.json) may still tell",
            "a piece of a row, a name or a secret that no rule knows: read these before you give the report away.",
            "",
            *lines,
            "",
        ]
    )


def _versions() -> str:
    lines = [f"apprentice-studio {__version__}", f"python {platform.python_version()}", platform.platform()]
    for name in PACKAGES:
        try:
            lines.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            lines.append(f"{name} is not installed here")
    packed = "packed" if getattr(sys, "frozen", False) else "from source"
    return "\n".join([*lines, f"installed {packed}", ""])


def _computer(device: DeviceReport) -> str:
    return msgspec.json.format(msgspec.json.encode(device), indent=2).decode() + "\n"


def _run(summary: RunSummary) -> str:
    values = flatten(summary.job.settings)
    known = fields(summary.job.settings) if summary.problem is None else ()
    end = summary.problem or (summary.failed.problem if summary.failed else None)
    told = {
        "id": summary.id,
        "state": summary.state,
        "steps": summary.steps,
        "total_steps": summary.total_steps,
        "seconds": summary.seconds,
        "loss_first": summary.loss_first,
        "loss_last": summary.loss_last,
        "problem": _problem(end) if end else None,
        "notices": [_problem(problem) for problem in _notices(RunFolder(summary.folder))],
        "settings": {field.path: msgspec.to_builtins(values[field.path]) for field in known},
    }
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n"


def _notices(folder: RunFolder) -> list[Problem]:
    told = [event for event in read_events(folder) if isinstance(event, events.Notice | events.Paused)]
    return [event.problem for event in told if event.problem is not None][-10:]


def _problem(problem: Problem) -> dict[str, str]:
    """Code and details; the sentences may name what only the user should know, a row or a file."""
    return {"code": problem.code, "details": without_quotes(problem.details)}
