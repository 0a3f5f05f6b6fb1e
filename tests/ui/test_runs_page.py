"""The Runs page replays what the worker wrote, compares, renames, and lets a run go to the trash and back."""

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QMessageBox, QPushButton
from pytestqt.qtbot import QtBot

from studio.contract import events
from studio.contract.errors import StudioError
from studio.contract.run_folder import MARKER, RunFolder
from studio.data import run_history, run_label
from studio.data.run_label import Label
from studio.supervisor import run_trash
from studio.supervisor.workplace import Workplace
from studio.ui.main_window import MainWindow
from studio.ui.pages.runs import RunsPage
from studio.ui.pages.train import TrainPage
from studio.ui.widgets.run_label_form import RunLabelForm
from tests.ui import run_stream
from tests.ui.attached_run import AttachedRun


@pytest.fixture
def trash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The desktop's trash, in this test's own folder."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    return tmp_path / "share" / "Trash"


@pytest.fixture
def three() -> list[RunFolder]:
    """A done run, a killed one and an interrupted one, oldest first."""
    stream = list(run_stream.run())
    failed = [*stream[:60], events.Failed(at=1500.0, problem=run_stream.PROBLEM)]
    return [
        run_stream.write_run("run-1", stream, seed=1),
        run_stream.write_run("run-2", failed, seed=2, data="faq.csv"),
        run_stream.write_run("run-3", stream[:80], seed=3),
    ]


def make_page(workplace: Workplace, qtbot: QtBot) -> RunsPage:
    page = RunsPage(workplace)
    page.resize(950, 620)
    page.show()
    page.on_shown()
    qtbot.waitUntil(lambda: page.detail.view.plot is not None, timeout=20_000)
    return page


@pytest.fixture
def page(three: list[RunFolder], workplace: Workplace, qtbot: QtBot) -> Iterator[RunsPage]:
    made = make_page(workplace, qtbot)
    yield made
    made.close()
    made.deleteLater()


def test_without_runs_it_says_so_and_leads_to_training(workplace: Workplace, qtbot: QtBot) -> None:
    page = RunsPage(workplace)
    qtbot.addWidget(page)
    page.show()
    assert page.stack.currentWidget() is page.empty
    with qtbot.waitSignal(page.page_wanted) as wanted:
        qtbot.mouseClick(page.empty.action, Qt.MouseButton.LeftButton)
    assert wanted.args == ["train"]


def test_runs_are_listed_newest_first_with_state_result_and_loss(page: RunsPage) -> None:
    lines = [page.list.runs.lines(summary) for summary in page.list.runs.summaries]
    assert [line[0] for line in lines] == ["run-3 · Interrupted at 69 %", "run-2 · Failed at 50 %", "run-1 · Done"]
    assert lines[1][1] == "Starter learns faq.csv"
    assert lines[2][2].startswith("55 of 58 right, loss 0.0")
    assert lines[1][2] == "The trainer was killed (signal 9)."
    assert lines[2][3].startswith("10 s with tests · ")
    assert lines[0][3].startswith("7 s of training · ")
    index = page.list.runs.index(0)
    assert "Interrupted" in index.data(Qt.ItemDataRole.AccessibleTextRole)


def test_an_old_run_is_replayed_through_the_live_plot(page: RunsPage, three: list[RunFolder], qtbot: QtBot) -> None:
    page.show_run(three[0])
    qtbot.waitUntil(lambda: page.feed.curves.last_step == 100 and not page.feed.replaying)
    plot = page.detail.view.plot
    assert plot is not None
    qtbot.waitUntil(lambda: plot.main.drawn_points == 100)
    assert page.detail.view.answers.answer.text() == "Marta Quill keeps them."
    assert page.detail.view.report.sentences[0][1].startswith("300 examples")
    assert page.detail.said.text().startswith(
        "Answers 55 of 58 new questions right, word for word; before: 0. Still answers 174"
    )


def test_the_settings_tab_shows_what_differs_from_the_defaults(page: RunsPage, three: list[RunFolder]) -> None:
    page.show_run(three[0])
    rows = {row[0]: row[1:] for row in page.detail.settings.rows()}
    assert rows["Adapter size (rank)"] == ["8", "16"]
    assert rows["Seed"] == ["1", "42"]
    assert "Learning speed (learning rate)" not in rows


def test_several_runs_are_laid_over_each_other_with_differing_settings_only(
    page: RunsPage, three: list[RunFolder], qtbot: QtBot
) -> None:
    page.list.select([folder.path for folder in three])
    plot = page.detail.view.plot
    assert plot is not None
    qtbot.waitUntil(lambda: len({line.look.run for line in plot.main._drawn}) == 3)
    qtbot.waitUntil(lambda: "run-1" in plot.readout.text() and plot.main.drawn_points == 100)
    assert [row[0] for row in page.detail.settings.rows()] == ["Data", "Seed"]
    assert page.detail.settings.rows()[1][1:] == ["3", "2", "1"]
    assert not page.detail.chat.isVisible()
    assert not page.detail.tabs.isTabVisible(2)
    page.show_run(three[0])
    qtbot.waitUntil(lambda: {line.look.run for line in plot.main._drawn} == {0})
    assert page.detail.chat.isVisible()


