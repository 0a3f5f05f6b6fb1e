"""Train one adapter: the recipe, from top to bottom."""

import os
import random
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from studio.contract.control import Control, Emit
from studio.contract.errors import SettingsError
from studio.contract.events import Evaluated, Finished, Notice, Progress, Started
from studio.contract.job import TrainJob
from studio.contract.methods import LoraSettings
from studio.contract.run_folder import RunFolder
from studio.contract.settings import TrainSettings
from studio.contract.together import check_together
from studio.data import allocator, base_identity, base_search
from studio.engine import (
    base_model,
    continuing,
    earlier_parts,
    energy,
    fused_gate,
    fused_lora,
    fused_norm,
    hot_path,
    last_layer,
    lora_start,
    memory,
    method_fit,
    methods,
    model_folder,
    planner,
    recompute,
    resuming,
    room,
    tokens,
)
from studio.engine.evaluate import Tester
from studio.engine.examples import Ended, Examples, read_examples
from studio.engine.loop import Prepared, Reason, Run
from studio.engine.verdict import require_finite


def train(job: TrainJob, folder: RunFolder, emit: Emit, control: Control) -> Finished:
    """Train one adapter; goes on from the newest whole checkpoint of the folder, if there is one.

    Args:
        job: What to train on what, with every hyperparameter.
        folder: The run's folder; gets `checkpoints/` and `adapter/`.
        emit: Gets every event but the final one, which is returned.
        control: Polled after every step.

    Raises:
        StudioError: Something is wrong that a person can act on.
    """
    earlier = earlier_parts.look_back(folder)
    end = _train(job, folder, emit, control, earlier)
    return earlier_parts.joined(folder, earlier, end, thrown_away=control.poll() == "discard")


def _train(job: TrainJob, folder: RunFolder, emit: Emit, control: Control, earlier: earlier_parts.Earlier) -> Finished:
    began = time.monotonic()
    settings = job.settings
    use_threads()
    sow(settings.seed)

    emit(Progress(stage="Checking the model"))
    whole = resuming.newest_checkpoint(folder, emit)  # before anything is loaded: it may be that none is left
    earlier_parts.keep(folder, earlier, whole, emit)
    if whole is not None:
        job = base_search.follow(job, folder, emit)
    checked = model_folder.require_usable(Path(job.model))
    placement = base_model.resolve(settings)
    device = torch.device(placement.device)
    require_fitting(settings, device, checked.model_type)
    use_memory(settings, device)

    known_base = base_identity.recall(folder) if whole is not None else None
    base_is = known_base or base_identity.identify(Path(job.model), job.model_name)
    if job.start_from and whole is None:  # a run that goes on has its own
        continuing.require(Path(job.start_from), settings, Path(job.model), emit)

    tokenizer = tokens.load_tokenizer(Path(job.model))
    try:
        examples = read_examples(job, tokenizer, emit, control)
    except Ended:
        return _ended_before(control)
    emit(examples.report)
    for problem in (*placement.notices, *examples.notices):
        emit(Notice(problem=problem))
    method_fit.foresee(Path(job.model), settings, examples.longest, bool(job.start_from))
    planner.require_room(Path(job.model), settings, examples, device)

    emit(Progress(stage="Loading the model"))
    base = base_model.load(Path(job.model), placement)
    method_fit.require(base, settings, examples.longest, bool(job.start_from))
    base_parameters = base_model.parameter_count(base)
    identity = resuming.identify(job, examples, placement.quantisation, base_is)
    snapshot = resuming.take_up(whole, identity, emit)
    if known_base is None:
        base_identity.remember(folder, base_is)
    known = snapshot.state.before if snapshot and resuming.is_read_alike(snapshot.state, identity) else None
    tester = Tester(examples, job.probes, tokenizer, device, emit)
    test_began = time.monotonic()
    before = known or tester.measure(base, "before", control)
    if control.poll() in ("stop", "discard"):
        return _ended_before(control)
    test_seconds = time.monotonic() - test_began
    require_finite(before)

    emit(Progress(stage="Adding the adapter"))
    model = add_adapter(base, job, placement, examples, tokenizer.pad_token_id, taken_up=snapshot is not None)
    if snapshot and settings.gradient_checkpointing == "auto":  # no dry step follows that would find it again
        recompute.at_least(base, snapshot.state.recomputed, device)
    kernels = choose_kernels(base, placement, emit)
    ready = Prepared(
        model=model,
        tokenizer=tokenizer,
        examples=examples,
        tester=tester,
        before=before,
        device=device,
        bf16=placement.precision == "bf16",
        identity=identity,
        spent_seconds=time.monotonic() - began,
        end_seconds=snapshot.state.end_seconds if snapshot else test_seconds,
    )
    run = Run(job, folder, emit, control, ready)
    room.require(folder.path, run.parameters, settings)
    if snapshot:
        run.restore(snapshot)
    elif before.loss is not None:
        emit(Evaluated(step=0, loss=before.loss, best=False, rows=tester.rows))
    if not snapshot:
        planner.tell(run)
    emit(
        Started(
            total_steps=run.total_steps,
            first_step=run.step + 1,
            trainable_parameters=sum(p.numel() for p in run.parameters),
            base_parameters=base_parameters,
            device=str(placement.device),
            quantisation=placement.quantisation,
            precision=placement.precision,
            gradient_checkpointing=recompute.count(base) > 0,
            recomputed_layers=recompute.count(base),
            kernels=kernels,
        )
    )
    energy_before = energy.count(device) if snapshot is None else None  # of a run that goes on a part is not known
    finished = run.finish(run.go())
    taken = energy.taken(energy_before, energy.count(device))
    return msgspec.structs.replace(finished, peak_bytes=memory.peak_bytes(device), energy_wh=taken)


