"""Bad input is told in the window: what happened, why, what to do. Nothing is lost, and the window goes on.

Every test uses the whole window and the real workers, and reads what a person would.
"""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from studio.contract.run_folder import RunFolder, starter_folder
from studio.data import model_library
from studio.supervisor.workplace import Workplace
from studio.ui import drop_routing, failures
from studio.ui.main_window import MainWindow
from studio.ui.pages.data import DataPage
from studio.ui.pages.export import ExportPage
from studio.ui.pages.models import ModelsPage
from studio.ui.pages.train import TrainPage
from studio.ui.pages.train_before import BeforeRun
from studio.ui.widgets.model_card import ModelCard
from tests.helpers.shared_data import PROJECT
from tests.ui.filled_window import import_rows, starter
from tests.ui.finished_run import finished_run, model_and_adapter
from tests.ui.seen import seen_button, seen_words

WAIT = 90_000


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


# --- data -------------------------------------------------------------------------------------------------


def test_one_row_is_told_and_the_dataset_from_before_stays(
    window: MainWindow, workplace: Workplace, qtbot: QtBot, tmp_path: Path
) -> None:
    workplace.choose_dataset(import_rows("good", 20))
    path = tmp_path / "one.jsonl"
    path.write_text('{"question": "a?", "answer": "b"}\n', encoding="utf-8")
    before = path.read_bytes()
    with qtbot.waitSignal(workplace.import_ended, timeout=WAIT):
        window.take(drop_routing.route(path))
    page = window.page("data")
    assert isinstance(page, DataPage)
    words = seen_words(window)
    assert "one.jsonl: There is only one usable row." in words
    assert "At least two are needed: one to learn from and one to test with." in words
    assert "Add more rows." in words
    seen_button(page, "Choose another file…")
    assert path.read_bytes() == before
    assert workplace.dataset is not None
    assert workplace.dataset.name == "good.jsonl"
    assert "20 rows" in words
    assert seen_button(page, "Continue").isEnabled()


