"""What a click replaces or deletes is named before, or comes back with one click; what is over gives way."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from studio.contract.errors import Problem
from studio.contract.job import AdapterRef
from studio.contract.run_folder import RunFolder
from studio.contract.sampling import Sampling
from studio.contract.settings import TrainSettings
from studio.data.dataset import DatasetInfo
from studio.data.edits import Cell, Exclude, Replace
from studio.supervisor import chats
from studio.supervisor.chats import Reply
from studio.supervisor.workplace import Workplace
from studio.ui.command_palette import CommandPalette
from studio.ui.main_window import MainWindow
from studio.ui.pages.chat import ChatPage
from studio.ui.pages.data import DataPage
from studio.ui.pages.train import TrainPage
from tests.ui.finished_run import checked_model, finished_run, model_and_adapter
from tests.ui.seen import seen_button
from tests.ui.test_data_workshop import faq as faq
from tests.ui.test_data_workshop import page as page
from tests.ui.workshop import FAQ, made


def train(window: MainWindow) -> TrainPage:
    window.show_page("train")
    shown = window.page("train")
    assert isinstance(shown, TrainPage)
    return shown


def test_deleting_a_dataset_names_the_changes_that_go_with_it(page: DataPage, faq: DatasetInfo) -> None:
    page.delete_button.click()
    assert "Only the imported copy goes" in page.message.text()
    page.desk.history.do(Exclude((0, 3)), "x")
    page.desk.history.do(Replace((Cell(2, 1, "Other words."),)), "y")
    page.delete_button.click()
    said = page.message.text()
    assert "your changes with it: 1 row that you changed, 2 rows that you left out. Export the rows first" in said


def test_settings_that_a_preset_replaced_come_back(window: MainWindow, workplace: Workplace) -> None:
    workplace.choose_dataset(made("faq", FAQ))
    before = train(window).before
    assert before is not None
    form = before.setup.form
    form.presets.buttons["thorough"].click()
    assert window.toasts.toasts() == []  # nothing of one's own went
    own = TrainSettings(seed=7, learning_rate=3e-5)
    form.set_settings(own)
    form.presets.buttons["quick"].click()
    assert form.changed_count == 0
    (toast,) = window.toasts.toasts()
    seen_button(toast, "Undo").click()
    assert form.settings() == own
    assert form.preset == "thorough"


@pytest.mark.parametrize("since", ["edited", "goes on from another"])
def test_what_was_set_after_a_preset_is_not_lost_to_its_undo(
    window: MainWindow, workplace: Workplace, since: str
) -> None:
    workplace.choose_dataset(made("faq", FAQ))
    before = train(window).before
    assert before is not None
    form = before.setup.form
    form.set_settings(TrainSettings(seed=7, learning_rate=3e-5))
    form.presets.buttons["quick"].click()
    if since == "edited":
        form.rows["seed"].set_value(11)
        form.rows["seed"].edited.emit()
    else:
        form.set_sources("", "", "", "run-1")
    kept = form.settings()
    seen_button(window.toasts.toasts()[0], "Undo").click()
    assert form.settings() == kept
    assert [toast.text for toast in window.toasts.toasts()] == ["Settings were changed since, so nothing was undone."]


def test_an_ended_run_gives_way_where_one_goes_on_with_other_data(
    window: MainWindow, workplace: Workplace, tmp_path: Path
) -> None:
    first = made("first", FAQ)
    workplace.choose_dataset(first)
    shown = train(window)
    folder = finished_run(model_and_adapter(), first.folder)
    workplace.run_started.emit(folder)
    data = window.page("data")
    assert isinstance(data, DataPage)

    def goes_on() -> TrainPage:
        window.show_page("data")
        data.continue_button.click()
        return train(window)

    assert goes_on().stack.currentWidget() is shown.live  # the same data: its result stays
    workplace.choose_dataset(made("second", FAQ))
    assert train(window).stack.currentWidget() is shown.live
    assert goes_on().stack.currentWidget() is shown.before
    assert shown.feed.folder is None


def test_the_palette_says_that_nothing_was_found(window: MainWindow) -> None:
    window.open_palette()
    palette = window.findChild(CommandPalette)
    assert palette is not None
    QTest.keyClicks(palette.field, "learn")
    assert [palette.list.item(row).text() for row in range(palette.list.count())] == ["Nothing found for “learn”."]
    QTest.keyClick(palette.field, Qt.Key.Key_Return)
    assert palette.isVisible()
    palette.close()


def saved_chat(run: RunFolder) -> chats.Chat:
    adapter = AdapterRef(run.id, str(run.adapter), "run-1")
    model = str(model_and_adapter() / "model")
    chat = chats.Chat(
        id=chats.new_id(), model=model, model_name="tiny", adapters=(adapter,), run=run.id, sides=(run.id,),
        device="cpu", quantisation="none",
    )  # fmt: skip
    replies = (Reply(side=run.id, name="run-1", text="Ho."),)
    chat.exchanges.append(chats.Exchange(question="Hi?", replies=replies, sampling=Sampling()))
    chats.save(chat)
    return chat


def opened_chat(window: MainWindow, run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> ChatPage:
    saved_chat(run)
    chat = window.page("chat")
    assert isinstance(chat, ChatPage)
    monkeypatch.setattr(chat.conversation, "load", lambda: None)
    window.show_page("chat")
    chat.saved.list.setCurrentRow(0)
    chat.saved.list.itemClicked.emit(chat.saved.list.item(0))
    return chat


def test_a_deleted_chat_that_was_open_is_open_again(
    window: MainWindow, qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = opened_chat(window, finished_run(model_and_adapter()), monkeypatch)
    assert len(chat.view.exchanges) == 1
    chat.saved.delete.click()
    assert chat.view.exchanges == []
    seen_button(window.toasts.toasts()[-1], "Undo").click()
    assert len(chat.view.exchanges) == 1
    assert chat.saved.list.count() == 1


def test_undo_of_a_deleted_chat_leaves_a_chat_that_was_begun_since(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = opened_chat(window, finished_run(model_and_adapter()), monkeypatch)
    chat.saved.delete.click()
    chat.conversation.new_chat_with_model(checked_model(model_and_adapter()))
    begun = chat.conversation.chat
    seen_button(window.toasts.toasts()[-1], "Undo").click()
    assert chat.conversation.chat is begun
    assert chat.saved.list.count() == 1  # it is back in the list


def test_a_chat_of_a_deleted_run_says_that_the_run_is_gone(window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    run = finished_run(model_and_adapter())
    chat = opened_chat(window, run, monkeypatch)
    said = Problem(  # as the worker says it
        code="adapter.no_config", what="adapter is no adapter folder.", where=str(run.adapter)
    )
    chat.conversation.service.failed.emit(said)
    assert "no adapter folder" in chat.message.text()  # it is there: this is not its run's end
    run.path.rename(run.path.parent.with_name("elsewhere"))
    chat.conversation.service.failed.emit(said)
    assert "run-1 was deleted." in chat.message.text()
    assert "no adapter folder" not in chat.message.text()
    damaged = Problem(code="adapter.damaged", what="Its weights are damaged.", where="adapter_model.safetensors")
    chat.conversation.service.failed.emit(damaged)  # of another adapter, which is there
    assert "Its weights are damaged." in chat.message.text()
