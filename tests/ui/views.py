"""Everything that the window can show, as functions that show it: each page without anything, and each one filled."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from studio.contract import events, job
from studio.contract.diagnosis import Finding
from studio.contract.errors import Problem
from studio.contract.run_folder import RunFolder
from studio.data.edits import Cell, Exclude, Replace
from studio.supervisor import chats
from studio.ui.main_window import MainWindow
from studio.ui.pages import PAGES
from studio.ui.pages.chat import ChatPage
from studio.ui.pages.data import DataPage
from studio.ui.pages.runs import RunsPage
from studio.ui.pages.train import TrainPage
from tests.ui import run_stream
from tests.ui.filled_window import fill
from tests.ui.workshop import made


def _page(window: MainWindow, name: str) -> object:
    window.show_page(name)
    return window.page(name)


def _data_tab(window: MainWindow, tab: int) -> None:
    page = _page(window, "data")
    assert isinstance(page, DataPage)
    page.tabs.setCurrentIndex(tab)
    pieces = ("<|user|>", "Who", " keeps", " the", " keys?", "<|assistant|>", "Marta", " Quill", ".", "<|end|>")
    learned = tuple(place > 5 for place in range(len(pieces)))
    shown = events.MaskedRow(
        row=0, pieces=pieces, ids=tuple(range(len(pieces))), learned=learned, fate="cut", cut_tokens=4
    )
    if tab == 1:
        page.preview.service.row_shown.emit(shown)
        page.preview.service.surveyed.emit((shown, shown))


def _data_masks(window: MainWindow) -> None:
    """A row that is held back, of two answers, with control tokens."""
    page = _page(window, "data")
    assert isinstance(page, DataPage)
    page.tabs.setCurrentIndex(1)
    pieces = ("<|user|>", "Who", " keeps", " the", " keys?", "<|end|>", "Marta", " Quill", ".", "<|end|>")
    control = tuple(piece.startswith("<|") for piece in pieces)
    learned = tuple(place > 5 for place in range(len(pieces)))
    ids = tuple(range(len(pieces)))
    worse = events.MaskedRow(row=0, pieces=pieces, ids=ids, learned=(False,) * 10, fate="kept", control=control)
    page.preview.service.row_shown.emit(
        events.MaskedRow(
            row=0, pieces=pieces, ids=ids, learned=learned, fate="kept", control=control, held_back=True, limit=512,
            rejected=worse,
        )
    )  # fmt: skip


def _data_changed(window: MainWindow) -> None:
    """Options and what is in it open, rows left out and changed, the doctor at work."""
    page = _page(window, "data")
    assert isinstance(page, DataPage)
    page.desk._calm.setInterval(600_000)
    page.options.heading.setChecked(True)
    page.contents.heading.setChecked(True)
    page.desk.history.do(Exclude((0, 2)), "leave out 2 rows")
    page.desk.history.do(Replace((Cell(1, 1, "Another answer."),)), "change a text")
    page.verdict.show_checking(True)
    page.verdict.show_progress(events.Progress(stage="Looking at the rows", done=40, total=100, unit="rows"))


def _data_unproven(window: MainWindow) -> None:
    """A verdict of several sentences, with something to be done about it."""
    page = _page(window, "data")
    assert isinstance(page, DataPage)
    page.verdict.show_verdict(
        "7 of 8 rows are usable. 3 answers are a single word. No row is held back for testing, so nothing would show "
        "whether the model learns or only repeats.", "warning", 3,
    )  # fmt: skip
    page.verdict.show_fix(Finding(code="data.none_held_back", title="", count=1, level="warning", fix_rows=1))


def _data_asked(window: MainWindow) -> None:
    """Compared rows, two files with weights, the question before an import anew."""
    rows: list[dict[str, object]] = [
        {"prompt": f"Is {n} even?", "chosen": f"{n} is {'odd' if n % 2 else 'even'}.", "rejected": f"Who knows {n}?"}
        for n in range(6)
    ]
    first = made("pairs", rows)
    info = made("both", rows, more=(first.sources[0].path,), weights=(1.0, 2.0))
    window.workplace.choose_dataset(info)
    page = _page(window, "data")
    assert isinstance(page, DataPage)
    page.desk.close()
    page.options.heading.setChecked(True)
    page.tabs.setCurrentIndex(2)
    page.desk.history.do(Exclude((0,)), "leave out one row")
    page.importing.change(weights=())


def _data_by_hand(window: MainWindow) -> None:
    """A file whose columns must be chosen, half done and whole."""
    page = _page(window, "data")
    assert isinstance(page, DataPage)
    rows = [{"kind": f"kind {n}", "size": f"{n} metres", "mark": "x"} for n in range(4)]
    seen = events.Inspected(
        columns=("kind", "size", "mark"), rows_seen=4, mapping=None, first_rows=tuple(rows),
        sample=msgspec.json.encode(rows).decode(),
    )  # fmt: skip
    mapping = job.Mapping(shape="prompt_completion", prompt="kind", completion="size")
    work = job.ImportJob(source="/numbers.csv", destination="/x", name="numbers.csv", mapping=mapping)
    page.by_hand.show_file(work, seen)
    page.stack.setCurrentIndex(2)
    page.message.show_problem(Problem(code="data.no_mapping", what="No columns were found.", fix="Choose them."))


def _run(window: MainWindow, stream: list[events.AnyEvent]) -> TrainPage:
    """A run of this window, told event by event."""
    page = _page(window, "train")
    assert isinstance(page, TrainPage)
    folder = run_stream.write_run("run-12", [], seed=9)
    folder.events.unlink()
    work = job.load(folder.job)
    assert isinstance(work, job.TrainJob)
    window.workplace.active_job = work
    window.workplace.run_started.emit(folder)
    for event in stream:
        window.workplace.run_event.emit(event)
    page.view.load_plot()
    page.feed.changed.emit()
    return page


def _running(window: MainWindow) -> None:
    notice = events.Notice(at=1001.0, problem=run_stream.PROBLEM)
    _run(window, [*list(run_stream.run())[:60], notice])


def _ended(window: MainWindow, stream: list[events.AnyEvent]) -> None:
    page = _run(window, stream)
    window.workplace.active_job = None
    assert page.feed.folder is not None
    window.workplace.run_ended.emit(page.feed.folder)


def _failed(window: MainWindow) -> None:
    _ended(window, [*list(run_stream.run())[:60], events.Failed(at=1500.0, problem=run_stream.PROBLEM)])


def _runs(window: MainWindow, tab: int, several: bool = False) -> None:
    page = _page(window, "runs")
    assert isinstance(page, RunsPage)
    folders: list[Path] = [summary.folder for summary in window.workplace.runs()]
    if several:
        page.list.select(folders)
    else:
        page.show_run(RunFolder(next(run.folder for run in window.workplace.runs() if run.state == "done")))
    page.detail.tabs.setCurrentIndex(tab)


def _chat(window: MainWindow) -> None:
    page = _page(window, "chat")
    assert isinstance(page, ChatPage)
    page.conversation.open_chat(chats.list_chats()[0])
    page.side_button.setChecked(True)
    page._on_side_toggled()


def _problem(window: MainWindow) -> None:
    window.show_page("home")
    problem = Problem(
        code="train.no_dataset",
        what="Choose a dataset first.",
        why="Why. " * 60,
        fix="Open the Data page.",
        details="x",
    )
    window.workplace.problem_raised.emit(problem)
    window.workplace.told.emit("News of a certain length, as they are told.")


def _searched(window: MainWindow) -> None:
    """The form with a problem and a search."""
    window.show_page("train")
    page = window.page("train")
    assert isinstance(page, TrainPage)
    assert page.before is not None
    form = page.before.setup.form
    settings = form.settings()
    assert settings is not None
    form.set_settings(msgspec.structs.replace(settings, early_stopping=3, evaluations=0))
    form.search.setText("test")


def _all_settings(window: MainWindow) -> None:
    """Every group of the form open, a setting that asks for what the model has not."""
    window.preferences.level = "full"
    window.show_page("train")
    page = window.page("train")
    assert isinstance(page, TrainPage)
    assert page.before is not None
    form = page.before.setup.form
    for group in form.groups.values():
        group.set_open(True)
    form.rows["method.rank"].set_value(600)
    form.rows["method.rank"].edited.emit()


def _empty(name: str) -> Callable[[MainWindow], None]:
    return lambda window: window.show_page(name)


def _filled(show: Callable[[MainWindow], object]) -> Callable[[MainWindow], None]:
    def view(window: MainWindow) -> None:
        fill(window)
        show(window)

    return view


VIEWS: dict[str, tuple[str, Callable[[MainWindow], None]]] = {
    **{f"{name}, empty": (name, _empty(name)) for name in PAGES},
    "home, filled": ("home", _filled(lambda window: window.show_page("home"))),
    "home, with a problem": ("home", _filled(_problem)),
    "data, table": ("data", _filled(lambda window: _data_tab(window, 0))),
    "data, as the model sees it": ("data", _filled(lambda window: _data_tab(window, 1))),
    "data, a test row of two answers": ("data", _filled(_data_masks)),
    "data, changed and being checked": ("data", _filled(_data_changed)),
    "data, nothing held back": ("data", _filled(_data_unproven)),
    "data, compared and asked": ("data", _filled(_data_asked)),
    "data, columns by hand": ("data", _filled(_data_by_hand)),
    "data, problems": ("data", _filled(lambda window: _data_tab(window, 2))),
    "models, filled": ("models", _filled(lambda window: window.show_page("models"))),
    "train, before": ("train", _filled(lambda window: window.show_page("train"))),
    "train, searched": ("train", _filled(_searched)),
    "train, all settings": ("train", _filled(_all_settings)),
    "train, running": ("train", _filled(_running)),
    "train, done": ("train", _filled(lambda window: _ended(window, list(run_stream.run())))),
    "train, failed": ("train", _filled(_failed)),
    "runs, plot": ("runs", _filled(lambda window: _runs(window, 0))),
    "runs, settings": ("runs", _filled(lambda window: _runs(window, 1))),
    "runs, answers": ("runs", _filled(lambda window: _runs(window, 2))),
    "runs, compared": ("runs", _filled(lambda window: _runs(window, 0, several=True))),
    "chat, side by side": ("chat", _filled(_chat)),
    "export, filled": ("export", _filled(lambda window: window.show_page("export"))),
    "settings, filled": ("settings", _filled(lambda window: window.show_page("settings"))),
}
"""What is shown -> the page it is on, and how it comes to be."""
