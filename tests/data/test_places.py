"""What messages call the settings they are about: as people do, never by an internal path."""

import msgspec
import pytest

from studio.contract.errors import Problem, SettingsError, StudioError
from studio.contract.fields import build, fields
from studio.contract.methods import METHODS
from studio.contract.settings import TrainSettings


def test_a_setting_is_called_by_its_plain_name() -> None:
    problem = Problem(code="train.too_many_virtual_tokens", where="method.virtual_tokens", what="Too many.")
    assert problem.sentence() == "Learned tokens (virtual tokens): Too many."
    assert b'"where":"method.virtual_tokens"' in msgspec.json.encode(problem)  # for programs


def test_every_setting_of_every_way_of_tuning_has_a_name_without_a_path() -> None:
    for row in METHODS.values():
        for field in fields(msgspec.structs.replace(TrainSettings(), method=row.settings())):  # type: ignore[arg-type]
            place = Problem(code="settings.range", where=field.path, what="Wrong.").place
            assert place != field.path
            assert "method." not in place
            assert "_" not in place


def test_a_name_is_not_said_twice() -> None:
    with pytest.raises(SettingsError) as caught:
        build(TrainSettings, {"method.rank": 9999})
    assert caught.value.problems[0].sentence().startswith("Adapter size (rank) cannot be 9999.")
    assert "method.rank" not in str(caught.value)


def test_what_is_no_setting_is_called_by_what_it_is() -> None:
    assert Problem(code="memory.cannot_fit", where="memory", what="Too little memory.").place == ""
    assert Problem(code="train.continue_size", where="start_from", what="Other.").place == "Begin with"
    assert (
        Problem(code="export.not_lora", where="gguf_adapter", what="No.").place == "Adapter for llama.cpp (GGUF LoRA)"
    )


def test_files_rows_and_misspelt_settings_stay_as_they_are() -> None:
    assert Problem(code="data.empty_file", where="epochs", what="The file is empty.").place == "epochs"
    assert Problem(code="data.odd", where="T", what="The file is odd.").sentence().startswith("T: ")
    assert (
        Problem(code="settings.unknown", where="method.rnak", what="There is no such setting.").place == "method.rnak"
    )


def test_an_error_made_of_a_problem_keeps_all_of_it() -> None:
    problem = Problem(
        code="train.x", where="epochs", what="Odd.", why="So.", fix="Do.", details="d", sets={"epochs": 2}
    )
    assert StudioError.of(problem).problem == problem
    assert str(StudioError.of(problem)) == problem.sentence()
