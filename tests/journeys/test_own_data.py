"""Own data: dropped, mapped by hand, trained for some steps, stopped and saved, and chatted with."""

import pytest
from pytestqt.qtbot import QtBot

from studio.contract import events
from studio.data.run_history import list_runs
from studio.ui.main_window import MainWindow
from studio.ui.pages.chat import ChatPage
from studio.ui.pages.data import DataPage
from studio.ui.widgets.mapping_form import MappingForm
from tests.helpers.recorder import Recorder
from tests.helpers.shared_data import shared_data
from tests.journeys.person import Person


@pytest.mark.timeout(600)
def test_five_clicks_lead_from_a_dropped_file_to_a_chat_with_a_run_that_was_stopped(
    qtbot: QtBot, window: MainWindow, person: Person
) -> None:
    workplace = window.workplace
    seen, imports = Recorder(), Recorder()
    workplace.run_event.connect(seen.take)
    workplace.import_ended.connect(imports.take)
    qtbot.waitUntil(lambda: workplace.model is not None, timeout=60_000)

    person.drop(str(shared_data("gsm8k_train.jsonl")))
    qtbot.waitUntil(lambda: len(imports.seen) == 1, timeout=120_000)
    imported = imports.last
    assert isinstance(imported, events.Imported)
    assert (imported.rows, imported.mapping.prompt, imported.mapping.completion) == (7473, "question", "answer")

    # An own mapping (the answer becomes the question), then back: each choice imports anew, in a worker.
    page = window.page("data")
    assert isinstance(page, DataPage)
    for prompt, completion in (("answer", "question"), ("question", "answer")):
        choose_columns(page, prompt, completion)
        wait_for_mapping(qtbot, window, prompt)

    person.click("Continue")
    person.click("Start training")
    qtbot.waitUntil(lambda: seen.has(events.Step), timeout=240_000)
    person.choose("Stop", window.run_bar.save_action, window.run_bar.save_action.parent())
    qtbot.waitUntil(lambda: seen.has(events.Finished), timeout=240_000)
    finished = seen.last
    assert isinstance(finished, events.Finished)
    assert finished.reason == "stopped"
    assert finished.steps >= 1
    person.click("Compare")

    chat = window.page("chat")
    assert isinstance(chat, ChatPage)
    qtbot.waitUntil(lambda: _answered(chat), timeout=120_000)
    assert person.clicks == 5
    assert person.keys == 0
    (run,) = list_runs()
    assert run.state == "stopped"
    assert run.has_adapter
    held_back = [question.text for question in chat._questions]
    assert chat.conversation.chat.exchanges[0].question == held_back[0]


def choose_columns(page: DataPage, prompt: str, completion: str) -> None:
    """What choosing in the two lists does; how many clicks a list takes is the platform's affair."""
    (form,) = (form for form in page.findChildren(MappingForm) if form.isVisible())
    for field, column in (("prompt", prompt), ("completion", completion)):
        combo = form._combos[field]
        combo.setCurrentIndex(combo.findData(column))
    combo.activated.emit(combo.currentIndex())


def wait_for_mapping(qtbot: QtBot, window: MainWindow, prompt: str) -> None:
    def is_mapped() -> bool:
        info = window.workplace.dataset
        return info is not None and info.mapping.prompt == prompt and not window.workplace.importing

    qtbot.waitUntil(is_mapped, timeout=120_000)


def _answered(chat: ChatPage) -> bool:
    talk = chat.conversation.chat
    return bool(
        talk is not None
        and talk.exchanges
        and not chat.conversation.answering
        and all(reply.ended for reply in talk.exchanges[0].replies)
    )
