"""The Models page with the real check of model folders."""

import json
from pathlib import Path

import msgspec
import pytest
from PySide6.QtWidgets import QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from studio.contract.architectures import ARCHITECTURES
from studio.contract.events import DeviceReport, Gpu, ModelChecked
from studio.contract.memory_plan import Machine
from studio.contract.run_folder import starter_folder
from studio.data import model_library
from studio.data.model_fit import fit_of
from studio.supervisor.workplace import Workplace
from studio.ui.main_window import MainWindow
from studio.ui.pages.models import ModelsPage
from studio.ui.widgets.larger_models import FAMILIES, largest
from studio.ui.widgets.model_card import ModelCard, parameters_in_words
from tests.ui.finished_run import checked_model, model_and_adapter

WAIT = 60_000


@pytest.fixture
def made() -> Path:
    return model_and_adapter()


@pytest.fixture
def page(qtbot: QtBot, workplace: Workplace) -> ModelsPage:
    page = ModelsPage(workplace)
    qtbot.addWidget(page)
    page.resize(960, 640)
    page.show()
    page.on_shown()
    return page


def words(card: QWidget) -> str:

    return "\n".join(label.text() for label in card.findChildren(QLabel))


def buttons(card: ModelCard) -> list[str]:
    from PySide6.QtWidgets import QPushButton

    return [button.text() for button in card.findChildren(QPushButton)]


def press(card: ModelCard, text: str) -> None:
    from PySide6.QtWidgets import QPushButton

    next(button for button in card.findChildren(QPushButton) if button.text() == text).click()


def press_undo(window: MainWindow) -> None:
    toast = window.toasts.toasts()[-1]
    next(button for button in toast.findChildren(QPushButton) if button.text() == "Undo").click()


def test_an_empty_page_says_what_a_model_is(page: ModelsPage) -> None:
    assert page.empty.isVisible()
    assert "config.json" in page.empty.hint.text()


def test_a_folder_is_checked_added_and_told_about(qtbot: QtBot, page: ModelsPage, made: Path) -> None:
    with qtbot.waitSignal(page.workplace.models_changed, timeout=WAIT):
        page.shelf.add([made / "model"], copy=False)
    (card,) = page.cards
    assert "llama" in card.model.model_type
    assert card.model.parameters > 0
    assert "has a chat template" in card.facts()
    assert "5 files noted (SHA-256)" in card.facts()
    assert page.adding.isHidden()
    assert page.workplace.model is not None


def test_an_unusable_folder_is_listed_with_the_reason(qtbot: QtBot, page: ModelsPage, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}))
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x02}q\x00.")
    with qtbot.waitSignal(page.workplace.models_changed, timeout=WAIT):
        page.shelf.add([folder], copy=False)
    (card,) = page.cards
    assert not card.model.usable
    assert card.model.problems[0].what in words(card)
    assert "Use" not in buttons(card)
    assert "Check again" in buttons(card)


def test_use_chooses_and_marks_the_model(qtbot: QtBot, page: ModelsPage, made: Path) -> None:
    model_library.put_model(checked_model(made))
    page.on_shown()
    with qtbot.waitSignal(page.workplace.model_chosen):
        press(page.cards[0], "Use")
    assert "In use" in words(page.cards[0])
    assert "Use" not in buttons(page.cards[0])


def test_remove_forgets_the_model_and_keeps_its_files(page: ModelsPage, made: Path) -> None:
    model_library.put_model(checked_model(made))
    page.on_shown()
    press(page.cards[0], "Remove from list")
    assert page.cards == []
    assert (made / "model" / "config.json").is_file()


def test_the_search_hides_what_does_not_match(page: ModelsPage, made: Path, tmp_path: Path) -> None:
    model_library.put_model(checked_model(made))
    (tmp_path / "other").mkdir()
    model_library.put_model(
        ModelChecked(
            path=str(tmp_path / "other"), name="Qwen", architecture="Qwen3ForCausalLM", model_type="qwen3",
            parameters=1_720_000_000, file_bytes=3_440_000_000, context=4096, vocabulary=1, licence="apache-2.0",
            has_template=True, usable=True,
        )
    )  # fmt: skip
    page.on_shown()
    page.search.setText("qwen apache")
    assert [card.model.name for card in page.cards if card.isVisible()] == ["Qwen"]
    page.search.setText("nothing like it")
    assert page.nothing_found.isVisible()
    assert page.escape()
    assert all(card.isVisible() for card in page.cards)


