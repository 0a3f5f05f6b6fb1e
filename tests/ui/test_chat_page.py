"""The Chat page with the real chat worker, a tiny random model and an adapter on it."""

from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot

from studio.contract import events, job
from studio.contract.control import Going
from studio.contract.run_folder import chats_folder, datasets_folder
from studio.contract.sampling import Sampling
from studio.contract.settings import TrainSettings
from studio.data import model_library
from studio.data.importing import import_dataset
from studio.supervisor import chats, memory_witness
from studio.supervisor.chats import Reply
from studio.supervisor.workplace import Workplace
from studio.ui import theme
from studio.ui.pages.chat import ChatPage
from studio.ui.widgets.reply_view import GrowingText, ReplyView
from tests.ui.finished_run import checked_model, finished_run, model_and_adapter

WAIT = 90_000


@pytest.fixture
def made() -> Path:
    return model_and_adapter()


@pytest.fixture
def dataset(tmp_path: Path) -> str:
    rows = "".join(f'{{"question": "What is {n} & <b>more</b>?", "answer": "It is {n}."}}\n' for n in range(40))
    source = tmp_path / "rows.jsonl"
    source.write_text(rows, encoding="utf-8")
    target = datasets_folder() / "rows"
    work = job.ImportJob(source=str(source), destination=str(target), name="Rows")
    import_dataset(work, lambda event: None, Going())
    return str(target)


@pytest.fixture
def page(qtbot: QtBot, workplace: Workplace) -> ChatPage:
    page = ChatPage(workplace)
    qtbot.addWidget(page)
    page.resize(1140, 700)
    page.show()
    return page


def answered(qtbot: QtBot, page: ChatPage) -> None:
    qtbot.waitUntil(lambda: not page.conversation.answering, timeout=WAIT)


def loaded(qtbot: QtBot, page: ChatPage) -> None:
    qtbot.waitUntil(lambda: page.conversation.service.state != "loading", timeout=WAIT)
    assert page.conversation.service.state == "ready", page.message.text()


def ended(qtbot: QtBot, page: ChatPage) -> None:
    page.close_services()
    qtbot.waitUntil(lambda: not page.workplace._tasks, timeout=WAIT)


def short(page: ChatPage, tokens: int = 12) -> None:
    page.sampling.length.setValue(tokens)


def texts(page: ChatPage, index: int = -1) -> list[str]:
    return [view.text.toPlainText() for view in page.view.exchanges[index].replies]


def test_without_a_model_the_page_offers_to_make_one(page: ChatPage) -> None:
    page.on_shown()
    assert page.empty.isVisible()
    assert page.empty.action.isVisible()


def test_a_chat_with_a_run_begins_with_the_system_prompt_that_all_its_examples_share(
    qtbot: QtBot, page: ChatPage, made: Path, tmp_path: Path
) -> None:
    turns = '{"role": "user", "content": "What is %d?"}, {"role": "assistant", "content": "It is %d."}'
    rows = [f'{{"messages": [{{"role": "system", "content": "Be brief."}}, {turns % (n, n)}]}}' for n in range(20)]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows), encoding="utf-8")
    target = str(datasets_folder() / "briefly")
    work = job.ImportJob(source=str(tmp_path / "rows.jsonl"), destination=target, name="Briefly")
    import_dataset(work, lambda event: None, Going())
    page.show_run(finished_run(made, target))
    assert page.sampling.system_prompt() == "Be brief."
    chat = page.conversation.chat
    assert chat is not None
    short(page)
    page.box.setPlainText("What is 77?")
    page.send_button.click()
    answered(qtbot, page)
    assert chat.exchanges[0].system == "Be brief."
    ended(qtbot, page)


