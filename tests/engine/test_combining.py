"""A combined adapter is what its way of combining says, remembers its parents, and is a run like any other."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from safetensors import SafetensorError

from studio.contract import job
from studio.contract.combinations import COMBINATIONS
from studio.contract.errors import StudioError
from studio.contract.run_folder import RunFolder, make_folder
from studio.data.ancestry import read_ancestry
from studio.data.model_card import card_text
from studio.data.run_history import summarise
from studio.data.system_prompt import learned_with
from studio.engine import base_model, combining, export_folder, fingerprint
from studio.engine.combining import combine
from studio.engine.export_source import Wish
from studio.engine.exports import merged
from studio.engine.new_run import PARTIAL
from tests.engine.exported_run import CPU, learned_run, said_by, said_with_adapter
from tests.engine.ground import Person
from tests.helpers.tiny_models import tiny_model


@pytest.fixture
def two(llama: Path, tmp_path: Path) -> tuple[RunFolder, RunFolder]:
    return learned_run(tmp_path, llama, seed=1), learned_run(tmp_path, llama, seed=2)


def made_of(parent: Path, runs: tuple[tuple[RunFolder, float], ...], **values: Any) -> RunFolder:
    person = Person()
    weighted = tuple((str(run.path), weight) for run, weight in runs)
    work = job.CombineJob(runs=weighted, runs_folder=str(parent), **values)
    return RunFolder(Path(combine(work, person, person).run))


def changes(model: Path, adapter: Path) -> dict[str, torch.Tensor]:
    """What an adapter adds to each layer."""
    base = base_model.load(model, CPU)
    base_model.load_adapter(base, adapter, "a")
    with base_model.using_adapter(base, "a") as answering:
        return {
            name: layer.get_delta_weight("default")
            for name, layer in answering.named_modules()
            if hasattr(layer, "lora_A")
        }


def test_a_weighted_sum_is_exact(llama: Path, two: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    new = made_of(tmp_path, ((two[0], 0.7), (two[1], 0.3)))
    one, other, both = (changes(llama, run.adapter) for run in (*two, new))
    for name, change in both.items():
        assert torch.allclose(change, 0.7 * one[name] + 0.3 * other[name], atol=1e-6)


def test_adapters_of_different_sizes_and_places_are_added_up(llama: Path, tmp_path: Path) -> None:
    one = learned_run(tmp_path, llama, seed=1, method__rank=2)
    other = learned_run(tmp_path, llama, seed=2, method__rank=6, method__target_modules="attention")
    new = made_of(tmp_path, ((one, 1.0), (other, 0.5)))
    first, second, both = (changes(llama, run.adapter) for run in (one, other, new))
    assert both.keys() == first.keys() | second.keys()
    for name, change in both.items():
        wanted = first[name] + (0.5 * second[name] if name in second else 0.0)
        assert torch.allclose(change, wanted, atol=1e-6)
    for how in ("svd", "ties", "dare"):
        assert changes(llama, made_of(tmp_path, ((one, 1.0), (other, 0.5)), how=how).adapter)


def test_svd_keeps_the_strongest_directions_at_the_size_that_is_wished(
    llama: Path, two: tuple[RunFolder, RunFolder], tmp_path: Path
) -> None:
    whole = made_of(tmp_path, ((two[0], 1.0), (two[1], 1.0)))
    exact = made_of(tmp_path, ((two[0], 1.0), (two[1], 1.0)), how="svd", rank=8)
    small = made_of(tmp_path, ((two[0], 1.0), (two[1], 1.0)), how="svd", rank=2)
    wanted, same, less = (changes(llama, run.adapter) for run in (whole, exact, small))
    for name, change in wanted.items():
        assert torch.allclose(same[name], change, atol=1e-5)
        strength = torch.linalg.svdvals(change)
        lost = (less[name] - change).norm() ** 2
        assert lost == pytest.approx(float((strength[2:] ** 2).sum()), rel=1e-3)


def plainly_scaled(run: RunFolder, parent: Path) -> RunFolder:
    """The same adapter as an rsLoRA run's, its strength told without rsLoRA."""
    other = RunFolder(parent / f"{run.id}-plain")
    shutil.copytree(run.path, other.path)
    path = other.adapter / "adapter_config.json"
    told = json.loads(path.read_text())
    assert told["use_rslora"]
    path.write_text(json.dumps(told | {"use_rslora": False, "lora_alpha": told["lora_alpha"] * told["r"] ** 0.5}))
    return other


