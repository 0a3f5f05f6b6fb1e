"""The models of one window: which is taught, and what becomes of it when sticks, folders and the list change."""

from pathlib import Path

from pytestqt.qtbot import QtBot

from studio.contract import events
from studio.contract.errors import Problem
from studio.data import model_library
from studio.supervisor.model_keeper import ModelKeeper


def found(path: Path, name: str = "", usable: bool = True) -> events.ModelChecked:
    """What a check says of a folder."""
    path.mkdir(exist_ok=True)
    return events.ModelChecked(
        path=str(path), name=name or path.name, architecture="LlamaForCausalLM", model_type="llama", parameters=3_000,
        file_bytes=9_000_000, context=512, vocabulary=2000, licence="", has_template=True, usable=usable,
    )  # fmt: skip


def test_the_first_usable_model_is_chosen_and_later_ones_are_not(own_home: Path, tmp_path: Path, qtbot: QtBot) -> None:
    keeper = ModelKeeper()
    keeper.take(found(tmp_path / "broken", usable=False))
    assert keeper.chosen is None
    keeper.take(found(tmp_path / "first"))
    keeper.take(found(tmp_path / "second"))
    assert keeper.chosen is not None
    assert keeper.chosen.name == "first"
    assert {"broken", "first", "second"} <= {model.name for model in keeper.all()}


def test_a_check_of_the_chosen_model_is_told_to_the_pages(own_home: Path, tmp_path: Path, qtbot: QtBot) -> None:
    keeper = ModelKeeper()
    keeper.take(found(tmp_path / "one"))
    with qtbot.waitSignal(keeper.picked) as told:
        keeper.take(found(tmp_path / "one", usable=False))
    assert told.args == [keeper.chosen]
    assert keeper.chosen is not None
    assert not keeper.chosen.usable


def test_the_chosen_model_goes_with_its_stick_and_comes_back(own_home: Path, tmp_path: Path, qtbot: QtBot) -> None:
    keeper = ModelKeeper()
    keeper.take(found(tmp_path / "stick"))
    (tmp_path / "stick").rename(tmp_path / "pulled")
    keeper.look()
    assert keeper.chosen is not None
    assert not keeper.chosen.usable
    assert keeper.chosen.problems == (model_library.AWAY,)
    with qtbot.assertNotEmitted(keeper.picked):
        keeper.look()  # nothing new
    (tmp_path / "pulled").rename(tmp_path / "stick")
    keeper.look()
    assert keeper.chosen.usable
    assert not keeper.chosen.problems


def test_what_is_taken_away_is_not_taught_any_more(own_home: Path, tmp_path: Path, qtbot: QtBot) -> None:
    keeper = ModelKeeper()
    keeper.take(found(tmp_path / "one"))
    keeper.take(found(tmp_path / "two"))
    known = keeper.remove(found(tmp_path / "one", name="another word for it"))
    assert known.name == "one", "what was known is given back, not what was asked with"
    assert keeper.chosen is not None
    assert keeper.chosen.name == "two"


def test_general_rows_go_with_the_model_into_the_list(own_home: Path, tmp_path: Path, qtbot: QtBot) -> None:
    keeper = ModelKeeper()
    keeper.choose_general("nobody is taught")
    keeper.take(found(tmp_path / "one"))
    keeper.choose_general("/mine.jsonl")
    assert keeper.chosen is not None
    assert keeper.chosen.general == "/mine.jsonl"
    assert [model.general for model in keeper.all() if model.name == "one"] == ["/mine.jsonl"]


def test_a_list_that_cannot_be_changed_is_told_and_nothing_else_changes(
    own_home: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    keeper = ModelKeeper()
    keeper.take(found(tmp_path / "one"))
    before = keeper.chosen
    told: list[Problem] = []
    keeper.failed.connect(told.append)
    (own_home / "models.lock").unlink(missing_ok=True)
    (own_home / "models.lock").mkdir()  # no lock can be taken there
    keeper.take(found(tmp_path / "two"))
    keeper.choose_general("/mine.jsonl")
    assert [problem.code for problem in told] == ["model.list_unchanged", "model.list_unchanged"]
    assert keeper.chosen == before
    assert [model.name for model in keeper.all() if model.path.startswith(str(tmp_path))] == ["one"]
