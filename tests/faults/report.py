"""What every proof is asked on its command line, and how it answers: one JSON object, or its figures in a line."""

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec


class Outcome(Protocol):
    """A Struct of figures. `faults` says in words what went wrong; nothing may be in it."""

    faults: list[str]

    @property
    def is_good(self) -> bool:
        """Whether the promise was kept each time."""
        ...


def figures_told(figures: dict[str, object]) -> str:
    """Figures in a line, without the faults."""
    if figures and all(isinstance(value, dict) for value in figures.values()):
        return "; ".join(f"{name}: {figures_told(value)}" for name, value in figures.items())  # type: ignore[arg-type]
    told = {name: value for name, value in figures.items() if name != "faults"}
    return ", ".join(f"{name.replace('_', ' ')} {_told(value)}" for name, value in told.items())


def _told(value: object) -> str:
    if isinstance(value, dict):
        return str(len(value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def prove(words: list[str], text: str | None, count: int, work: Callable[[int, Path], Outcome]) -> int:
    """Do one proof in a new folder that is the program's home; print what came of it.

    Args:
        words: `--n`, how often (or many); `--json`.
        text: The module's own.
        count: As often as promised, where `--n` says nothing else.
        work: Gets the count and the folder.

    Returns:
        The exit code: 1 where the promise was not kept.
    """
    parser = argparse.ArgumentParser(description=(text or "").split("\n")[0])
    parser.add_argument("--n", type=int, default=count, help=f"how often; {count} is what is promised")
    add_json(parser)
    arguments = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="apprentice-proof-") as folder:
        os.environ["APPRENTICE_HOME"] = str(Path(folder) / "home")
        result = work(arguments.n, Path(folder))
    return tell(result, arguments.json)


def add_json(parser: argparse.ArgumentParser) -> None:
    """The option that all have."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def tell(result: Outcome, as_json: bool) -> int:
    """Print an outcome; its exit code."""
    figures = msgspec.to_builtins(result)
    if as_json:
        print(json.dumps(figures))
    else:
        print(figures_told(figures))
        for fault in result.faults:
            print(f"- {fault}")
    return 0 if result.is_good else 1
