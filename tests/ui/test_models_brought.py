"""Models from sticks, folders and the Hub, brought by the Models page."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from studio.contract.errors import StudioError
from studio.contract.run_folder import models_folder
from studio.contract.settings import TrainSettings
from studio.data import model_library
from studio.ui import drop_routing
from studio.ui.main_window import MainWindow
from studio.ui.pages.home import HomePage
from studio.ui.pages.models import ModelsPage
from studio.ui.pages.train import TrainPage
from studio.ui.widgets import model_source
from studio.ui.widgets.download_dialog import DownloadDialog
from tests.helpers.hub import Hub
from tests.ui.finished_run import checked_model
from tests.ui.test_models_page import WAIT, buttons, press, press_undo, words
from tests.ui.test_models_page import made as made
from tests.ui.test_models_page import page as page
from tests.ui.test_train_page import add_dataset


@pytest.fixture
def stick(made: Path, tmp_path: Path) -> Path:
    """A stick with two models, one of them broken."""
    for name in ("good", "broken"):
        shutil.copytree(made / "model", tmp_path / "stick" / "models" / name)
    (tmp_path / "stick" / "models" / "broken" / "tokenizer.json").unlink()
    return tmp_path / "stick"


def wait_added(qtbot: QtBot, page: ModelsPage) -> None:
    qtbot.waitUntil(lambda: not page.shelf.adding and not page.workplace._tasks, timeout=WAIT)


def copied_in(qtbot: QtBot, window: MainWindow, stick: Path) -> ModelsPage:
    """The window's page of models, with a copy of the stick's good one."""
    window.show_page("models")
    page = window.page("models")
    assert isinstance(page, ModelsPage)
    page.shelf.add([stick / "models" / "good"], copy=True)
    wait_added(qtbot, page)
    return page


def look(qtbot: QtBot, page: ModelsPage, place: Path) -> None:
    """Have a folder looked through, as the button does, and wait for what is found."""
    page.offer(place)
    qtbot.waitUntil(lambda: not page.search_job.going and not page.workplace._tasks, timeout=WAIT)


def test_a_stick_is_looked_through_and_what_was_chosen_is_copied(qtbot: QtBot, page: ModelsPage, stick: Path) -> None:
    look(qtbot, page, stick)
    assert [box.text().split("  ·  ")[0] for box in page.source.boxes] == ["models/broken", "models/good"]
    assert [box.isChecked() for box in page.source.boxes] == [False, True]
    assert "The model has no tokenizer: tokenizer.json is missing." in words(page.source)
    page.source.boxes[0].click()  # whoever wants it all the same sees all that is wrong with it
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
    page = copied_in(qtbot, window, stick)
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
    page = copied_in(qtbot, window, stick)
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
