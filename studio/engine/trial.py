"""A run made ready for its first step, for jobs that only try something: nothing is tested, written or kept."""

import time
from pathlib import Path
from typing import Any

import torch

from studio.contract.control import Control, Emit, Going
from studio.contract.errors import StudioError
from studio.contract.events import Planned, Progress
from studio.contract.job import PlanJob, TrainJob
from studio.contract.memory_plan import MemoryPlan
from studio.contract.run_folder import RunFolder
from studio.engine import base_model, continuing, method_fit, model_folder, planner, tokens, train
from studio.engine.batches import Rows
from studio.engine.evaluate import Tester
from studio.engine.examples import Ended, Examples, read_examples
from studio.engine.loop import Prepared, Run
from studio.engine.metrics import held_back_loss
from studio.engine.resuming import Identity
from studio.engine.verdict import Measured


def plan(job: PlanJob, folder: RunFolder, emit: Emit, control: Control) -> Planned:
    """How much memory a run takes, by a dry step.

    Raises:
        StudioError: Something is wrong that the run would stumble on, too; or the user ended it (`trial.ended`).
    """
    run = prepare(job.work, folder, emit, control)
    emit(Progress(stage="Trying the longest examples"))
    made = planner.dry_step(run)
    if made is None:
        raise _unknown()
    return Planned(plan=made)


def by_formula(work: TrainJob, emit: Emit = lambda event: None) -> MemoryPlan:
    """The same without loading the model: the examples are counted, the rest is computed.

    Args:
        work: The run.
        emit: Gets what is told of an adapter that it goes on from.

    Raises:
        StudioError: Model or examples cannot be used, or the settings do not go together.
    """
    checked = model_folder.require_usable(Path(work.model))
    placement = base_model.resolve(work.settings)
    train.require_fitting(work.settings, torch.device(placement.device), checked.model_type)
    if work.start_from:
        continuing.require(Path(work.start_from), work.settings, Path(work.model), emit)
    tokenizer = tokens.load_tokenizer(Path(work.model))
    examples = read_examples(work, tokenizer, lambda event: None, Going())
    method_fit.foresee(Path(work.model), work.settings, examples.longest, bool(work.start_from))
    made = planner.by_formula(Path(work.model), work.settings, examples, torch.device(placement.device))
    if made is None:
        raise _unknown()
    return made


def prepare(job: TrainJob, folder: RunFolder, emit: Emit, control: Control) -> Run:
    """What `train.train` does before its first step, without tests and checkpoints.

    Raises:
        StudioError: Something is wrong that a person can act on; or the user ended it (`trial.ended`).
    """
    began = time.monotonic()
    settings = job.settings
    train.use_threads()
    train.sow(settings.seed)
    emit(Progress(stage="Checking the model"))
    checked = model_folder.require_usable(Path(job.model))
    placement = base_model.resolve(settings)
    device = torch.device(placement.device)
    train.require_fitting(settings, device, checked.model_type)
    train.use_memory(settings, device)
    if job.start_from:
        continuing.require(Path(job.start_from), settings, Path(job.model), emit)
    tokenizer = tokens.load_tokenizer(Path(job.model))
    try:
        examples = read_examples(job, tokenizer, emit, control)
    except Ended:
        raise ended() from None
    method_fit.foresee(Path(job.model), settings, examples.longest, bool(job.start_from))
    planner.require_room(Path(job.model), settings, examples, device)
    emit(Progress(stage="Loading the model"))
    base = base_model.load(Path(job.model), placement)
    method_fit.require(base, settings, examples.longest, bool(job.start_from))
    _rehearse_test(base, examples, tokenizer.pad_token_id, device, control)
    model = train.add_adapter(base, job, placement, examples, tokenizer.pad_token_id, taken_up=False)
    train.choose_kernels(base, placement, emit)
    ready = Prepared(
        model=model,
        tokenizer=tokenizer,
        examples=examples,
        tester=Tester(examples, "", tokenizer, device, emit),
        before=Measured(),
        device=device,
        bf16=placement.precision == "bf16",
        identity=Identity(),
        spent_seconds=time.monotonic() - began,
        end_seconds=0.0,
    )
    return Run(job, folder, emit, control, ready)


def _rehearse_test(base: Any, examples: Examples, pad_id: int, device: torch.device, control: Control) -> None:
    """The largest batch that tests on held-back rows make: a run tests first, which shapes its heap."""
    rows, tokens_left = Rows(), held_back_loss.BATCH_TOKENS
    for held in sorted(examples.held, key=lambda one: len(one.ids), reverse=True):
        if len(rows) and len(held.ids) > tokens_left:
            break
        rows.append(held.ids, held.labels)
        tokens_left -= len(held.ids)
    if len(rows):
        held_back_loss.measure(base, rows, pad_id, device, control)


def _unknown() -> StudioError:
    return StudioError("memory.unknown", "The memory of this kind of model is not known.", fix="Start the training.")


def ended() -> StudioError:
    """The user ended the trial."""
    return StudioError("trial.ended", "The trial was ended before it came to a result.", fix="Start it again.")