def test_the_page_says_what_to_bring_for_a_larger_model(page: ModelsPage, workplace: Workplace) -> None:
    model_library.put_model(checked_model(model_and_adapter()))
    page.on_shown()
    card = page.larger
    assert card.isVisible()
    report = DeviceReport(
        cpu="x", cores=2, memory_bytes=24 << 30, free_memory_bytes=20 << 30, disk_free_bytes=1, gpus=(), torch="2"
    )
    workplace.device_reported.emit(report)
    assert "up to 4.5 billion parameters on the processor (20.0 GB free now)" in card.size_words.text()
    assert "graphics card" not in card.size_words.text()
    gpu = Gpu(name="RTX", vendor="nvidia", device="cuda:0", memory_bytes=12 << 30, free_bytes=11 << 30)
    workplace.device_reported.emit(msgspec.structs.replace(report, gpus=(gpu,)))
    assert "up to 15 billion parameters in 4 bits on the graphics card (12.0 GB)" in card.size_words.text()
    assert "USB stick" in card.file_words.text()
    page.search.setText("nothing like it")
    assert not card.isVisible()
    page.search.clear()
    page._fill()  # made anew with every change of the list: the card stays
    assert card.isVisible()


def test_it_names_the_very_families_that_the_engine_takes() -> None:
    assert {kind for kinds in FAMILIES.values() for kind in kinds} == set(ARCHITECTURES)


@pytest.mark.parametrize(
    ("gigabytes", "each", "count"),
    [
        (1, 4.0, 0),
        (2.5, 4.0, 100_000_000),
        (16, 4.0, 3_500_000_000),
        (8, 0.7, 9_000_000_000),
        (24, 0.7, 33_000_000_000),
    ],
)
def test_the_largest_size_is_rounded_down(gigabytes: float, each: float, count: int) -> None:
    assert largest(int(gigabytes * 2**30), each) == count


def test_the_starter_cannot_be_removed_and_says_what_it_is(qtbot: QtBot) -> None:
    starter = ModelChecked(
        path=str(starter_folder()), name="Starter", architecture="LlamaForCausalLM", model_type="llama",
        parameters=3_740_000, file_bytes=7_500_000, context=512, vocabulary=2048, licence="apache-2.0",
        has_template=True, usable=True,
    )  # fmt: skip
    card = ModelCard(starter, chosen=False)
    qtbot.addWidget(card)
    assert "workshop of apprentices" in words(card)
    assert "Remove from list" not in buttons(card)
    assert "3.7 million parameters" in card.facts()


@pytest.mark.parametrize(
    ("count", "text"), [(3_740_000, "3.7 million"), (7_000_000_000, "7 billion"), (115_008, "115,008"), (0, "0")]
)
def test_parameters_are_told_in_words(count: int, text: str) -> None:
    assert parameters_in_words(count).replace("\u202f", ",") in (text, text.replace(",", ""))


# --- adding, copying, taking away ------------------------------------------------------------------------------------


# --- from the hub ----------------------------------------------------------------------------------------------------


def test_checking_again_keeps_what_was_noted_when_it_was_added(made: Path) -> None:
    noted = msgspec.structs.replace(checked_model(made), sha256={"a": "b"}, fingerprint="c", copied=True, name="mine")
    model_library.put_model(noted)
    model_library.put_model(checked_model(made))
    assert model_library.list_models() == [noted]


@pytest.mark.parametrize(("free", "said"), [(64 << 30, "fits."), (1 << 20, "does not fit.")])
def test_a_card_says_whether_a_model_fits(qtbot: QtBot, made: Path, free: int, said: str) -> None:
    machine = Machine(device="cuda:0", total_bytes=64 << 30, free_bytes=free)
    card = ModelCard(checked_model(made), chosen=False, fit=fit_of(made / "model", machine))
    qtbot.addWidget(card)
    assert f"Chat: {said}" in words(card)
    assert f"Training: {said}" in words(card)
    assert "of the graphics card are free" in words(card)
