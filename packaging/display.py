"""A screen of our own for tests, benchmarks and screenshots: Xvfb, started and ended here. Standard library only."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
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
        RuntimeError: Xvfb is not there, or did not start.
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
        number = _read_number(reader)
        yield {"DISPLAY": f":{number}", "QT_QPA_PLATFORM": "xcb", "WAYLAND_DISPLAY": "", "XAUTHORITY": ""}
    finally:
        os.close(reader)
        server.terminate()
        try:
            server.wait(timeout=5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _read_number(reader: int) -> int:
    text = b""
    while not text.endswith(b"\n"):
        ready, _, _ = select.select([reader], [], [], START_SECONDS)
        part = os.read(reader, 16) if ready else b""
        if not part:
            raise RuntimeError("Xvfb did not start.")
        text += part
    return int(text)


def _end_with_parent() -> None:
    """Asks the kernel to end Xvfb when this process is killed, however that happens."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
