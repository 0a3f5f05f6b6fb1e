"""A run from end to end: what is learned, what is said, and what the user can do to it."""

import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from safetensors.torch import load_file

from studio.contract import events
from studio.contract.job import TrainJob
from studio.contract.run_folder import RunFolder
from studio.engine import loop, train
from tests.engine import ground
from tests.engine.ground import Person, make_dataset, make_job, make_model, new_run


def run(job: TrainJob, folder: RunFolder, person: Person | None = None) -> tuple[events.Finished, Person]:
    person = person or Person()
    return train.train(job, folder, person, person), person


def adapter_of(folder: RunFolder) -> dict[str, torch.Tensor]:
    return load_file(folder.adapter / "adapter_model.safetensors")


def losses(person: Person) -> list[float]:
    return [step.loss for step in person.all(events.Step)]


def test_a_run_reports_its_data_starts_steps_and_leaves_an_adapter(llama: Path, sums: Path, tmp_path: Path) -> None:
    folder = new_run(tmp_path)
    finished, person = run(make_job(llama, sums, max_steps=12, evaluations=3), folder)

    kinds = [type(event) for event in person.seen]
    report, started = person.all(events.DataReport)[0], person.all(events.Started)[0]
    assert kinds.index(events.DataReport) < kinds.index(events.Started) < kinds.index(events.Step)
    assert report.train_rows + report.held_back_rows == 60
    assert report.held_back_rows > 0
    assert 0 < report.learned_tokens < report.tokens
    assert report.end_token_learned
    assert report.pad_token != report.end_token
    assert started.total_steps == 12
    assert started.trainable_parameters < started.base_parameters

    steps = person.all(events.Step)
    assert [step.step for step in steps] == list(range(1, 13))
    assert all(math.isfinite(step.loss) and step.grad_norm > 0 and step.memory_bytes > 0 for step in steps)
    assert steps[-1].loss < steps[0].loss
    assert [e.step for e in person.all(events.Evaluated)] == [0, 4, 8, 12]
    assert [s.step for s in person.all(events.SampleAnswer)][:1] == [4]

    assert finished.reason == "done"
    assert finished.steps == 12
    assert finished.adapter == str(folder.adapter)
    assert finished.verdict is not None
    assert finished.verdict.rows == report.held_back_rows
    assert finished.verdict.loss_tuned is not None
    assert finished.verdict.loss_base is not None
    assert finished.verdict.loss_tuned < finished.verdict.loss_base
    assert finished.verdict.loss_tuned == pytest.approx(person.all(events.Evaluated)[-1].loss, rel=1e-5)
    assert finished.verdict.asked == report.held_back_rows
    config = msgspec.json.decode((folder.adapter / "adapter_config.json").read_bytes())
    assert config["base_model_name_or_path"] == str(llama)
    assert all(tensor.dtype == torch.float32 for tensor in adapter_of(folder).values())


