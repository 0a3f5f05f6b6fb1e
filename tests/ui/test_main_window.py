"""The window as a whole: pages, shortcuts, messages, drops, closing."""

import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from studio.contract import commands
from studio.contract.errors import Problem
from studio.contract.run_folder import MARKER
from studio.data.kinds import KINDS
from studio.supervisor.workplace import Workplace
from studio.ui import drop_routing
from studio.ui.closing import CloseQuestion
from studio.ui.command_palette import CommandPalette
from studio.ui.main_window import MainWindow
from studio.ui.pages import PAGES
from studio.ui.preferences import Preferences
from tests.ui.attached_run import AttachedRun
from tests.ui.keys import bring_to_front, press

HEAVY = ("torch", "transformers", "peft", "trl", "bitsandbytes", "datasets", "accelerate", "tokenizers")


@pytest.mark.parametrize("index", range(8))
def test_each_page_has_its_shortcut(window: MainWindow, qtbot: QtBot, index: int) -> None:
    press(window, qtbot, Qt.Key(Qt.Key.Key_1 + index), Qt.KeyboardModifier.ControlModifier)
    name = list(PAGES)[index]
    qtbot.waitUntil(lambda: window.current_page == name)
    assert window.rail.buttons[name].isChecked()
    assert window.header.title.text() == PAGES[name].text


def test_the_rail_shows_pages_and_pages_are_made_when_wanted(window: MainWindow) -> None:
    assert list(window._pages) == ["home"]
    window.rail.buttons["settings"].click()
    assert list(window._pages) == ["home", "settings"]
    assert window._stack.currentWidget() is window.page("settings")