def test_chat_export_and_resume_are_offered_where_they_do_something(
    page: RunsPage, three: list[RunFolder], workplace: Workplace, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    detail = page.detail
    page.show_run(three[0])
    assert (detail.chat.isVisible(), detail.export.isVisible(), detail.resume.isVisible()) == (True, True, False)
    with qtbot.waitSignal(workplace.chat_requested) as wanted:
        qtbot.mouseClick(detail.chat, Qt.MouseButton.LeftButton)
    assert wanted.args == [three[0]]
    with qtbot.waitSignal(page.page_wanted) as asked:
        qtbot.mouseClick(detail.export, Qt.MouseButton.LeftButton)
    assert (asked.args, workplace.export_run) == (["export"], three[0])
    page.show_run(three[2])
    assert (detail.chat.isVisible(), detail.export.isVisible(), detail.resume.isVisible()) == (False, False, False)
    assert "interrupted" in detail.message.text()
    go_on = next(one for one in detail.message.findChildren(QPushButton) if one.text() == "Start it again")
    resumed: list[RunFolder] = []
    monkeypatch.setattr(workplace, "resume_run", resumed.append)
    with qtbot.waitSignal(page.page_wanted) as asked:
        qtbot.mouseClick(go_on, Qt.MouseButton.LeftButton)
    assert (asked.args, resumed) == (["train"], [three[2]])


def test_a_renamed_run_keeps_its_folder_and_its_choice(page: RunsPage, three: list[RunFolder]) -> None:
    page.show_run(three[1])
    page.rename(three[1], "  Support\nteam ")
    assert run_stream.summary_of(three[1]).job.name == "Support team"
    assert page.list.runs.lines(page.list.runs.summaries[1])[0].startswith("Support team · Failed")
    assert [summary.folder for summary in page.list.selected()] == [three[1].path]
    page.rename(three[1], "   ")
    assert "needs a name" in page.message.text()


def test_a_deleted_run_lies_in_the_trash_and_undo_brings_it_back(
    three: list[RunFolder], window: MainWindow, qtbot: QtBot, trash: Path
) -> None:
    window.show_page("runs")
    page = window.findChild(RunsPage)
    assert page is not None
    page.show_run(three[1])
    page.list.setFocus()
    before = sorted(path.name for path in three[1].path.iterdir())
    page._delete()
    assert not three[1].path.exists()
    assert [summary.job.name for summary in page.list.runs.summaries] == ["run-3", "run-1"]
    assert list((trash / "files").iterdir())
    (toast,) = window.toasts.toasts()
    assert "Moved to the trash: run-2" in [one.text() for one in toast.findChildren(QLabel)]
    qtbot.waitUntil(lambda: page.room.words.text().startswith("2 runs, "))
    undo = next(b for b in toast.findChildren(type(page.detail.chat)) if b.text() == "Undo")
    qtbot.mouseClick(undo, Qt.MouseButton.LeftButton)
    assert sorted(path.name for path in three[1].path.iterdir()) == before
    assert list((trash / "info").iterdir()) == []
    assert len(page.list.runs.summaries) == 3
    qtbot.waitUntil(lambda: page.room.words.text().startswith("3 runs, "))


def test_without_a_trash_it_is_asked_by_the_run_s_own_name(
    page: RunsPage, three: list[RunFolder], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_trash, "into_trash", lambda path: (Path(), "There is none."))
    asked: list[str] = []
    monkeypatch.setattr(QMessageBox, "exec", lambda box: asked.append(box.text()))
    page.show_run(three[1])
    page._delete()
    for_good = next(one for one in page.message.findChildren(QPushButton) if one.text() == "Delete for good…")
    qtbot.mouseClick(for_good, Qt.MouseButton.LeftButton)
    assert asked == ["Delete run-2 for good? There is no way back."]


def test_a_deleted_run_is_told_nowhere_any_more(
    three: list[RunFolder], window: MainWindow, workplace: Workplace, qtbot: QtBot, trash: Path
) -> None:
    window.show_page("train")
    train = window.findChild(TrainPage)
    assert train is not None
    workplace.run_started.emit(three[1])
    workplace.run_event.emit(events.Failed(problem=run_stream.PROBLEM))
    assert "The trainer was killed" in window.run_bar.text()
    assert train.shows(three[1])
    window.show_run(three[1])
    page = window.findChild(RunsPage)
    assert page is not None
    page._delete()
    qtbot.waitUntil(lambda: window.run_bar.text() == "No run is going on.")
    assert not train.shows(three[1])


@pytest.mark.parametrize("fault", ["no marker", "link", "elsewhere"])
def test_only_folders_of_ours_are_deleted(three: list[RunFolder], tmp_path: Path, trash: Path, fault: str) -> None:
    folder = three[0]
    if fault == "no marker":
        (folder.path / MARKER).unlink()
    elif fault == "elsewhere":
        folder = RunFolder(folder.path.rename(tmp_path / "run-x"))
    else:
        real = folder.path.rename(tmp_path / "run-x")
        folder.path.symlink_to(real)
    for delete in (run_trash.move_to_trash, run_history.delete_for_good):
        with pytest.raises(StudioError) as raised:
            delete(folder)
        assert raised.value.problem.code == "run.not_ours"
    assert folder.job.exists()


def test_a_run_that_goes_on_is_not_deleted_and_can_be_watched(workplace: Workplace, qtbot: QtBot, trash: Path) -> None:
    with AttachedRun("run-9") as run:
        run.start()
        run.step(1)
        page = make_page(workplace, qtbot)
        assert page.list.runs.lines(page.list.runs.summaries[0])[0] == "run-9 · Running"
        assert not page.detail.delete_action.isEnabled()
        assert page.detail.watch.isVisible()
        with pytest.raises(StudioError):
            run_trash.move_to_trash(run.folder)
        workplace._follow(run.folder, run.work, attach=True)
        run.step(2)
        qtbot.waitUntil(lambda: page.feed.curves.last_step == 2)
        run.finish(adapter="x")
        qtbot.waitUntil(lambda: workplace.active is None)
        assert page.feed.curves.series["loss"].steps.tolist() == [1, 2]
        page.close()
        page.deleteLater()


def test_a_summary_is_read_again_only_when_events_came(three: list[RunFolder], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_stream.summary_of(three[2]).steps > 0
    read = run_history.read_events
    monkeypatch.setattr(run_history, "read_events", lambda folder: pytest.fail("read again"))
    assert run_stream.summary_of(three[2]).state == "interrupted"
    monkeypatch.setattr(run_history, "read_events", read)
    with three[2].events.open("ab") as file:
        file.write(events.encode(msgspec.structs.replace(run_stream.finished(), at=time.time())))
    assert run_stream.summary_of(three[2]).state == "done"


def test_a_long_replay_lets_the_window_breathe(workplace: Workplace, qtbot: QtBot) -> None:
    run_stream.write_run("long", list(run_stream.run(8000)), seed=1)
    page = make_page(workplace, qtbot)
    assert page.feed.folder is not None
    page.feed.begin(page.feed.folder, "long")
    turns = 0
    while page.feed.replaying:
        began = time.process_time()
        page.feed._replay_slice()
        assert time.process_time() - began < 0.1
        turns += 1
    assert turns > 3
    assert page.feed.curves.last_step == 8000
    page.close()
    page.deleteLater()


# --- tags, notes, room -----------------------------------------------------------------------------------------------


def names(page: RunsPage) -> list[str]:
    return [summary.job.name for summary in page.list.runs.summaries]


def test_runs_bear_tags_and_a_note_and_are_found_by_them(page: RunsPage, three: list[RunFolder], qtbot: QtBot) -> None:
    page.show_run(three[1])
    form = RunLabelForm("run-2", Label(), page)
    qtbot.addWidget(form)
    form.tags.setText(" invoices,second try, , invoices\u202e")
    form.note.setPlainText("Too hot a rate.\nNext: half of it.")
    page.set_label(three[1], form.chosen())
    assert page.detail.label.text() == "Tags: invoices, second try\nToo hot a rate.\nNext: half of it."
    assert (three[1].path / "label.json").stat().st_mode & 0o077 == 0
    page.search.setText("SECOND hot")
    assert names(page) == ["run-2"]
    page.search.setText("elephant")
    assert names(page) == []
    assert "No run has these words" in page.hint.text()
    page.show_run(three[0])
    assert names(page) == ["run-3", "run-2", "run-1"]
    assert page.detail.label.isHidden()


@pytest.mark.parametrize("content", [b"", b"{", b'{"tags": 3}', b'{"tags": ["' + b"x" * 200_000 + b'"]}'])
def test_a_damaged_label_costs_no_run(page: RunsPage, three: list[RunFolder], content: bytes) -> None:
    (three[0].path / "label.json").write_bytes(content)
    page.refill()
    assert names(page) == ["run-3", "run-2", "run-1"]


def test_a_label_that_cannot_be_kept_is_told(page: RunsPage, three: list[RunFolder]) -> None:
    (three[0].path / run_label.FILE).mkdir()
    page.set_label(three[0], Label(("x",)))
    assert "could not be kept" in page.message.text()


def test_a_run_that_ended_early_says_so_and_why(page: RunsPage) -> None:
    stream = [*run_stream.run(), msgspec.structs.replace(run_stream.finished(), reason="early")]
    page.show_run(run_stream.write_run("run-9", stream, seed=9))
    why = "Done after 100 steps: the loss on unseen examples had stopped getting better."
    assert page.detail.said.text().endswith(why)