def test_rows_that_are_all_too_long_are_counted_and_the_settings_stay(
    window: MainWindow, workplace: Workplace, qtbot: QtBot
) -> None:
    workplace.choose_dataset(import_rows("long", 4, question="Tell me. " * 200))
    before = ready_to_train(window, workplace)
    before.setup.form.set_settings(msgspec.structs.replace(before.setup.form.settings(), max_tokens=32))
    page = window.page("train")
    assert isinstance(page, TrainPage)
    with qtbot.waitSignal(workplace.run_ended, timeout=WAIT):
        qtbot.mouseClick(seen_button(page, "Start training"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "longer than 32 tokens" in seen_words(page.header.message), timeout=5_000)
    words = seen_words(page)
    assert "examples with something to learn are longer than 32 tokens." in words
    assert "Examples that are too long are left out, so nothing would be learned." in words
    assert "Raise the longest text, or let longer examples be cut." in words
    assert "longer than 32 tokens" in window.run_bar.text()
    qtbot.mouseClick(seen_button(page, "New run"), Qt.MouseButton.LeftButton)
    assert before.isVisible()
    assert before.setup.form.rows["max_tokens"].value() == 32
    assert seen_button(page, "Start training").isEnabled()


# --- model folders ----------------------------------------------------------------------------------------


def spoil_config(folder: Path, **values: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


def lose_a_shard(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    names = {"model.embed_tokens.weight": "model-00001-of-00002.safetensors"}
    names["model.norm.weight"] = "model-00002-of-00002.safetensors"
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))


def cards_of(page: ModelsPage, folder: Path) -> list[ModelCard]:
    """What the page shows of a model."""
    return [card for card in page.cards if card.model.path == str(folder)]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (
            lambda folder: (folder / "config.json").unlink(),
            ("config.json is missing", "architecture is not known", "Choose the folder that holds config.json"),
        ),
        (
            lose_a_shard,
            ("model-00002-of-00002.safetensors is missing", "index names it", "Get the model's files again"),
        ),
        (
            lambda folder: (folder / "model.safetensors").unlink(),
            ("weights are missing", "Neither model.safetensors nor", "Get the model's files again"),
        ),
        (
            lambda folder: (folder / "tokenizer.json").unlink(),
            ("has no tokenizer: tokenizer.json is missing", "Get the model's files again"),
        ),
        (
            lambda folder: spoil_config(folder, auto_map={"AutoModel": "x.Y"}),
            ("needs code of its own", "auto_map in its config names Python files", "Choose a model of a supported"),
        ),
        (
            lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
            ("only there as pickle files", "Found pytorch_model.bin", "Get the model in the safetensors format"),
        ),
    ],
    ids=["no config", "one shard of two", "no weights", "no tokenizer", "auto_map", "pickle only"],
)
def test_a_bad_model_folder_is_told_on_its_card_and_the_model_in_use_stays(
    window: MainWindow,
    workplace: Workplace,
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path], object],
    told: tuple[str, ...],
) -> None:
    use_starter(workplace)
    folder = tmp_path / "spoilt"
    folder.mkdir()
    for name, content in files_of(starter_folder()).items():
        (folder / name).write_bytes(content)
    spoil(folder)
    before = files_of(folder)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    window.show_page("models")
    page = window.page("models")
    assert isinstance(page, ModelsPage)
    qtbot.mouseClick(seen_button(page, "Add from folder or USB stick…"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not page.source.isHidden() or bool(cards_of(page, folder)), timeout=WAIT)
    if not page.source.isHidden():  # it has a config.json, so it was found
        qtbot.mouseClick(seen_button(page.source, "Add"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(cards_of(page, folder)) and "Checking" not in seen_words(page), timeout=WAIT)
    (card,) = cards_of(page, folder)
    words = seen_words(card)
    for part in told:
        assert part in words
    assert "Checking" not in seen_words(page)
    assert files_of(folder) == before
    seen_button(card, "Check again")
    # It cannot be trained, and what was chosen before still can.
    assert workplace.model is not None
    assert workplace.model.path == str(starter_folder())


# --- settings ---------------------------------------------------------------------------------------------


def use_starter(workplace: Workplace) -> None:
    model_library.put_model(starter())
    workplace.models.choose(starter())


def ready_to_train(window: MainWindow, workplace: Workplace) -> BeforeRun:
    use_starter(workplace)
    window.show_page("train")
    page = window.page("train")
    assert isinstance(page, TrainPage)
    assert page.before is not None
    return page.before


ANY = "Allowed: above 0, at most 1. The default is 0.0002."


@pytest.mark.parametrize(
    ("typed", "told"),
    [("5", ANY), ("0", ANY), ("-0.001", ANY), ("fast", ANY), ("0.5", "Choose at most 0.1.")],  # more than LoRA bears
)
def test_a_learning_rate_out_of_range_is_told_beside_it_and_nothing_starts(
    window: MainWindow, workplace: Workplace, qtbot: QtBot, typed: str, told: str
) -> None:
    workplace.choose_dataset(import_rows("faq", 20))
    before = ready_to_train(window, workplace)
    form, page = before.setup.form, window.page("train")
    form.show_setting("learning_rate")
    row = form.rows["learning_rate"]
    good = row.editor.lineEdit().text()
    row.editor.lineEdit().selectAll()
    QTest.keyClicks(row.editor.lineEdit(), typed)
    words = seen_words(page)
    assert told in words
    assert any(
        f"earning speed {start}" in words
        for start in ("(learning rate) cannot be", "(learning rate) must be", "of 0.5")
    )
    start = before.setup.start_button
    assert start.text() == "Show the problem"
    qtbot.mouseClick(start, Qt.MouseButton.LeftButton)
    assert workplace.active is None
    assert workplace.runs() == []
    assert row.editor.lineEdit().text() == typed  # what was typed stands there to be corrected
    row.editor.lineEdit().selectAll()
    QTest.keyClicks(row.editor.lineEdit(), good)
    assert start.text() == "Start training"


# --- places that cannot be written ------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder that not even root may write to")
def test_an_output_folder_that_is_read_only_is_told_and_another_one_can_be_chosen(
    window: MainWindow, workplace: Workplace, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished_run(model_and_adapter())
    adapter = files_of(run.adapter)
    window.show_page("export")
    page = window.page("export")
    assert isinstance(page, ExportPage)
    page.set_folder(Path("/sys/kernel"))
    qtbot.mouseClick(seen_button(page, "Export"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.message.isVisible(), timeout=WAIT)
    words = seen_words(page.message)
    assert "/sys/kernel: The export could not be written." in words
    assert "You may not write to that folder." in words or "The disk is read-only." in words
    assert "Choose another folder." in words
    assert files_of(run.adapter) == adapter
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(out))
    qtbot.mouseClick(seen_button(page.message, "Choose folder…"), Qt.MouseButton.LeftButton)
    qtbot.mouseClick(seen_button(page, "Export"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "Exported to" in seen_words(page.message), timeout=WAIT)
    assert files_of(run.adapter) == adapter


class NoWriting:
    """A disk that has become read-only (or full): Python's ways to write below a folder are refused, reading goes on.

    Tests may run as root, whom no permission stops, so it is not done by chmod.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, below: Path, number: int = errno.EROFS) -> None:
        self._below, self._number = str(below), number
        make, open_low, open_file = os.mkdir, os.open, Path.open

        def no_mkdir(path: str, *rest: object, **more: object) -> None:
            if not os.path.isdir(path):  # of a folder that is there the system says that first
                self._refuse(path)
            make(path, *rest, **more)

        def no_open(path: str, flags: int, *rest: object, **more: object) -> int:
            if flags & (os.O_WRONLY | os.O_RDWR):
                self._refuse(path)
            return open_low(path, flags, *rest, **more)

        def no_path_open(path: Path, mode: str = "r", *rest: object, **more: object) -> object:
            if set(mode) & set("wax+"):
                self._refuse(path)
            return open_file(path, mode, *rest, **more)

        monkeypatch.setattr(os, "mkdir", no_mkdir)
        monkeypatch.setattr(os, "open", no_open)
        monkeypatch.setattr(Path, "open", no_path_open)

    def _refuse(self, path: object) -> None:
        if str(path).startswith(self._below):
            raise OSError(self._number, os.strerror(self._number), str(path))


def test_a_home_that_became_read_only_is_told_when_the_sample_is_started_and_the_button_works_again_later(
    window: MainWindow, workplace: Workplace, qtbot: QtBot, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        NoWriting(patch, own_home)
        qtbot.mouseClick(seen_button(window, "Try it now – 1 to 2 minutes"), Qt.MouseButton.LeftButton)
        words = seen_words(window.message)
        assert "cannot be made." in words
        assert str(own_home) in words
        assert "Read-only file system." in words
        assert "Change its permissions, or name another folder" in words
        assert window.current_page == "home"
        assert not workplace.importing
    with qtbot.waitSignal(workplace.import_started):
        qtbot.mouseClick(seen_button(window, "Try it now – 1 to 2 minutes"), Qt.MouseButton.LeftButton)
    workplace.cancel_import()
    qtbot.waitUntil(lambda: not workplace._tasks, timeout=WAIT)


def test_a_full_disk_is_told_when_a_run_would_start_and_no_half_a_run_is_listed(
    window: MainWindow, workplace: Workplace, qtbot: QtBot, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workplace.choose_dataset(import_rows("faq", 20))
    before = ready_to_train(window, workplace)
    with monkeypatch.context() as patch:
        # The folder can still be made, the job is the first file with something in it.
        NoWriting(patch, own_home / "runs", errno.ENOSPC)
        patch.setattr(RunFolder, "create", lambda parent, prefix: RunFolder(parent / "run-1"))
        qtbot.mouseClick(before.setup.start_button, Qt.MouseButton.LeftButton)
    words = seen_words(window.message)
    assert "job.json cannot be used." in words
    assert "No space left on device." in words
    assert "Make room on the disk, then try again." in words
    assert workplace.active is None
    assert workplace.runs() == []
    assert before.setup.start_button.text() == "Start training"


def test_an_error_that_nobody_caught_is_said_in_the_window(
    window: MainWindow, workplace: Workplace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # put back at the end
    failures.show_unexpected(workplace)
    error = PermissionError(errno.EACCES, "Permission denied", "/home/me/chats/one.json")
    sys.excepthook(type(error), error, None)
    assert "/home/me/chats/one.json cannot be used." in seen_words(window.message)
    assert "Permission denied." in seen_words(window.message)
    assert "mistake in the program" not in seen_words(window.message)
    mistake = ZeroDivisionError("by zero")
    sys.excepthook(type(mistake), mistake, None)
    assert "mistake in the program" in seen_words(window.message)
    seen_button(window.message, "Copy report")
    assert "ZeroDivisionError" in capsys.readouterr().err


START = """
import sys
from PySide6.QtCore import QTimer
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QLabel, QMessageBox
from studio import app
shown = QMessageBox.exec

def exec_and_close(box):
    def read():
        interface = QAccessible.queryAccessibleInterface(box)
        for label in box.findChildren(QLabel):
            if label.isVisible() and label.text():
                print(label.textFormat().name, label.text())
        print("name:", interface.text(QAccessible.Text.Name))
        print("button:", box.defaultButton().text())
        box.defaultButton().click()
    QTimer.singleShot(200, read)
    return shown(box)

QMessageBox.exec = exec_and_close
sys.exit(app.main([]))
"""


@pytest.mark.parametrize("place", ["home below a file", "runs is a file", "read-only folder"])
def test_a_home_that_cannot_be_used_is_said_in_a_box_and_the_program_ends_with_2(place: str, tmp_path: Path) -> None:
    told = home = tmp_path / "<b>home"
    if place == "home below a file":
        (tmp_path / "file").write_text("mine")
        told = home = tmp_path / "file" / "<b>home"
    else:
        if place == "read-only folder" and getattr(os, "geteuid", lambda: 1)() == 0:
            pytest.skip("the administrator may write everywhere")
        home.mkdir()
        told = home / "runs"
        told.write_text("mine") if place == "runs is a file" else home.chmod(0o500)
    done = subprocess.run(
        [sys.executable, "-c", START],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "APPRENTICE_HOME": str(home)},
        cwd=PROJECT,
    )
    assert done.returncode == 2, done.stderr
    assert f"PlainText The program's folder {told} cannot be made." in done.stdout
    assert "Change its permissions, or name another folder in the variable APPRENTICE_HOME." in done.stdout
    assert f"name: The program's folder {told} cannot be made." in done.stdout
    assert "button: Close" in done.stdout.replace("&", "")
    assert "cannot be made" in done.stderr  # and for those who look at the terminal
    assert "Traceback" not in done.stderr
