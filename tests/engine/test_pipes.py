"""A pipe in a model folder is never opened: that would wait for ever."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.contract.memory_plan import Machine
from studio.data import base_identity
from studio.data.model_fit import fit_of
from studio.engine import fingerprint, model_adding, model_folder, tokens
from studio.engine.tokenizer_file import read_template
from studio.engine.weights_file import Damaged
from tests.helpers.tiny_models import tiny_model

MOST_SECONDS = 20
"""A check takes a fraction of one; a pipe would take for ever."""
pytestmark = pytest.mark.skipif(os.name != "posix", reason="only these systems have pipes among files")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "tiny")


@pytest.fixture(autouse=True)
def _alarm(model: Path) -> Iterator[None]:  # rung only after all is imported and the model is made
    def ring(number: int, frame: object) -> None:
        raise AssertionError(f"it took more than {MOST_SECONDS} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(MOST_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("name", ["README.md", "LICENSE", "LICENSE.txt", "NOTICE", "general.jsonl", "more.safetensors"])
def test_a_pipe_that_the_model_does_not_need_is_left_out_and_named(name: str, model: Path) -> None:
    os.mkfifo(model / name)
    checked = model_folder.check(model)
    assert checked.usable
    assert name in next(told.what for told in checked.warnings if told.code == "model.leads_elsewhere")
    assert name not in {path.name for path in model_adding.model_files(model)}
    assert base_identity.fingerprint(model)
    assert tokens.load_tokenizer(model)


@pytest.mark.parametrize(
    "name",
    [
        *("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "added_tokens.json"),
        *("special_tokens_map.json", "chat_template.jinja", "chat_template.json", "model.safetensors"),
        *("model.safetensors.index.json", "vocab.json", "merges.txt", "tekken.json", "tokenizer.model"),
        "additional_chat_templates/default.jinja",
    ],
)
def test_a_pipe_in_the_place_of_a_file_of_the_model_is_refused(name: str, model: Path) -> None:
    if name == "model.safetensors.index.json":
        (model / "model.safetensors").unlink()
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).unlink(missing_ok=True)
    os.mkfifo(model / name)
    checked = model_folder.check(model)
    assert not checked.usable
    assert checked.problems[0].where
    fit_of(model, Machine(device="cpu", total_bytes=1 << 30, free_bytes=1 << 30))


def test_a_template_or_an_adapters_note_that_is_a_pipe_is_refused(model: Path) -> None:
    (model / "tokenizer_config.json").unlink()
    os.mkfifo(model / "tokenizer_config.json")
    with pytest.raises(Damaged):
        read_template(model)
    os.mkfifo(model / fingerprint.FILE)
    assert fingerprint.read(model) is None
