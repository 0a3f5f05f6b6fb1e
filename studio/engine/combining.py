"""One adapter made of several (PEFT's add_weighted_adapter), kept as a run of its own that remembers its parents."""

import errno
import json
import math
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError

from studio.contract import job
from studio.contract.combinations import COMBINATIONS, LARGEST_WEIGHT, MOST, Ancestry, Parent
from studio.contract.control import Control, Emit
from studio.contract.errors import StudioError
from studio.contract.events import Combined, Finished, Progress
from studio.contract.methods import LoraSettings
from studio.contract.run_folder import RunFolder
from studio.data import base_identity
from studio.data.ancestry import write_ancestry
from studio.data.licence import licence
from studio.data.system_prompt import learned_with
from studio.engine import adapter_folder, adapter_size, checkpoint, fingerprint, merging, peft_models
from studio.engine.export_source import Source, find_base, open_source
from studio.engine.new_run import new_run


def combine(work: job.CombineJob, emit: Emit, control: Control) -> Combined:
    """Make one adapter of several.

    Args:
        work: Which runs, how strongly, how.
        emit: Gets how far it is.
        control: May end it.

    Returns:
        The new run, which chats and is exported like any other.

    Raises:
        StudioError: They are of different base models or of a kind that cannot be combined, or a value is wrong.
    """
    _require_sense(work)
    sources = [open_source(Path(run), "adapter") for run, _ in work.runs]
    base = _common_base(sources)
    options = [_options(source) for source in sources]
    emit(Progress(stage="Reading the adapters"))
    ranks = {int(one["r"]) for one in options}
    rank = work.rank or max(ranks)
    model = merging.mapped(base)
    made = _loaded(model, sources, options)
    _require_going(control)
    emit(Progress(stage="Combining the adapters"))
    row = COMBINATIONS[work.how]
    torch.manual_seed(work.seed)
    alike = len(ranks) == 1 and len({json.dumps(sorted(one["target_modules"])) for one in options}) == 1
    with peft_models.quiet_peft():
        made.base_model.add_weighted_adapter(
            adapters=[f"a{place}" for place in range(len(sources))],
            weights=[weight for _, weight in work.runs],
            adapter_name="combined",
            combination_type=row.peft[0 if alike else 1],
            svd_rank=rank,
            svd_full_matrices=False,
            density=work.density if row.thins else None,
        )
    _require_going(control)
    emit(Progress(stage="Saving the new adapter"))
    return _keep(work, sources, base, made, _parents(work, sources, options))


def _require_going(control: Control) -> None:
    if control.poll() in ("stop", "discard"):
        raise StudioError(
            "combine.stopped", "Combining the adapters was stopped.", "Nothing of it was kept.", "Start it again."
        )


def _require_sense(work: job.CombineJob) -> None:
    faults = []
    if work.how not in COMBINATIONS:
        faults.append(f"There is no way {work.how!r}; known are {', '.join(COMBINATIONS)}.")
    if not 2 <= len(work.runs) <= MOST or len({run for run, _ in work.runs}) < len(work.runs):
        faults.append(f"Two to {MOST} different adapters are combined.")
    if any(not 0 < weight <= LARGEST_WEIGHT for _, weight in work.runs):
        faults.append(f"A weight lies above 0 and is at most {LARGEST_WEIGHT:g}.")
    if not 0 < work.density <= 1:
        faults.append("The share that is kept lies above 0 and is at most 1.")
    if not 0 <= work.rank <= 1024:
        faults.append("The size lies between 1 and 1024.")
    if faults:
        raise StudioError(
            "combine.wrong_values",
            "The adapters cannot be combined like this.",
            " ".join(faults),
            "Choose within these limits.",
        )


def _common_base(sources: list[Source]) -> Path:
    if not base_identity.is_one_base([(source.folder, source.work.model) for source in sources]):
        names = ", ".join(f"{source.work.name} ({source.work.model_name})" for source in sources)
        raise StudioError(
            "combine.other_base",
            "The adapters were trained on different base models.",
            f"They are {names}.",
            "Choose adapters of one base model.",
        )
    return find_base(sources[0])


def _options(source: Source) -> dict[str, Any]:
    kind, options = adapter_folder.read_options(source.adapter)
    problem = ""
    if kind != "LORA":
        problem = f"It is of the kind {kind}; only LoRA adapters can be combined."
    elif options.get("use_dora"):
        problem = "It learned direction and size apart (DoRA), which cannot be added up."
    elif options.get("rank_pattern"):
        problem = "Its layers have different sizes (AdaLoRA)."
    if problem:
        raise StudioError(
            "combine.cannot",
            f"The adapter {source.work.name} cannot be combined with others.",
            problem,
            "Choose adapters that were trained by LoRA or QLoRA.",
            where=source.folder.id,
        )
    return options


