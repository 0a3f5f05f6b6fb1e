"""The memory planner: what it says before a run, and what the run then takes at its peak.

python3 packaging/dev.py bench planner [-- --device cuda] [--only WORDS] [--fresh] [--json]

Random models of five architectures (10 to 16 million parameters; on a GPU 1.1 billion), rows of skewed length, several
ways of tuning, texts short and long, gradient checkpointing and quantisation on and off. Every plan and every run is a
process of its own; the peak is the operating system's (VmHWM) on a CPU and torch's allocated peak on a GPU. Finished
cells lie in out/planner-DEVICE.jsonl and are not measured again; --fresh forgets them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
MEDIAN_GOAL, WORST_GOAL = 0.05, 0.10
ARCHITECTURES = ("llama", "qwen3", "mistral", "gemma3_text", "phi3")
SIZES = {
    "cpu": {"hidden_size": 384, "intermediate_size": 1024, "num_hidden_layers": 6, "num_attention_heads": 6},
    "cuda": {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32},
}
SHARED = {"cpu": {"vocab_size": 8192, "head_dim": 64}, "cuda": {"vocab_size": 32000, "head_dim": 64}}
STEPS = {"cpu": 20, "cuda": 60}
WORDS = ("the master of workshop keeps a small hammer on left shelf", "who what is price one plank it costs coins")

TRIES = 3
"""Of int8, whose products leave other holes in the heap at each run: the highest peak counts."""
CELLS: dict[str, dict[str, Any]] = {
    "LoRA on int8": {"quantisation": "int8"},
    "full fine-tuning": {"method": "full"},
    "prefix tuning": {"method": "prefix"},
    "bottleneck adapters": {"method": "bottleneck"},
    "LoRA r16": {},
    "LoRA r16, long": {"long": True},
    "LoRA r16, long, computed twice": {"long": True, "gradient_checkpointing": "on"},
    "LoRA r64, feed-forward, DoRA": {"method.rank": 64, "method.target_modules": "feed-forward", "method.dora": True},
    "QLoRA NF4, long": {"long": True, "quantisation": "nf4"},
    "QLoRA NF4, long, computed twice": {"long": True, "quantisation": "nf4", "gradient_checkpointing": "on"},
    "LoRA r8, attention, padded": {"method.rank": 8, "method.target_modules": "attention", "packing": False},
}

CUDA_CELLS: dict[str, dict[str, Any]] = {
    "LoRA r16, long, inputs in main memory": {"long": True, "gradient_checkpointing": "offload"},
}
"""Of a GPU only."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--only", default="", help="cells whose name holds these words")
    parser.add_argument("--fresh", action="store_true", help="measure everything anew")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--part", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        part, architecture, cell = arguments.part
        print(json.dumps(take_part(part, architecture, cell, arguments.device)))
        return 0
    kept = ROOT / "out" / f"planner-{arguments.device}.jsonl"
    kept.parent.mkdir(exist_ok=True)
    if arguments.fresh:
        kept.unlink(missing_ok=True)
    found = measure_all(arguments.device, arguments.only, kept)
    return tell(found, arguments.device, arguments.json)


def measure_all(device: str, only: str, kept: Path) -> dict[str, dict[str, Any]]:
    """Every cell, those of earlier calls included."""
    found: dict[str, dict[str, Any]] = {}
    if kept.exists():
        found = {row["name"]: row for row in map(json.loads, kept.read_text().splitlines())}
    with tempfile.TemporaryDirectory(prefix="apprentice-planner-") as home:
        for cell in cells_of(device):
            for architecture in ARCHITECTURES:
                name = f"{architecture}: {cell}"
                if name in found or only not in name:
                    continue
                row = {"name": name, **measure(home, architecture, cell, device)}
                found[name] = row
                with kept.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                print(f"{name}: {row}", file=sys.stderr, flush=True)
    return found


def cells_of(device: str) -> dict[str, dict[str, Any]]:
    """Settings by name."""
    return CELLS | (CUDA_CELLS if device == "cuda" else {})


def measure(home: str, architecture: str, cell: str, device: str) -> dict[str, Any]:
    """One cell: a process that plans, then a process that trains; of int8, whose peaks vary, several of those."""
    result: dict[str, Any] = {}
    for part in ("plan", *["train"] * (TRIES if "int8" in cell else 1)):
        command = [sys.executable, "-P", __file__, "--device", device, "--part", part, architecture, cell]
        threads = {} if device == "cuda" else {"OMP_NUM_THREADS": "1"}
        paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
        environment = {**os.environ, **threads, "APPRENTICE_HOME": home, "PYTHONPATH": paths}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{architecture}, {cell}, {part}: {done.stderr[-3000:]}")
        told = json.loads(done.stdout.splitlines()[-1])
        if told.get("peak", 0) >= result.get("peak", 0):  # of several tries the one that took the most
            result |= told
    return result


