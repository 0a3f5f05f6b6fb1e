"""A model comes in from a folder, learns, and leaves as GGUF; two adapters become one that chats."""

import shutil
from pathlib import Path

import msgspec
import pytest
from PySide6.QtWidgets import QApplication, QFileDialog
from pytestqt.qtbot import QtBot

from studio.contract import events
from studio.contract.presets import load_preset
from studio.contract.run_folder import RunFolder, models_folder, starter_folder
from studio.data.run_history import list_runs
from studio.engine.parity import _silence
from studio.supervisor.chats import Chat
from studio.ui.main_window import MainWindow
from studio.ui.pages.chat import ChatPage
from studio.ui.pages.export import ExportPage
from studio.ui.pages.models import ModelsPage
from studio.ui.pages.runs import RunsPage
from studio.ui.widgets.combine_dialog import CombineDialog
from tests.helpers.recorder import Recorder
from tests.journeys.conftest import close_window, open_window
from tests.journeys.person import Person
from tests.ui.filled_window import import_sample

WAIT = 240_000


@pytest.mark.timeout(900)
def test_a_model_from_a_folder_is_taught_exported_compared_and_combined(
    qtbot: QtBot, window: MainWindow, person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workplace = window.workplace
    qtbot.waitUntil(lambda: workplace.model is not None, timeout=60_000)
    shutil.copytree(starter_folder(), tmp_path / "stick" / "Helper")

    # In: from a stick, copied, chosen.
    window.show_page("models")
    models = window.page("models")
    assert isinstance(models, ModelsPage)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *arguments: str(tmp_path / "stick"))
    person.click("Add from folder or USB stick…")
    person.click("Copy them to this computer")
    models.source.add_button.click()
    qtbot.waitUntil(lambda: any(card.model.copied for card in models.cards), timeout=60_000)
    person.click("Use Helper")
    assert workplace.model is not None
    assert Path(workplace.model.path).parent == models_folder()
    shutil.rmtree(tmp_path / "stick")  # the stick is pulled out

    # It learns for some steps, twice.
    workplace.choose_dataset(import_sample())
    for seed in (1, 2):
        train(qtbot, window, seed)
    assert len(list_runs()) == 2

    # Out: as GGUF, with the comparison on the page.
    assert "The files behave as the adapter did." in export_as(qtbot, window, "gguf", tmp_path / "out")
    (file,) = (tmp_path / "out").rglob("*.gguf")
    assert file.stat().st_size > 5_000_000
    assert "These files behave as the adapter did." in (file.parent / "README.md").read_text(encoding="utf-8")
    for form in ("adapter", "gguf_adapter"):
        assert "The files behave as the adapter did." in export_as(qtbot, window, form, tmp_path / form)
        (card,) = (tmp_path / form).rglob("README.md")
        assert "These files behave as the adapter did." in card.read_text(encoding="utf-8")

    combine_and_chat(qtbot, window, person)


@pytest.mark.timeout(900)
def test_after_closing_and_opening_again_model_run_and_export_are_there_and_of_use(
    qtbot: QtBot, qapp: QApplication, own_home: Path, tmp_path: Path
) -> None:
    shutil.copytree(starter_folder(), tmp_path / "folder" / "Helper")
    window = open_window(qtbot, qapp)
    workplace = window.workplace
    try:
        qtbot.waitUntil(lambda: workplace.model is not None, timeout=60_000)
        workplace.choose_dataset(import_sample())
        window.show_page("models")
        models = window.page("models")
        assert isinstance(models, ModelsPage)
        models.shelf.add([tmp_path / "folder" / "Helper"], copy=True)
        qtbot.waitUntil(lambda: any(card.model.copied for card in models.cards), timeout=60_000)
        workplace.models.choose(next(card.model for card in models.cards if card.model.copied))
        train(qtbot, window, seed=1)
        said = export_as(qtbot, window, "gguf", tmp_path / "out")
        assert "The files behave as the adapter did." in said
    finally:
        close_window(qtbot, window)

    shutil.rmtree(tmp_path / "folder")
    again = open_window(qtbot, qapp)
    try:
        use_all_of_it(qtbot, again, tmp_path)
    finally:
        close_window(qtbot, again)


