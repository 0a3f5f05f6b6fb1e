"""Home starts the sample, lists runs, offers to resume, and says in words what this computer can do."""

from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QLabel, QPushButton
from pytestqt.qtbot import QtBot

from studio.contract import events, job
from studio.contract.errors import Problem
from studio.contract.run_folder import RunFolder, runs_folder
from studio.supervisor.workplace import Workplace
from studio.ui.main_window import MainWindow
from studio.ui.pages.home import HomePage, RecentRun
from tests.ui.attached_run import AttachedRun


@pytest.fixture
def home(qtbot: QtBot, workplace: Workplace) -> HomePage:
    made = HomePage(workplace)
    qtbot.addWidget(made)
    made.resize(1000, 700)
    made.show()
    made.on_shown()
    return made


def _past_run(name: str, *told: events.Event) -> RunFolder:
    folder = RunFolder.create(runs_folder(), "run")
    work = job.TrainJob(name=name, model="/m", model_name="Starter", dataset="/d", dataset_name="FAQ")
    job.save(work, folder.job)
    folder.events.write_bytes(b"".join(events.encode(event) for event in told))
    return folder


def _step(number: int) -> events.Step:
    return events.Step(
        step=number, total_steps=100, epoch=0.1, loss=1.0, learning_rate=1e-4, grad_norm=1.0, tokens=1,
        learned_tokens=1, step_seconds=0.1, train_seconds=1.0, memory_bytes=1,
    )  # fmt: skip


def _texts(widget: HomePage) -> str:
    QApplication.processEvents()  # what was put into a layout is shown from there
    return "\n".join(part.text() for part in widget.findChildren(QLabel) if part.isVisible())


def test_the_first_start_shows_one_thing_to_do(home: HomePage) -> None:
    assert "Teach a model with your own examples." in _texts(home)
    assert home.try_button.isVisible()
    assert home.try_button.isEnabled()
    assert "None yet" in _texts(home)
    assert not home.interrupted.isVisible()
    assert [
        b for b in home.findChildren(QPushButton) if b.property("role") in ("big", "primary") and b.isVisible()
    ] == [home.try_button]


def test_one_click_starts_the_sample_and_shows_it(
    home: HomePage, workplace: Workplace, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    monkeypatch.setattr(workplace, "start_sample", lambda: started.append(1))
    with qtbot.waitSignal(home.page_wanted) as asked:
        home.try_button.click()
    assert asked.args == ["train"]
    assert started == [1]
    assert not home.try_button.isEnabled()  # a second click would start a second run


def test_while_a_run_goes_on_the_button_shows_it(home: HomePage, workplace: Workplace, qtbot: QtBot) -> None:
    with AttachedRun() as run:
        workplace._follow(run.folder, run.work, attach=True)
        assert "going on" in home.try_button.text()
        with qtbot.waitSignal(home.page_wanted) as asked:
            home.try_button.click()
        assert asked.args == ["train"]
        run.finish()
        qtbot.waitUntil(lambda: workplace.active is None)
    qtbot.waitUntil(lambda: "Try it now" in home.try_button.text())


def test_recent_runs_are_listed_and_open_by_a_click(home: HomePage, qtbot: QtBot) -> None:
    folder = _past_run("run-1", _step(100), events.Finished(adapter="", reason="done", steps=100, seconds=9))
    _past_run("run-2", _step(4), events.Failed(problem=Problem(code="a.b", what="It broke.")))
    home.on_shown()
    QApplication.processEvents()
    rows = home.findChildren(RecentRun)
    shown = {row.open_button.accessibleName() for row in rows if row.isVisible()}
    assert shown == {"Open run-1: Done", "Open run-2: Failed"}
    failed = next(row for row in rows if row.open_button.text() == "run-2" and row.isVisible())
    assert failed.why.text() == "It broke."
    done = next(row for row in rows if row.open_button.text() == "run-1" and row.isVisible())
    with qtbot.waitSignal(home.run_wanted) as asked:
        done.open_button.click()
    assert asked.args == [folder]


def test_an_interrupted_run_is_offered_to_be_resumed(
    home: HomePage, workplace: Workplace, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _past_run("run-12", _step(41))
    home.on_shown()
    assert "run-12 was interrupted at 41 %." in home.interrupted.text()
    resumed: list[RunFolder] = []
    monkeypatch.setattr(workplace, "resume_run", resumed.append)
    button = next(b for b in home.interrupted.findChildren(QPushButton) if b.text() == "Resume")
    with qtbot.waitSignal(home.page_wanted) as asked:
        button.click()
    assert resumed == [folder]
    assert asked.args == ["train"]


def test_a_banner_that_was_closed_stays_closed(home: HomePage) -> None:
    _past_run("run-12", _step(41))
    home.on_shown()
    assert home.escape()
    home.on_shown()
    assert not home.interrupted.isVisible()
    assert not home.escape()


def test_a_dropped_dataset_is_imported_and_the_data_page_shown(
    window: MainWindow, workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = window.page("home")
    assert isinstance(home, HomePage)
    asked_for: list[tuple[Path, ...]] = []
    monkeypatch.setattr(workplace, "import_dataset", lambda path, more: asked_for.append((path, *more)))
    home.drop_zone.paths_chosen.emit([tmp_path / "faq.csv"])
    assert window.current_page == "data"
    home.drop_zone.paths_chosen.emit([tmp_path / "a.xlsx", tmp_path / "b.jsonl.zst"])
    assert asked_for == [(tmp_path / "faq.csv",), (tmp_path / "a.xlsx", tmp_path / "b.jsonl.zst")]
    window.show_page("home")
    home.drop_zone.paths_chosen.emit([tmp_path / "photo.png"])
    assert "photo.png" in home.interrupted.text()
    assert window.current_page == "home"


def test_this_computer_is_told_in_words(home: HomePage, workplace: Workplace) -> None:
    problem = Problem(code="device.no_driver", what="No NVIDIA driver.", why="It is not installed.", fix="Install it.")
    workplace.device_reported.emit(
        events.DeviceReport(
            cpu="Some CPU", cores=8, memory_bytes=16 << 30, free_memory_bytes=9 << 30, disk_free_bytes=80_000_000_000,
            gpus=(events.Gpu(name="Radeon X", vendor="amd", problem=problem),), torch="2.13.0", problems=(problem,),
        )
    )  # fmt: skip
    words = _texts(home)
    for part in (
        "train on the processor (CPU)",
        "8 cores",
        "9.0 GB of 16.0 GB free",
        "80.0 GB free",
        "Radeon X (not used)",
    ):
        assert part in words
    assert words.count("No NVIDIA driver.") == 1
    assert "Install it." in words


def test_a_usable_gpu_is_told(home: HomePage, workplace: Workplace) -> None:
    workplace.device_reported.emit(
        events.DeviceReport(
            cpu="", cores=8, memory_bytes=16 << 30, free_memory_bytes=9 << 30, disk_free_bytes=1,
            gpus=(events.Gpu(name="RTX 4070", vendor="nvidia", device="cuda:0", memory_bytes=12 << 30,
                             free_bytes=11 << 30),), torch="2.13.0",
        )
    )  # fmt: skip
    assert "Ready to train on the graphics processor." in _texts(home)
    assert "RTX 4070, 11.0 GB of 12.0 GB free" in _texts(home)