def take_part(part: str, architecture: str, cell: str, device: str) -> dict[str, Any]:
    """In a process of its own: plan a run, or do it."""
    from studio.contract import events, job
    from studio.contract.control import Going
    from studio.contract.fields import build
    from studio.contract.method_choice import values_of
    from studio.contract.run_folder import RunFolder, home_folder, runs_folder
    from studio.contract.settings import TrainSettings
    from studio.engine import train, trial

    values = dict(cells_of(device)[cell])
    values |= values_of(values["method"]) if "method" in values else {}
    length = "long" if values.pop("long", False) else "short"
    values |= {"device": "cpu" if device == "cpu" else "cuda:0", "max_steps": STEPS[device], "batch_size": 4}
    values |= {"evaluations": 2, "replay_share": 0.0, "epochs": 1000.0, "max_tokens": 2048}
    values.setdefault("quantisation", "none")
    values.setdefault("gradient_checkpointing", "off")
    work = job.TrainJob(
        name="bench",
        model=str(model_folder(home_folder(), architecture, device)),
        model_name=architecture,
        dataset=str(dataset_folder(home_folder(), length)),
        dataset_name=length,
        settings=build(TrainSettings, values),
    )
    folder = RunFolder.create(runs_folder(), "bench")
    if part == "plan":
        plan = trial.plan(job.PlanJob(work=work), folder, lambda event: None, Going()).plan
        return {"formula": plan.formula_bytes, "planned": plan.estimate.total, "pack": plan.estimate.pack_tokens}
    seen: list[events.Event] = []

    def note(event: events.Event) -> None:
        seen.append(event)

    finished = train.train(work, folder, note, Going())
    own = next((event.plan.estimate.total for event in seen if isinstance(event, events.MemoryPlanned)), 0)
    peak = finished.peak_bytes
    if device == "cuda":  # what torch allocates; the plan counts the driver's context, too
        from studio.contract.memory_plan import RUNTIME_CUDA

        peak += RUNTIME_CUDA
    return {"peak": peak, "own": own, "steps": finished.steps}


def model_folder(home: Path, architecture: str, device: str) -> Path:
    """A random model, made once."""
    from tests.helpers.tiny_models import tiny_model

    folder = home / f"model-{architecture}"
    if not folder.exists():
        sizes = {**SIZES[device], **SHARED[device], "max_position_embeddings": 2048, "sliding_window": 256}
        sizes["num_key_value_heads"] = sizes["num_attention_heads"] // 2
        if architecture not in ("mistral", "gemma3_text", "phi3"):
            del sizes["sliding_window"]
        if architecture == "phi3":
            del sizes["head_dim"]
        tiny_model(folder, architecture, sizes=sizes)
        settings = folder / "tokenizer_config.json"
        settings.write_text(json.dumps(json.loads(settings.read_text()) | {"model_max_length": 2048}))
    return folder


def dataset_folder(home: Path, length: str) -> Path:
    """Rows of skewed length, imported once: most are short, some are four times as long."""
    from studio.contract import job
    from studio.contract.control import Going
    from studio.data.importing import import_dataset

    folder, source = home / f"data-{length}", home / f"{length}.jsonl"
    if not folder.exists():
        dice, rows, known = random.Random(0), [], " ".join(WORDS).split()
        for number in range(160):
            most, factor = (50, 1) if length == "short" else (110, 2.4)
            words = min(most, 8 + int(dice.lognormvariate(2.8, 0.7) * factor))
            question, answer = (" ".join(dice.choices(known, k=count)) for count in (words // 2, words - words // 2))
            rows.append({"prompt": f"{number} {question}", "completion": answer})
        source.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        import_dataset(
            job.ImportJob(source=str(source), destination=str(folder), name=length), lambda event: None, Going()
        )
    return folder


def tell(found: dict[str, dict[str, Any]], device: str, as_json: bool) -> int:
    """The table, and whether the goals are met."""
    unit = 2**20
    print(f"{date.today()}, {os.cpu_count()} cores, {device}, errors of (planned - peak) / peak\n")
    print("| setting | longest pack | formula MB | planned MB | peak MB | error formula | error planned | in the run |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    errors: dict[str, list[float]] = {"formula": [], "planned": [], "own": []}
    for name, row in found.items():
        of = {key: row[key] / row["peak"] - 1 for key in errors if row[key]}
        for key, value in of.items():
            errors[key].append(abs(value))
        sizes = [f"{row[key] / unit:,.0f}" for key in ("formula", "planned", "peak")]
        shares = [f"{of[key]:+.1%}" if key in of else "" for key in errors]
        print("| " + " | ".join([name, f"{row['pack']:,}", *sizes, *shares]) + " |")
    print()
    for key, words in (("formula", "formula"), ("planned", "after the dry step"), ("own", "in the run itself")):
        if errors[key]:
            median, worst = statistics.median(errors[key]), max(errors[key])
            print(f"{words}: median error {median:.1%}, worst {worst:.1%}, of {len(errors[key])} settings")
    median, worst = statistics.median(errors["planned"]), max(errors["planned"])
    met = median <= MEDIAN_GOAL and worst <= WORST_GOAL
    print(f"goals (median {MEDIAN_GOAL:.0%}, worst {WORST_GOAL:.0%}): {'met' if met else 'MISSED'}")
    if as_json:
        print(json.dumps({"cells": len(found), "median_error": median, "worst_error": worst, "met": met}))
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