def use_all_of_it(qtbot: QtBot, window: MainWindow, place: Path) -> None:
    """The run is shown, its model is there, the file that was exported is, and the run chats and is exported anew."""
    (run,) = list_runs()
    window.show_page("models")
    models = window.page("models")
    assert isinstance(models, ModelsPage)
    qtbot.waitUntil(lambda: any(card.model.copied and card.model.usable for card in models.cards), timeout=60_000)
    window.show_run(RunFolder(run.folder))
    runs = window.page("runs")
    assert isinstance(runs, RunsPage)
    qtbot.waitUntil(lambda: [shown.folder for shown in runs.list.selected()] == [run.folder], timeout=60_000)
    (file,) = (place / "out").rglob("*.gguf")
    assert "These files behave as the adapter did." in (file.parent / "README.md").read_text(encoding="utf-8")
    said = greedy_answer(file.parent)
    assert "The files behave as the adapter did." in export_as(qtbot, window, "merged", place / "again")
    (whole,) = (path.parent for path in (place / "again").rglob("model.safetensors"))
    assert said == greedy_answer(whole)
    window.workplace.open_chat(RunFolder(run.folder))
    ask(qtbot, window)


def greedy_answer(folder: Path) -> list[int]:
    """What an exported model (a GGUF file, or safetensors) answers to a question, as any program reads it."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers import modeling_gguf_pytorch_utils as reader

    _silence(reader)
    file = next(folder.glob("*.gguf"), None)
    options = {"gguf_file": file.name} if file is not None else {}
    tokenizer = AutoTokenizer.from_pretrained(str(folder), **options)
    model = AutoModelForCausalLM.from_pretrained(str(folder), dtype="float32", **options).eval()
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Who keeps the hammer?"}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    ids: list[int] = model.generate(**asked, max_new_tokens=16, do_sample=False)[0].tolist()
    return ids


def train(qtbot: QtBot, window: MainWindow, seed: int) -> None:
    """Some real steps on the sample."""
    workplace = window.workplace
    settings = msgspec.structs.replace(
        load_preset("sample").settings(), max_steps=6, seed=seed, replay_share=0.0, evaluations=0
    )
    seen = Recorder()
    workplace.run_event.connect(seen.take)
    workplace.start_training(workplace.training_job(settings))
    qtbot.waitUntil(lambda: seen.has(events.Finished) or seen.has(events.Failed), timeout=WAIT)
    assert seen.has(events.Finished), seen.last
    workplace.run_event.disconnect(seen.take)


def export_as(qtbot: QtBot, window: MainWindow, form: str, folder: Path) -> str:
    """Export the run that the page shows; what the page says of the comparison."""
    window.show_page("export")
    export = window.page("export")
    assert isinstance(export, ExportPage)
    export.set_folder(folder)
    export.forms.choose(form)
    export.export_button.click()
    qtbot.waitUntil(lambda: not export.job.going, timeout=WAIT)
    return export.parity.text()


def combine_and_chat(qtbot: QtBot, window: MainWindow, person: Person) -> None:
    """Two become one, which chats."""
    export = window.page("export")
    assert isinstance(export, ExportPage)
    export.combine_button.click()
    dialog = window.findChildren(CombineDialog)[-1]
    for box in dialog.boxes:
        box.click()
    dialog.combine.click()
    qtbot.waitUntil(lambda: not export.combining.going, timeout=WAIT)
    person.click("Chat with it")
    assert any("+" in run.job.name for run in list_runs())
    talk = ask(qtbot, window)
    assert talk.run.startswith("combined-")
    assert len(talk.exchanges[0].replies) == 2


def ask(qtbot: QtBot, window: MainWindow) -> Chat:
    """Ask something on the Chat page, and wait for the answers."""
    chat = window.page("chat")
    assert isinstance(chat, ChatPage)
    chat.box.setPlainText("Who keeps the hammer?")
    qtbot.waitUntil(chat.start, timeout=60_000)
    qtbot.waitUntil(lambda: answered(chat), timeout=WAIT)
    talk = chat.conversation.chat
    assert talk is not None
    return talk


def answered(chat: ChatPage) -> bool:
    talk = chat.conversation.chat
    asked = talk is not None and talk.exchanges and not chat.conversation.answering
    return bool(asked and talk is not None and all(reply.ended for reply in talk.exchanges[0].replies))
