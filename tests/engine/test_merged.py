"""A merged model says what the adapter said, of every architecture and every way that can be merged."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from studio.contract import events, job
from studio.contract.compatibility import UNMERGEABLE
from studio.contract.control import Wish as Wanted
from studio.contract.errors import StudioError
from studio.contract.job import AddModelJob
from studio.contract.methods import METHODS
from studio.contract.parity import outcome
from studio.contract.run_folder import RunFolder
from studio.data import base_search, model_library
from studio.engine import export_folder, model_adding, model_folder, weights_writer
from studio.engine.export_source import Watch, Wish
from studio.engine.exports import adapter, gguf, gguf_adapter, merged
from tests.engine.exported_run import learned_run, said_by, said_with_adapter
from tests.engine.ground import Person
from tests.helpers.tiny_models import ARCHITECTURES, tiny_model

MERGEABLE = [name for name in METHODS if name not in UNMERGEABLE and name != "qlora"]


def code(run: RunFolder, destination: Path, wish: Wish = Wish(), watch: Watch = Watch()) -> str:  # noqa: B008
    with pytest.raises(StudioError) as caught:
        merged.write(run.path, destination, wish, watch)
    return caught.value.problem.code


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_merged_model_of_every_architecture_says_what_the_adapter_said(architecture: str, tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model", architecture)
    run = learned_run(tmp_path, model)
    made = Path(merged.write(run.path, tmp_path / "out").path)
    wanted, said = said_with_adapter(model, run.adapter), said_by(made)
    assert (wanted - said_by(model)).abs().max() > 0.1, "what was learned must show"
    assert (wanted - said).abs().max() < 1e-3
    assert model_folder.check(made).usable


@pytest.mark.parametrize("way", MERGEABLE)
def test_every_way_that_can_be_merged_says_the_same_afterwards(way: str, llama: Path, tmp_path: Path) -> None:
    run = learned_run(tmp_path, llama, way)
    made = Path(merged.write(run.path, tmp_path / "out").path)
    wanted = said_with_adapter(llama, run.adapter)
    assert (wanted - said_by(llama)).abs().max() > 1e-2
    assert (wanted - said_by(made)).abs().max() < 1e-3


@pytest.mark.parametrize(
    "values",
    [{"method__dora": True}, {"method__rslora": True}, {"method__initialisation": "pissa"},
     {"method__target_modules": "lm_head"}, {"method__target_modules": "attention, lm_head"}],
)  # fmt: skip
def test_kinds_of_lora_and_the_output_layer_merge_too(values: dict[str, object], tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model", "gemma2")  # its output layer is the table of words
    run = learned_run(tmp_path, model, **values)
    made = Path(merged.write(run.path, tmp_path / "out").path)
    assert (said_with_adapter(model, run.adapter) - said_by(made)).abs().max() < 1e-3
    untied = "lm_head" in str(values)
    assert json.loads((made / "config.json").read_text())["tie_word_embeddings"] is not untied


@pytest.mark.parametrize("way", sorted(UNMERGEABLE))
def test_what_cannot_be_merged_is_refused_in_words(way: str, llama: Path, tmp_path: Path) -> None:
    run = learned_run(tmp_path, llama, way)
    assert code(run, tmp_path / "out") == "export.cannot_merge"
    assert not (tmp_path / "out").exists()


def test_what_makes_up_for_4_bit_loading_is_not_built_into_the_whole_model(llama: Path, tmp_path: Path) -> None:
    run = learned_run(tmp_path, llama, method__initialisation="loftq", quantisation="nf4")
    assert code(run, tmp_path / "out") == "export.loftq"


def test_a_large_model_is_written_in_parts_with_an_index(llama: Path, tmp_path: Path) -> None:
    run = learned_run(tmp_path, llama)
    exported = merged.write(run.path, tmp_path / "out", shard_bytes=100_000)
    parts = [name for name in exported.files if name.endswith(".safetensors")]
    assert len(parts) > 3
    assert parts[0] == f"model-00001-of-{len(parts):05d}.safetensors"
    index = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"].values()) == set(parts)
    assert (said_with_adapter(llama, run.adapter) - said_by(tmp_path / "out")).abs().max() < 1e-3


def test_tokenizer_template_terms_and_end_tokens_come_along(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model")
    (model / "LICENSE.txt").write_text("terms")
    (model / "generation_config.json").write_text('{"temperature": 0.5, "do_sample": true, "eos_token_id": 1}')
    made = Path(merged.write(learned_run(tmp_path, model).path, tmp_path / "out").path)
    for name in ("tokenizer.json", "tokenizer_config.json", "LICENSE.txt"):
        assert (made / name).read_bytes() == (model / name).read_bytes()
    told = json.loads((made / "generation_config.json").read_text())
    assert told == {"temperature": 0.5, "do_sample": True, "eos_token_id": [3, 1], "pad_token_id": 0}
    card = (made / "README.md").read_text()
    assert "library_name: transformers" in card
    assert "whole model and needs nothing beside it" in card
    assert "PeftModel" not in card


@pytest.mark.parametrize(("numbers", "stored"), [("f32", "F32"), ("bf16", "BF16"), ("f16", "F16")])
def test_the_number_format_can_be_chosen(numbers: str, stored: str, llama: Path, tmp_path: Path) -> None:
    run = learned_run(tmp_path, llama)
    made = Path(merged.write(run.path, tmp_path / "out", Wish(numbers=numbers)).path)
    assert {str(tensor.dtype) for tensor in load_file(made / "model.safetensors").values()} == {
        {"F32": "torch.float32", "BF16": "torch.bfloat16", "F16": "torch.float16"}[stored]
    }
    best = said_with_adapter(llama, run.adapter).argmax(-1)
    assert (said_by(made).argmax(-1) == best).float().mean() >= 0.95


def test_a_qlora_run_is_built_into_the_base_as_it_was_before_it_was_compressed(llama: Path, tmp_path: Path) -> None:
    run = learned_run(tmp_path, llama)
    work = job.load(run.job)
    assert isinstance(work, job.TrainJob)
    told = json.loads(run.job.read_text())
    told["settings"]["quantisation"] = "nf4"
    run.job.write_text(json.dumps(told))
    made = Path(merged.write(run.path, tmp_path / "out").path)
    assert (said_with_adapter(llama, run.adapter) - said_by(made)).abs().max() < 1e-3
    assert "trained beside the base compressed to nf4" in (made / "README.md").read_text()


# --- the base -----------------------------------------------------------------------------------------------------


def test_a_base_that_is_gone_is_named_with_its_fingerprint(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model")
    run = learned_run(tmp_path, model)
    model.rename(tmp_path / "elsewhere")
    with pytest.raises(StudioError) as caught:
        merged.write(run.path, tmp_path / "out")
    assert caught.value.problem.code == "export.base_missing"
    assert "Bring back the model tiny, fingerprint " in caught.value.problem.fix
    # Added under another path, it is found again.
    model_library.put_model(model_folder.check(tmp_path / "elsewhere"))
    assert merged.write(run.path, tmp_path / "out").total_bytes > 100_000


def damaged_after_it_was_added(tmp_path: Path) -> tuple[RunFolder, Path]:
    """A run, and its base that was added and then changed behind what the run knows of it."""
    model = tiny_model(tmp_path / "model")
    person = Person()
    model_library.put_model(model_adding.add(AddModelJob(path=str(model), copy=False), person, person))
    run = learned_run(tmp_path, model)
    path = model / "model.safetensors"
    header = int.from_bytes(path.read_bytes()[:8], "little")
    weights = bytearray(path.read_bytes())
    place = json.loads(weights[8 : 8 + header])["model.layers.0.mlp.down_proj.weight"]["data_offsets"][0]
    for byte in range(8192, 8192 + 400, 4):
        weights[8 + header + place + byte] ^= 0xFF
    path.write_bytes(weights)
    return run, model


@pytest.mark.parametrize("form", [merged, gguf, gguf_adapter])
def test_a_base_whose_files_are_not_those_that_were_added_is_refused(form: Any, tmp_path: Path) -> None:
    run, model = damaged_after_it_was_added(tmp_path)
    with pytest.raises(StudioError) as caught:
        form.write(run.path, tmp_path / "out")
    problem = caught.value.problem
    assert (problem.code, problem.where) == ("export.base_changed", str(model))
    assert problem.why == "model.safetensors was changed."
    assert not (tmp_path / "out").exists()


def test_what_was_noted_of_another_model_in_the_same_folder_is_not_asked(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model")
    person = Person()
    model_library.put_model(model_adding.add(AddModelJob(path=str(model), copy=False), person, person))
    shutil.rmtree(model)
    run = learned_run(tmp_path, tiny_model(model, seed=5))  # the next version, put there before the training
    found = merged.write(run.path, tmp_path / "out").parity
    assert found is not None
    assert found.base_noted is False


@pytest.mark.parametrize("built_in", [False, True])
def test_a_file_of_the_tokenizer_that_was_put_there_later_is_told(
    built_in: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model(tmp_path / "model")
    person = Person()
    added = model_adding.add(AddModelJob(path=str(model), copy=False), person, person)
    if built_in:
        monkeypatch.setattr(base_search, "starter_folder", lambda: model)
        (model / base_search.SUMS).write_text("".join(f"{sha256}  {name}\n" for name, sha256 in added.sha256.items()))
    else:
        model_library.put_model(added)
    run = learned_run(tmp_path, model)
    (model / "chat_template.jinja").write_text("{{ messages[0].content }}")
    with pytest.raises(StudioError) as caught:
        merged.write(run.path, tmp_path / "out")
    assert caught.value.problem.code == "export.base_changed"
    assert caught.value.problem.why == "chat_template.jinja was added since."


def test_an_adapter_leaves_alone_and_is_not_compared_on_a_base_that_was_changed(tmp_path: Path) -> None:
    run, _ = damaged_after_it_was_added(tmp_path)
    found = adapter.write(run.path, tmp_path / "out").parity
    assert found is not None
    assert found.skipped == "files of the base model are not what they were when it was added"


def test_a_base_is_proved_before_it_is_built_in_and_that_can_be_stopped(llama: Path, tmp_path: Path) -> None:
    person = Person()
    model_library.put_model(model_adding.add(AddModelJob(path=str(llama), copy=False), person, person))
    run = learned_run(tmp_path, llama)
    person = Person()
    found = merged.write(run.path, tmp_path / "out", watch=Watch(person, person)).parity
    assert found is not None
    assert found.base_noted
    assert outcome(found) == "These files behave as the adapter did."
    told = [event for event in person.all(events.Progress) if "SHA-256" in event.stage]
    assert told[-1].done == told[-1].total > (llama / "model.safetensors").stat().st_size

    def stop(event: object) -> Wanted | None:
        return "stop" if isinstance(event, events.Progress) and "SHA-256" in event.stage else None

    for number, form in enumerate((merged, adapter)):
        person = Person(stop)
        with pytest.raises(StudioError) as caught:
            form.write(run.path, tmp_path / f"stopped-{number}", watch=Watch(person, person))
        assert caught.value.problem.code == "export.stopped"


def test_a_base_that_is_away_is_named_with_the_sha256_of_its_weights(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model")
    person = Person()
    added = model_adding.add(AddModelJob(path=str(model), copy=False), person, person)
    model_library.put_model(added)
    run = learned_run(tmp_path, model)
    shutil.rmtree(model)
    with pytest.raises(StudioError) as caught:
        merged.write(run.path, tmp_path / "out")
    sha256 = added.sha256["model.safetensors"]
    assert f"the model tiny, whose model.safetensors has the SHA-256 {sha256}: put it" in caught.value.problem.fix


def test_another_model_in_the_place_of_the_base_is_refused(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model")
    run = learned_run(tmp_path, model)
    shutil.rmtree(model)
    tiny_model(model, seed=5)
    assert code(run, tmp_path / "out") == "export.other_base"


def test_a_base_whose_config_was_changed_is_refused_with_what_was_changed(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model")
    run = learned_run(tmp_path, model)
    config = model / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"rms_norm_eps": 0.5}))
    with pytest.raises(StudioError) as caught:
        merged.write(run.path, tmp_path / "out")
    assert caught.value.problem.code == "export.other_base"
    assert "rms_norm_eps is 0.5 and was 1e-06" in caught.value.problem.why


def test_runs_of_earlier_versions_export_from_where_their_base_lies(llama: Path, tmp_path: Path) -> None:
    run = learned_run(tmp_path, llama)
    (run.path / "base.json").unlink()
    assert merged.write(run.path, tmp_path / "out").total_bytes > 100_000


def test_an_adapter_of_another_shape_is_refused(tmp_path: Path) -> None:
    run = learned_run(tmp_path, tiny_model(tmp_path / "model"))
    wide = tiny_model(tmp_path / "wide", sizes={"intermediate_size": 96})
    told = json.loads(run.job.read_text()) | {"model": str(wide)}
    run.job.write_text(json.dumps(told))
    (run.path / "base.json").unlink()
    assert code(run, tmp_path / "out") == "adapter.other_base"
    assert not list(tmp_path.glob(".apprentice-export-*"))


# --- the disk -----------------------------------------------------------------------------------------------------


def test_a_disk_without_room_is_told_before_anything_is_written(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = learned_run(tmp_path, llama)
    monkeypatch.setattr(export_folder.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 0, 10**6))
    monkeypatch.setattr(merged, "write_shards", None)
    assert code(run, tmp_path / "out") == "export.no_room"


def test_a_byte_that_reads_otherwise_is_found(llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = learned_run(tmp_path, llama)

    def rot(*arguments: object, **more: object) -> dict[str, str]:
        hashes = weights_writer.write_shards(*arguments, **more)  # type: ignore[arg-type]
        path = Path(str(arguments[0])) / "model.safetensors"
        data = bytearray(path.read_bytes())
        data[-100] ^= 1
        path.write_bytes(data)
        return hashes

    monkeypatch.setattr(merged, "write_shards", rot)
    assert code(run, tmp_path / "out") == "export.damaged"
    assert not (tmp_path / "out").exists()


def test_numbers_too_large_for_the_format_are_refused(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model")
    run = learned_run(tmp_path, model, "full")
    from safetensors.torch import save_file

    path = run.adapter / "adapter_model.safetensors"
    weights = load_file(path)
    weights["model.norm.weight"] *= 1e6
    save_file(weights, path, metadata={"format": "pt"})
    assert code(run, tmp_path / "out", Wish(numbers="f16")) == "export.not_finite"
    assert merged.write(run.path, tmp_path / "out", Wish(numbers="f32")).total_bytes


def test_an_export_can_be_stopped_and_leaves_nothing(llama: Path, tmp_path: Path) -> None:
    run = learned_run(tmp_path, llama)

    def stop(event: object) -> Wanted | None:
        return "stop" if isinstance(event, events.Progress) and event.done else None

    person = Person(stop)
    assert code(run, tmp_path / "place" / "out", watch=Watch(person, person)) == "export.stopped"
    assert list((tmp_path / "place").iterdir()) == []


def test_the_leavings_of_a_killed_export_are_swept_away_and_nothing_else(llama: Path, tmp_path: Path) -> None:
    run = learned_run(tmp_path, llama)
    place = tmp_path / "place"
    for name, ours in ((".apprentice-export-999999999-ab", True), (".apprentice-export-999999999-cd", False)):
        (place / name).mkdir(parents=True)
        (place / name / "model.safetensors").touch()
        if ours:
            (place / name / export_folder.MARKER).touch()
    merged.write(run.path, place / "out")
    assert sorted(path.name for path in place.iterdir()) == [".apprentice-export-999999999-cd", "out"]


def test_merging_holds_one_layer_at_a_time_not_the_model(tmp_path: Path) -> None:
    """The peak is measured in a process of its own: what it holds beside files must be far below the model's size."""
    import subprocess
    import sys

    sizes = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 8}
    model = tiny_model(tmp_path / "model", sizes=sizes | {"num_key_value_heads": 8, "head_dim": 64})
    run = learned_run(tmp_path, model)
    size = (model / "model.safetensors").stat().st_size
    assert size > 200_000_000
    program = f"""
import resource, sys
from pathlib import Path
from studio.engine.merging import Merging
merging = Merging(Path({str(model)!r}), Path({str(run.adapter)!r}))
def anonymous():
    return int(next(line for line in open("/proc/self/status") if line.startswith("RssAnon")).split()[1]) * 1024
before, peak = anonymous(), 0
for name, value in merging.tensors():
    peak = max(peak, anonymous())
print(peak - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < size / 4


def test_the_bytes_told_grow_to_the_whole(llama: Path, tmp_path: Path) -> None:
    person = Person()
    merged.write(learned_run(tmp_path, llama).path, tmp_path / "out", watch=Watch(person, person))
    told = [e for e in person.all(events.Progress) if e.stage.startswith("Building")]
    assert told[-1].done == told[-1].total == (tmp_path / "out" / "model.safetensors").stat().st_size - _head(tmp_path)
    assert [e.done for e in told] == sorted(e.done for e in told)
    assert torch.isfinite(said_by(tmp_path / "out")).all()


def _head(tmp_path: Path) -> int:
    with (tmp_path / "out" / "model.safetensors").open("rb") as file:
        return 8 + int.from_bytes(file.read(8), "little")
