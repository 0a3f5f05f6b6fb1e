#!/usr/bin/env python3
"""One command for everything a developer does. Standard library only; it installs what is missing first.

python3 packaging/dev.py run            open the window (without a display: run the demo)
python3 packaging/dev.py demo [...]     train the starter model on the sample, on the command line
python3 packaging/dev.py test [...]     check, then all tests; with arguments: only pytest, with them
python3 packaging/dev.py check          style, types, import rules, safety rules, generated docs
python3 packaging/dev.py bench [NAME]   benchmarks, all or by name
python3 packaging/dev.py fuzz [...]     damaged files for the readers of data: [--minutes N] [reader ...]
python3 packaging/dev.py faults [...]   kills, full disks, damage: what becomes of a run; [--full] [NAME] as promised
python3 packaging/dev.py methods [...]  every way of tuning tried: [--full] all cells, [--sample] what each is worth
python3 packaging/dev.py screenshots    every page, light and dark, as pictures in docs/screenshots
python3 packaging/dev.py package [...]  installers into out/packages: [--edition cpu|cuda]; [--check] tries them
python3 packaging/dev.py release ...    the key that signs update notes, and a signed note over out/packages
python3 packaging/dev.py docs           write the pages that are made from the code
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from display import has_display, virtual_display
from environment import (
    ROOT,
    TEST_PROGRAMS,
    VENV,
    prepare_environment,
    prepare_system,
    require_python,
    say,
    stop,
    venv_python,
)

NO_TESTS_RAN = 5  # pytest's exit code
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
DOCUMENTS = "packaging/settings_docs.py"
SCRIPTS = ("packaging", "packaging/installers", "benchmarks")


def main(arguments: list[str]) -> int:
    """Runs one command and gives its exit code."""
    commands = {
        "run": run,
        "demo": demo,
        "test": test,
        "check": check,
        "bench": bench,
        "fuzz": fuzz,
        "faults": faults,
        "methods": methods,
        "screenshots": screenshots,
        "package": package,
        "release": release,
        "docs": docs,
    }
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(__doc__.strip())
        return 0 if arguments else 2
    command = commands.get(arguments[0])
    if command is None:
        stop(f"There is no command {arguments[0]!r}.", fix=f"use one of: {', '.join(commands)}.")
    require_python()
    return command(arguments[1:])


# --- commands ------------------------------------------------------------------------------------------------------


def run(arguments: list[str]) -> int:
    """Opens the window; says so and runs the demo where no window can open."""
    if not has_display():
        say("no display here (neither DISPLAY nor WAYLAND_DISPLAY is set), so no window can open: running the demo.")
        return demo(arguments)
    prepare_system()
    prepare_environment()
    return _become([str(venv_python()), "-P", "-m", "studio", *arguments])


def demo(arguments: list[str]) -> int:
    """The whole path without a window: import, train, compare, on the starter model and the sample data."""
    prepare_environment()
    return _become([str(venv_python()), "-P", "-m", "studio.cli", "demo", *arguments])


def test(arguments: list[str]) -> int:
    """`check` and the whole suite; with arguments only pytest with them, for the quick round while writing."""
    prepare_system(TEST_PROGRAMS)
    prepare_environment()
    if not arguments:
        failed = _check()
        if failed:
            say(f"tests not run: first mend {', '.join(failed)}.")
            return 1
        # A test computes with one thread; a file's tests stay together, as they share what they prepare, and files keep
        # their order: the plugin's own begins with those of many tests, so that the few longest ones end it alone.
        arguments = ["-n", str(min(4, os.cpu_count() or 1)), "--dist", "loadfile", "--no-loadscope-reorder"]
    code = _on_virtual_display(["-m", "pytest", *arguments], {**OFFLINE, **ONE_THREAD})
    if code == NO_TESTS_RAN:
        say("no test ran, and that is no success.")
    return code


def check(arguments: list[str]) -> int:
    """Everything that can be said without running the program."""
    _expect_none("check", arguments)
    prepare_environment()
    return 1 if _check() else 0


def bench(arguments: list[str]) -> int:
    """Benchmarks by name, or all of them; each prints one table. From the first option on all goes to the benchmark."""
    cut = next((place for place, word in enumerate(arguments) if word.startswith("-")), len(arguments))
    names, options = arguments[:cut], [word for word in arguments[cut:] if word != "--"]
    known = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if not path.stem.startswith("_"))
    unknown = [name for name in names if name not in known]
    if unknown:
        stop(f"There is no benchmark {', '.join(unknown)}.", fix=f"use one of: {', '.join(known) or '(none yet)'}.")
    prepare_system(TEST_PROGRAMS)
    prepare_environment()
    codes = []
    for name in names or known:
        say(f"benchmarks/{name}.py")
        codes.append(_on_virtual_display([f"benchmarks/{name}.py", *options], OFFLINE))
    return max(codes, default=0)


def fuzz(arguments: list[str]) -> int:
    """Damaged files for each reader of data, a minute each or as long as `--minutes` says; one table."""
    prepare_environment()
    return _python(["-m", "tests.data.fuzzing", *arguments], OFFLINE)


def faults(arguments: list[str]) -> int:
    """Kills, full disks and the like, on real runs and the real window; one table."""
    prepare_system(TEST_PROGRAMS)
    prepare_environment()
    return _on_virtual_display(["-m", "tests.faults.proving", *arguments], OFFLINE)


def methods(arguments: list[str]) -> int:
    """Twenty steps with every way of tuning, and every refusal; writes docs/methods.md."""
    prepare_environment()
    return _python(["packaging/methods.py", *arguments], OFFLINE)


def screenshots(arguments: list[str]) -> int:
    """Pictures of every page, from the real window on a virtual screen."""
    prepare_system(TEST_PROGRAMS)
    prepare_environment()
    code = _on_virtual_display(["packaging/screenshots.py", *arguments], OFFLINE)
    if code:
        return code  # after it: it takes away the pictures of earlier times, those of the Data page, too
    for script in ("packaging/data_screenshots.py", "packaging/models_screenshots.py"):
        code = code or _on_virtual_display([script, "--out", "docs/screenshots", *arguments], OFFLINE)
    return code


def package(arguments: list[str]) -> int:
    """What people install, from the sources as they stand; docs/packaging.md says what is needed for it."""
    from installers import command  # a folder of its own: no other command needs it

    return command.main(arguments)


def release(arguments: list[str]) -> int:
    """The signed note by which an installed program learns of a newer version."""
    prepare_environment()
    return _python(["packaging/release.py", *arguments])


def docs(arguments: list[str]) -> int:
    """Writes the pages that are made from the code."""
    _expect_none("docs", arguments)
    prepare_environment()
    return _python([DOCUMENTS])


# --- how they run --------------------------------------------------------------------------------------------------


def _check() -> list[str]:
    """Runs every check, also after one failed, and gives the names of those that did."""
    scripts = [str(path) for folder in SCRIPTS for path in sorted((ROOT / folder).glob("*.py"))]
    checks = {
        "ruff": ["-m", "ruff", "check", "."],
        "format": ["-m", "ruff", "format", "--check", "."],
        "rules": ["packaging/rules.py"],
        "imports": [str(venv_python().with_name("lint-imports")), "--no-cache"],
        "types": ["-m", "mypy"],
        "types of scripts": ["-m", "mypy", *scripts],
        "docs": [DOCUMENTS, "--check"],
    }
    failed = []
    for name, command in checks.items():
        began = time.monotonic()
        done = subprocess.run(
            [str(venv_python()), *command],
            cwd=ROOT,
            env={**os.environ, **OFFLINE},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        say(f"{name}: {'ok' if done.returncode == 0 else 'FAILED'} ({time.monotonic() - began:.1f} s)")
        if done.returncode:
            failed.append(name)
            print(done.stdout.rstrip(), flush=True)
    return failed


def _on_virtual_display(command: list[str], variables: dict[str, str]) -> int:
    try:
        with virtual_display() as display:
            return _python(command, {**variables, **display})
    except RuntimeError as error:
        stop(str(error), fix="install it with the system's package manager and run the command again.")


def _python(command: list[str], variables: dict[str, str] | None = None) -> int:
    """Runs the environment's Python in the project's root and waits; an interrupt ends the child too."""
    child = subprocess.Popen([str(venv_python()), *command], cwd=ROOT, env={**os.environ, **(variables or {})})
    try:
        return child.wait()
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()


def _become(command: list[str]) -> int:
    """Hands this process over to the program, so that signals and exit code are its own."""
    if os.name == "nt":  # exec there returns to the shell at once
        return subprocess.run(command).returncode
    os.execv(command[0], command)


def _expect_none(command: str, arguments: list[str]) -> None:
    if arguments:
        stop(f"`{command}` takes no arguments, but got: {' '.join(arguments)}.")


def _end_quietly(_signal: int, _frame: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end_quietly)
    try:
        raise SystemExit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except PermissionError as error:
        stop(
            f"{error.filename or VENV} cannot be written.",
            str(error),
            "give yourself the right to it, or move the project.",
        )
