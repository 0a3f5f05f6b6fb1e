"""What a run refuses before its first step, and what it does with numbers that are none."""

from pathlib import Path
from typing import Any

import pytest
import torch

from studio.contract import events
from studio.contract.errors import SettingsError, StudioError
from studio.contract.job import TrainJob
from studio.contract.run_folder import RunFolder
from studio.engine import loop
from studio.engine.loss import StepLosses
from tests.engine.ground import Person, make_job, new_run
from tests.engine.test_train import adapter_of, run


def break_steps(monkeypatch: pytest.MonkeyPatch, broken: set[int], gradient: bool = False) -> None:
    """Make the loss (or only the gradient) of these batches, counted from 1, infinite."""
    real = loop.Run.gradients
    count = iter(range(1, 10_000))

    def gradients(self: Any, indices: Any) -> tuple[StepLosses, int, int]:
        losses, read, learned = real(self, indices)
        if next(count) in broken:
            self.parameters[0].grad[:] = float("inf")
            losses.all = losses.all if gradient else float("nan")
        return losses, read, learned

    monkeypatch.setattr(loop.Run, "gradients", gradients)


@pytest.mark.parametrize("gradient", [False, True])
def test_a_loss_or_gradient_that_is_no_number_pauses_at_once_and_is_never_learned(
    llama: Path, sums: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gradient: bool
) -> None:
    break_steps(monkeypatch, {3, 4}, gradient)
    person = Person(on_pause=["go", "go"])
    folder = new_run(tmp_path)
    finished, _ = run(make_job(llama, sums), folder, person)
    pauses = person.all(events.Paused)
    assert [p.step for p in pauses] == [2, 2], "the second bad batch in a row pauses again"
    assert pauses[0].problem is not None
    assert pauses[0].problem.code == "train.not_finite"
    assert ("gradient" if gradient else "loss") in pauses[0].problem.what
    assert [s.step for s in person.all(events.Step)] == [1, 2, 3, 4, 5, 6]
    assert all(torch.isfinite(tensor).all() for tensor in adapter_of(folder).values())
    assert finished.reason == "done"


def test_stopping_at_such_a_pause_saves_the_last_good_adapter(
    llama: Path, sums: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = new_run(tmp_path)
    run(make_job(llama, sums, schedule="constant", warmup_share=0.0, max_steps=2), good)
    break_steps(monkeypatch, {3})
    folder = new_run(tmp_path)
    job = make_job(llama, sums, schedule="constant", warmup_share=0.0)
    finished, _ = run(job, folder, Person(on_pause=["stop"]))
    assert finished.reason == "stopped"
    for name, tensor in adapter_of(folder).items():
        assert torch.equal(tensor, adapter_of(good)[name])


def spoil_weights(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Make a weight infinite once, by the correction of a step."""
    real = loop.Run._take_step
    steps = [after]

    def take_step(self: Any) -> bool:
        done = real(self)
        if steps == [self.step]:
            steps.clear()
            with torch.no_grad():
                self.parameters[0].view(-1)[0] = float("inf")
        return done

    monkeypatch.setattr(loop.Run, "_take_step", take_step)


def test_a_weight_that_is_no_number_is_never_saved_and_the_run_goes_back_to_what_was(
    llama: Path, sums: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = new_run(tmp_path)
    run(make_job(llama, sums, save_every_minutes=1e-9), whole)
    spoil_weights(monkeypatch, after=3)
    person, folder = Person(on_pause=["go"]), new_run(tmp_path)
    finished, _ = run(make_job(llama, sums, save_every_minutes=1e-9), folder, person)
    (pause,) = person.all(events.Paused)
    assert pause.step == 3
    assert pause.problem is not None
    assert pause.problem.code == "train.weights_not_finite"
    assert [notice.problem.code for notice in person.all(events.Notice)][-1] == "train.went_back"
    assert [step.step for step in person.all(events.Step)] == [1, 2, 3, 3, 4, 5, 6]
    assert (finished.reason, finished.steps) == ("done", 6)
    for name, tensor in adapter_of(folder).items():
        assert torch.equal(tensor, adapter_of(whole)[name]), "it ends as if it had not been"


def test_stopping_with_such_a_weight_keeps_what_was_saved_before(
    llama: Path, sums: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil_weights(monkeypatch, after=3)
    folder = new_run(tmp_path)
    finished, _ = run(make_job(llama, sums, save_every_minutes=1e-9), folder, Person(on_pause=["stop"]))
    assert (finished.reason, finished.steps) == ("stopped", 2)
    assert all(torch.isfinite(tensor).all() for tensor in adapter_of(folder).values())


def test_without_anything_saved_such_a_run_fails_in_words_and_leaves_no_adapter(
    llama: Path, sums: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil_weights(monkeypatch, after=6)
    folder = new_run(tmp_path)
    with pytest.raises(StudioError, match="nothing was saved before"):
        run(make_job(llama, sums, save_every_minutes=0.0), folder)
    assert not folder.adapter.exists()


def refusal(job: TrainJob, folder: RunFolder) -> str:
    with pytest.raises(StudioError) as caught:
        run(job, folder)
    assert caught.value.problem.fix
    return caught.value.problem.code


def test_a_run_in_which_nothing_would_be_learned_is_refused(llama: Path, sums: Path, tmp_path: Path) -> None:
    assert refusal(make_job(llama, sums, max_tokens=16), new_run(tmp_path)) == "train.all_too_long"


def test_settings_that_do_not_fit_the_machine_are_refused_with_all_reasons(
    llama: Path, sums: Path, tmp_path: Path
) -> None:
    job = make_job(llama, sums, optimiser="paged_adamw_8bit", early_stopping=3)
    with pytest.raises(StudioError) as caught:
        run(job, new_run(tmp_path))
    assert "NVIDIA" in str(caught.value)
    assert "tests during training" in str(caught.value)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"quantisation": "int8", "method__dora": True}, "settings.dora_int8"),
        ({"optimiser": "schedule_free"}, "settings.schedule_free"),
    ],
)
def test_what_does_not_go_together_is_refused_before_the_start(
    llama: Path, sums: Path, tmp_path: Path, values: dict[str, Any], code: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        run(make_job(llama, sums, **values), new_run(tmp_path))
    assert [problem.code for problem in caught.value.problems] == [code]
    assert all(problem.fix for problem in caught.value.problems)


def test_layers_that_the_model_does_not_have_are_refused_and_those_it_has_are_named(
    llama: Path, sums: Path, tmp_path: Path
) -> None:
    with pytest.raises(StudioError, match="q_proj"):
        run(make_job(llama, sums, method__target_modules="query"), new_run(tmp_path))
