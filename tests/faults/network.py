"""The journeys of the window and of the command line in a network namespace without network, under strace (P19).

    python -m tests.faults.network [--json] [--tests tests/journeys/test_first_run.py ...]

strace sees every call of every process, whichever library or language makes it. A connect or a message to anything but
this computer, a bind to an internet address and a socket that listens are faults; sockets of this computer alone
(X11's, D-Bus's) are none. The screen's server runs outside of what is traced: it listens for the window.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.helpers.shared_data import PROJECT

JOURNEYS = ("tests/journeys/test_first_run.py", "tests/cli/test_cli.py", "tests/cli/test_demo.py")
CALLS = "socket,connect,bind,listen,accept,accept4,sendto,sendmsg,sendmmsg"
_CALL = re.compile(r"^(?:\d+\s+)?(\w+)\((.*)$")
_INTERNET = re.compile(r"sa_family=AF_INET6?,")
_HERE = re.compile(r'inet_addr\("127\.[\d.]+"\)|inet_pton\(AF_INET6, "::1"')


class Result(msgspec.Struct):
    """What was asked of the network.

    Attributes:
        journeys: Test files that were run.
        processes: Of those traced, how many made such a call.
        calls: Of the network's kinds that were seen, sockets of this computer alone included.
        connected: To anything but this computer.
        listening: Sockets that listened, or were bound to an internet address.
        loopback: Connections to this computer's own internet address.
    """

    journeys: int = 0
    processes: int = 0
    calls: int = 0
    connected: int = 0
    listening: int = 0
    loopback: int = 0
    faults: list[str] = msgspec.field(default_factory=list)


def missing() -> str:
    """Why this cannot be tried here; empty where it can."""
    for tool in ("unshare", "strace", "xvfb-run"):
        if not shutil.which(tool):
            return f"{tool} is not installed"
    trial = ["unshare", "-rn", "strace", "-f", "-o", os.devnull, "true"]
    done = subprocess.run(trial, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"no namespace can be made here: {done.stderr.strip()[:200]}"


def trace(command: list[str], log: Path, screen: bool) -> subprocess.CompletedProcess[str]:
    """Run a command without network, with all of its network calls in a log."""
    traced = [
        "strace",
        "-f",
        "--seccomp-bpf",
        "-qq",
        "-e",
        f"trace={CALLS}",
        "-e",
        "signal=none",
        "-o",
        str(log),
        *command,
    ]
    inside = ["xvfb-run", "-a", *traced] if screen else traced
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}
    environment.pop("LD_PRELOAD", None)
    return subprocess.run(
        ["unshare", "-rn", *inside], capture_output=True, text=True, cwd=PROJECT, env=environment, check=False
    )


def judge(log: Path, result: Result) -> None:
    """Count what a log holds."""
    seen = set()
    for process, name, arguments in _calls(log):
        seen.add(process)
        result.calls += 1
        if _INTERNET.search(arguments) and name in ("connect", "sendto", "sendmsg", "sendmmsg"):
            if _HERE.search(arguments):
                result.loopback += 1
            else:
                result.connected += 1
                result.faults.append(f"{name}({arguments[:160]}")
        elif name in ("listen", "accept", "accept4") or (name == "bind" and _INTERNET.search(arguments)):
            result.listening += 1
            result.faults.append(f"{name}({arguments[:160]}")
    result.processes += len(seen)


def _calls(log: Path) -> Iterator[tuple[str, str, str]]:
    with log.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            process, _, rest = line.partition(" ")
            found = _CALL.match(rest.strip())
            if found:
                yield process, found[1], found[2]


def try_all(tests: list[str]) -> Result:
    """Run the journeys."""
    result = Result()
    with tempfile.TemporaryDirectory(prefix="apprentice-network-") as folder:
        for number, test in enumerate(tests):
            log = Path(folder) / f"{number}.log"
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", test]
            done = trace([*command, "--timeout", "1200"], log, screen=True)
            result.journeys += 1
            if done.returncode != 0:
                result.faults.append(f"{test} failed: {done.stdout[-600:]} {done.stderr[-300:]}")
            judge(log, result)
    return result


def main(words: list[str]) -> int:
    """Print what was asked of the network; 1 where anything was, or where it cannot be tried here."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--tests", nargs="*", default=list(JOURNEYS))
    arguments = parser.parse_args(words)
    why = missing()
    result = Result(faults=[why]) if why else try_all(arguments.tests)
    told = msgspec.to_builtins(result)
    print(json.dumps(told) if arguments.json else told)
    return 1 if result.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
