"""A screen of our own for tests, benchmarks and screenshots: Xvfb with openbox. Standard library only."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator

SCREEN = "1600x1200x24"
START_SECONDS = 20
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def has_display() -> bool:
    """Whether a window can be opened here for a person to see."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@contextlib.contextmanager
def virtual_display() -> Iterator[dict[str, str]]:
    """Yields the environment variables that lead Qt to a fresh virtual screen; the screen ends with the block.

    Off Linux there is no X11: the real screen is used and the block yields nothing to set.

    Raises:
        RuntimeError: Xvfb or openbox is not there, or did not start.
    """
    if not sys.platform.startswith("linux"):
        yield {}
        return
    program = shutil.which("Xvfb")
    if program is None:
        raise RuntimeError("Xvfb is not installed (Debian package: xvfb).")
    reader, writer = os.pipe()
    # The server picks a free display number itself and writes it to our pipe: no guessing, no race for one.
    command = [program, "-displayfd", str(writer), "-screen", "0", SCREEN, "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(
        command,
        pass_fds=[writer],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=_end_with_parent,
    )
    os.close(writer)
    try:
        number = _read_line(reader, "Xvfb").decode()
        variables = {"DISPLAY": f":{number}", "QT_QPA_PLATFORM": "xcb", "WAYLAND_DISPLAY": "", "XAUTHORITY": ""}
        with _window_manager(variables):
            yield variables
    finally:
        os.close(reader)
        _end(server)


@contextlib.contextmanager
def _window_manager(variables: dict[str, str]) -> Iterator[None]:
    """Openbox gives a new window the focus, as a desktop does; without it shortcuts reach nobody."""
    program = shutil.which("openbox")
    if program is None:
        raise RuntimeError("openbox is not installed (Debian package: openbox).")
    with tempfile.TemporaryDirectory(prefix="apprentice-display-") as folder:
        # It runs a command once it manages the screen. A named pipe takes the news: it closes inherited ones.
        news = os.path.join(folder, "ready")
        os.mkfifo(news, 0o600)
        reader = os.open(news, os.O_RDWR)
        manager = subprocess.Popen(
            [program, "--sm-disable", "--startup", f"sh -c 'echo ready > {news}'"],
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_end_with_parent,
        )
        try:
            _read_line(reader, "openbox")
            yield
        finally:
            os.close(reader)
            _end(manager)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _read_line(reader: int, program: str) -> bytes:
    text = b""
    while not text.endswith(b"\n"):
        ready, _, _ = select.select([reader], [], [], START_SECONDS)
        part = os.read(reader, 16) if ready else b""
        if not part:
            raise RuntimeError(f"{program} did not start.")
        text += part
    return text.strip()


def _end_with_parent() -> None:
    """Asks the kernel to end the child when this process is killed, however that happens."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
