"""What stands in forms outlives the window, however it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from pytestqt.qtbot import QtBot

from studio.contract import job
from studio.contract.control import Going
from studio.contract.run_folder import datasets_folder, starter_folder
from studio.data import model_library
from studio.data.importing import import_dataset
from studio.supervisor.workplace import Workplace
from studio.ui.drafts import drafts_file
from studio.ui.main_window import MainWindow
from studio.ui.pages.train import TrainPage
from studio.ui.pages.train_before import BeforeRun
from tests.helpers.shared_data import PROJECT
from tests.ui.finished_run import checked_model


def add_data() -> None:
    source = datasets_folder() / "rows.csv"
    source.write_text("question,answer\n" + "".join(f"What is {n}?,It is {n}.\n" for n in range(60)))
    work = job.ImportJob(source=str(source), destination=str(datasets_folder() / "rows"), name="Rows")
    import_dataset(work, lambda event: None, Going())
    source.unlink()


def add_starter() -> None:
    checked = checked_model(starter_folder())
    model_library.put_model(msgspec.structs.replace(checked, path=str(starter_folder()), name="Starter"))


@pytest.fixture
def windows(qtbot: QtBot) -> Iterator["Windows"]:
    made = Windows(qtbot)
    yield made
    made.end()


class Windows:
    """One window after another on the same home."""

    def __init__(self, qtbot: QtBot) -> None:
        self._qtbot = qtbot
        self._open: list[MainWindow] = []

    def next(self) -> MainWindow:
        window = MainWindow(Workplace())
        window.show()
        self._qtbot.waitExposed(window)
        self._open.append(window)
        return window

    def end(self) -> None:
        for window in self._open:
            window.drafts.close()
            window.close_without_asking()
            window.workplace.deleteLater()
            window.deleteLater()
        self._open = []


def setup_of(window: MainWindow) -> BeforeRun:
    window.show_page("train")
    page = window.page("train")
    assert isinstance(page, TrainPage)
    assert page.before is not None
    return page.before


def test_the_next_run_is_set_up_as_it_was_right_or_wrong(windows: Windows) -> None:
    add_data()
    add_starter()
    first = windows.next()
    first.workplace.choose_dataset(first.workplace.datasets()[0])
    before = setup_of(first)
    before.setup.form.rows["epochs"].editor.lineEdit().setText("many")
    before.setup.form.rows["batch_size"].set_value(3)
    before.setup.form._on_edited()
    before.setup.name_edit.setText("my run")
    assert before.setup.form.problems
    first.drafts.save()  # the timer does so every few seconds; the first window is never closed

    second = windows.next()
    again = setup_of(second)
    assert second.workplace.dataset is not None
    assert second.workplace.dataset.id == "rows"
    assert again.setup.name_edit.text() == "my run"
    assert again.setup.form.rows["epochs"].value() == "many"
    assert again.setup.form.rows["batch_size"].value() == 3
    assert [problem.where for problem in again.setup.form.problems] == ["epochs"]


def test_a_question_that_was_not_asked_and_how_replies_are_drawn_are_there_again(windows: Windows) -> None:
    first = windows.next()
    first.show_page("chat")
    page = first.page("chat")
    page.box.setPlainText("Who keeps\nthe keys?")
    page.sampling.temperature.setValue(0.35)
    page.sampling.system.setPlainText("Be brief.")
    first.drafts.save()
    second = windows.next()
    second.show_page("chat")
    again = second.page("chat")
    assert again.box.toPlainText() == "Who keeps\nthe keys?"
    assert again.sampling.sampling().temperature == 0.35
    assert again.sampling.system_prompt() == "Be brief."


def test_columns_that_were_being_chosen_by_hand_are_there_again(windows: Windows, qtbot: QtBot, tmp_path: Path) -> None:
    source = tmp_path / "odd.csv"
    source.write_text("blue,green,red\n" + "".join(f"{n},{n * 7},{n % 3}\n" for n in range(40)))
    first = windows.next()
    first.show_page("data")
    first.workplace.import_dataset(source)
    page = first.page("data")
    qtbot.waitUntil(page.by_hand.isVisible, timeout=30_000)
    page.by_hand.take_up(job.Mapping(shape="prompt_completion", prompt="red", completion="green"))
    first.drafts.save()
    second = windows.next()
    second.show_page("data")
    again = second.page("data")
    qtbot.waitUntil(again.by_hand.isVisible, timeout=30_000)
    qtbot.waitUntil(lambda: again.by_hand.form.chosen().prompt == "red", timeout=5_000)
    assert again.by_hand.form.chosen().completion == "green"


def test_a_page_that_is_not_shown_keeps_its_draft(windows: Windows) -> None:
    drafts_file().write_bytes(msgspec.json.encode({"chat": {"question": "Who?"}}))
    window = windows.next()
    window.show_page("settings")
    window.drafts.save()
    assert msgspec.json.decode(drafts_file().read_bytes())["chat"] == {"question": "Who?"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no json",
        b"[]",
        b'{"train": 5}',
        b'{"train": {"values": {"method": "magic", "epochs": []}, "preset": "x", "model": "/gone", "start": "gone"}}',
        b'{"chat": {"question": 5, "sampling": {"temperature": "hot"}}, "data": {"work": 5}}',
    ],
)
def test_a_damaged_draft_is_none(windows: Windows, content: bytes) -> None:
    add_data()
    drafts_file().write_bytes(content)
    window = windows.next()
    for name in ("train", "chat", "data"):
        window.show_page(name)
    assert setup_of(window).setup.form.settings() is not None


def test_nothing_is_written_while_nothing_changes(windows: Windows) -> None:
    window = windows.next()
    window.show_page("chat")
    window.drafts.save()
    before = drafts_file().stat()
    window.drafts.save()
    assert drafts_file().stat().st_mtime_ns == before.st_mtime_ns
    assert drafts_file().stat().st_mode & 0o077 == 0


def test_a_full_disk_bothers_nobody(windows: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    window = windows.next()
    window.show_page("chat")
    window.page("chat").box.setPlainText("Who?")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        window.drafts.save()
        assert not drafts_file().exists()
    window.drafts.save()
    assert b"Who?" in drafts_file().read_bytes()


WINDOW = """
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from studio.supervisor.workplace import Workplace
from studio.ui import drafts, theme
from studio.ui.main_window import MainWindow

drafts.SAVE_MS = 200
application = QApplication([])
theme.apply(application, "light", 100)
window = MainWindow(Workplace())
window.show()
window.show_page("chat")
window.page("chat").box.setPlainText("Typed before the end")
QTimer.singleShot(1000, lambda: print("typed", flush=True))
application.exec()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is meant")
def test_a_killed_window_has_kept_what_was_typed(windows: Windows, tmp_path: Path) -> None:
    script = tmp_path / "window.py"
    script.write_text(WINDOW)
    environment = dict(os.environ, PYTHONPATH=str(PROJECT))
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "typed\n"
        first.send_signal(signal.SIGKILL)
    window = windows.next()
    window.show_page("chat")
    assert window.page("chat").box.toPlainText() == "Typed before the end"
