"""Every way of tuning tried: what goes with what, and what each is worth on the sample. Writes docs/methods.md.

python3 packaging/dev.py methods                one cell for each way, and every refusal
python3 packaging/dev.py methods --full         every cell: loading, packing, checkpointing, precision, architecture,
                                                settings of a way's own
                                                ... --missing: only those that were not tried yet
                                                ... --cells TEXT ...: only those whose name holds one of these
python3 packaging/dev.py methods --sample [NAME ...]   the whole sample with each way (or with these), for the table

A cell is twenty steps on the starter model (of other architectures on a random tiny one): the loss falls, the adapter
is saved, is put on a freshly loaded base with equal logits, and answers. What was measured is kept in
docs/methods.json, so that one part can be measured anew; the page is made from it and from the contract.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "packaging")]

from method_cells import ARCHITECTURES, CELL, OWN, RATES, TINY, VARIATIONS, cells, is_refused, key  # noqa: E402
from refusal_rows import refusal_table  # noqa: E402

from studio.contract import job as jobs  # noqa: E402
from studio.contract.errors import SettingsError, StudioError  # noqa: E402
from studio.contract.events import Event, Finished, Step  # noqa: E402
from studio.contract.fields import build  # noqa: E402
from studio.contract.method_choice import values_of  # noqa: E402
from studio.contract.methods import METHODS, tag_of  # noqa: E402
from studio.contract.offline import stay_offline  # noqa: E402
from studio.contract.settings import TrainSettings  # noqa: E402

PAGE, RESULTS = ROOT / "docs" / "methods.md", ROOT / "docs" / "methods.json"
SAMPLE: dict[str, dict[str, Any]] = {
    "lora": {"learning_rate": 3.5e-3},
    "qlora": {"method": "qlora", "learning_rate": 3.5e-3},
    "dora": {"dora": True, "learning_rate": 3.5e-3},
    "ia3": {"method": "ia3", "learning_rate": 1e-1, "target_modules": "all-linear", "max_steps": 900},
    "prefix": {"method": "prefix", "learning_rate": 5e-2},
    "prompt": {"method": "prompt", "learning_rate": 1e-1},
    "bottleneck": {"method": "bottleneck", "learning_rate": 3e-3},
    "full": {"method": "full", "learning_rate": 1e-3},
    "norms": {"method": "norms", "learning_rate": 2e-2},
    "layers": {"method": "layers", "learning_rate": 2e-3},
    "adalora": {"method": "adalora", "learning_rate": 1e-2},
    "vera": {"method": "vera", "learning_rate": 2e-2},
    "loha": {"method": "loha", "learning_rate": 5e-3},
    "lokr": {"method": "lokr", "learning_rate": 5e-3},
    "oft": {"method": "oft", "learning_rate": 2e-3},
    "ptuning": {"method": "ptuning", "learning_rate": 3e-3},
    "llama_adapter": {"method": "llama_adapter", "learning_rate": 3e-2},
}
"""Options of the whole sample beside the preset's; rates are higher than for large models, as for LoRA's preset."""
TOLD = (("target_modules", "layers {}"), ("max_steps", "{} steps"))
"""Of those, what the table names beside the learning rate."""


def main() -> int:
    """Tries what was asked for and writes the page; exit code 1 where a cell did not do what the table says."""
    parser = argparse.ArgumentParser(description="every way of tuning tried")
    parser.add_argument("--full", action="store_true", help="every cell")
    parser.add_argument("--sample", nargs="*", metavar="NAME", help="the whole sample with these ways (default: all)")
    parser.add_argument("--missing", action="store_true", help="only cells that were not tried yet")
    parser.add_argument("--cells", nargs="+", metavar="TEXT", help="only cells whose name holds one of these")
    parser.add_argument("--page", action="store_true", help="only write the page anew")
    arguments = parser.parse_args()
    stay_offline()
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"cells": {}, "sample": {}}
    wrong = 0
    if arguments.sample is not None:
        for name in arguments.sample or list(SAMPLE):
            results["sample"][name] = run_sample(name)
            keep(results)
    elif not arguments.page:
        with tempfile.TemporaryDirectory(prefix="apprentice-methods-") as folder:
            bench = Bench(Path(folder))
            for name, values, architecture in cells(arguments.full):
                cell = key(name, values, architecture)
                if arguments.missing and cell in results["cells"]:
                    continue
                if arguments.cells and not any(text in cell for text in arguments.cells):
                    continue
                told = bench.cell(name, values, architecture)
                results["cells"][cell] = told
                results["since"] = sorted({*results.get("since", ()), cell})
                wrong += not told["as_told"]
                print(f"{cell:<60} {told['words']}", flush=True)
                keep(results)
        if arguments.full and not arguments.missing and not arguments.cells:
            results |= {"all": str(date.today()), "since": []}
    keep(results)
    PAGE.write_text(page(results), encoding="utf-8")
    return 1 if wrong else 0


def keep(results: dict[str, Any]) -> None:
    """Write what was measured, after each cell: an interrupted run loses one."""
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")


class Bench:
    """The starter, tiny models and a small dataset, for twenty steps at a time."""

    def __init__(self, folder: Path) -> None:
        from studio.contract.control import Going
        from studio.contract.run_folder import starter_folder
        from studio.contract.sample import sample_files
        from studio.data.importing import import_dataset

        os.environ["APPRENTICE_HOME"] = str(folder / "home")
        self.folder = folder
        self.starter = starter_folder()
        self.data = folder / "dataset"
        rows, _ = sample_files()  # without questions: a cell is about learning and loading, not about answers
        work = jobs.ImportJob(source=rows, destination=str(self.data), name="sample")
        import_dataset(work, lambda event: None, Going())
        self.count = 0

    def model(self, architecture: str) -> Path:
        """The starter, or a random tiny model of an architecture."""
        from tests.helpers.tiny_models import tiny_model

        made = self.folder / f"tiny-{architecture}"
        if architecture and not made.exists():
            tiny_model(made, architecture)
            _see_all(made / "config.json")
        return made if architecture else self.starter

    def cell(self, name: str, values: dict[str, Any], architecture: str) -> dict[str, Any]:
        """Try one cell.

        Returns:
            `as_told`: it did what the table says; `works`; `words`: what happened.
        """
        own = TINY.get(name, {}) if architecture else {}
        settings = build(
            TrainSettings,
            {**CELL, **values_of(name), "learning_rate": RATES[name], **own, **values},
        )
        model = self.model(architecture)
        work = jobs.TrainJob(
            name=name, model=str(model), model_name="m", dataset=str(self.data), dataset_name="d", settings=settings
        )
        refused = is_refused(name, values, architecture or "llama")
        try:
            words = self._tried(work)
        except SettingsError as error:
            return {"as_told": refused, "works": False, "words": f"refused: {error.problems[0].fix}"}
        except (RuntimeError, ValueError, AssertionError, TypeError, KeyError, StudioError) as error:
            # A cell that fails is a result, and the others are tried too.
            return {"as_told": False, "works": False, "words": f"{type(error).__name__}: {str(error)[:200]}"}
        return {"as_told": not refused, "works": True, "words": words}

    def _tried(self, work: jobs.TrainJob) -> str:
        import torch

        from studio.contract.control import Going
        from studio.contract.records import Message
        from studio.contract.run_folder import RunFolder
        from studio.engine import base_model, generate, loop, tokens
        from studio.engine.train import train

        self.count += 1
        folder = RunFolder.create(self.folder, f"run{self.count}")
        losses: list[float] = []
        models: list[Any] = []
        finish = loop.Run.finish

        def watched(run: loop.Run, reason: loop.Reason) -> Finished:
            models.append(run.model)
            return finish(run, reason)

        def emit(event: Event) -> None:
            if isinstance(event, Step):
                losses.append(event.loss)

        loop.Run.finish = watched  # type: ignore[method-assign,assignment]
        try:
            train(work, folder, emit, Going())
        finally:
            loop.Run.finish = finish  # type: ignore[method-assign]
        first, last = sum(losses[:3]) / 3, sum(losses[-3:]) / 3
        if not last < first:
            raise ValueError(f"the loss did not fall: {first:.3f} to {last:.3f}")
        ids = torch.arange(5, 25)[None]
        base = base_model.load(Path(work.model), base_model.resolve(work.settings))
        base_model.load_adapter(base, folder.adapter, "a")
        with torch.no_grad(), base_model.using_adapter(base, "a") as answering:
            apart = float((answering(input_ids=ids).logits - models[0].eval()(input_ids=ids).logits).abs().max())
            tokenizer = tokens.load_tokenizer(Path(work.model))
            generate.answers(answering, tokenizer, [[Message("user", "Who are you?")]], 8)
        coarse = work.settings.precision == "bf16"
        if apart > (0.5 if coarse else 1e-3):
            raise ValueError(f"reloaded, it says something else: {apart:.1e}")
        return f"loss {first:.2f} to {last:.2f}, reloaded within {apart:.0e}"


def _see_all(path: Path) -> None:
    """Let the last layer see the whole text, as some layers of every real model do; both of a tiny one may not."""
    config = json.loads(path.read_text(encoding="utf-8"))
    if "layer_types" in config:
        config["layer_types"][-1] = "full_attention"
        path.write_text(json.dumps(config), encoding="utf-8")


def run_sample(name: str) -> dict[str, Any]:
    """The whole sample on the starter in a process of its own, as a person would run it."""
    files = ROOT / "resources" / "sample"
    values = []
    for option, value in SAMPLE[name].items():
        values += [f"--{option.replace('_', '-')}", *([] if value is True else [str(value)])]
    command = [sys.executable, "-P", "-m", "studio.cli", "train", "--preset", "sample", "--json"]
    command += ["--data", str(files / "sample.jsonl"), "--held-back", str(files / "held_back.jsonl"), *values]
    with tempfile.TemporaryDirectory(prefix="apprentice-methods-") as home:
        environment = {**os.environ, "APPRENTICE_HOME": home, "PYTHONPATH": str(ROOT)}
        began = time.monotonic()
        child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        told = child.stdout.read()
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
    if child.returncode:
        raise RuntimeError(f"{name}: exit code {child.returncode}")
    result = json.loads(told)
    verdict = result["verdict"]
    print(f"{name:<16} {verdict['right_after']} of {verdict['asked']} in {seconds:.0f} s", flush=True)
    return {
        "right": verdict["right_after"],
        "right_before": verdict["right_before"],
        "asked": verdict["asked"],
        "known_before": verdict["known_before"],
        "known_after": verdict["known_after"],
        "seconds": round(seconds),
        "peak_megabytes": round(used.ru_maxrss / 1024),
        "trained": result.get("trainable_parameters"),
        "settings": SAMPLE[name],
        "date": str(date.today()),
    }


# --- the page --------------------------------------------------------------------------------------------------------

HEAD = """# Ways of tuning

