"""Adapters of other programs in the chat: what cannot be verified is said, and what computes no numbers is an error."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from studio.contract import commands, events, job
from studio.contract.errors import StudioError
from studio.contract.events import UNVERIFIED
from studio.contract.records import Message
from studio.contract.sampling import Sampling
from studio.engine import fingerprint
from studio.worker.chat import Talker
from tests.engine.exported_run import learned_run
from tests.helpers.tiny_models import tiny_model

NAME = "meta-llama/Llama-2-7b-hf"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "tiny")


@pytest.fixture
def adapter(model: Path, tmp_path: Path) -> Path:
    made = learned_run(tmp_path, model).adapter
    fingerprint.write(made, model)
    return made


def foreign(adapter: Path, base: object) -> Path:
    """As another program writes it: it names its base model, and bears no fingerprint."""
    (adapter / fingerprint.FILE).unlink(missing_ok=True)
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": base}))
    return adapter


class Person:
    """Hears everything and stops nothing."""

    def __init__(self) -> None:
        self.told: list[events.Event] = []

    def __call__(self, event: events.Event) -> None:
        self.told.append(event)

    def reply_stopped(self, request: int) -> bool:
        return False


def noticed(model: Path, adapter: Path) -> list[str]:
    """What is said when an adapter is put beside a model."""
    person = Person()
    Talker(job.ChatJob(model=str(model), device="cpu"), person).add("a", adapter)
    notices = [event.problem for event in person.told if isinstance(event, events.Notice)]
    assert all(problem.code == UNVERIFIED for problem in notices)
    return [problem.sentence() for problem in notices]


def test_an_adapter_that_knows_its_base_models_fingerprint_is_verified_in_silence(model: Path, adapter: Path) -> None:
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": NAME}))
    assert noticed(model, adapter) == []


def test_an_adapter_without_a_fingerprint_is_used_and_both_models_are_named(model: Path, adapter: Path) -> None:
    (said,) = noticed(model, foreign(adapter, NAME))
    assert "cannot be verified that the adapter in adapter belongs to the model tiny." in said
    assert f"trained on {NAME}" in said


def test_an_adapter_that_names_this_very_folder_is_not_doubted(model: Path, adapter: Path) -> None:
    assert noticed(model, foreign(adapter, str(model))) == []
    assert len(noticed(model, foreign(adapter, str(model.parent)))) == 1


@pytest.mark.parametrize("base", [None, "", 7, ["a"], "a\0b", "/" + "x" * 5000])
def test_whatever_an_adapter_says_of_its_base_is_told_on_one_line(base: object, model: Path, adapter: Path) -> None:
    (said,) = noticed(model, foreign(adapter, base))
    assert len(said) < 600
    assert "\0" not in said


def test_an_adapter_whose_numbers_are_too_large_gives_an_error_and_no_empty_answer(model: Path, adapter: Path) -> None:
    path = adapter / "adapter_model.safetensors"
    save_file({name: torch.full_like(value, 3e38) for name, value in load_file(path).items()}, path)
    person = Person()
    talker = Talker(job.ChatJob(model=str(model), device="cpu"), person)
    talker.add("a", adapter)
    for sampling in (Sampling(max_new_tokens=3), Sampling(max_new_tokens=3, temperature=1.0)):
        ask = commands.Generate(request=1, messages=(Message("user", "Hi"),), sides=("a",), sampling=sampling)
        with pytest.raises(StudioError) as caught:
            talker.answer(ask, person)
        assert caught.value.problem.code == "chat.not_finite"
    talker.answer(commands.Generate(request=2, messages=ask.messages, sides=("",), sampling=sampling), person)
    assert isinstance(person.told[-1], events.ReplyDone)
