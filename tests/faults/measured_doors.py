"""A child process that runs `apprentice` commands, and says how each ended, how long it took and how much memory.

Lines of JSON go in ({"argv": [...], "env": {...}}) and come out ({"code", "out", "err", "seconds", "extra_bytes",
"connected"}). `seconds` are of computing, as tests share the machine; whoever asks waits only so long. `connected` are
sockets of the internet that something asked for; they are refused before they open.
"""

import contextlib
import io
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator

from tests.faults.measured_import import peak_bytes

_asked: list[str] = []


def _note(event: str, arguments: tuple[object, ...]) -> None:
    """Count what the program's own guard is about to refuse."""
    if event in ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo"):
        family = getattr(getattr(arguments[0], "family", None), "name", "AF_INET")
        if family in ("AF_INET", "AF_INET6"):
            _asked.append(f"{event} {arguments[1:]}")


sys.addaudithook(_note)


@contextlib.contextmanager
def variables(changes: dict[str, str]) -> Iterator[None]:
    """Environment variables for one command."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def run(argv: list[str], env: dict[str, str]) -> dict[str, object]:
    """One command in this process."""
    from studio.cli import main

    _asked.clear()
    out, err = io.StringIO(), io.StringIO()
    before, began = peak_bytes(start=True), time.process_time()
    with variables(env), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(argv)
        except BaseException:  # noqa: BLE001 - whatever it is, the test must see it
            code = -1
            traceback.print_exc()
    return {
        "code": code,
        "out": out.getvalue(),
        "err": err.getvalue(),
        "seconds": time.process_time() - began,
        "extra_bytes": peak_bytes(start=False) - before,
        "connected": list(_asked),
    }


def serve() -> None:
    """Until the input ends."""
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(run(asked["argv"], asked.get("env", {}))), file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    serve()
