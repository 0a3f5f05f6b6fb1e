"""`bench training` works from end to end, and its work is the one that the goals were set on."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.helpers.shared_data import PROJECT

SCRIPT = PROJECT / "benchmarks" / "training.py"
KEYS = {
    "ratio_stock",
    "ratio_compacted",
    "ratio_varlen",
    "floor_share",
    "memory_share",
    "first_step_ratio",
    "loss_difference",
}


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks"))
    yield importlib.import_module("_training_work")
    sys.modules.pop("_training_work", None)


def bench(*options: str) -> tuple[dict[str, Any], str]:
    """Its last line, and all of it."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--json", *options], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stdout


def test_the_benchmark_runs_and_its_last_line_is_one_object() -> None:
    found, told = bench("--quick", "--engines", "stock")
    assert found.keys() >= KEYS
    for name in KEYS - {"ratio_compacted", "ratio_varlen"}:
        assert found[name] > 0
    assert found["loss_difference"] < 1e-4
    assert "TRL, stock" in told


def test_a_gpu_that_is_not_there_is_refused_with_the_way_on() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    done = subprocess.run([sys.executable, str(SCRIPT), "--device", "cuda"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "--dry-run" in done.stderr


def test_the_rows_are_as_skewed_as_those_of_the_goals(work: ModuleType) -> None:
    made = work.make_work(32_000)
    lengths = np.diff(made.starts)[: work.ROWS]
    told = [lengths.min(), np.median(lengths), lengths.mean(), np.quantile(lengths, 0.9), lengths.max()]
    assert told == pytest.approx([29, 195, 253, 500, 1023], rel=0.01)
    assert made.learned.mean() == pytest.approx(0.57, abs=0.01)
    counted = made.counts(range(3, 7))
    whole = made.counts(range(1, 76))
    # The counted steps are padded as much as all are, or a ratio would say more or less than it should.
    assert counted["padded"] / counted["tokens"] == pytest.approx(whole["padded"] / whole["tokens"], rel=0.03)


def test_the_models_have_the_sizes_of_the_goals(work: ModuleType) -> None:
    for name, wanted in (("25M", 24.9e6), ("107M", 107.2e6), ("qwen3", 10.5e6)):
        o = work.CPU_SHAPES[name].options
        heads = 2 * o["num_attention_heads"] + 2 * o["num_key_value_heads"]
        layer = o["hidden_size"] * (heads * o["head_dim"] + 3 * o["intermediate_size"])
        size = o["num_hidden_layers"] * layer + o["hidden_size"] * o["vocab_size"]
        assert size == pytest.approx(wanted, rel=0.01), name


def test_needed_operations_are_counted_by_the_formula(work: ModuleType) -> None:
    shape = work.Shape("one", "llama", work._options(8, 16, 1, 2, 1, vocabulary=100))
    made = work.Work(np.zeros(10, dtype=int), np.array([0, 0, 0, 1, 1] * 2), np.array([0, 5, 10]), 2)
    weights = 8 * 8 + 2 * 8 * 4 + 8 * 8 + 3 * 8 * 16
    adapter = 16 * ((8 + 8) + 2 * (8 + 4) + (8 + 8) + 3 * (8 + 16))
    attention = 12 * 8 * 1 * (2 * 25 / 2)
    wanted = (4 * weights + 6 * adapter) * 10 + 4 * 8 * 100 * 4 + attention
    assert work.operations(shape, made, range(1, 2)) == wanted


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_twenty_steps_of_a_25m_model_have_the_losses_of_peers() -> None:
    _, told = bench("--losses")
    assert "held-back loss" in told  # bench() has seen that the benchmark found no more than 1e-4 between them


@pytest.mark.slow
def test_the_cells_of_the_gpu_run_dry_on_a_cpu() -> None:
    found, told = bench("--dry-run")
    assert found["loss_difference"] < 1e-4
    assert "TRL, best flags" in told
