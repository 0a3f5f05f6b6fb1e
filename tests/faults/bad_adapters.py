"""The bad inputs 62 to 68: adapters, settings, job files, places to write to."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from studio.contract.settings import VERSION
from tests.faults.bad_models import Bad, edited, header, twice, without

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"


def adapter(change: Callable[[Path], None]) -> Callable[[Path], Callable[[Path], Path]]:
    """A good adapter, then made bad. It is given when the test has one."""

    def make(folder: Path) -> Callable[[Path], Path]:
        def from_good(good: Path) -> Path:
            made = folder / "bad adapter"
            made.mkdir()
            for file in good.iterdir():
                (made / file.name).write_bytes(file.read_bytes())
            change(made)
            return made

        return from_good

    return make


def tensors(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Callable[[Path], None]:
    """Other weights."""
    return lambda folder: save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS)


def renamed(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """None of them is a layer of the model."""
    return {name.replace("layers", "blocks"): tensor for name, tensor in weights.items()}


def not_finite(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """One number is none."""
    name = sorted(weights)[0]
    weights[name][0, 0] = float("nan")
    return weights


def pickled(folder: Path) -> None:
    """Weights as a pickle alone."""
    (folder / WEIGHTS).unlink()
    (folder / "adapter_model.bin").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")


def job(name: str, content: str) -> Callable[[Path], Path]:
    """A job file."""

    def make(folder: Path) -> Path:
        path = folder / name
        path.write_text(content, encoding="utf-8")
        return path

    return make


def saved(**changes: Any) -> str:
    """A run's job.json with other values."""
    told = {"kind": "train", "name": "x", "model": "m", "model_name": "m", "dataset": "d", "dataset_name": "d"}
    return json.dumps(told | {"version": VERSION} | changes)


def options(*words: str) -> Callable[[Path], list[str]]:
    """Settings as options."""
    return lambda folder: list(words)


ALIASES = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefghi", "bcdefghij", strict=True)
)
PYTHON = "model: !!python/object/apply:os.system ['touch pwned']\ndata: rows.jsonl\n"
LONG = "n" * 230

BAD = [
    Bad(
        62,
        "other base",
        adapter(edited("base_model.json", name="Big model", fingerprint="0" * 64)),
        "adapter.other_base",
        ("bad adapter", "Big model", "tiny"),
        "adapter",
    ),
    Bad(63, "other rank", adapter(edited(CONFIG, r=3)), "adapter.other_base", ("shape",), "adapter"),
    Bad(63, "other targets", adapter(edited(CONFIG, target_modules=["q_proj"])), "adapter.other_base", (), "adapter"),
    Bad(63, "rank of gigabytes", adapter(edited(CONFIG, r=30_000)), "adapter.other_base", ("30000",), "adapter"),
    Bad(63, "rank beyond all", adapter(edited(CONFIG, r=10**9)), "adapter.unsupported", ("Its r is",), "adapter"),
    Bad(
        63,
        "rank of one layer",
        adapter(edited(CONFIG, rank_pattern={"q_proj": 30_000})),
        "adapter.other_base",
        ("30000",),
        "adapter",
    ),
    Bad(
        63,
        "pattern for ranks",
        adapter(edited(CONFIG, rank_pattern={"(a+)+$": 2})),
        "adapter.unsupported",
        ("rank_pattern",),
        "adapter",
    ),
    Bad(63, "targets nowhere", adapter(edited(CONFIG, target_modules=["x"])), "adapter.other_base", (), "adapter"),
    Bad(63, "nothing applied", adapter(tensors(renamed)), "adapter.other_base", ("None of its weights",), "adapter"),
    Bad(
        63,
        "pattern for targets",
        adapter(edited(CONFIG, target_modules="(a+)+$")),
        "adapter.unsupported",
        ("target_modules",),
        "adapter",
    ),
    Bad(64, "pickle", adapter(pickled), "adapter.pickle", ("pickle", "safetensors format"), "adapter"),
    Bad(64, "no weights", adapter(without(WEIGHTS)), "adapter.no_weights", (WEIGHTS,), "adapter"),
    Bad(64, "tensor twice", adapter(header(twice, WEIGHTS)), "adapter.damaged", ("occurs twice",), "adapter"),
    Bad(64, "not finite", adapter(tensors(not_finite)), "adapter.not_finite", ("not finite",), "adapter"),
    Bad(
        65,
        "learning rate 10",
        options("--learning-rate", "10"),
        "settings.range",
        ("(learning rate)", "at most"),
        "options",
    ),
    Bad(65, "learning rate NaN", options("--learning-rate", "nan"), "settings.range", ("(learning rate)",), "options"),
    Bad(65, "learning rate negative", options("--learning-rate", "-1e-4"), "settings.range", ("above",), "options"),
    Bad(65, "batch of none", options("--batch-size", "0"), "settings.range", ("(batch)", "at least 1"), "options"),
    Bad(65, "text for a number", options("--rank", "many"), "settings.range", ("whole number",), "options"),
    Bad(66, "YAML that makes objects", job("job.yaml", PYTHON), "job.invalid", ("invalid config", "job.yaml"), "job"),
    Bad(66, "YAML that grows", job("job.yml", ALIASES), "job.invalid", ("invalid config", "TOML"), "job"),
    Bad(66, "YAML under another name", job("job.json", PYTHON), "job.invalid", ("JSON",), "job"),
    Bad(66, "deep TOML", job("job.toml", f"data = {'[' * 100_000}"), "job.invalid", ("job.toml",), "job"),
    Bad(66, "deep JSON", job("job.json", '{"data": ' + "[" * 100_000), "job.invalid", ("job.json",), "job"),
    Bad(66, "endless job", job("job.toml", "# " + "x" * 2_000_000), "job.invalid", ("1 MB",), "job"),
    Bad(67, "named CON", lambda folder: folder / "CON", "export.bad_name", ("'CON'", "another name"), "export"),
    Bad(67, "over the limit", lambda folder: folder / LONG / LONG, "export.path_too_long", ("characters",), "export"),
    Bad(67, "exists", lambda folder: folder, "export.exists", ("never overwrites",), "export"),
    Bad(67, "full disk", lambda folder: ("ENOSPC", folder / "out"), "export.disk_full", ("disk is full",), "export"),
    Bad(67, "read-only disk", lambda folder: ("EROFS", folder / "out"), "export.read_only", ("read-only",), "export"),
    Bad(67, "not allowed", lambda folder: ("EACCES", folder / "out"), "export.read_only", ("not write",), "export"),
    Bad(
        68,
        "newer version",
        job("job.json", saved(version=VERSION + 5)),
        "job.newer",
        (f"version {VERSION + 5}",),
        "job",
    ),
    Bad(68, "unknown keys", job("job.json", saved(turbo=1, warp=2)), "job.unknown_keys", ("turbo, warp",), "job"),
    Bad(
        68,
        "unknown settings",
        job("job.toml", 'data = "a"\n[settings]\nwarp = 9\n'),
        "settings.unknown",
        ("warp",),
        "job",
    ),
    Bad(68, "unknown key of a person", job("job.toml", 'data = "a"\nwarp = 9\n'), "job.invalid", ("'warp'",), "job"),
]
"""62 to 68."""
