"""A person at the installed program: keys, one click, and what they lead to, by xdotool on a real X server."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from installers.sandbox import DISPLAY, HOME, Sandbox

SCREEN = "1600x1000x24"
QUESTION = "What is the return period?"
QUESTION_BOX = (513, 67)
"""Where the chat page has it: from the left edge, above the lower one."""


class Desk:
    """An X server with a window manager in the sandbox, the program in it, and a hand on the keys."""

    def __init__(self, sandbox: Sandbox, pictures: Path) -> None:
        self.sandbox, self.pictures = sandbox, pictures
        self.program: subprocess.Popen[bytes] | None = None
        pictures.mkdir(parents=True, exist_ok=True)
        for old in pictures.glob("*.png"):
            old.unlink()
        (sandbox.root / "tmp" / ".X11-unix").mkdir(mode=0o1777, parents=True, exist_ok=True)
        (sandbox.root / "tmp" / ".X11-unix").chmod(0o1777)
        server = ["Xvfb", DISPLAY, "-screen", "0", SCREEN, "-nolisten", "tcp"]
        self._server = sandbox.start(server)
        self.wait("the X server", lambda: (sandbox.root / "tmp" / ".X11-unix" / f"X{DISPLAY[1:]}").exists(), 30)
        self._manager = sandbox.start(["openbox"])

    def wait(self, what: str, is_so: Callable[[], object], seconds: float) -> float:
        """Wait until something is so; gives the seconds it took, RuntimeError where it never is."""
        began = time.monotonic()
        while not is_so():
            if time.monotonic() - began > seconds:
                self.picture("stuck")
                raise RuntimeError(f"after {seconds:.0f} s still not there: {what}")
            if self.program is not None and self.program.poll() is not None:
                raise RuntimeError(f"the program ended (exit code {self.program.returncode}) before {what}")
            time.sleep(0.2)
        return time.monotonic() - began

    def open(self, program: str) -> None:
        """Start the program and wait for its window."""
        self.program = self.sandbox.start([program])
        self.wait("the window", self._window, 120)
        self.xdotool("windowactivate", "--sync", self._window())

    def press(self, keys: str) -> None:
        """Press keys, such as ctrl+Return."""
        self.xdotool("key", "--clearmodifiers", keys)

    def click(self, x: int, above_bottom: int) -> None:
        """Click in the window: pixels from its left edge, and up from its lower one."""
        told = self.xdotool("getwindowgeometry", "--shell", self._window())
        place = dict(line.split("=") for line in told.splitlines())
        height = int(place["HEIGHT"])
        self.xdotool("mousemove", "--window", self._window(), str(x), str(height - above_bottom), "click", "1")

    def type(self, text: str) -> None:
        """Type a text where the focus is."""
        self.xdotool("type", "--delay", "15", text)

    def picture(self, name: str) -> None:
        """What the screen shows, for whoever looks at the result."""
        with (self.pictures / f"{name}.png").open("wb") as file:
            subprocess.run(
                self.sandbox.command(["import", "-window", "root", "png:-"]), stdout=file, stderr=subprocess.DEVNULL
            )

    def xdotool(self, *words: str) -> str:
        """One call of xdotool as the user."""
        return self.sandbox.run(["xdotool", *words], as_root=False, seconds=60).strip()

    def close(self) -> None:
        """Close the window by its key, then the server. A window that stays is ended: the next trial needs the screen.

        Raises:
            RuntimeError: The window stayed; "open" among the pictures shows with what.
        """
        program, self.program = self.program, None
        try:
            if program is not None:
                self.press("ctrl+q")
                program.wait(60)
        except subprocess.TimeoutExpired as error:
            self.picture("open")
            raise RuntimeError("the window did not close within 60 s of Ctrl+Q") from error
        finally:
            if program is not None:
                program.kill()
            for process in (self._manager, self._server):
                process.terminate()
                process.wait(30)

    def _window(self) -> str:
        found = subprocess.run(
            self.sandbox.command(["xdotool", "search", "--onlyvisible", "--name", "^Apprentice Studio$"]),
            capture_output=True,
            text=True,
        )
        return found.stdout.split()[0] if found.stdout.split() else ""


def go(desk: Desk) -> dict[str, float]:
    """Sample run, chat, export, by keys and one click; gives the seconds that each took."""
    kept = desk.sandbox.root / HOME / ".local" / "share" / "apprentice-studio"
    took = {}
    desk.wait("the built-in model", lambda: _models(kept), 90)
    desk.picture("1-home")
    desk.press("ctrl+Return")  # on Home: "Try it now"
    took["sample run"] = desk.wait("the end of the sample run", lambda: _last_event(kept) == "finished", 900)
    time.sleep(3)
    desk.picture("2-trained")
    desk.press("ctrl+Return")  # on Train, when it is done: compare, which opens the chat
    time.sleep(20)  # the page and its model come up; a person sees when
    desk.picture("3-chat-opened")
    desk.click(*QUESTION_BOX)
    desk.type(QUESTION)
    time.sleep(2)
    desk.press("Return")
    took["chat"] = desk.wait("two saved answers", lambda: _answers(kept) >= 2, 300)
    time.sleep(2)
    desk.picture("3-chat")
    desk.press("ctrl+7")
    time.sleep(3)
    desk.picture("4-export")
    desk.press("ctrl+Return")
    took["export"] = desk.wait("the exported adapter", lambda: has_export(desk.sandbox.root / HOME), 300)
    time.sleep(2)
    desk.picture("5-exported")
    return took


def _models(kept: Path) -> bool:
    return any("starter" in path.read_text(encoding="utf-8") for path in kept.glob("models*.json"))


def _last_event(kept: Path) -> str:
    events = sorted((kept / "runs").glob("*/events.jsonl"))
    lines = events[-1].read_text(encoding="utf-8").splitlines() if events else []
    kinds = [str(json.loads(line).get("event")) for line in lines if line.endswith("}")]
    ends = [kind for kind in kinds if kind in ("finished", "failed")]
    if ends and ends[-1] == "failed":
        raise RuntimeError(f"the sample run failed: {lines[-1][:500]}")
    return ends[-1] if ends else ""


def _answers(kept: Path) -> int:
    """Whole answers to our question in the saved chats."""
    chats = [json.loads(path.read_text(encoding="utf-8")) for path in (kept / "chats").glob("*.json")]
    replies = [
        reply
        for chat in chats
        for exchange in chat.get("exchanges", ())
        if exchange["question"] == QUESTION
        for reply in exchange["replies"]
    ]
    return sum(reply.get("ended") in ("end_token", "length") and bool(reply.get("text")) for reply in replies)


def has_export(home: Path) -> bool:
    """Whether an adapter stands in a user's folders under its final name.

    Until it has been compared with the adapter its folder begins with a dot, and the window asks before it closes.
    """
    found = [*home.glob("*/adapter_config.json"), *home.glob("*/*/adapter_config.json")]
    return any(not path.parent.name.startswith(".") for path in found)
