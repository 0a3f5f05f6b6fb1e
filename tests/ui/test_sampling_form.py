"""The controls of a chat offer what the contract allows."""

from typing import get_args, get_type_hints

import pytest
from pytestqt.qtbot import QtBot

from studio.contract.sampling import Sampling
from studio.ui.widgets.sampling_form import SamplingForm


@pytest.fixture
def form(qtbot: QtBot) -> SamplingForm:
    made = SamplingForm()
    qtbot.addWidget(made)
    return made


def test_the_form_begins_with_the_contracts_defaults(form: SamplingForm) -> None:
    assert form.sampling() == Sampling()


def test_every_limit_is_the_contracts(form: SamplingForm) -> None:
    fields = {
        "temperature": form.temperature, "top_p": form.top_p, "top_k": form.top_k,
        "repetition_penalty": form.penalty, "max_new_tokens": form.length, "seed": form.seed,
    }  # fmt: skip
    hints = get_type_hints(Sampling, include_extras=True)
    for name, field in fields.items():
        (limits,) = get_args(hints[name])[1:]
        low = limits.ge if limits.ge is not None else 0.01  # above zero, with two decimals
        assert (field.minimum(), field.maximum()) == (low, limits.le), name


def test_showing_values_tells_nobody_and_editing_does(form: SamplingForm, qtbot: QtBot) -> None:
    told: list[int] = []
    form.changed.connect(lambda: told.append(1))
    form.show_values(Sampling(temperature=0.7, top_k=40, seed=7), "Be brief.")
    assert not told
    assert form.sampling() == Sampling(temperature=0.7, top_k=40, seed=7)
    assert form.system_prompt() == "Be brief."
    form.dice.click()
    assert told
    assert form.sampling().seed != 7


def test_another_seed_is_drawn_only_where_it_changes_anything(form: SamplingForm) -> None:
    form.show_values(Sampling(temperature=0.7), "")
    assert form.dice.isEnabled()
    form.temperature.setValue(0)
    assert not form.dice.isEnabled()
    assert "temperature 0" in form.dice.toolTip()
