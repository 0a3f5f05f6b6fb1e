"""An adapter that leaves alone is put on its base again and compared, too; what was damaged or left out is seen."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from studio.contract.errors import StudioError
from studio.contract.methods import METHODS
from studio.contract.parity import Parity, outcome, sentences
from studio.contract.run_folder import RunFolder
from studio.engine import fingerprint, gguf_lora, gguf_model, parity
from studio.engine.export_source import CONFIG, WEIGHTS, Watch, Wish, open_source
from studio.engine.exports import adapter, gguf, gguf_adapter, merged
from tests.engine.exported_run import learned_run
from tests.engine.gguf_reader import the_file
from tests.engine.ground import Person
from tests.helpers.tiny_models import ARCHITECTURES, tiny_model

UNCHECKED = Wish(check=False)


def found_of(run: Path, form: Any, destination: Path, numbers: str = "") -> Parity:
    found = form.write(run, destination, Wish(numbers=numbers)).parity
    assert isinstance(found, Parity)
    return found


def card_of(destination: Path) -> str:
    return (destination / "README.md").read_text(encoding="utf-8")


def compared(run: RunFolder, base: Path, reread: parity.Reread) -> Parity:
    person = Person()
    return parity.compare(open_source(run.path, "adapter"), base, "f32", reread, Watch(person, person))


# --- what is whole --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [way for way in METHODS if way != "qlora"])
def test_the_folder_of_every_way_of_tuning_behaves_as_the_runs_own_adapter(
    way: str, llama: Path, tmp_path: Path
) -> None:
    run = learned_run(tmp_path, llama, way)
    found = found_of(run.path, adapter, tmp_path / "out")
    assert found.same, found
    assert found.prompts == parity.PROMPTS
    assert found.places > 100
    assert found.difference < 1e-6
    told = dict(sentences(found))
    assert told["Cut into the same tokens"] == "not compared: these files have none, the base model's is used"
    assert told["Chat template"] == "the same"
    assert told["These files were read"] == "by this program, which put them on the base model as its chat does"
    card = card_of(tmp_path / "out")
    assert "## Compared with the adapter\n\nThese files behave as the adapter did." in card
    assert all(f"| {name} | {value} |" in card for name, value in told.items())


@pytest.mark.parametrize("values", [{}, {"method__rslora": True, "method__target_modules": "all-linear"}])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_gguf_adapter_of_every_architecture_behaves_as_the_runs_own(
    architecture: str, values: dict[str, Any], tmp_path: Path
) -> None:
    run = learned_run(tmp_path, tiny_model(tmp_path / "model", architecture), **values)
    found = found_of(run.path, gguf_adapter, tmp_path / "out")
    assert found.same, found
    assert found.numbers == "f32"
    assert found.difference < 1e-3
    told = dict(sentences(found))
    for name in ("Cut into the same tokens", "Chat template"):
        assert told[name] == "not compared: these files have none, the base model's is used"
    assert "llama.cpp itself was not asked" in told["These files were read"]
    assert "These files behave as the adapter did." in card_of(tmp_path / "out")


def test_a_gguf_adapter_in_f16_is_compared_by_the_bounds_of_f16(llama: Path, tmp_path: Path) -> None:
    found = found_of(learned_run(tmp_path, llama).path, gguf_adapter, tmp_path / "out", "f16")
    assert found.numbers == "f16"
    assert 0.0 < found.difference < 0.1
    assert found.same_top1 > 0.9 * found.places


def test_layers_of_another_rank_keep_their_strength(llama: Path, tmp_path: Path) -> None:
    run = learned_run(tmp_path, llama)
    tensors, config = load_file(run.adapter / WEIGHTS), json.loads((run.adapter / CONFIG).read_text())
    layer = "model.layers.0.self_attn.q_proj"
    a, b = (f"base_model.model.{layer}.lora_{part}.weight" for part in "AB")
    fewer = {a: tensors[a][:2].contiguous(), b: tensors[b][:, :2].contiguous()}
    save_file(tensors | fewer, run.adapter / WEIGHTS, metadata={"format": "pt"})
    (run.adapter / CONFIG).write_text(json.dumps(config | {"rank_pattern": {layer: 2}}))
    for form in (adapter, gguf_adapter):
        assert found_of(run.path, form, tmp_path / form.__name__).same


def test_who_does_not_ask_is_told_nothing(llama: Path, tmp_path: Path) -> None:
    run = learned_run(tmp_path, llama)
    for form in (adapter, gguf_adapter):
        destination = tmp_path / form.__name__
        made = form.write(run.path, destination, UNCHECKED)
        assert made.parity is None
        assert made.run == run.id
        assert "Compared with" not in card_of(destination)


# --- what is not ----------------------------------------------------------------------------------------------------


def test_a_damaged_tensor_of_a_folder_is_seen(llama: Path, tmp_path: Path) -> None:
    run = learned_run(tmp_path, llama)
    made = Path(adapter.write(run.path, tmp_path / "out", UNCHECKED).path)
    assert compared(run, llama, parity.of_adapter(made, llama)).same
    tensors = load_file(made / WEIGHTS)
    name = next(name for name in tensors if name.endswith("lora_B.weight"))
    save_file(tensors | {name: tensors[name] + 0.5}, made / WEIGHTS, metadata={"format": "pt"})
    found = compared(run, llama, parity.of_adapter(made, llama))
    assert not found.holds
    assert found.difference > 0.01
    assert outcome(found).startswith("THESE FILES DIFFER FROM THE ADAPTER: ")


def test_a_damaged_tensor_of_a_gguf_adapter_is_seen(llama: Path, tmp_path: Path) -> None:
    import gguf

    run = learned_run(tmp_path, llama)
    file = the_file(Path(gguf_adapter.write(run.path, tmp_path / "out", UNCHECKED).path))
    assert compared(run, llama, parity.of_gguf_adapter(file, llama)).same
    opened = gguf.GGUFReader(file, "r+")
    next(tensor for tensor in opened.tensors if tensor.name.endswith("lora_b")).data[:] += np.float32(0.5)
    opened.data.flush()
    found = compared(run, llama, parity.of_gguf_adapter(file, llama))
    assert not found.holds
    assert outcome(found).startswith("THESE FILES DIFFER FROM THE ADAPTER: ")


def test_a_template_that_the_base_has_not_is_seen(llama: Path, tmp_path: Path) -> None:
    run = learned_run(tmp_path, llama)
    made = Path(adapter.write(run.path, tmp_path / "out", UNCHECKED).path)
    with (made / "chat_template.jinja").open("a", encoding="utf-8") as file:
        file.write("{{ 'more' }}")
    found = compared(run, llama, parity.of_adapter(made, llama))
    assert not found.same_template
    assert "the chat template is another" in outcome(found)


def test_an_export_that_writes_another_strength_is_told_to_differ_and_its_card_says_so(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, real = learned_run(tmp_path, llama), adapter.read_json
    monkeypatch.setattr(adapter, "read_json", lambda *given: real(*given) | {"lora_alpha": 999.0})
    found = found_of(run.path, adapter, tmp_path / "out")
    assert not found.holds
    assert "THESE FILES DIFFER FROM THE ADAPTER: " in card_of(tmp_path / "out")


def test_rows_in_another_order_are_seen_although_the_export_reads_its_own_bytes(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = learned_run(tmp_path, llama)
    monkeypatch.setattr(gguf_model, "as_stored", lambda config, name, value: value)
    found = found_of(run.path, gguf_adapter, tmp_path / "out")
    assert not found.holds
    assert "THESE FILES DIFFER FROM THE ADAPTER: " in card_of(tmp_path / "out")


@pytest.mark.parametrize("check", [True, False])
def test_bytes_that_the_disk_changes_end_the_export_and_nothing_is_left(
    check: bool, llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, real = learned_run(tmp_path, llama), shutil.copyfile

    def flip_a_bit(source: Path, target: Path) -> None:
        real(source, target)
        data = bytearray(target.read_bytes())
        data[-1] ^= 1
        target.write_bytes(data)

    monkeypatch.setattr(shutil, "copyfile", flip_a_bit)
    with pytest.raises(StudioError) as caught:
        adapter.write(run.path, tmp_path / "place" / "out", Wish(check=check))
    assert caught.value.problem.code == "export.damaged"
    assert list((tmp_path / "place").iterdir()) == []


@pytest.mark.parametrize(
    ("key", "value"), [("adapter.type", "control"), ("general.architecture", "phi3"), ("general.type", "model")]
)
def test_a_file_that_is_no_adapter_of_this_model_is_refused(
    key: str, value: str, llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gguf

    file = the_file(Path(gguf_adapter.write(learned_run(tmp_path, llama).path, tmp_path / "out", UNCHECKED).path))
    real = gguf.ReaderField.contents
    monkeypatch.setattr(gguf.ReaderField, "contents", lambda self: value if self.name == key else real(self))
    with pytest.raises(StudioError) as caught:
        gguf_lora.put_on(parity.base_model.load(llama, parity.PLACEMENT), file)
    assert caught.value.problem.code == "export.misfit"
    assert value in caught.value.problem.why


@pytest.mark.parametrize("sizes", [{"num_hidden_layers": 1}, {"intermediate_size": 96}])
def test_a_file_of_another_models_sizes_is_refused(sizes: dict[str, int], llama: Path, tmp_path: Path) -> None:
    run = learned_run(tmp_path, llama, method__target_modules="all-linear")
    file = the_file(Path(gguf_adapter.write(run.path, tmp_path / "out", UNCHECKED).path))
    other = tiny_model(tmp_path / "other", sizes=sizes)
    with pytest.raises(StudioError) as caught:
        gguf_lora.put_on(parity.base_model.load(other, parity.PLACEMENT), file)
    assert caught.value.problem.code == "export.misfit"


def test_a_comparison_can_be_stopped_and_nothing_is_left(llama: Path, tmp_path: Path) -> None:
    run = learned_run(tmp_path, llama)
    for form in (adapter, gguf_adapter):
        person = Person(lambda event: "stop" if getattr(event, "stage", "") == "Comparing the answers" else None)
        with pytest.raises(StudioError) as caught:
            form.write(run.path, tmp_path / "place" / "out", Wish(), Watch(person, person))
        assert caught.value.problem.code == "export.stopped"
        assert list((tmp_path / "place").iterdir()) == []


# --- what cannot be compared ----------------------------------------------------------------------------------------


def _gone(model: Path, run: RunFolder, place: Path) -> None:
    model.rename(place / "away")


def _another(model: Path, run: RunFolder, place: Path) -> None:
    shutil.rmtree(model)
    tiny_model(model, seed=7)


def _another_that_only_the_adapter_knows(model: Path, run: RunFolder, place: Path) -> None:
    fingerprint.write(run.adapter, model)
    (run.path / "base.json").unlink()
    _another(model, run, place)


def _emptied(model: Path, run: RunFolder, place: Path) -> None:
    (run.path / "base.json").unlink()
    for path in model.glob("*.safetensors"):
        path.unlink()


@pytest.mark.parametrize(
    ("befalls", "why"),
    [
        (_gone, adapter.WITHOUT_BASE["export.base_missing"]),
        (_another, adapter.OTHER),
        (_another_that_only_the_adapter_knows, adapter.OTHER),
        (_emptied, adapter.UNUSABLE),
    ],
)
def test_without_its_base_an_adapter_leaves_and_is_said_not_to_be_compared(
    befalls: Any, why: str, tmp_path: Path
) -> None:
    model = tiny_model(tmp_path / "secret place" / "model")
    run = learned_run(tmp_path, model)
    befalls(model, run, tmp_path)
    found = found_of(run.path, adapter, tmp_path / "out")
    assert (found.prompts, found.skipped) == (0, why)
    assert not found.holds
    card = card_of(tmp_path / "out")
    assert f"| Compared with the adapter | no: {why} |" in card
    assert "behave as" not in card
    assert "secret place" not in card
    assert (tmp_path / "out" / WEIGHTS).read_bytes() == (run.adapter / WEIGHTS).read_bytes()


def test_a_base_that_was_moved_is_found_and_compared_with(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.data import base_search

    model = tiny_model(tmp_path / "model")
    (model / "README.md").write_text("---\nlicense: mit\n---\n")
    run = learned_run(tmp_path, model)
    model.rename(tmp_path / "moved")
    monkeypatch.setattr(base_search, "starter_folder", lambda: tmp_path / "moved")  # as good as any that was added
    found = found_of(run.path, adapter, tmp_path / "out")
    assert found.same
    assert (tmp_path / "out" / "chat_template.jinja").is_file()
    assert "The base model's licence is mit" in card_of(tmp_path / "out")


def test_a_card_names_the_number_format_also_where_nothing_was_compared(llama: Path, tmp_path: Path) -> None:
    run = learned_run(tmp_path, llama)
    gguf.write(run.path, tmp_path / "out", Wish(numbers="q4_0", check=False))
    assert "Number format of the weights: Q4\\_0" in card_of(tmp_path / "out")


def test_where_the_memory_is_too_small_it_is_said(llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = learned_run(tmp_path, llama)
    monkeypatch.setattr(parity, "BYTES_A_NUMBER", 10**9)
    for form in (adapter, gguf_adapter):
        found = found_of(run.path, form, tmp_path / form.__name__)
        assert found.skipped.startswith("that needs ")
        assert "| Compared with the adapter | no: that needs " in card_of(tmp_path / form.__name__)


def test_a_file_of_a_whole_model_asks_for_the_room_that_its_reader_takes(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = learned_run(tmp_path, llama)
    monkeypatch.setattr(parity, "BYTES_A_NUMBER", 10**9)
    needed = []
    for form in (adapter, merged, gguf):
        said = found_of(run.path, form, tmp_path / f"room-{form.__name__}").skipped
        needed.append(float(said.split()[2]))
    assert needed == sorted(set(needed))
