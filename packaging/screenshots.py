#!/usr/bin/env python3
"""Pictures of every page, light and dark, at 100 and 150 %, from the real window after a real run.

python packaging/screenshots.py [--out FOLDER] [--sizes 100,150]

A fresh home folder, the real sample import, real training ("Try it now"), a real answer in the chat, a file with the
faults that files have; nothing is drawn for show. Earlier pictures of these sizes are removed first. Those at 100 % are
kept in git; `dev.py screenshots` gives the virtual screen.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studio.ui.main_window import MainWindow
    from studio.ui.pages.train import TrainPage

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
PATIENCE_SECONDS = 900
SETTLE_MS = 700
FAULTY = """question,answer
How do I reset my password?,Open Settings and press Reset.
How do I reset my password?,Open Settings and press Reset.
Where is my invoice?,
Can I pay by card?,Yes: by card and by bank transfer.
Can I pay by card?,Only by bank transfer.
When are you open?,From nine to five.
Who can see my data?,Nobody but you.
"""
"""A file with a doubled row, an empty answer and two answers to one question."""


def main() -> int:
    """Makes all pictures."""
    return take_each_size(__file__, "pictures of every page", ROOT / "docs" / "screenshots", take)


def take_each_size(script: str, what: str, out: Path, take: Callable[[Path, int], int]) -> int:
    """The command line of a script of pictures: `take` in an own home folder and process for each size.

    Qt reads the scale only when it starts.
    """
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--out", type=Path, default=out)
    parser.add_argument("--sizes", default="100,150", help="scales in per cent")
    parser.add_argument("--take", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.take:
        return take(arguments.out, arguments.take)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for percent in (int(size) for size in arguments.sizes.split(",")):
        with tempfile.TemporaryDirectory(prefix="apprentice-pictures-") as home:
            command = [sys.executable, "-P", script, "--take", str(percent), "--out", str(arguments.out.resolve())]
            # HOME too: no picture shows a folder of the person who takes it.
            own = {"APPRENTICE_HOME": f"{home}/program", "HOME": home, "QT_SCALE_FACTOR": str(percent / 100)}
            done = subprocess.run(command, env={**os.environ, **own}, timeout=3 * PATIENCE_SECONDS)
        if done.returncode:
            return done.returncode
    return 0


def remove_stale(out: Path, percent: int) -> None:
    """Delete earlier pictures of this size: one that is no longer taken would be shown for ever."""
    for theme in ("light", "dark"):
        for path in out.glob(f"*-{theme}-{percent}.png"):
            path.unlink()


def take(out: Path, percent: int) -> int:
    """All pictures at the scale that this process was started with."""
    remove_stale(out, percent)
    with open_window() as window:
        camera = Camera(window, out, percent)
        try:
            camera.take("home-first-start", "home")
            train_sample(window, camera)
            pictures_of_pages(window, camera)
            picture_of_a_failure(window, camera)
        finally:
            window.workplace.force_stop()  # does nothing where the run has ended
    return 0


@contextlib.contextmanager
def open_window() -> Iterator[MainWindow]:
    """The real window, ready to be used; closed with the block."""
    from PySide6.QtWidgets import QApplication

    from studio.supervisor.workplace import Workplace
    from studio.ui import theme
    from studio.ui.collector import Collector
    from studio.ui.main_window import MainWindow

    application = QApplication([])
    application.setCursorFlashTime(0)
    theme.apply(application, "light")
    Collector(application)
    workplace = Workplace()
    window = MainWindow(workplace)
    window.resize(1280, 800)
    window.show()
    workplace.open()
    try:
        wait_until(lambda: workplace.device is not None and workplace.model is not None, "the look at this computer")
        yield window
    finally:
        window.close_without_asking()


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
    picture_of_waiting_runs(window, camera)
    wait_until(lambda: bool(ended) or bool(failed), "the end of the run")
    if failed:
        raise SystemExit(f"the run failed: {failed[0]}")


def picture_of_waiting_runs(window: MainWindow, camera: Camera) -> None:
    """Two more runs that wait until the one that goes on has ended; then they are taken out of the line."""
    import msgspec

    workplace = window.workplace
    work = workplace.active_job
    if work is None:
        raise SystemExit("the run ended before others could wait for it")
    for name in ("evening-run", "night-run"):
        workplace.start_training(msgspec.structs.replace(work, name=name))
    window.show_page("runs")
    window.toasts.clear()
    pause(2000)
    camera.take("runs-waiting")
    for waiting in workplace.queue.waiting():
        workplace.queue.remove(waiting.id)
    window.show_page("train")


def picture_of_a_failure(window: MainWindow, camera: Camera) -> None:
    """A run whose graphics card is lost, as `APPRENTICE_FAULT` brings it about in the real worker."""
    import msgspec

    from studio.contract import job
    from studio.contract.run_folder import RunFolder

    workplace = window.workplace
    work = job.load(RunFolder(workplace.runs()[0].folder).job)
    assert isinstance(work, job.TrainJob)
    ended: list[object] = []
    workplace.run_ended.connect(ended.append)
    os.environ["APPRENTICE_FAULT"] = "gpu_lost@40"
    workplace.start_training(msgspec.structs.replace(work, name=workplace.next_run_name()))
    wait_until(lambda: bool(ended), "the failure")
    del os.environ["APPRENTICE_FAULT"]
    camera.take("train-failed", "train")


def pictures_of_pages(window: MainWindow, camera: Camera) -> None:
    """Every page as it stands after a run; the chat with an answer."""
    from studio.contract.run_folder import RunFolder
    from studio.contract.sample import SAMPLE_NAME
    from studio.ui.pages import PAGES
    from studio.ui.pages.train import TrainPage

    workplace = window.workplace
    run = workplace.runs()[0]
    choose_dataset(window, SAMPLE_NAME)
    for name in PAGES:
        if name == "chat":
            workplace.open_chat(RunFolder(run.folder))
            ask_a_suggested_question(window)
        elif name == "runs":
            window.show_run(RunFolder(run.folder))
            pause(2000)
        else:
            window.show_page(name)
            pause(SETTLE_MS)
        camera.take(name)
        if name == "data":
            pictures_of_data(window, camera)
        page = window.page(name)
        if isinstance(page, TrainPage):
            page.new_run()
            camera.take("train-before")
            pictures_of_planning(page, camera)
    window.open_help()
    if window.help_window is not None:
        window.help_window.show_topic("train")
        camera.take("help", widget=window.help_window)
        window.help_window.close()


def pictures_of_planning(page: TrainPage, camera: Camera) -> None:
    """Memory as it was measured, too large a batch made to fit, and the curve of a range test."""
    from studio.contract.fields import replace_at

    before = page.before
    assert before is not None
    panels, planning = before.setup, before.planning
    panels.memory.measure.click()
    wait_until(lambda: not planning.measuring.going, "the dry step")
    settings = before.setup.form.settings()
    assert settings is not None
    os.environ["APPRENTICE_MEMORY_GB"] = "0.9"
    before.setup.form.set_settings(replace_at(settings, "batch_size", 512))
    wait_until(panels.memory.make_fit.isVisible, "that it does not fit")
    panels.memory.make_fit.click()
    camera.take("train-make-it-fit")
    del os.environ["APPRENTICE_MEMORY_GB"]
    before.setup.form.set_settings(settings)
    panels.advice.test.click()
    wait_until(lambda: not planning.testing.going, "the range test")
    camera.take("train-learning-speed")
    panels.advice.close_test.click()


def pictures_of_data(window: MainWindow, camera: Camera) -> None:
    """The sample as the model sees it, and the problems of a file that has some."""
    from studio.contract.sample import SAMPLE_NAME
    from studio.ui.pages.data import DataPage

    page = window.page("data")
    assert isinstance(page, DataPage)
    surveyed: list[object] = []
    page.preview.service.surveyed.connect(surveyed.append)
    page.tabs.setCurrentWidget(page.preview)
    wait_until(lambda: bool(surveyed), "the sample as the model sees it")
    camera.take("data-mask")
    source = Path(os.environ["APPRENTICE_HOME"]) / "faq.csv"
    source.write_text(FAULTY, encoding="utf-8")
    window.workplace.import_dataset(source)
    wait_until(lambda: any(info.name == source.name for info in window.workplace.datasets()), "the import")
    choose_dataset(window, source.name)
    page.tabs.setCurrentWidget(page.problems)
    pause(SETTLE_MS)
    wait_until(lambda: not page.desk.checkup.going, "the check")
    camera.take("data-problems")
    page.tabs.setCurrentIndex(0)
    choose_dataset(window, SAMPLE_NAME)


def choose_dataset(window: MainWindow, name: str) -> None:
    """Choose a dataset by its shown name."""
    workplace = window.workplace
    workplace.choose_dataset(next(info for info in workplace.datasets() if info.name == name))


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

    def take(self, name: str, page: str = "", widget: object = None) -> None:
        """One picture light, one dark; of `page`, of another window, or of what is shown."""
        shown = widget or self._window
        if page:
            self._window.show_page(page)
        self._window.preferences.appearance = "light"
        pause(SETTLE_MS)
        self.save(shown, f"{name}-light")
        self._window.preferences.appearance = "dark"
        pause(SETTLE_MS)
        self.save(shown, f"{name}-dark")
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