def add_adapter(
    base: Any, job: TrainJob, placement: base_model.Placement, examples: Examples, pad_id: int, taken_up: bool
) -> Any:
    """The model that learns: a frozen base with what its way of tuning adds, on the hot path, in training mode.

    Args:
        base: As loaded.
        job: Says the way of tuning, and the adapter to begin with.
        placement: How the base was loaded.
        examples: What LoRA may look at for its first weights.
        pad_id: Of the tokenizer.
        taken_up: A checkpoint's weights will be put in, so that where to begin does not matter.
    """
    settings = job.settings
    model = methods.attach(base, settings.method, settings.seed)
    if job.start_from and not taken_up:
        continuing.take_up(model, settings.method, Path(job.start_from))
    if isinstance(settings.method, LoraSettings):
        if not job.start_from:  # an adapter that goes on has begun already
            lora_start.look_at(model, settings.method, examples.rows, examples.train_rows, pad_id)
            lora_start.make_up(model, settings.method, Path(job.model))
        fused_lora.fuse(model)
    fused_norm.fuse(model)
    fused_gate.fuse(model)
    last_layer.fuse(base)
    device = torch.device(placement.device)
    twice = planner.recomputed(Path(job.model), settings, examples, device)
    recompute.apply(base, twice, settings.gradient_checkpointing == "offload", device)
    model.train()
    return model


def choose_kernels(base: Any, placement: base_model.Placement, emit: Emit) -> tuple[str, ...]:
    """On a GPU, take what computes the same in less time there; on a CPU all is as it was.

    Returns:
        What was tried and what came of it, in words.
    """
    device = torch.device(placement.device)
    if device.type != "cuda":
        return ()
    torch.cuda.set_device(device)  # Triton starts its kernels there, wherever the numbers lie
    emit(Progress(stage="Trying what the graphics card computes fastest"))
    return tuple(map(str, hot_path.choose(base, device, base_model.DTYPES[placement.precision])))


def use_threads() -> None:
    """As many threads as cores; APPRENTICE_THREADS (or OMP_NUM_THREADS, which torch reads itself) overrides it."""
    chosen = os.environ.get("APPRENTICE_THREADS", "")
    if chosen.isdigit() and int(chosen) > 0:
        torch.set_num_threads(int(chosen))
    elif "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(os.cpu_count() or 1)


def use_memory(settings: TrainSettings, device: torch.device) -> None:
    """Tell the C library what to keep of what a step frees, on a CPU."""
    if device.type != "cpu":
        return
    if settings.quantisation == "int8":
        allocator.give_back_large_blocks()
    else:
        allocator.keep_freed_memory()


def sow(seed: int) -> None:
    """Start every random generator from one number."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def require_fitting(settings: TrainSettings, device: torch.device, architecture: str) -> None:
    """Refuse settings that do not go together on this device and kind of model.

    Raises:
        SettingsError: All problems are listed.
    """
    problems = check_together(settings, device.type == "cuda", architecture)
    if problems:
        raise SettingsError(problems)


def _ended_before(control: Control) -> Finished:
    """The user ended the run before its first step: there is nothing to save."""
    reason: Reason = "discarded" if control.poll() == "discard" else "stopped"
    return Finished(adapter="", reason=reason, steps=0, seconds=0.0)
