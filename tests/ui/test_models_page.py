"""The Models page with the real check of model folders."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QPushButton
from pytestqt.qtbot import QtBot

from studio.contract.architectures import ARCHITECTURES
from studio.contract.errors import StudioError
from studio.contract.events import DeviceReport, Gpu, ModelChecked
from studio.contract.memory_plan import Machine
from studio.contract.run_folder import models_folder, starter_folder
from studio.contract.settings import TrainSettings
from studio.data import model_library
from studio.data.model_fit import fit_of
from studio.supervisor.workplace import Workplace
from studio.ui import drop_routing
from studio.ui.main_window import MainWindow
from studio.ui.pages.home import HomePage
from studio.ui.pages.models import ModelsPage
from studio.ui.pages.train import TrainPage
from studio.ui.widgets import model_source
from studio.ui.widgets.download_dialog import DownloadDialog
from studio.ui.widgets.larger_models import FAMILIES, largest
from studio.ui.widgets.model_card import ModelCard, parameters_in_words
from tests.helpers.hub import Hub
from tests.ui.finished_run import checked_model, model_and_adapter
from tests.ui.test_train_page import add_dataset

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


def words(card: ModelCard) -> str:

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


@pytest.fixture
def stick(made: Path, tmp_path: Path) -> Path:
    """A stick with two models, one of them broken."""
    for name in ("good", "broken"):
        shutil.copytree(made / "model", tmp_path / "stick" / "models" / name)
    (tmp_path / "stick" / "models" / "broken" / "tokenizer.json").unlink()
    return tmp_path / "stick"


def wait_added(qtbot: QtBot, page: ModelsPage) -> None:
    qtbot.waitUntil(lambda: not page.shelf.adding and not page.workplace._tasks, timeout=WAIT)


def look(qtbot: QtBot, page: ModelsPage, place: Path) -> None:
    """Have a folder looked through, as the button does, and wait for what is found."""
    page.offer(place)
    qtbot.waitUntil(lambda: not page.search_job.going and not page.workplace._tasks, timeout=WAIT)


def test_a_stick_is_looked_through_and_what_was_chosen_is_copied(qtbot: QtBot, page: ModelsPage, stick: Path) -> None:
    look(qtbot, page, stick)
    assert [box.text().split("  ·  ")[0] for box in page.source.boxes] == ["models/broken", "models/good"]
    page.source.copy_radio.click()
    assert "are free" in page.source.copy_radio.text()
    told: list[str] = []
    page.shelf.progressed.connect(lambda progress: told.append(page.adding.stage.text()))
    page.source.add_button.click()
    assert page.source.isHidden()
    wait_added(qtbot, page)
    cards = {card.model.name: card for card in page.cards}
    assert cards["good"].model.copied
    assert Path(cards["good"].model.path).parent == models_folder()
    assert "5 files noted (SHA-256)" in cards["good"].facts()
    assert "Chat: fits" in words(cards["good"])
    assert "Training: fits" in words(cards["good"])
    assert "with the usual settings and texts of up to 512 tokens;" in words(cards["good"])
    assert not cards["broken"].model.usable
    assert any("Copying the model" in text for text in told)
    assert page.adding.isHidden()


def test_a_copy_that_is_taken_away_comes_back(qtbot: QtBot, window: MainWindow, stick: Path) -> None:
    window.show_page("models")
    page = window.page("models")
    assert isinstance(page, ModelsPage)
    page.shelf.add([stick / "models" / "good"], copy=True)
    wait_added(qtbot, page)
    model = next(card.model for card in page.cards if card.model.copied)
    press(next(card for card in page.cards if card.model.copied), "Move copy to trash")
    assert not Path(model.path).exists()
    assert model not in model_library.list_models()
    press_undo(window)
    assert (Path(model.path) / "model.safetensors").is_file()
    assert model in model_library.list_models()


@pytest.mark.parametrize("by", ["drop", "home"])
def test_a_model_that_is_dropped_is_offered_noted_and_copied_where_wished(
    qtbot: QtBot, window: MainWindow, stick: Path, by: str
) -> None:
    folder = stick / "models" / "good"
    if by == "drop":
        window.take(drop_routing.route_all([folder]))
    else:
        home = window.page("home")
        assert isinstance(home, HomePage)
        home.drop_zone.paths_chosen.emit([folder])
    assert window.current_page == "models"
    page = window.page("models")
    assert isinstance(page, ModelsPage)
    qtbot.waitUntil(lambda: page.source.isVisible(), timeout=WAIT)
    assert [box.text().split("  ·  ")[0] for box in page.source.boxes] == ["good"]
    assert model_library.list_models() == []
    page.source.copy_radio.setChecked(by == "drop")
    page.source.add_button.click()
    wait_added(qtbot, page)
    card = next(card for card in page.cards if card.model.name == "good")
    assert "5 files noted (SHA-256)" in card.facts()
    assert card.model.copied is (by == "drop")


def test_a_model_that_was_mended_is_noted_when_it_is_checked_again(qtbot: QtBot, page: ModelsPage, stick: Path) -> None:
    folder = stick / "models" / "broken"
    page.shelf.add([folder], copy=False)
    wait_added(qtbot, page)
    page.workplace.models.choose(page.cards[0].model)
    shutil.copy(stick / "models" / "good" / "tokenizer.json", folder)
    press(page.cards[0], "Check again")
    assert page.adding.isVisible()
    wait_added(qtbot, page)
    assert page.cards[0].model.usable
    assert "5 files noted (SHA-256)" in page.cards[0].facts()
    assert page.workplace.model == page.cards[0].model


def test_a_copy_that_is_checked_again_stays_a_copy(made: Path) -> None:
    copy = msgspec.structs.replace(checked_model(made), copied=True, name="mine")
    model_library.put_model(copy)
    model_library.put_model(msgspec.structs.replace(checked_model(made), sha256={"a": "b"}, fingerprint="c"))
    assert model_library.list_models() == [msgspec.structs.replace(copy, sha256={"a": "b"}, fingerprint="c")]


def test_undo_chooses_a_model_again_that_was_chosen(qtbot: QtBot, window: MainWindow, stick: Path) -> None:
    window.show_page("models")
    page = window.page("models")
    assert isinstance(page, ModelsPage)
    page.shelf.add([stick / "models" / "good"], copy=True)
    wait_added(qtbot, page)
    model = next(card.model for card in page.cards if card.model.copied)
    page.workplace.models.choose(model)
    press(next(card for card in page.cards if card.model.copied), "Move copy to trash")
    assert page.workplace.model is None
    press_undo(window)
    assert page.workplace.model == model
    assert "In use" in words(next(card for card in page.cards if card.model.copied))


def test_a_model_whose_stick_is_pulled_stays_on_the_page_and_cannot_be_used(
    qtbot: QtBot, window: MainWindow, stick: Path, tmp_path: Path
) -> None:
    workplace = window.workplace
    window.show_page("models")
    page = window.page("models")
    assert isinstance(page, ModelsPage)
    page.shelf.add([stick / "models" / "good"], copy=False)
    wait_added(qtbot, page)
    model = page.cards[0].model
    assert workplace.model == model
    (tmp_path / "stick").rename(tmp_path / "pulled")
    window.show_page("home")
    assert "Model: good (not there now)" in window.header.chosen.toolTip() + window.header.chosen.text()
    window.show_page("models")
    (card,) = page.cards
    assert "Not there now: plug the stick in or add the model again." in words(card)
    assert buttons(card) == ["Look again", "Remove from list"]
    assert "In use" not in words(card)
    with pytest.raises(StudioError, match="Not there now"):
        workplace.training_job(TrainSettings())
    add_dataset("faq")
    workplace.choose_dataset(workplace.datasets()[0])
    window.show_page("train")
    train = window.page("train")
    assert isinstance(train, TrainPage)
    qtbot.waitUntil(lambda: train.before is not None, timeout=WAIT)
    assert train.before is not None
    box = train.before.setup.model_box
    assert box.itemText(0) == "good"
    assert box.itemData(0, Qt.ItemDataRole.UserRole - 1) == 0  # cannot be chosen
    assert train.before.setup.start_button.text() == "Choose another model"
    assert "Not there now" in train.before.setup.summary.text()
    window.show_page("models")
    press(page.cards[0], "Look again")
    assert "good is not there yet." in window.toasts.toasts()[-1].findChildren(QLabel)[0].text()
    (tmp_path / "pulled").rename(tmp_path / "stick")
    press(page.cards[0], "Look again")
    assert workplace.model == model == page.cards[0].model
    assert "In use" in words(page.cards[0])
    # Away again, taken off the list, and taken back.
    (tmp_path / "stick").rename(tmp_path / "pulled")
    window.show_page("models")
    press(page.cards[0], "Remove from list")
    assert page.cards == []
    assert workplace.model is None
    press_undo(window)
    assert buttons(page.cards[0]) == ["Look again", "Remove from list"]
    (tmp_path / "pulled").rename(tmp_path / "stick")
    assert model_library.list_models() == [model]


def test_adding_can_be_cancelled(qtbot: QtBot, page: ModelsPage, stick: Path) -> None:
    page.shelf.progressed.connect(lambda progress: page.adding.cancel.click())
    page.shelf.add([stick / "models" / "good", stick / "models" / "broken"], copy=True)
    wait_added(qtbot, page)
    # The first is so small that it may have been there before the worker heard of it; the second never comes.
    assert ("The model was not added." in page.message.text()) is (page.cards == [])
    assert [card.model.name for card in page.cards] in ([], ["good"])
    assert len(list(models_folder().iterdir())) == len(page.cards)


def test_where_there_is_no_model_it_is_said(
    qtbot: QtBot, page: ModelsPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(qtbot, page, tmp_path)
    assert "There is no model in" in page.message.text()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    page.message.clear()
    page.cache_button.click()
    qtbot.waitUntil(lambda: "There is no model in none." in page.message.text(), timeout=WAIT)
    qtbot.waitUntil(lambda: not page.workplace._tasks, timeout=WAIT)


def test_without_room_a_copy_is_not_offered(
    qtbot: QtBot, page: ModelsPage, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_source.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 0, 1000))
    look(qtbot, page, stick)
    assert page.source.add_button.isEnabled()
    page.source.copy_radio.click()
    assert not page.source.add_button.isEnabled()
    assert "no room" in page.source.room.text()
    page.source.stay_radio.click()
    page.source.boxes[0].click()
    assert [path.name for path in page.source.chosen()] == ["good"]
    assert page.escape()
    assert page.source.isHidden()


def test_a_slow_drive_is_looked_through_without_the_window_waiting(
    qtbot: QtBot, page: ModelsPage, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.data.model_search.find_models", None)  # whoever looks in this process fails
    monkeypatch.setattr("studio.data.model_search._weight_bytes", None)
    late: list[float] = []
    before = time.monotonic()
    page.offer(stick)
    late.append(time.monotonic() - before)
    assert page.looking.isVisible()
    assert "Looking for models in stick" in page.looking.stage.text()
    qtbot.waitUntil(lambda: page.source.isVisible(), timeout=WAIT)
    assert page.looking.isHidden()
    assert max(late) < 0.1
    qtbot.waitUntil(lambda: not page.workplace._tasks, timeout=WAIT)


def test_looking_can_be_given_up(qtbot: QtBot, page: ModelsPage, stick: Path) -> None:
    page.offer(stick)
    page.looking.cancel.click()
    assert page.looking.isHidden()
    qtbot.waitUntil(lambda: not page.workplace._tasks, timeout=WAIT)
    assert page.source.isHidden()
    assert page.message.isHidden()


# --- from the hub ----------------------------------------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    opened = Hub(tmp_path / "hub")
    opened.place("maker").mkdir()
    shutil.copytree(made / "model", opened.place("maker/tiny"))
    monkeypatch.setenv("HF_ENDPOINT", opened.endpoint)
    yield opened
    opened.close()


def dialog_of(page: ModelsPage) -> DownloadDialog:
    page.hub_button.click()
    return page.window().findChildren(DownloadDialog)[-1]


def test_a_download_says_where_it_connects_and_does_so_only_when_asked(
    qtbot: QtBot, window: MainWindow, hub: Hub
) -> None:
    window.show_page("models")
    page = window.page("models")
    assert isinstance(page, ModelsPage)
    badges: list[str] = []
    window.workplace.connected.connect(lambda host: badges.append(window.header.badge.text()))
    dialog = dialog_of(page)
    assert "This connects to the internet: to 127.0.0.1" in dialog.about.text()
    assert not dialog.connect_button.isEnabled()
    dialog.name.setText("no name at all")
    assert not dialog.connect_button.isEnabled()
    assert "Write OWNER/NAME" in dialog.state.text()
    dialog.name.setText(" maker/tiny ")
    dialog.change.setText("")
    assert not dialog.connect_button.isEnabled()
    dialog.change.setText("main")
    assert hub.asked() == []
    told: list[str] = []
    page.shelf.changed.connect(lambda: told.append(page.adding.stage.text()))
    dialog.connect_button.click()
    wait_added(qtbot, page)
    card = next(card for card in page.cards if card.model.name == "maker/tiny")
    assert card.model.usable
    assert card.model.copied
    assert any("Fetching maker/tiny from 127.0.0.1" in words for words in told)
    assert badges == ["Connected", "Offline"]
    assert len(hub.asked()) > 3


def test_a_download_that_is_dismissed_connects_nowhere(qtbot: QtBot, page: ModelsPage, hub: Hub) -> None:
    dialog = dialog_of(page)
    dialog.name.setText("maker/tiny")
    dialog.reject()
    assert not page.shelf.adding
    assert hub.asked() == []


def test_a_download_can_be_stopped_and_gone_on_with(qtbot: QtBot, page: ModelsPage, hub: Hub) -> None:
    hub.behave(hold_after=200_000)
    page.shelf.progressed.connect(
        lambda progress: page.adding.cancel.click() if progress.done > 150_000 and "gone on" not in told else None
    )
    told: list[str] = []
    page.shelf.download("maker/tiny", "main")
    wait_added(qtbot, page)
    assert "are kept for two weeks" in page.message.text()
    hub.behave()
    told.append("gone on")
    page.shelf.download("maker/tiny", "main")
    wait_added(qtbot, page)
    assert [card.model.name for card in page.cards] == ["maker/tiny"]
    assert hub.asked()[-1]["range"]


@pytest.mark.parametrize(
    ("name", "behaviour", "words"),
    [
        ("maker/other", {}, "knows no model maker/other"),
        ("maker/tiny", {"gated": ["maker/tiny"]}, "is not for everybody"),
        ("maker/tiny", {"sizes": {"model.safetensors": 10**15}}, "The disk has no room for maker/tiny"),
    ],
)
def test_what_cannot_be_fetched_is_said_on_the_page(
    qtbot: QtBot, page: ModelsPage, hub: Hub, name: str, behaviour: dict[str, object], words: str
) -> None:
    hub.behave(**behaviour)
    page.shelf.download(name, "main")
    wait_added(qtbot, page)
    assert words in page.message.text()
    assert page.cards == []


def test_a_mirror_without_https_is_never_connected_to(page: ModelsPage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror.example")
    dialog = dialog_of(page)
    dialog.name.setText("maker/tiny")
    assert not dialog.connect_button.isEnabled()
    assert "mirror.example is no address that models are fetched from" in dialog.state.text()
    dialog.reject()


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
