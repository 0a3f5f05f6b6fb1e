"""Every way of tuning learns, is saved, and says the same in a new process; every refusal is told before the start."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from safetensors.torch import save_file

from studio.contract.compatibility import REFUSED, Refused
from studio.contract.errors import SettingsError, StudioError
from studio.contract.events import Started, Step
from studio.contract.methods import METHODS
from studio.contract.settings import TrainSettings
from studio.engine import base_model, loop
from studio.engine.train import train
from tests.engine.ground import Person, make_dataset, make_model, new_run, sums
from tests.engine.ways import OWN, RATES, logits, way_job
from tests.helpers.shared_data import PROJECT


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data"), sums(24), sums(3))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where every way leaves its adapter and what its model said, for the one new process."""
    return tmp_path_factory.mktemp("told")


@pytest.fixture
def trained_model(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The model of a run as it was when the run ended."""
    seen: list[Any] = []
    finish = loop.Run.finish

    def watched(run: loop.Run, reason: loop.Reason) -> Any:
        seen.append(run.model)
        return finish(run, reason)

    monkeypatch.setattr(loop.Run, "finish", watched)
    return seen


@pytest.mark.parametrize("name", list(METHODS))
def test_twenty_steps_lower_the_loss_and_the_saved_adapter_says_the_same(
    name: str, llama: Path, dataset: Path, told: Path, tmp_path: Path, trained_model: list[Any]
) -> None:
    run, person = new_run(tmp_path), Person()
    work = way_job(name, llama, dataset)
    done = train(work, run, person, person)
    losses = [step.loss for step in person.all(Step)]
    assert done.adapter == str(run.adapter)
    assert sum(losses[-3:]) < 0.98 * sum(losses[:3]), losses
    (started,) = person.all(Started)
    assert started.trainable_parameters > 0
    base = base_model.load(llama, base_model.resolve(work.settings))
    untouched = logits(base)
    base_model.load_adapter(base, run.adapter, "a")
    with base_model.using_adapter(base, "a") as answering:
        answers = logits(answering)
    assert torch.allclose(answers, logits(trained_model[0]), atol=2e-5)
    assert not torch.allclose(answers, untouched, atol=1e-2)
    with base_model.using_adapter(base, "") as answering:
        assert torch.equal(logits(answering), untouched)
    run.adapter.rename(told / name)
    save_file({"logits": answers}, told / f"{name}.safetensors")


RELOAD = """
import sys
from pathlib import Path
import torch
from safetensors.torch import load_file
from studio.contract.settings import TrainSettings
from studio.engine import base_model
from tests.engine.ways import logits
told = Path(sys.argv[2])
bases = {}
for folder in sorted(path for path in told.iterdir() if path.is_dir()):
    quantisation = "nf4" if folder.name == "qlora" else "none"
    if quantisation not in bases:
        settings = TrainSettings(device="cpu", quantisation=quantisation)
        bases[quantisation] = base_model.load(Path(sys.argv[1]), base_model.resolve(settings))
    base_model.load_adapter(bases[quantisation], folder, folder.name)
for folder in sorted(path for path in told.iterdir() if path.is_dir()):
    with base_model.using_adapter(bases["nf4" if folder.name == "qlora" else "none"], folder.name) as model:
        wanted = load_file(told / f"{folder.name}.safetensors")["logits"]
        assert torch.allclose(logits(model), wanted, atol=1e-6), folder.name
    print(folder.name)
"""


def test_all_of_them_say_the_same_beside_each_other_in_a_new_process(llama: Path, told: Path) -> None:
    names = sorted(path.name for path in told.iterdir() if path.is_dir())
    if names != sorted(METHODS):
        pytest.skip("only where all of them were trained before")
    done = subprocess.run(
        [sys.executable, "-c", RELOAD, str(llama), str(told)], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split() == names


# --- what does not go together --------------------------------------------------------------------------------


def _cells() -> list[Any]:
    cells = []
    for row in REFUSED:
        for method in row.methods:
            values = row.values if not row.allowed else ("phi3",) if row.path == "architecture" else ("none", "int8")
            cells += [pytest.param(row, method, value, id=f"{method}-{row.path}-{value}") for value in values]
    return cells


@pytest.mark.parametrize(("row", "method", "value"), _cells())
def test_what_does_not_go_together_is_refused_before_the_start_with_what_would(
    row: Refused, method: str, value: Any, llama: Path, dataset: Path, tmp_path: Path
) -> None:
    model = make_model(tmp_path / "model", value) if row.path == "architecture" else llama
    values = {} if row.path == "architecture" else {row.path: value}
    if row.only:
        values[f"method.{row.only[0]}"] = row.only[1][0]
    work = way_job(method, model, dataset, **{path.replace(".", "__"): v for path, v in values.items()})
    person = Person()
    with pytest.raises(SettingsError) as caught:
        train(work, new_run(tmp_path), person, person)
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == (row.code, row.where or row.path)
    assert problem.what
    assert problem.why
    assert problem.fix
    assert not person.all(Step)


def _refused() -> list[Any]:
    """One cell of each row; of a row by a setting of the way's own, one for each of its values."""
    cells = []
    for row in REFUSED:
        if row.path == "architecture":
            continue
        value = "none" if row.allowed else row.values[0]
        owns = row.only[1] if row.only else (None,)
        cells += [pytest.param(row, value, own, id=f"{row.code}-{own}") for own in owns]
    return cells


BADLY = {
    ("settings.method_bf16", None): "corrections are lost",
    ("settings.initialisation_whole", "loftq"): "it begins with nothing, as standard does",
    ("settings.initialisation_dora", "loftq"): "it begins farther from the whole model than LoftQ alone",
}
"""Code of a row and value of the way's own setting -> why it is refused although it trains and reloads."""


@pytest.mark.parametrize(("row", "value", "own"), _refused())
def test_what_is_refused_does_indeed_not_work(
    row: Refused,
    value: Any,
    own: Any,
    llama: Path,
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trained_model: list[Any],
) -> None:
    """It fails, or what was saved says something else than what was trained; but for those that work, only BADLY."""
    if (row.code, own) in BADLY:
        pytest.skip(f"it works badly, not never: {BADLY[row.code, own]}")
    from studio.engine import train as recipe

    monkeypatch.setattr(recipe, "check_together", lambda *_: ())
    person = Person()
    values = {row.path.replace(".", "__"): value}
    if row.only:
        values[f"method__{row.only[0]}"] = own
    work, run = way_job(row.methods[0], llama, dataset, **values), new_run(tmp_path)
    try:
        train(work, run, person, person)
    except (RuntimeError, ValueError, AssertionError, AttributeError, TypeError, KeyError, StudioError):
        return
    base = base_model.load(llama, base_model.resolve(work.settings))
    base_model.load_adapter(base, run.adapter, "a")
    with base_model.using_adapter(base, "a") as answering:
        assert not torch.allclose(logits(answering), logits(trained_model[0].eval()), atol=1e-3)


@pytest.mark.parametrize(
    ("name", "values", "code", "fix"),
    [
        ("lora", {"method__rank": 33}, "train.rank_too_large", "at most 32"),
        ("adalora", {"method__initial_rank": 64}, "train.rank_too_large", "at most 32"),
        ("oft", {"method__block_size": 5}, "train.block_size", "a block of 4"),
        ("vera", {"method__target_modules": "q_proj, nothing"}, "train.no_such_module", "all-linear"),
        ("bottleneck", {"method__width": 65}, "train.block_width", "at most 64"),
        ("layers", {"method__last_layers": 3}, "train.too_many_layers", "at most 2"),
        ("prompt", {"method__virtual_tokens": 500}, "train.too_many_virtual_tokens", "learned tokens"),
    ],
)
def test_what_the_models_size_forbids_is_told_before_any_test_with_the_nearest_that_fits(
    name: str, values: dict[str, Any], code: str, fix: str, llama: Path, dataset: Path, tmp_path: Path
) -> None:
    person = Person()
    with pytest.raises(StudioError) as caught:
        train(way_job(name, llama, dataset, **values), new_run(tmp_path), person, person)
    problem = caught.value.problem
    assert problem.code == code
    assert fix in problem.fix
    assert problem.where.startswith("method.")
    assert not [event for event in person.seen if "Testing" in str(getattr(event, "stage", ""))]


def test_every_way_has_a_rate_and_knows_its_limits() -> None:
    assert set(RATES) == set(METHODS)
    assert set(OWN) <= set(METHODS)
    for name, row in METHODS.items():
        rate = row.sets.get("learning_rate", TrainSettings().learning_rate)
        assert 0 < rate <= row.highest_rate, name
        assert not ("learning_rate" in row.sets and not row.rate_source), name
        assert msgspec.structs.fields(row.settings) or name == "norms"
