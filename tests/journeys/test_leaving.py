"""A model comes in from a folder, learns, and leaves as GGUF; two adapters become one that chats."""

import shutil
from pathlib import Path

import msgspec
import pytest
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from studio.contract import events
from studio.contract.presets import load_preset
from studio.contract.run_folder import models_folder, starter_folder
from studio.data.run_history import list_runs
from studio.ui.main_window import MainWindow
from studio.ui.pages.chat import ChatPage
from studio.ui.pages.export import ExportPage
from studio.ui.pages.models import ModelsPage
from studio.ui.widgets.combine_dialog import CombineDialog
from tests.helpers.recorder import Recorder
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
        settings = msgspec.structs.replace(
            load_preset("sample").settings(), max_steps=6, seed=seed, replay_share=0.0, evaluations=0
        )
        seen = Recorder()
        workplace.run_event.connect(seen.take)
        workplace.start_training(workplace.training_job(settings))
        qtbot.waitUntil(lambda seen=seen: seen.has(events.Finished) or seen.has(events.Failed), timeout=WAIT)
        assert seen.has(events.Finished), seen.last
        workplace.run_event.disconnect(seen.take)
    assert len(list_runs()) == 2

    # Out: as GGUF, with the comparison on the page.
    window.show_page("export")
    export = window.page("export")
    assert isinstance(export, ExportPage)
    export.set_folder(tmp_path / "out")
    export.forms.choose("gguf")
    export.export_button.click()
    qtbot.waitUntil(lambda: not export.job.going, timeout=WAIT)
    assert "The files behave as the adapter did." in export.parity.text()
    (file,) = (tmp_path / "out").rglob("*.gguf")
    assert file.stat().st_size > 5_000_000
    assert "These files behave as the adapter did." in (file.parent / "README.md").read_text(encoding="utf-8")

    # Two become one, which chats.
    export.combine_button.click()
    dialog = window.findChildren(CombineDialog)[-1]
    for box in dialog.boxes:
        box.click()
    dialog.combine.click()
    qtbot.waitUntil(lambda: not export.combining.going, timeout=WAIT)
    person.click("Chat with it")
    chat = window.page("chat")
    assert isinstance(chat, ChatPage)
    assert any("+" in run.job.name for run in list_runs())
    chat.box.setPlainText("Who keeps the hammer?")
    qtbot.waitUntil(chat.start, timeout=60_000)
    qtbot.waitUntil(lambda: answered(chat), timeout=WAIT)
    talk = chat.conversation.chat
    assert talk is not None
    assert talk.run.startswith("combined-")
    assert len(talk.exchanges[0].replies) == 2


def answered(chat: ChatPage) -> bool:
    talk = chat.conversation.chat
    asked = talk is not None and talk.exchanges and not chat.conversation.answering
    return bool(asked and talk is not None and all(reply.ended for reply in talk.exchanges[0].replies))