def test_no_page_brings_a_heavy_library_into_the_window() -> None:
    # In a process of its own: this one may hold torch because of another test.
    code = (
        "import sys\n"
        "from PySide6.QtWidgets import QApplication\n"
        "application = QApplication([])\n"
        "from studio.supervisor.workplace import Workplace\n"
        "from studio.ui import theme\n"
        "from studio.ui.main_window import MainWindow\n"
        "from studio.ui.pages import PAGES\n"
        "theme.apply(application)\n"
        "window = MainWindow(Workplace())\n"
        "window.show()\n"
        "for name in PAGES: window.show_page(name); application.processEvents()\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], len(window._pages))\n"
        "window.close_without_asking()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == f"[] {len(PAGES)}", done.stderr


def test_a_problem_is_shown_above_the_page_with_a_way_out(window: MainWindow, workplace: Workplace) -> None:
    workplace.problem_raised.emit(
        Problem(code="train.no_dataset", what="Choose a dataset first.", why="<b>why</b>", fix="Open the Data page.")
    )
    assert window.message.isVisible()
    assert "<b>why</b>" in window.message.text()  # plain text: nothing is interpreted
    button = next(b for b in window.message.findChildren(QPushButton) if b.text() == "Choose data")
    button.click()
    assert window.current_page == "data"
    assert not window.message.isVisible()


def test_esc_closes_the_message(window: MainWindow, workplace: Workplace, qtbot: QtBot) -> None:
    workplace.problem_raised.emit(Problem(code="x.y", what="Something.", details="trace"))
    press(window, qtbot, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not window.message.isVisible())


def test_at_most_three_toasts_stand_and_they_go(window: MainWindow, workplace: Workplace, qtbot: QtBot) -> None:
    for number in range(5):
        workplace.told.emit(f"News {number}")
    assert [toast.text for toast in window.toasts.toasts()] == ["News 2", "News 3", "News 4"]
    undone: list[int] = []
    toast = window.toasts.say("Deleted.", "Undo", lambda: undone.append(1))
    next(b for b in toast.findChildren(QPushButton) if b.text() == "Undo").click()
    assert undone == [1]
    window.toasts.clear()
    qtbot.waitUntil(lambda: not window.toasts.isVisible())


def test_the_window_outlives_many_toasts() -> None:
    """In a process of its own: a fault in how they are deleted is a crash."""
    script = """
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication, QMainWindow
from studio.ui import theme
from studio.ui.widgets.toast import Toasts
application = QApplication([])
theme.apply(application)
window = QMainWindow()
toasts = Toasts(window)
window.show()
for number in range(200):
    toasts.say(f"News {number}", "Undo", print).end()
    application.processEvents()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
print("alive", toasts.isVisible(), toasts.toasts())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.stdout == "alive False []\n", done.stderr


def test_the_command_palette_runs_what_was_typed(window: MainWindow, qtbot: QtBot) -> None:
    window.open_palette()
    palette = window.findChild(CommandPalette)
    assert palette is not None
    listed = [palette.list.item(row).text() for row in range(palette.list.count())]
    assert not [text for text in listed if text.startswith("Pause")]  # nothing to pause: not listed
    QTest.keyClicks(palette.field, "show sett")
    assert palette.list.count() == 1
    QTest.keyClick(palette.field, Qt.Key.Key_Return)
    assert window.current_page == "settings"


def test_f6_goes_round_the_panes(window: MainWindow, qtbot: QtBot) -> None:
    bring_to_front(window, qtbot)
    window.rail.buttons["home"].setFocus()
    seen = []
    for _ in range(4):
        press(window, qtbot, Qt.Key.Key_F6)
        focus = QApplication.focusWidget()
        assert focus is not None
        seen.append(focus)
    assert len(set(seen)) >= 2
    assert window.page("home").try_button in seen  # type: ignore[attr-defined]
    assert window._ring.widget() is QApplication.focusWidget()


def test_a_click_shows_no_focus_ring(window: MainWindow, qtbot: QtBot) -> None:
    assert window._ring.widget() is None


# --- drops -----------------------------------------------------------------------------------------------


def _files(folder: Path) -> dict[str, Path]:
    (folder / "faq.csv").write_text("question,answer\na,b\n")
    (folder / "weights.safetensors").write_bytes(b"")
    (folder / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x02\x00")
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text("{}")
    (folder / "adapter").mkdir()
    (folder / "adapter" / "adapter_config.json").write_text("{}")
    (folder / "nothing").mkdir()
    return {path.name: path for path in folder.iterdir()}


def test_what_is_dropped_goes_by_its_content(tmp_path: Path) -> None:
    found = {name: drop_routing.route(path) for name, path in _files(tmp_path).items() if name != "home"}
    assert {name: (route.kind, route.page) for name, route in found.items()} == {
        "faq.csv": ("dataset", "data"),
        "weights.safetensors": ("none", ""),
        "photo.png": ("none", ""),
        "model": ("model", "models"),
        "adapter": ("none", ""),
        "nothing": ("none", ""),
    }
    assert "drop the folder that holds weights.safetensors" in found["weights.safetensors"].sentence
    assert found["photo.png"].sentence.endswith(f"of these kinds: {KINDS}.")
    assert "without its run" in found["adapter"].sentence


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows", b"question,answer\na,b\n"),
        ("rows.data", b'{"question": "a", "answer": "b"}\n'),
        ("rows.log", "frage;antwort\nWozu?;F\u00fcr uns.\n".encode("utf-16")),
        ("packed", b"\x1f\x8b\x08\x00\x00\x00"),
        ("table.bak", b"PAR1\x00\x15"),
        ("sheet.ods", b"PK\x03\x04\x14\x00"),
        ("nothing.dat", b""),
    ],
)
def test_what_may_hold_rows_goes_to_the_import_whatever_its_ending(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    route = drop_routing.route(tmp_path / name)
    assert (route.kind, route.page, route.sentence) == ("dataset", "data", f"Import {name} as a dataset")


def test_what_is_surely_none_is_refused_before_release_with_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "old.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    route = drop_routing.route(tmp_path / "old.xls")
    assert route.kind == "none"
    assert route.sentence == (
        "old.xls is an old Excel or Word file (.xls, .doc). "
        "In your spreadsheet program, save it as .xlsx or as CSV (UTF-8) and choose that file."
    )
    (tmp_path / "paper").write_bytes(b"%PDF-1.7\n")
    assert drop_routing.route(tmp_path / "paper").sentence.startswith("paper is a PDF document. Choose a JSON, JSONL,")
    assert drop_routing.route(tmp_path / "gone.dat").sentence.startswith("gone.dat cannot be read. Datasets are files")


def test_a_file_of_a_model_offers_the_model_and_no_dataset(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "tokenizer.json").write_text("{}")
    (folder / "questions.json").write_text("[]")
    for name in ("config.json", "tokenizer.json"):
        route = drop_routing.route(folder / name)
        assert (route.kind, route.path) == ("model", folder)
        assert route.sentence == f"{name} belongs to a model: add the model in tiny"
    assert drop_routing.route(folder / "questions.json").kind == "dataset"
    (folder / "config.json").write_text('[{"question": "Whose?", "answer": "Mine."}]')
    assert drop_routing.route(folder / "config.json").kind == "dataset"


def test_the_root_of_a_disk_is_called_by_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drop_routing, "_holds_rows", lambda folder: True)
    root = Path(Path.cwd().anchor)
    assert f"the files in {root} as" in drop_routing.route(root).sentence


def test_a_run_is_dropped_into_the_chat(qapp: QApplication) -> None:
    with AttachedRun() as run:
        assert drop_routing.route(run.folder.path).page == "runs"
        run.folder.adapter.mkdir()
        (run.folder.adapter / "adapter_config.json").write_text("{}")
        (run.folder.adapter / MARKER).touch()
        for path in (run.folder.path, run.folder.adapter):
            if path is run.folder.adapter:
                (path / MARKER).unlink()
            route = drop_routing.route(path)
            assert (route.page, route.path) == ("chat", run.folder.path)


@pytest.mark.parametrize(("name", "accepted"), [("faq.csv", True), ("photo.png", False)])
def test_a_drag_says_before_release_what_it_would_do(
    window: MainWindow, tmp_path: Path, name: str, accepted: bool
) -> None:
    path = _files(tmp_path)[name]
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    arguments = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    window.dragEnterEvent(QDragEnterEvent(QPoint(10, 10), *arguments))
    assert window._overlay.isVisible()
    assert name in window._overlay.text()
    assert window._overlay._good is accepted
    if not accepted:
        window.dropEvent(QDropEvent(QPoint(10, 10), *arguments))
        assert not window._overlay.isVisible()
        assert name in window.message.text()


# --- closing ---------------------------------------------------------------------------------------------


def _running(window: MainWindow, workplace: Workplace, run: AttachedRun, qtbot: QtBot) -> CloseQuestion | None:
    workplace._follow(run.folder, run.work, attach=True)
    run.start()
    run.step(3)
    qtbot.waitUntil(lambda: window.run_bar.state == "running")
    window.close()
    return window.findChild(CloseQuestion)


def test_closing_without_a_run_just_closes(window: MainWindow) -> None:
    assert window.close()
    assert not window.isVisible()


def test_closing_during_a_run_asks_and_cancel_stays(window: MainWindow, workplace: Workplace, qtbot: QtBot) -> None:
    with AttachedRun() as run:
        question = _running(window, workplace, run, qtbot)
        assert question is not None
        assert window.isVisible()
        question.cancel.click()
        assert window.isVisible()
        assert run.commands() == []
        run.finish()
        qtbot.waitUntil(lambda: workplace.active is None)


def test_closing_can_keep_the_run_in_the_background(window: MainWindow, workplace: Workplace, qtbot: QtBot) -> None:
    with AttachedRun() as run:
        question = _running(window, workplace, run, qtbot)
        assert question is not None
        question.keep.click()
        qtbot.waitUntil(lambda: not window.isVisible())
        assert run.commands() == []
        assert run._process.poll() is None


def test_closing_can_stop_and_save_and_waits_for_it(window: MainWindow, workplace: Workplace, qtbot: QtBot) -> None:
    with AttachedRun() as run:
        question = _running(window, workplace, run, qtbot)
        assert question is not None
        question.remember.setChecked(True)
        question.stop.click()
        assert window.isVisible()
        assert "being saved" in window.message.text()
        assert run.commands() == [commands.Stop(save=True)]
        run.finish("stopped")
        qtbot.waitUntil(lambda: not window.isVisible())
        assert Preferences().on_close == "stop"


def test_what_happens_at_closing_goes_into_the_job(window: MainWindow, workplace: Workplace) -> None:
    assert workplace.when_window_closes == "go_on"
    window.preferences.on_close = "stop"
    assert workplace.when_window_closes == "stop_at_checkpoint"


# --- state and start -------------------------------------------------------------------------------------


def test_the_window_comes_back_where_it_was(window: MainWindow, qtbot: QtBot) -> None:
    if window.screen().availableSize().width() < 1300:
        pytest.skip("the test screen is too small for a window of another size")
    window.resize(1234, 777)
    window.close()
    again = MainWindow(Workplace())
    qtbot.addWidget(again)
    assert (again.width(), again.height()) == (1234, 777)


def test_it_is_never_smaller_than_its_content_needs(window: MainWindow) -> None:
    for name in PAGES:
        window.show_page(name)
        needed = window.centralWidget().minimumSizeHint()
        assert needed.width() <= 1100, name
        assert needed.height() <= 700, name


def test_preferences_that_are_damaged_are_the_defaults(own_home: Path) -> None:
    own_home.mkdir(parents=True, exist_ok=True)
    (own_home / "window.ini").write_text("[General]\nappearance=plaid\ntext_percent=many\nlevel=7\ngeometry=x\n")
    found = Preferences()
    assert (found.appearance, found.text_percent, found.level, found.on_close) == ("system", 100, "simple", "ask")
    assert found.geometry.isEmpty()


def _start(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    import os

    kept = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return subprocess.run(
        [sys.executable, "-m", "studio", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**kept, "QT_QPA_PLATFORM": "xcb", **variables},
    )


def test_version_and_help_need_no_display() -> None:
    from studio import __version__

    assert _start("--version").stdout.strip() == f"Apprentice Studio {__version__}"
    assert "usage" in _start("--help").stdout


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems always have a screen")
def test_without_a_display_it_says_so() -> None:
    done = _start()
    assert done.returncode == 2
    assert "no display" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_option_is_told() -> None:
    done = _start("--nonsense")
    assert done.returncode == 2
    assert "--nonsense" in done.stderr