def test_an_rslora_adapter_keeps_the_strength_that_a_layer_has_of_its_own(llama: Path, tmp_path: Path) -> None:
    steady, other = learned_run(tmp_path, llama, seed=1, method__rslora=True), learned_run(tmp_path, llama, seed=2)
    path = steady.adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"alpha_pattern": {"q_proj": 1.0}}))
    new = made_of(tmp_path, ((steady, 1.0), (other, 1.0)))
    one, two, both = (changes(llama, run.adapter) for run in (steady, other, new))
    assert all(torch.allclose(change, one[name] + two[name], atol=1e-5) for name, change in both.items())


def test_an_rslora_adapter_that_tells_no_strength_is_refused_in_words(
    llama: Path, two: tuple[RunFolder, RunFolder], tmp_path: Path
) -> None:
    path = two[0].adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"use_rslora": True, "lora_alpha": None}))
    with pytest.raises(StudioError) as caught:
        made_of(tmp_path, ((two[0], 1.0), (two[1], 1.0)))
    assert caught.value.problem.code == "adapter.other_base"


@pytest.mark.filterwarnings("ignore:The density:UserWarning")
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("how", list(COMBINATIONS))
def test_an_rslora_adapter_is_as_strong_in_the_combination_as_alone(
    how: str, first: bool, llama: Path, tmp_path: Path
) -> None:
    steady = learned_run(tmp_path, llama, seed=1, method__rank=4, method__rslora=True)
    other = learned_run(tmp_path, llama, seed=2, method__rank=2)
    plain = plainly_scaled(steady, tmp_path)
    one, two = changes(llama, steady.adapter), changes(llama, other.adapter)
    values = {"how": how, "rank": 6, "density": 1.0}  # nothing is thinned, and the size holds both whole

    def combined(run: RunFolder) -> RunFolder:
        runs = ((run, 1.0), (other, 0.5))
        return made_of(tmp_path, runs if first else runs[::-1], **values)

    new = combined(steady)
    both, wanted = changes(llama, new.adapter), changes(llama, combined(plain).adapter)
    for name, change in both.items():
        assert torch.allclose(change, wanted[name], atol=1e-5)
        if how != "ties":  # which leaves out what pulls the other way
            assert torch.allclose(change, one[name] + 0.5 * two[name], atol=1e-5)
    assert not json.loads((new.adapter / "adapter_config.json").read_text())["use_rslora"]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("how", ["ties", "dare"])
def test_an_rslora_adapter_is_as_strong_where_thinning_needs_no_svd(
    how: str, first: bool, llama: Path, tmp_path: Path
) -> None:
    steady = learned_run(tmp_path, llama, seed=1, method__rslora=True)
    other = learned_run(tmp_path, llama, seed=2)
    found = []
    for run in (steady, plainly_scaled(steady, tmp_path)):
        runs = ((run, 1.0), (other, 0.5))
        made = made_of(tmp_path, runs if first else runs[::-1], how=how)
        found.append(changes(llama, made.adapter))
    for name, change in found[0].items():
        assert torch.allclose(change, found[1][name], atol=1e-5)


@pytest.mark.parametrize("how", ["ties", "dare"])
def test_thinning_makes_something_else_again_by_the_same_dice(
    how: str, llama: Path, two: tuple[RunFolder, RunFolder], tmp_path: Path
) -> None:
    runs = ((two[0], 1.0), (two[1], 1.0))
    thin, again = (changes(llama, made_of(tmp_path, runs, how=how, density=0.3, seed=4).adapter) for _ in "ab")
    plain = changes(llama, made_of(tmp_path, runs).adapter)
    assert all(torch.equal(thin[name], again[name]) for name in thin)
    assert any(not torch.allclose(thin[name], plain[name], atol=1e-3) for name in thin)


