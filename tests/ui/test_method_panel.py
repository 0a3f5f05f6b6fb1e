"""The panel of ways of tuning: its own settings, what it sets elsewhere, when to choose it, and what does not fit."""

import argparse
import shlex

import pytest
from pytestqt.qtbot import QtBot

from studio.cli.options import add_settings, settings_from
from studio.contract.fields import build, fields
from studio.contract.method_choice import name_of, values_of
from studio.contract.methods import METHODS, Ia3Settings, LoraSettings, PrefixSettings
from studio.contract.presets import load_preset
from studio.contract.settings import TrainSettings
from studio.ui import setting_words
from studio.ui.help_pages import SETTING, text, topics
from studio.ui.widgets.method_row import MethodRow
from studio.ui.widgets.section import ScrollColumn
from studio.ui.widgets.settings_form import SettingsForm


@pytest.fixture
def form(qtbot: QtBot) -> SettingsForm:
    made, holder = SettingsForm(), ScrollColumn()
    holder.body.addWidget(made)
    holder.resize(900, 1000)
    qtbot.addWidget(holder)
    made.holder = holder  # type: ignore[attr-defined]
    holder.show()
    return made


def choose(form: SettingsForm, name: str) -> None:
    editor = form.rows["method"].editor
    editor.setCurrentIndex(editor.findData(name))  # type: ignore[union-attr]
    editor.edited.emit()


def changed(form: SettingsForm) -> dict[str, object]:
    return {path: row.value() for path, row in form.rows.items() if row.changed}


@pytest.mark.parametrize("name", list(METHODS))
def test_choosing_a_way_shows_its_own_settings_what_it_is_and_when_to_choose_it(form: SettingsForm, name: str) -> None:
    choose(form, name)
    settings = form.settings()
    assert settings is not None
    assert name_of(settings) == name
    assert list(form.rows) == [field.path for field in fields(settings)]
    row = form.rows["method"]
    assert isinstance(row, MethodRow)
    assert METHODS[name].help in row.words.text()
    assert METHODS[name].when in row.words.text()
    assert changed(form) == {
        key: value for key, value in {"method": name, **METHODS[name].sets}.items() if name != "lora"
    }


def test_another_choice_takes_back_what_the_earlier_one_had_set_but_not_what_the_user_did(form: SettingsForm) -> None:
    choose(form, "prefix")
    form.rows["schedule"].set_value("linear")
    form.rows["schedule"].edited.emit()
    choose(form, "ia3")
    assert changed(form) == {"method": "ia3", "learning_rate": 3e-3, "schedule": "linear"}
    form.rows["learning_rate"].set_value(0.05)
    form.rows["learning_rate"].edited.emit()
    choose(form, "lora")
    assert changed(form) == {"learning_rate": 0.05, "schedule": "linear"}
    choose(form, "qlora")
    assert changed(form)["quantisation"] == "nf4"
    form.reset_button.click()
    assert form.settings() == load_preset("balanced").settings()


def test_loading_in_four_bit_makes_qlora_of_lora(form: SettingsForm) -> None:
    form.rows["quantisation"].set_value("nf4")
    form.rows["quantisation"].edited.emit()
    assert form.rows["method"].value() == "qlora"


def test_settings_of_any_way_are_shown_and_given_back(form: SettingsForm) -> None:
    for name in METHODS:
        given = build(TrainSettings, {**values_of(name), "seed": 7})
        form.set_settings(given)
        assert form.settings() == given
        form.set_preset("quick")
        assert form.settings() == load_preset("quick").settings()


def test_what_does_not_fit_the_chosen_model_is_told_beside_the_choice(form: SettingsForm) -> None:
    choose(form, "llama_adapter")
    form.set_sources("model", "data", "qwen3")
    assert [problem.code for problem in form.problems] == ["settings.method_architecture"]
    assert "prefix tuning" in form.rows["method"].problem.text()
    assert form.settings() is None
    form.set_sources("model", "data", "llama")
    assert form.settings() is not None


def test_a_setting_that_does_not_go_with_the_way_is_told_where_it_stands(form: SettingsForm) -> None:
    choose(form, "prompt")
    form.rows["packing"].set_value(True)
    form.rows["packing"].edited.emit()
    assert "Switch filling the gaps off" in form.rows["packing"].problem.text()


@pytest.mark.parametrize("name", list(METHODS))
@pytest.mark.parametrize("preset", ["", "quick", "sample"])
def test_the_copied_command_makes_the_same_settings_for_every_way(name: str, preset: str, qtbot: QtBot) -> None:
    base = load_preset(preset).settings() if preset else TrainSettings()
    rate = base.learning_rate  # as the preset has it, whatever the way would set
    given = build(TrainSettings, {**values_of(name), "learning_rate": rate}, base)
    parser = argparse.ArgumentParser()
    add_settings(parser)
    words = shlex.split(setting_words.as_command(given, preset))
    assert settings_from(parser.parse_args(words[2:])) == given


def test_the_help_tells_every_way_and_every_setting_of_each() -> None:
    page = text("train")
    table = topics()
    for row in METHODS.values():
        assert row.label in page
        for field in fields(row.settings):
            assert SETTING + f"method.{field.name}" in table
    rank = text(SETTING + "method.rank")
    assert METHODS["lora"].label in rank
    assert METHODS["vera"].label in rank


def test_presets_say_nothing_of_other_ways_settings(form: SettingsForm) -> None:
    form.set_preset("thorough")
    choose(form, "vera")
    settings = form.settings()
    assert settings is not None
    assert settings.method == METHODS["vera"].settings()
    choose(form, "lora")
    settings = form.settings()
    assert settings is not None
    assert isinstance(settings.method, LoraSettings)
    assert settings.method.rank == 32
    assert {Ia3Settings, PrefixSettings} < {row.settings for row in METHODS.values()}
