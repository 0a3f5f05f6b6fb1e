#!/usr/bin/env python3
"""Pictures of every page, light and dark, at 100 and 150 %, from the real window after a real run.

python packaging/screenshots.py [--out FOLDER] [--sizes 100,150]

A fresh home folder, the real sample import, real training ("Try it now"), a real answer in the chat; nothing is drawn
for show. Those at 100 % are kept in git; `dev.py screenshots` gives the virtual screen.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studio.ui.main_window import MainWindow

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
PATIENCE_SECONDS = 900
SETTLE_MS = 700


def main() -> int:
    """Makes all pictures: one process a size, since Qt reads the scale when it starts."""
    parser = argparse.ArgumentParser(description="pictures of every page")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots")
    parser.add_argument("--sizes", default="100,150", help="scales in per cent")
    parser.add_argument("--take", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.take:
        return take(arguments.out, arguments.take)
    with tempfile.TemporaryDirectory(prefix="apprentice-pictures-") as home:
        for percent in (int(size) for size in arguments.sizes.split(",")):
            arguments.out.mkdir(parents=True, exist_ok=True)
            command = [sys.executable, "-P", __file__, "--take", str(percent), "--out", str(arguments.out.resolve())]
            # HOME too: no picture shows a folder of the person who takes it.
            own = {"APPRENTICE_HOME": home, "HOME": home, "QT_SCALE_FACTOR": str(percent / 100)}
            environment = {**os.environ, **own}
            done = subprocess.run(command, env=environment, timeout=3 * PATIENCE_SECONDS)
            if done.returncode:
                return done.returncode
    return 0


def take(out: Path, percent: int) -> int:
    """All pictures at the scale that this process was started with."""
    from PySide6.QtWidgets import QApplication

    from studio.supervisor.workplace import Workplace
    from studio.ui import theme
    from studio.ui.main_window import MainWindow

    application = QApplication([])
    application.setCursorFlashTime(0)
    theme.apply(application, "light")
    workplace = Workplace()
    window = MainWindow(workplace)
    window.resize(1280, 800)
    window.show()
    workplace.open()
    wait_until(lambda: workplace.device is not None and workplace.model is not None, "the look at this computer")
    camera = Camera(window, out, percent)
    try:
        if not workplace.runs():
            camera.take("home-first-start", "home")
            train_sample(window, camera)
        pictures_of_pages(window, camera)
    finally:
        workplace.force_stop()  # does nothing where the run has ended
        window.close_without_asking()
    return 0


def train_sample(window: MainWindow, camera: Camera) -> None:
    """The sample run, with a picture from the middle of it."""
    from studio.contract import events

    workplace = window.workplace
    steps: list[events.Step] = []
    ended: list[object] = []
    failed: list[str] = []

    def on_event(event: object) -> None:
        if isinstance(event, events.Step):
            steps.append(event)
        elif isinstance(event, events.Failed):
            failed.append(event.problem.sentence())

    workplace.run_event.connect(on_event)
    workplace.run_ended.connect(ended.append)
    window.page("home").start()

    def middle() -> bool:
        return bool(failed) or (bool(steps) and steps[-1].step >= steps[-1].total_steps * 0.6)

    wait_until(middle, "the middle of the run")
    camera.take("train-running", "train")
    wait_until(lambda: bool(ended) or bool(failed), "the end of the run")
    if failed:
        raise SystemExit(f"the run failed: {failed[0]}")


def pictures_of_pages(window: MainWindow, camera: Camera) -> None:
    """Every page as it stands after a run; the chat with an answer."""
    from studio.contract.run_folder import RunFolder
    from studio.ui.pages import PAGES

    workplace = window.workplace
    run = workplace.runs()[0]
    known = next(iter(workplace.datasets()), None)
    if known is not None and workplace.dataset is None:
        workplace.choose_dataset(known)
    for name in PAGES:
        if name == "chat":
            workplace.open_chat(RunFolder(run.folder))
            ask_a_suggested_question(window)
        elif name == "runs":
            window.show_run(RunFolder(run.folder))
            pause(2000)
        else:
            window.show_page(name)
            pause(3000 if name == "data" else SETTLE_MS)
        camera.take(name)
    window.open_help()
    if window.help_window is not None:
        window.help_window.show_topic("train")
        pause(SETTLE_MS)
        camera.save(window.help_window, "help-light")
        window.help_window.close()


def ask_a_suggested_question(window: MainWindow) -> None:
    """Press the first suggestion once it is there, and wait for both answers."""
    from studio.ui.pages.chat import ChatPage

    page = window.page("chat")
    assert isinstance(page, ChatPage)
    wait_until(lambda: bool(page.chips.chips) and page.chips.chips[0].isVisible(), "the chat's suggestions")
    page.chips.chips[0].click()

    def answered() -> bool:
        talk = page.conversation.chat
        if talk is None or not talk.exchanges or page.conversation.answering:
            return False
        return all(reply.ended for reply in talk.exchanges[-1].replies)

    wait_until(answered, "the answers")


class Camera:
    """Writes pictures of the window, named by what they show, theme and size."""

    def __init__(self, window: MainWindow, out: Path, percent: int) -> None:
        self._window = window
        self._out = out
        self._percent = percent

    def take(self, name: str, page: str = "") -> None:
        """One picture light, one dark; of `page`, or of what is shown."""
        if page:
            self._window.show_page(page)
        self._window.preferences.appearance = "light"
        pause(SETTLE_MS)
        self.save(self._window, f"{name}-light")
        self._window.preferences.appearance = "dark"
        pause(SETTLE_MS)
        self.save(self._window, f"{name}-dark")
        self._window.preferences.appearance = "light"

    def save(self, widget: object, name: str) -> None:
        """Write what a widget shows."""
        from PySide6.QtWidgets import QWidget

        assert isinstance(widget, QWidget)
        path = self._out / f"{name}-{self._percent}.png"
        if not widget.grab().save(str(path), "PNG", 0):  # type: ignore[call-overload]
            raise SystemExit(f"{path} cannot be written")
        print(f"{path.name}: {path.stat().st_size // 1000} kB", flush=True)


def pause(milliseconds: int) -> None:
    """Let the window work."""
    from PySide6.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Let the window work until something holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited in vain for {what}")
        pause(50)


if __name__ == "__main__":
    raise SystemExit(main())