def _loaded(model: Any, sources: list[Source], options: list[dict[str, Any]]) -> Any:
    """All adapters on one model, named a0, a1, …"""
    tensors = [adapter_folder.read_weights(source.adapter) for source in sources]
    for source, chosen, weights in zip(sources, options, tensors, strict=True):
        adapter_size.require_plausible(model, "LORA", chosen, weights, source.adapter)
    with peft_models.light_peft(quantised=False), peft_models.quiet_peft():
        from peft import LoraConfig, PeftModelForCausalLM, set_peft_model_state_dict

        made: Any = None
        for place, (source, chosen) in enumerate(zip(sources, options, strict=True)):
            try:
                config = LoraConfig(task_type="CAUSAL_LM", inference_mode=True, **_plainly_scaled(chosen))
                if made is None:
                    made = PeftModelForCausalLM(model, config, adapter_name="a0")
                else:
                    made.add_adapter(f"a{place}", config)
            except (ValueError, TypeError, KeyError, RuntimeError) as error:
                raise adapter_folder.unfit(source.adapter, str(error)[:500]) from error
            adapter_folder.require_fit(made, tensors[place], f"a{place}", source.adapter)
            set_peft_model_state_dict(made, tensors[place], adapter_name=f"a{place}")
    return made


def _plainly_scaled(options: dict[str, Any]) -> dict[str, Any]:
    """The same adapter without rsLoRA: alpha / sqrt(r) told as (alpha * sqrt(r)) / r.

    PEFT gives a combined adapter the options of the first one and alpha = r, which means "as strong as its numbers"
    only where the strength is alpha / r.
    """
    if not options.get("use_rslora"):
        return options
    factor = math.sqrt(options["r"])
    pattern = {name: alpha * factor for name, alpha in (options.get("alpha_pattern") or {}).items()}
    return options | {
        "use_rslora": False, "lora_alpha": options["lora_alpha"] * factor, "alpha_pattern": pattern
    }  # fmt: skip


def _parents(work: job.CombineJob, sources: list[Source], options: list[dict[str, Any]]) -> Ancestry:
    parents = tuple(
        Parent(
            run=source.folder.id,
            name=source.work.name,
            weight=weight,
            rank=int(own["r"]),
            dataset=source.work.dataset_name,
            licence=licence(Path(source.work.model)),
        )
        for source, own, (_, weight) in zip(sources, options, work.runs, strict=True)
    )
    prompts = {learned_with(source.folder.path) for source in sources}
    return Ancestry(
        how=work.how,
        parents=parents,
        density=work.density if COMBINATIONS[work.how].thins else None,
        seed=work.seed,
        system=prompts.pop() if len(prompts) == 1 else "",
    )


def _keep(work: job.CombineJob, sources: list[Source], base: Path, made: Any, ancestry: Ancestry) -> Combined:
    first = sources[0].work
    config = made.peft_config["combined"]
    settings = msgspec.structs.replace(
        first.settings, method=LoraSettings(rank=config.r, alpha=float(config.lora_alpha))
    )
    name = work.name or " + ".join(source.work.name for source in sources)[:80]
    data = " + ".join(dict.fromkeys(source.work.dataset_name for source in sources))[:200]
    new = msgspec.structs.replace(first, name=name, dataset_name=data, settings=settings, start_from="")
    runs = Path(work.runs_folder)
    try:
        with new_run(runs, "combined") as folder:
            job.save(new, folder.job)
            write_ancestry(folder, ancestry)
            base_identity.remember(folder, base_identity.identify(base, first.model_name))
            _save_adapter(made, folder.adapter, str(base))
            fingerprint.write(folder.adapter, base)
            final = RunFolder(runs / folder.id)
            ended = Finished(adapter=str(final.adapter), reason="done", steps=0, seconds=0.0)
            folder.events.write_bytes(msgspec.json.encode(ended) + b"\n")
    except (OSError, SafetensorError) as error:
        raise _unwritable(checkpoint.as_os_error(error, runs)) from error
    return Combined(run=str(final.path), name=name, rank=int(config.r))


def _unwritable(error: OSError) -> StudioError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return StudioError(
        "combine.disk_full" if full else "combine.unwritable",
        "The new adapter could not be saved.",
        "The disk is full; nothing of it was kept." if full else f"{error.strerror or error}; nothing of it was kept.",
        "Free some space, and combine them again." if full else "Check the disk, and combine them again.",
        where=str(error.filename or ""),
    )


def _save_adapter(made: Any, folder: Path, base: str) -> None:
    """PEFT puts an adapter of another name than its usual one into a folder of that name."""
    made.peft_config["combined"].base_model_name_or_path = base
    made.save_pretrained(folder, safe_serialization=True, selected_adapters=["combined"], save_embedding_layers=False)
    inner = folder / "combined"
    for path in inner.iterdir():
        path.rename(folder / path.name)
    inner.rmdir()
    (folder / "README.md").unlink(missing_ok=True)