Made by `python3 packaging/dev.py methods` from the contract and from what it measured; do not edit. Settings of each
are in [settings.md](settings.md).
"""


def page(results: dict[str, Any]) -> str:
    """The whole page."""
    parts = [HEAD]
    for name, row in METHODS.items():
        parts.append(f"- **{row.label}**, `--method {name}`. {row.help} {row.when}")
    parts += ["", "## What each is worth on the sample", "", *sample_table(results["sample"])]
    parts += [
        "",
        "## What goes with what",
        "",
        *refusal_table(),
        "",
        *cell_table(results["cells"], results.get("all", ""), len(results.get("since", ()))),
        "",
        *own_table(results["cells"]),
    ]
    return "\n".join(parts) + "\n"


def sample_table(sample: dict[str, Any]) -> Iterator[str]:
    """What the whole sample taught the starter, one line a way."""
    if not sample:
        yield "Not yet run."
        return
    yield (
        "The built-in sample (300 examples) on the starter model (3 M numbers), preset Sample with the settings named; "
        "one run each, on 2 cores that other work may share, so times only compare roughly. "
        "Memory is the process's peak."
    )
    yield ""
    yield "| way | settings | right of the new questions | before | still knows | seconds | MB | measured |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |"
    for name in SAMPLE:
        if name in sample:
            one = sample[name]
            chosen = f"learning rate {one['settings']['learning_rate']:g}"
            chosen += "".join(
                f", {words.format(one['settings'][key])}" for key, words in TOLD if key in one["settings"]
            )
            kept = f"{one['known_after']} of {one['known_before']}"
            yield (
                f"| `{name}` | {chosen} | {one['right']} of {one['asked']} | {one['right_before']} "
                f"| {kept} | {one['seconds']} | {one['peak_megabytes']:,} | {one['date']} |"
            )
    yield ""
    yield (
        "Prefix tuning, prompt tuning, p-tuning and LLaMA-Adapter change no weight, and so small a model hardly "
        "follows what it only attends to: prompt tuning came near full tuning from about ten billion numbers on (arXiv "
        "2104.08691). Norms alone are too few numbers for so many new facts."
    )


def cell_table(cells: dict[str, Any], whole: str, since: int) -> Iterator[str]:
    """What was tried, and whether it did what the table says."""
    if not cells:
        yield "No cell was tried yet."
        return
    good = sum(cell["as_told"] for cell in cells.values())
    yield f"{good} of the {len(cells)} cells that were tried did what the table says. `×`: refused, as told. The first"
    yield "columns are the starter (Llama), the last ones random tiny models whose last layer sees the whole text."
    if whole:
        which = f"All but {since} of them, which were tried since," if since else "All of them"
        yield f"{which} were last tried in one go on {whole} (`python3 packaging/dev.py methods --full`)."
    yield ""
    heads = [" ".join(f"{k}={v}" for k, v in values.items()) or "as chosen" for values in VARIATIONS]
    yield "| way | " + " | ".join([*heads, *ARCHITECTURES]).replace("_", " ") + " |"
    yield "| --- |" + " --- |" * (len(heads) + len(ARCHITECTURES))
    for name in METHODS:
        marks = [_mark(cells.get(key(name, values, ""))) for values in VARIATIONS]
        marks += [_mark(cells.get(key(name, {}, architecture))) for architecture in ARCHITECTURES]
        yield f"| `{name}` | " + " | ".join(marks) + " |"


def own_table(cells: dict[str, Any]) -> Iterator[str]:
    """The same of settings that are a way's own, on the starter."""
    yield "| way | its own settings | |"
    yield "| --- | --- | --- |"
    for name, several in OWN.items():
        for values in several:
            words = key("", values, "").replace("method.", "").replace("_", " ")
            yield f"| `{name}` | {words} | {_mark(cells.get(key(name, values, '')))} |"


def _mark(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "–"
    if not cell["as_told"]:
        return "**not as told**"
    return "yes" if cell["works"] else "×"


if __name__ == "__main__":
    assert {tag_of(row.settings) for row in METHODS.values()} <= set(METHODS)
    raise SystemExit(main())