def test_one_click_on_a_held_back_question_is_answered_by_base_and_adapter(
    qtbot: QtBot, page: ChatPage, made: Path, dataset: str
) -> None:
    page.show_run(finished_run(made, dataset))
    assert page.conversation.service.state == "loading"  # before anybody asks, so that the first answer comes soon
    short(page)
    hint = " ".join(label.text() for label in page.hint.findChildren(QLabel))
    assert "its row was held back from the training, though others may ask the same" in hint
    chip = page.chips.chips[0]
    assert "&&" in chip.text()  # shown as it stands, not as a mnemonic
    chip.click()
    assert page.stop_button.isVisible()
    answered(qtbot, page)
    (exchange,) = page.view.exchanges
    assert [view.side == "" for view in exchange.replies] == [True, False]
    base, tuned = texts(page)
    assert base != tuned
    shown = " ".join(label.text() for label in exchange.findChildren(QLabel))
    assert f"Expected: {chip.question.expected}" in shown
    assert "Not word for word as expected" in shown
    assert "tokens/s" in shown
    assert chip.question.text in shown
    # What is shown is what is saved.
    (saved,) = chats.list_chats()
    assert [reply.text for reply in saved.exchanges[0].replies] == [base, tuned]
    assert saved.run == page.workplace.runs()[0].id
    assert saved.exchanges[0].sampling.max_new_tokens == 12
    # The same seed gives the same answers.
    page.view.retry.click()
    answered(qtbot, page)
    assert texts(page) == [base, tuned]
    assert not page.view.retry_new.isEnabled()  # at temperature 0 another seed changes nothing
    # Another held-back question begins anew, a typed one goes on.
    page.chips.chips[1].click()
    answered(qtbot, page)
    page.box.setPlainText("And then?")
    assert page.start()
    answered(qtbot, page)
    chat = page.conversation.chat
    assert chat is not None
    side = chat.sides[1]
    assert chat.exchanges[1].fresh
    assert not chat.exchanges[2].fresh
    assert [message.content for message in chat.conversation(side, 2)] == [
        page.chips.chips[1].question.text,
        texts(page, 1)[1],
        "And then?",
    ]
    # A sampled reply differs from the greedy one, and a new chat begins empty.
    page.sampling.temperature.setValue(2.0)
    page.view.retry_new.click()
    answered(qtbot, page)
    assert chat.exchanges[2].sampling.seed == page.sampling.seed.value() != 42
    page.new_button.click()
    assert page.view.exchanges == []
    page.saved.list.setCurrentRow(0)
    page.saved.list.itemClicked.emit(page.saved.list.item(0))
    assert len(page.view.exchanges) == 3
    ended(qtbot, page)


def test_who_comes_to_the_page_can_type_a_question_at_once(qtbot: QtBot, page: ChatPage, made: Path) -> None:
    finished_run(made, name="run-1")
    page.on_shown()
    loaded(qtbot, page)
    assert page.focusWidget() is page.box
    ended(qtbot, page)


def test_a_second_adapter_is_added_without_loading_the_base_again(qtbot: QtBot, page: ChatPage, made: Path) -> None:
    first = finished_run(made, name="run-1")
    second = finished_run(made, name="run-2")
    page.show_run(first)
    loaded(qtbot, page)
    short(page, 4)
    thread = page.conversation.service._thread
    page.show_run(second)
    short(page, 4)
    page.box.setPlainText("Hello")
    page.start()
    answered(qtbot, page)
    assert page.conversation.service._thread is thread
    place = page.sides.findText("Side by side with run-1")
    page.sides.setCurrentIndex(place)
    page.sides.activated.emit(place)
    page.box.setPlainText("Hello again")
    page.start()
    answered(qtbot, page)
    assert [view.name.text() for view in page.view.exchanges[-1].replies] == ["run-1", "run-2"]
    assert all("tokens" in view.facts.text() for view in page.view.exchanges[-1].replies)
    assert page.conversation.service._thread is thread
    ended(qtbot, page)