def test_the_new_run_remembers_its_parents_tells_of_them_and_is_exported(
    llama: Path, two: tuple[RunFolder, RunFolder], tmp_path: Path
) -> None:
    new = made_of(tmp_path, ((two[0], 0.5), (two[1], 0.25)), how="ties", density=0.4, name="both")
    ancestry = read_ancestry(new)
    assert ancestry is not None
    assert [(p.run, p.weight) for p in ancestry.parents] == [(two[0].id, 0.5), (two[1].id, 0.25)]
    summary = summarise(new)
    assert summary is not None
    assert (summary.state, summary.has_adapter, summary.job.name) == ("done", True, "both")
    card = card_text(new, summary)
    assert "## Made of\n\nAgreeing parts only (TIES), keeping 40% of each" in card
    assert f"- lora (weight 0.25): size 4, trained on rows; its base names no licence; the run is {two[1].id}" in card
    made = Path(merged.write(new.path, tmp_path / "out", Wish(check=False)).path)
    assert (said_with_adapter(llama, new.adapter) - said_by(made)).abs().max() < 1e-3
    assert json.loads((new.adapter / "adapter_config.json").read_text())["peft_type"] == "LORA"
    known = fingerprint.read(new.adapter)
    assert known is not None
    assert known.fingerprint == fingerprint.of(llama)


@pytest.mark.parametrize("form", ["adapter", "merged"])
def test_the_card_of_a_combination_invents_no_training_and_names_each_parents_own(form: str, tmp_path: Path) -> None:
    first, second = tiny_model(tmp_path / "first"), tiny_model(tmp_path / "second")
    for model, licence in ((first, "mit"), (second, "llama3")):  # the same base, from two places
        (model / "README.md").write_text(f"---\nlicense: {licence}\n---\n")
    parents = (learned_run(tmp_path, first, seed=1), learned_run(tmp_path, second, seed=2, method__rank=3))
    work = job.load(parents[1].job)
    assert isinstance(work, job.TrainJob)
    job.save(msgspec.structs.replace(work, name="Ökonomie", dataset_name="letters"), parents[1].job)
    new = made_of(tmp_path, ((parents[0], 0.5), (parents[1], 2.0)), name="both")
    summary = summarise(new)
    assert summary is not None
    for run in parents:
        shutil.rmtree(run.path)  # what was kept of them is told all the same
    card = card_text(new, summary, form)
    assert "trained with Apprentice Studio" not in card
    assert ", combined of 2 others with Apprentice Studio on 20" in card or form == "merged"
    assert "with 2 adapters built in, combined with Apprentice Studio on 20" in card or form == "adapter"
    for words in ("Steps", "Training time", "## Figures", "## Settings", "Learning speed", "figures above", "## Data"):
        assert words not in card
    assert "- lora (weight 0.5): size 4, trained on rows; its base's licence is mit; " in card
    assert "- Ökonomie (weight 2): size 3, trained on letters; its base's licence is llama3; " in card


def test_a_card_tells_what_older_combinations_kept_of_their_parents(
    two: tuple[RunFolder, RunFolder], tmp_path: Path
) -> None:
    new = made_of(tmp_path, ((two[0], 0.5), (two[1], 0.25)))
    told = json.loads((new.path / "parents.json").read_text())
    parents = [{key: parent[key] for key in ("run", "name", "weight")} for parent in told["parents"]]
    (new.path / "parents.json").write_text(json.dumps({"how": "weighted", "parents": parents}))
    summary = summarise(new)
    assert summary is not None
    assert f"- lora (weight 0.5); the run is {two[0].id}\n" in card_text(new, summary)