@pytest.mark.parametrize(("rates", "settled"), [("cosine", False), ("standing still", True)])
def test_the_verdict_says_whether_unseen_loss_had_stopped_falling(
    rates: str, settled: bool, llama: Path, sums: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if settled:  # nothing is learned in the second half
        monkeypatch.setattr(loop, "learning_rate", lambda settings, step, total: 5e-3 if 2 * step <= total else 0.0)
    folder = new_run(tmp_path)

    def record(event: events.Event) -> None:  # as the wire does
        with folder.events.open("ab") as file:
            file.write(msgspec.json.encode(event) + b"\n")

    finished, _ = run(make_job(llama, sums, max_steps=12, evaluations=4), folder, Person(record))
    assert finished.verdict is not None
    assert finished.verdict.settled is settled, rates


def test_two_runs_with_one_seed_are_the_same_and_another_seed_is_another(
    llama: Path, sums: Path, tmp_path: Path
) -> None:
    one, same, other = (new_run(tmp_path) for _ in range(3))
    first = run(make_job(llama, sums), one)[1]
    second = run(make_job(llama, sums), same)[1]
    third = run(make_job(llama, sums, seed=7), other)[1]
    assert losses(first) == losses(second) != losses(third)
    for name, tensor in adapter_of(one).items():
        assert torch.equal(tensor, adapter_of(same)[name])


@pytest.mark.parametrize("packing", [False, True])
def test_eight_rows_at_once_learn_the_same_as_one_row_eight_times(
    llama: Path, sums: Path, tmp_path: Path, packing: bool
) -> None:
    at_once, gathered = new_run(tmp_path), new_run(tmp_path)
    together = run(make_job(llama, sums, batch_size=8, accumulation=1), at_once)[1]
    one_by_one = run(make_job(llama, sums, batch_size=1, accumulation=8, packing=packing), gathered)[1]
    assert losses(together) == pytest.approx(losses(one_by_one), rel=1e-5)
    assert [s.learned_tokens for s in together.all(events.Step)] == [
        s.learned_tokens for s in one_by_one.all(events.Step)
    ]
    for name, tensor in adapter_of(at_once).items():
        assert torch.allclose(tensor, adapter_of(gathered)[name], atol=2e-4)


@pytest.mark.parametrize(
    "values",
    [
        {"packing": False},
        {"gradient_checkpointing": "on"},
        {"neftune_alpha": 0.1},
        {"method__dropout": 0.1},
        {"method__rslora": True},
        {"method__rate_ratio": 16.0, "learning_rate": 1e-3},
        {"method__dora": True},
        {"method__target_modules": "attention"},
        {"method__target_modules": "feed-forward, q_proj"},
        {"optimiser": "adamw_8bit"},
        {"optimiser": "adafactor"},
        {"optimiser": "lion"},
        {"optimiser": "schedule_free", "schedule": "constant"},
        {"precision": "bf16"},
        {"quantisation": "nf4"},
        {"quantisation": "fp4"},
        {"quantisation": "int8"},
        {"quantisation": "nf4", "gradient_checkpointing": "on", "packing": True, "method__dora": True},
        {"schedule": "linear", "weight_decay": 0.1, "max_grad_norm": 0.0},
        {"learn_answers_only": False},
    ],
    ids=lambda values: ",".join(f"{k}={v}" for k, v in values.items()),
)
def test_every_way_of_training_learns(llama: Path, sums: Path, tmp_path: Path, values: dict[str, Any]) -> None:
    folder = new_run(tmp_path)
    _, person = run(make_job(llama, sums, max_steps=8, **values), folder)
    assert losses(person)[-1] < losses(person)[0]
    started = person.all(events.Started)[0]
    assert started.gradient_checkpointing == ("gradient_checkpointing" in values)
    assert started.precision == values.get("precision", "fp32")
    assert started.quantisation == values.get("quantisation", "none")
    assert all(tensor.dtype == torch.float32 for tensor in adapter_of(folder).values())


def test_packing_and_computing_twice_change_no_loss(llama: Path, sums: Path, tmp_path: Path) -> None:
    plain = losses(run(make_job(llama, sums, packing=False), new_run(tmp_path))[1])
    packed = losses(run(make_job(llama, sums, packing=True), new_run(tmp_path))[1])
    twice = losses(run(make_job(llama, sums, gradient_checkpointing="on"), new_run(tmp_path))[1])
    assert packed == pytest.approx(plain, rel=1e-5)
    assert twice == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3", "mistral", "gemma2", "gemma3_text", "phi3"])
def test_each_architecture_learns(architecture: str, sums: Path, tmp_path: Path) -> None:
    model = make_model(tmp_path / "model", architecture)
    _, person = run(make_job(model, sums, max_steps=6, learning_rate=1e-2, batch_size=8), new_run(tmp_path))
    assert losses(person)[-1] < losses(person)[0]


# --- pause, stop, discard ---------------------------------------------------------------------------------


def test_a_paused_run_holds_and_goes_on_as_if_nothing_had_happened(llama: Path, sums: Path, tmp_path: Path) -> None:
    def pause(event: events.Event) -> Any:
        return "pause" if isinstance(event, events.Step) and event.step == 3 else None

    person = Person(pause, on_pause=["pause", "go"])
    run(make_job(llama, sums), new_run(tmp_path), person)
    kinds = [type(e) for e in person.seen if isinstance(e, events.Step | events.Paused | events.Resumed)]
    assert kinds == [events.Step] * 3 + [events.Paused, events.Resumed] + [events.Step] * 3
    assert person.all(events.Paused)[0] == events.Paused(step=3)
    assert losses(person) == losses(run(make_job(llama, sums), new_run(tmp_path))[1])


@pytest.mark.parametrize("wish", ["stop", "discard"])
def test_a_run_ends_within_the_step_and_keeps_its_adapter_only_when_asked(
    llama: Path, sums: Path, tmp_path: Path, wish: Any
) -> None:
    person = Person(lambda event: wish if isinstance(event, events.Step) and event.step == 2 else None)
    folder = new_run(tmp_path)
    finished, _ = run(make_job(llama, sums), folder, person)
    assert len(losses(person)) == 2
    assert finished.steps == 2
    assert finished.reason == ("stopped" if wish == "stop" else "discarded")
    assert folder.adapter.exists() == (wish == "stop")
    assert bool(finished.adapter) == (wish == "stop")
    if wish == "stop":
        assert finished.verdict is not None
        assert [e.step for e in person.all(events.CheckpointSaved)] == [2]


def test_a_run_that_is_stopped_before_its_first_step_saves_nothing(llama: Path, sums: Path, tmp_path: Path) -> None:
    person = Person(lambda event: "stop" if isinstance(event, events.DataReport) else None)
    folder = new_run(tmp_path)
    finished, _ = run(make_job(llama, sums), folder, person)
    assert (finished.adapter, finished.reason, finished.steps) == ("", "stopped", 0)
    assert not folder.adapter.exists()


# --- losses that are no numbers ---------------------------------------------------------------------------


# --- how long ---------------------------------------------------------------------------------------------


def test_a_time_box_becomes_a_number_of_steps_after_five_steps(llama: Path, sums: Path, tmp_path: Path) -> None:
    job = make_job(llama, sums, max_steps=100_000, epochs=1000, time_box_minutes=0.001)
    finished, person = run(job, new_run(tmp_path))
    totals = [s.total_steps for s in person.all(events.Step)]
    assert finished.reason == "time"
    assert totals[:4] == [totals[0]] * 4
    assert totals[0] > 5
    assert finished.steps == 5 == totals[4]


def test_a_time_box_that_is_wide_enough_changes_nothing(llama: Path, sums: Path, tmp_path: Path) -> None:
    finished, _ = run(make_job(llama, sums, max_steps=7, time_box_minutes=60.0), new_run(tmp_path))
    assert (finished.reason, finished.steps) == ("done", 7)


def test_a_run_that_gets_no_better_ends_early_with_its_best_adapter(llama: Path, sums: Path, tmp_path: Path) -> None:
    # So fast that it soon gets worse.
    values = {"max_steps": 60, "learning_rate": 0.1, "schedule": "constant", "evaluations": 30, "early_stopping": 2}
    folder = new_run(tmp_path)
    finished, person = run(make_job(llama, sums, max_grad_norm=0.0, **values), folder)
    tests = [e for e in person.all(events.Evaluated) if e.step]
    best = min(tests, key=lambda e: e.loss)
    assert finished.reason == "early"
    assert finished.best_step == best.step < finished.steps < 60
    assert [e.step for e in tests if e.best][-1] == best.step
    assert finished.verdict is not None
    assert finished.verdict.loss_tuned == pytest.approx(best.loss, rel=1e-5)


def test_a_schedule_free_run_is_tested_and_saved_with_the_weights_that_are_to_be_used(
    llama: Path, sums: Path, tmp_path: Path
) -> None:
    values = {"max_steps": 12, "optimiser": "schedule_free", "schedule": "constant", "evaluations": 3}
    finished, person = run(make_job(llama, sums, **values), new_run(tmp_path))
    tests = [event.loss for event in person.all(events.Evaluated)]
    assert finished.verdict is not None
    assert finished.verdict.loss_tuned == pytest.approx(tests[-1], rel=1e-5)
    assert tests[-1] < tests[0]


# --- data -------------------------------------------------------------------------------------------------


def test_general_rows_are_mixed_in_at_the_wanted_share(llama: Path, tmp_path: Path) -> None:
    rows = ground.sums(60)
    dataset = make_dataset(tmp_path / "data", rows[:40])
    general = tmp_path / "general.jsonl"
    general.write_bytes(b"\n".join(msgspec.json.encode(row) for row in rows[40:]))
    job = make_job(
        llama, dataset, general=str(general), replay_share=0.2, held_back_share=0.0, epochs=1, max_steps=0, batch_size=5
    )
    _, person = run(job, new_run(tmp_path))
    report = person.all(events.DataReport)[0]
    assert (report.general_rows, report.mixed_in) == (20, 10)
    steps = person.all(events.Step)
    assert len(steps) == (40 + 10) / 5
    assert all(step.general_loss is not None for step in steps), "each step has its share"
    assert all(step.general_loss != step.loss for step in steps)


def test_replay_without_general_rows_is_said(llama: Path, sums: Path, tmp_path: Path) -> None:
    _, person = run(make_job(llama, sums, replay_share=0.2, max_steps=1), new_run(tmp_path))
    assert "train.no_general_rows" in [n.problem.code for n in person.all(events.Notice)]


def test_an_own_test_file_is_held_back_and_its_overlap_is_said(llama: Path, tmp_path: Path) -> None:
    rows = ground.sums(30)
    dataset = make_dataset(tmp_path / "data", rows[:20], held_back=rows[18:30])
    finished, person = run(make_job(llama, dataset, max_steps=1), new_run(tmp_path))
    report = person.all(events.DataReport)[0]
    assert (report.train_rows, report.held_back_rows, report.overlap) == (20, 12, 2)
    assert "train.overlap" in [n.problem.code for n in person.all(events.Notice)]
    assert finished.verdict is not None
    assert finished.verdict.asked == 12


def test_probe_questions_are_asked_before_and_after(llama: Path, sums: Path, tmp_path: Path) -> None:
    probes = tmp_path / "probes.jsonl"
    row = {"messages": [{"role": "user", "content": "Who are you?"}], "answer": "Nobody."}
    probes.write_bytes(msgspec.json.encode(row) + b"\n" + msgspec.json.encode(row))
    finished, _ = run(make_job(llama, sums, probes=str(probes), max_steps=1), new_run(tmp_path))
    assert finished.verdict is not None
    assert (finished.verdict.probes, finished.verdict.known_before, finished.verdict.known_after) == (2, 0, 0)


def test_a_full_disk_pauses_the_run_and_names_the_space_it_needs(
    llama: Path, sums: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = [True]
    real = loop.checkpoint.save

    def save(folder: Path, snapshot: Any) -> Path:
        if full and full.pop():
            raise OSError(28, "No space left on device")
        return real(folder, snapshot)

    monkeypatch.setattr(loop.checkpoint, "save", save)
    person = Person(on_pause=["go"])
    finished, _ = run(make_job(llama, sums, save_every_minutes=1e-9, max_steps=3), new_run(tmp_path), person)
    (paused,) = person.all(events.Paused)
    assert paused.problem is not None
    assert paused.problem.code == "train.cannot_save"
    assert paused.problem.why == "The disk is full."
    assert "MB on the disk" in paused.problem.fix
    assert finished.reason == "done"
    assert [e.step for e in person.all(events.CheckpointSaved)] == [1, 2]
