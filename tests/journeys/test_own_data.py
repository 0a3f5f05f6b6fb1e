"""Own data: dropped, mapped by hand, trained for some steps, stopped and saved, and chatted with."""

import pytest
from pytestqt.qtbot import QtBot

from studio.contract import events
from studio.data.run_history import list_runs
from studio.ui.main_window import MainWindow
from studio.ui.pages.chat import ChatPage
from studio.ui.pages.data import DataPage
from tests.helpers.recorder import Recorder
from tests.helpers.shared_data import shared_data
from tests.journeys.person import Person
from tests.ui.seen import seen_words


@pytest.mark.timeout(600)
def test_four_clicks_map_a_dropped_file_and_five_lead_on_to_a_chat_with_a_run_that_was_stopped(
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

    # An own mapping, other than the guess: from the calculation to its task. Two lists: open, choose, a click each.
    page = window.page("data")
    assert isinstance(page, DataPage)
    person.pick("Column of: Question", "answer")
    assert "The same column is chosen twice." in seen_words(page)  # half done: nothing is imported yet
    assert not workplace.importing
    person.pick("Column of: Answer", "question")
    wait_for_mapping(qtbot, window, "answer", "question")
    assert "Chosen by you." in seen_words(page)
    model = page.rows.table.model()
    first = [model.index(0, column).data() for column in (1, 2)]
    assert "####" in first[0]  # how the calculations of this file end
    assert "####" not in first[1]
    mapping_clicks, person.clicks = person.clicks, 0
    assert mapping_clicks == 4

    # And with it in five clicks to the chat: Continue, Start training, Stop, Stop and save, Compare.
    person.click("Continue")
    person.click("Start training")
    qtbot.waitUntil(lambda: seen.has(events.Step), timeout=240_000)
    person.choose("Stop", window.run_bar.save_action, window.run_bar.save_action.parent())
    qtbot.waitUntil(lambda: seen.has(events.Finished), timeout=240_000)
    finished = seen.last
    assert isinstance(finished, events.Finished)
    assert finished.reason == "stopped"
    assert finished.steps >= 1
    assert "Stopped and saved at step" in window.run_bar.text()
    person.click("Compare")

    chat = window.page("chat")
    assert isinstance(chat, ChatPage)
    qtbot.waitUntil(lambda: _answered(chat), timeout=120_000)
    assert (person.clicks, person.keys) == (5, 0)
    (run,) = list_runs()
    assert run.state == "stopped"
    assert run.has_adapter
    exchange = chat.conversation.chat.exchanges[0]
    assert exchange.question == chat._questions[0].text
    assert "####" in exchange.question  # asked as it was mapped
    assert {reply.side for reply in exchange.replies} == {"", run.id}
    assert all(view.text.toPlainText() for view in chat.view.exchanges[0].replies)


def wait_for_mapping(qtbot: QtBot, window: MainWindow, prompt: str, completion: str) -> None:
    def is_mapped() -> bool:
        info = window.workplace.dataset
        mapped = info is not None and (info.mapping.prompt, info.mapping.completion) == (prompt, completion)
        return mapped and not window.workplace.importing

    qtbot.waitUntil(is_mapped, timeout=120_000)


def _answered(chat: ChatPage) -> bool:
    talk = chat.conversation.chat
    return bool(
        talk is not None
        and talk.exchanges
        and not chat.conversation.answering
        and all(reply.ended for reply in talk.exchanges[0].replies)
    )
