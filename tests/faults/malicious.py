"""30 artefacts that try to create a file or to connect, opened through every door of the program (rule 19).

    python -m tests.faults.malicious [--json]

What an artefact runs would create a file or reach a listener on this computer. `armed` counts those whose harm was seen
when a careless program opened them, so that a trial in which nothing happens proves something.
"""

import argparse
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tests.faults.artefacts import ARTEFACTS, Artefact, Lure
from tests.faults.doors import Answer, Ground, Hung, make_ground, one_step
from tests.helpers.shared_data import PROJECT


class Result(msgspec.Struct):
    """What became of them.

    Attributes:
        artefacts: How many were opened.
        commands: Doors that opened them, all in all.
        refused: Commands that ended in one clear message.
        armed: Artefacts whose harm was seen outside the program.
        created: Artefacts that created their file.
        connected: Artefacts that asked for a connection.
        faults: Which, and commands that ended otherwise than in a result or a clear message.
    """

    artefacts: int = 0
    commands: int = 0
    refused: int = 0
    armed: int = 0
    created: int = 0
    connected: int = 0
    faults: list[str] = msgspec.field(default_factory=list)


@contextmanager
def listener() -> Iterator[socket.socket]:
    """A port of this computer that notices who comes."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen(64)
        made.setblocking(False)
        yield made


def visits(port: socket.socket) -> int:
    """Connections since it was asked last."""
    count = 0
    while True:
        try:
            came, _ = port.accept()
        except BlockingIOError:
            return count
        came.close()
        count += 1


def commands(artefact: Artefact, path: Path, ground: Ground, folder: Path) -> list[list[str]]:
    """The doors of one artefact, as a user would open them."""
    model, rows = str(ground.model), str(ground.rows)
    chat = ["chat", "--prompt", "hi", "--max-new-tokens", "1", "--device", "cpu"]
    match artefact.kind:
        case "model":
            return [
                ["models", "check", str(path)],
                ["preview", rows, "--model", str(path)],
                [*chat, "--model", str(path)],
                one_step(path, ground.rows),
            ]
        case "adapter":
            return [[*chat, "--model", model, "--adapter", str(path)]]
        case "data":
            name = f"evil-{folder.name}"
            return [
                ["data", "inspect", str(path)],
                ["data", "import", str(path), "--to", name],
                ["preview", name, "--model", model],
                ["data", "export", name, "--to", str(folder / "rows.jsonl")],
                one_step(ground.model, path),
            ]
        case "job":
            return [["train", str(path)]]
        case _:
            return []


def try_all(home: Path) -> Result:
    """Open all of them."""
    result = Result()
    ground = make_ground(home)
    try:
        with listener() as port:
            for number, artefact in enumerate(ARTEFACTS):
                folder = home / f"artefact-{number}"
                folder.mkdir()
                lure = Lure(folder / "outside" / "canary", port.getsockname()[1])
                lure.canary.parent.mkdir()
                _try(artefact, folder, lure, port, ground, result)
    finally:
        ground.doors.end()
    return result


def _try(artefact: Artefact, folder: Path, lure: Lure, port: socket.socket, ground: Ground, result: Result) -> None:
    inside = folder / "inside"
    inside.mkdir()
    path = artefact.make(inside, lure, ground.adapter)
    result.artefacts += 1
    asked: list[str] = []
    try:
        for words in commands(artefact, path, ground, folder):
            answer = ground.doors.ask(words)
            asked += answer.connected
            result.commands += 1
            result.refused += answer.code == 2
            if fault := unclear(answer):
                result.faults.append(f"{artefact.name}: {words[0]}: {fault}")
        if artefact.kind == "chat":
            result.commands += 1
            asked += show(path, ground.doors.home)
    except Hung as error:
        result.faults.append(f"{artefact.name}: {error}")
    if lure.canary.exists() or list(folder.rglob("pwned")):
        result.created += 1
        result.faults.append(f"{artefact.name}: created its file")
    if (came := visits(port)) or asked:
        result.connected += 1
        result.faults.append(f"{artefact.name}: connected {came} times, asked {asked[:3]}")
    result.armed += harms(artefact, path, lure, port)


def unclear(answer: Answer) -> str:
    """What is wrong with the end of a command; empty where it did what was asked, or said one clear message."""
    if answer.code not in (0, 2) or "Traceback" in answer.out + answer.err:
        return f"exit code {answer.code}: {(answer.err or answer.out)[-400:]}"
    return ""


def show(chat: Path, home: Path) -> list[str]:
    """Show a saved chat in the window's own view; what it asked for."""
    (home / "chats").mkdir(mode=0o700, exist_ok=True)
    (home / "chats" / chat.name).write_bytes(chat.read_bytes())
    command = [sys.executable, "-m", "tests.faults.shown_chat", str(home), chat.stem]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, timeout=60, check=False)
    told = json.loads(done.stdout) if done.returncode == 0 else [f"the window failed: {done.stderr[-400:]}"]
    return list(told)


def harms(artefact: Artefact, path: Path, lure: Lure, port: socket.socket) -> bool:
    """Whether a careless program that opens it is harmed: proof that the trial could have failed."""
    command = [sys.executable, "-m", "tests.faults.careless", artefact.kind, str(path)]
    subprocess.run(command, capture_output=True, cwd=PROJECT, timeout=60, check=False)
    came = visits(port) > 0
    seen = lure.canary.exists() or came
    lure.canary.unlink(missing_ok=True)
    return seen


def main(words: list[str]) -> int:
    """Print what became of them; 1 where one did harm or was not told clearly."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="apprentice-malicious-") as folder:
        result = try_all(Path(folder))
    print(json.dumps(msgspec.to_builtins(result)) if arguments.json else msgspec.to_builtins(result))
    return 1 if result.faults or result.created or result.connected else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