def test_only_a_system_prompt_that_all_parents_learned_with_goes_on(
    two: tuple[RunFolder, RunFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = {str(two[0].path): "Be brief.", str(two[1].path): "Be brief."}
    monkeypatch.setattr(combining, "learned_with", lambda run: prompts[str(run)])
    runs = ((two[0], 1.0), (two[1], 1.0))
    assert learned_with(made_of(tmp_path, runs).path) == "Be brief."
    prompts[str(two[1].path)] = "Be long."
    assert learned_with(made_of(tmp_path, runs).path) == ""


@pytest.mark.parametrize(
    ("runs", "values"),
    [((1.0,), {}), ((1.0, 0.0), {}), ((1.0, 11.0), {}), ((1.0, 1.0), {"density": 0.0}), ((1.0, 1.0), {"how": "sum"}),
     ((1.0, 1.0), {"rank": -1})],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(
    runs: tuple[float, ...], values: dict[str, Any], two: tuple[RunFolder, RunFolder], tmp_path: Path
) -> None:
    with pytest.raises(StudioError) as caught:
        made_of(tmp_path, tuple(zip(two, runs, strict=False)), **values)
    assert caught.value.problem.code == "combine.wrong_values"


def test_adapters_of_different_bases_are_refused(two: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    foreign = learned_run(tmp_path, tiny_model(tmp_path / "other", seed=9), seed=3)
    with pytest.raises(StudioError) as caught:
        made_of(tmp_path, ((two[0], 1.0), (foreign, 1.0)))
    assert caught.value.problem.code == "combine.other_base"


@pytest.mark.parametrize(("way", "values"), [("ia3", {}), ("lora", {"method__dora": True}), ("prompt", {})])
def test_what_is_no_plain_lora_is_refused(
    way: str, values: dict[str, Any], llama: Path, two: tuple[RunFolder, RunFolder], tmp_path: Path
) -> None:
    other = learned_run(tmp_path, llama, way, seed=7, **values)
    with pytest.raises(StudioError) as caught:
        made_of(tmp_path, ((two[0], 1.0), (other, 1.0)))
    assert caught.value.problem.code == "combine.cannot"
    assert not list(tmp_path.glob("combined-*"))


def listed(runs: Path) -> list[str]:
    """Runs as everyone sees them: folders with a job."""
    return sorted(path.parent.name for path in runs.glob("*/job.json"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no limit of a file's size")
def test_a_disk_that_takes_no_more_is_told_in_words_and_leaves_no_run(
    two: tuple[RunFolder, RunFolder], tmp_path: Path
) -> None:
    import resource

    runs = tmp_path / "runs"
    before, usual = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))  # less than the weights, more than the small files
    try:
        with pytest.raises(StudioError) as caught:
            made_of(runs, ((two[0], 1.0), (two[1], 1.0)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, usual)
    assert caught.value.problem.code == "combine.unwritable"
    assert os.strerror(errno.EFBIG) in caught.value.problem.why
    assert list(runs.iterdir()) == []


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (SafetensorError("I/O error: No space left on device (os error 28)"), "combine.disk_full"),
        (OSError(errno.ENOSPC, "No space left on device"), "combine.disk_full"),
        (OSError(errno.EIO, "Input/output error"), "combine.unwritable"),
    ],
)
@pytest.mark.parametrize("step", ["_save_adapter", "write_ancestry"])
def test_whatever_cannot_be_written_leaves_nothing(
    step: str, fault: Exception, code: str, two: tuple[RunFolder, RunFolder], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr(combining, step, fail)
    with pytest.raises(StudioError) as caught:
        made_of(tmp_path / "runs", ((two[0], 1.0), (two[1], 1.0)))
    assert caught.value.problem.code == code
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_process_killed_while_it_saves_leaves_no_run_and_the_next_one_sweeps_up(
    two: tuple[RunFolder, RunFolder], tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    script = (
        "import os, signal, sys; from studio.engine import new_run; from pathlib import Path\n"
        "with new_run.new_run(Path(sys.argv[1]), 'combined') as folder:\n"
        "    folder.job.write_text('{}'); folder.events.write_text('')\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(runs)], check=False).returncode != 0
    assert len(list(runs.iterdir())) == 1
    assert listed(runs) == []
    new = made_of(runs, ((two[0], 1.0), (two[1], 1.0)))
    assert listed(runs) == [path.name for path in runs.iterdir()] == [new.id]


def test_what_another_process_is_combining_is_left_alone(two: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    foreign, busy = runs / f"{PARTIAL}999999999-ab", runs / f"{PARTIAL}{os.getppid()}-ab"
    foreign.mkdir(parents=True)  # bears no marker of ours
    make_folder(busy)
    made_of(runs, ((two[0], 1.0), (two[1], 1.0)))
    assert foreign.is_dir()
    assert busy.is_dir()


def test_a_new_run_is_on_the_disk_before_it_is_among_the_runs(
    two: tuple[RunFolder, RunFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    sync_all = export_folder.sync_all

    def sync(folder: Path) -> None:
        sync_all(folder)
        seen.append([*listed(tmp_path / "runs"), *sorted(path.name for path in folder.rglob("*.safetensors"))])

    monkeypatch.setattr(export_folder, "sync_all", sync)
    new = made_of(tmp_path / "runs", ((two[0], 1.0), (two[1], 1.0)))
    assert seen == [["adapter_model.safetensors"]]
    summary = summarise(new)
    assert summary is not None
    assert summary.finished is not None
    assert Path(summary.finished.adapter) == new.adapter


def test_every_way_has_words() -> None:
    assert all(row.label and row.help for row in COMBINATIONS.values())
