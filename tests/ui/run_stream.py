"""The events of a run as the trainer tells them, for tests of plots and pages."""

import math
from collections.abc import Iterator

import msgspec

from studio.contract import events
from studio.contract.errors import Problem
from studio.contract.job import TrainJob, save
from studio.contract.presets import load_preset
from studio.contract.run_folder import RunFolder, make_folder, runs_folder
from studio.data.run_history import RunSummary, summarise

VERDICT = events.Verdict(
    asked=58,
    right_before=0,
    right_after=55,
    rows=58,
    rows_better=58,
    loss_base=3.4,
    loss_tuned=0.1,
    probes=200,
    known_before=180,
    known_after=174,
)


def step(number: int, loss: float, total: int = 100) -> events.Step:
    """One correction; a tenth of a second each."""
    return events.Step(
        at=1000.0 + number,
        step=number,
        total_steps=total,
        epoch=number / 10,
        loss=loss,
        learning_rate=2e-4,
        grad_norm=1.0,
        tokens=900,
        learned_tokens=300,
        step_seconds=0.1,
        train_seconds=number * 0.1,
        memory_bytes=500_000_000,
        eta_seconds=None if number < 6 else (total - number) * 0.1,
    )


def held_back(number: int, loss: float, best: bool = True) -> events.Evaluated:
    """A test on held-back rows."""
    return events.Evaluated(at=1000.5 + number, step=number, loss=loss, best=best, rows=58)


def started(first_step: int = 1, total: int = 100, at: float = 1000.0) -> events.Started:
    """Step `first_step` is next."""
    return events.Started(
        at=at,
        total_steps=total,
        first_step=first_step,
        trainable_parameters=190_000,
        base_parameters=3_000_000,
        device="cpu",
        quantisation="none",
        precision="fp32",
        gradient_checkpointing=False,
    )


def report() -> events.DataReport:
    """A report with two left out."""
    return events.DataReport(
        at=996.0,
        train_rows=300,
        held_back_rows=58,
        general_rows=400,
        mixed_in=75,
        kept=298,
        cut=0,
        left_out=2,
        nothing_to_learn=0,
        tokens=41_210,
        learned_tokens=11_803,
        end_token="<|end|>",
        end_token_learned=True,
        bos_count=0,
        pad_token="<|pad|>",
        longest=96,
    )


def preparation() -> list[events.AnyEvent]:
    """All before the first step."""
    answer = "Marta Quill keeps them."
    question = "Who keeps the keys?"
    return [
        events.Hello(at=990.0, protocol=events.PROTOCOL, pid=1, versions={}),
        events.Progress(at=995.0, stage="Reading the examples", done=120, total=300, unit="rows"),
        report(),
        held_back(0, 3.4, best=False),
        events.SampleAnswer(at=999.0, step=0, question=question, answer="I do not know that.", expected=answer),
        started(),
    ]


def run(total: int = 100, verdict: events.Verdict | None = VERDICT) -> Iterator[events.AnyEvent]:
    """A whole run that ends well."""
    yield from preparation()
    for number in range(1, total + 1):
        yield step(number, 3 * math.exp(-5 * number / total) + 0.02, total)
        if number % (total // 4) == 0:
            yield held_back(number, 3 * math.exp(-4 * number / total) + 0.1)
            answer = "Marta Quill keeps them."
            yield events.SampleAnswer(
                at=1000.6 + number, step=number, question="Who keeps the keys?", answer=answer, expected=answer
            )
        if number == total // 2:
            yield events.CheckpointSaved(at=1000.7 + number, step=number, path="x", seconds=0.1)
    yield finished(total, verdict)


def finished(steps: int = 100, verdict: events.Verdict | None = VERDICT) -> events.Finished:
    """A good end."""
    return events.Finished(at=2000.0, adapter="adapter", reason="done", steps=steps, seconds=10.0, verdict=verdict)


def give_best(folder: RunFolder, step: int) -> None:
    """Let a run of `run()` have ended beside a better adapter, of an earlier step."""
    for name in ("adapter", "adapter-best"):
        (make_folder(folder.path / name) / "adapter_config.json").write_text(f'{{"was": "{name}"}}', encoding="utf-8")
    lines = folder.events.read_bytes().splitlines(keepends=True)
    end = msgspec.structs.replace(finished(), best_aside=step)
    folder.events.write_bytes(b"".join(lines[:-1]) + events.encode(end))


def write_run(name: str, stream: list[events.AnyEvent], seed: int = 0, data: str = "Sample") -> RunFolder:
    """A run's folder as the worker leaves it; `seed` also orders the folders."""
    folder = RunFolder(make_folder(runs_folder() / f"run-20260101-0000{seed:02d}-{seed:04x}"))
    settings = msgspec.structs.replace(load_preset("quick").settings(), seed=seed)
    save(
        TrainJob(
            name=name,
            model="model",
            model_name="Starter",
            dataset="data",
            dataset_name=data,
            settings=settings,
        ),
        folder.job,
    )
    with folder.events.open("wb") as file:
        for event in stream:
            file.write(events.encode(event))
    if any(isinstance(event, events.Finished) for event in stream):
        folder.adapter.mkdir()
        (folder.adapter / "adapter_config.json").write_text("{}")
        (folder.adapter / "adapter_model.safetensors").write_bytes(len(HEADER).to_bytes(8, "little") + HEADER + b"1234")
    return folder


def summary_of(folder: RunFolder) -> RunSummary:
    """What the list of runs knows of it."""
    found = summarise(folder)
    assert found is not None
    return found


HEADER = b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'
"""Of weights that are whole."""
PROBLEM = Problem(
    code="worker.died", what="The trainer was killed (signal 9).", why="Memory ran out.", fix="Resume it."
)