def test_a_killed_worker_is_told_and_can_be_started_again(
    qtbot: QtBot, page: ChatPage, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another test, run beside this one, may have the system end a process for want of memory in these seconds.
    monkeypatch.setattr(memory_witness, "_count", lambda path: None)
    model_library.put_model(checked_model(made))
    page.workplace.models.choose(checked_model(made))
    page.on_shown()
    assert not page.sides.isVisible()  # a bare model has one side
    loaded(qtbot, page)
    page.sampling.length.setValue(400)
    page.box.setPlainText("Hello")
    with qtbot.waitSignal(page.conversation.reply_grew, timeout=WAIT):
        page.start()
    thread = page.conversation.service._thread
    assert thread is not None
    worker = thread.worker()
    assert worker is not None
    worker.kill()
    qtbot.waitUntil(lambda: "killed (signal 9)" in page.message.text(), timeout=10_000)
    assert not page.conversation.answering
    assert "killed" in page.view.exchanges[0].replies[0].facts.text()
    page.message.clear()
    page.conversation.load()
    loaded(qtbot, page)
    page.sampling.length.setValue(3)
    page.view.retry.click()
    answered(qtbot, page)
    assert "3 tokens" in page.view.exchanges[0].replies[0].facts.text()
    assert "cut at the length limit" in page.view.exchanges[0].replies[0].facts.text()
    ended(qtbot, page)


def test_stop_ends_the_answer_and_keeps_what_is_there(qtbot: QtBot, page: ChatPage, made: Path) -> None:
    page.show_run(finished_run(made))
    page.sampling.length.setValue(450)
    page.box.setPlainText("Hello")
    with qtbot.waitSignal(page.conversation.reply_grew, timeout=WAIT):
        page.start()
    page.stop_button.click()
    answered(qtbot, page)
    facts = [view.facts.text() for view in page.view.exchanges[0].replies]
    assert any("stopped by you" in fact for fact in facts)
    assert page.send_button.isVisible()
    ended(qtbot, page)


def test_a_run_on_the_graphics_processor_makes_the_chat_wait_and_says_why(
    qtbot: QtBot, page: ChatPage, made: Path
) -> None:
    model_library.put_model(checked_model(made))
    page.workplace.models.choose(checked_model(made))
    page.workplace.active_job = job.TrainJob(
        name="run-9", model="m", model_name="m", dataset="d", dataset_name="d", settings=TrainSettings(device="cuda:0")
    )
    page.workplace.run_started.emit(None)
    page.on_shown()
    assert page.conversation.service.state == "closed"
    assert "waits until run-9 has ended" in page.message.text()
    assert not page.chips.isEnabled()
    page.box.setPlainText("Hello")
    assert not page.start()
    page.workplace.active_job = None
    page.workplace.run_ended.emit(None)
    assert page.conversation.service.state == "loading"
    ended(qtbot, page)


def test_a_run_on_the_processor_leaves_the_chat_alone(page: ChatPage, workplace: Workplace) -> None:
    workplace.active_job = job.TrainJob(
        name="run-9", model="m", model_name="m", dataset="d", dataset_name="d", settings=TrainSettings(device="cpu")
    )
    workplace.run_started.emit(None)
    assert page.conversation.slot.taken_by == ""
    workplace.run_event.emit(
        events.Started(
            total_steps=1, first_step=1, trainable_parameters=1, base_parameters=1, device="cuda:0",
            quantisation="nf4", precision="bf16", gradient_checkpointing=True,
        )
    )  # fmt: skip
    assert page.conversation.slot.taken_by == "run-9"  # what it really runs on counts
    workplace.active_job = None


def test_a_run_without_an_adapter_is_told_in_words(page: ChatPage, made: Path) -> None:
    run = finished_run(made)
    (run.adapter / "adapter_config.json").unlink()
    page.show_run(run)
    assert "left no adapter" in page.message.text()


def test_a_deleted_chat_is_gone_from_disk_and_list(qtbot: QtBot, page: ChatPage) -> None:
    chat = chats.Chat(id=chats.new_id(), model="/m", model_name="m")
    chat.exchanges.append(
        chats.Exchange(question="Hi?", replies=(Reply(side="", name="m", text="Ho."),), sampling=Sampling())
    )
    chats.save(chat)
    page._list_saved()
    page.saved.list.setCurrentRow(0)
    with qtbot.waitSignal(page.workplace.told):
        page.saved.delete.click()
    assert list(chats_folder().iterdir()) == []
    assert page.saved.list.count() == 0


def test_saved_chats_keep_room_for_two_lines_and_tell_a_long_title_in_full(page: ChatPage, qapp: QApplication) -> None:
    title = "Which of the <b>returns</b> of last week were refunded in full?"
    replies = (Reply(side="", name="m", text="All."),)
    asked = chats.Exchange(question=title, replies=replies, sampling=Sampling())
    chats.save(chats.Chat(id=chats.new_id(), model="/m", model_name="m", exchanges=[asked]))
    page._list_saved()
    shown = page.saved.list.item(0)
    assert "&lt;b&gt;returns&lt;/b&gt; of last week were refunded in full?" in shown.toolTip()
    small = shown.sizeHint().height()
    theme.apply(qapp, "light", 150)
    assert shown.sizeHint().height() >= 1.3 * small
    theme.apply(qapp, "light", 100)
    assert shown.sizeHint().height() == small


def test_markup_in_a_reply_is_shown_and_not_obeyed(qtbot: QtBot) -> None:
    bad = '<img src="file:///etc/passwd"><b>bold</b> [link](http://example.org)'
    view = ReplyView(Reply(side="", name="<i>m</i>", text=bad, tokens=3, seconds=1.0, ended="end_token"), "")
    qtbot.addWidget(view)
    assert view.text.toPlainText() == bad
    assert view.name.text() == "<i>m</i> (base)"


def test_a_reply_grows_with_its_text_and_keeps_the_selection(qtbot: QtBot) -> None:
    text = GrowingText()
    qtbot.addWidget(text)
    text.resize(200, 20)
    text.show()
    low = text.height()
    text.append_text("one two\n")
    cursor = text.textCursor()
    cursor.setPosition(0)
    cursor.setPosition(3, cursor.MoveMode.KeepAnchor)
    text.setTextCursor(cursor)
    text.append_text("three\n" * 10)
    assert text.height() > 5 * low
    assert text.textCursor().selectedText() == "one"


def test_the_answer_that_is_expected_is_recognised_whatever_its_spaces(qtbot: QtBot) -> None:
    view = ReplyView(Reply(side="a", name="run-1", text="It is\n 4. ", tokens=3, ended="end_token"), "It is 4.")
    qtbot.addWidget(view)
    assert view.match.text() == "✓ Word for word as expected"
