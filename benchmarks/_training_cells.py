"""Runs the engines of `bench training` in turn, each in a process of its own, and keeps what they told."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from _training_work import BATCH, LONGEST, ROWS, Shape, make_model, make_work

ROOT = Path(__file__).resolve().parents[1]
ENGINE = ROOT / "benchmarks" / "_training_engine.py"
FAIR = ("compacted", "varlen")
PEERS = (*FAIR, "hf", "stock")
WARM_UP = 2
"""Steps that are not counted."""
KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "-1", "MALLOC_TOP_PAD_": str(64 * 2**20)}
"""glibc keeps freed memory: without it stock TRL is a third slower. Ours says so by itself (data/allocator.py)."""
ALONE = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TRANSFORMERS_OFFLINE": "1"}

Run = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One line of work, measured with all its engines.

    Attributes:
        name: In tables and in the file of results.
        shape: The model.
        peers: Engines beside ours.
        pairs: How often; the peers that are no fair baseline run every second time only.
        steps: Of each run; the first WARM_UP are not counted.
        longest: Longest row.
        batch: Rows of a step.
        quantisation: "none" or "nf4".
        device: "cpu" or "cuda".
        test: Whether the held-back rows are tested at the end.
    """

    name: str
    shape: Shape
    peers: tuple[str, ...]
    pairs: int
    steps: int = 6
    longest: int = LONGEST
    batch: int = BATCH
    quantisation: str = "none"
    device: str = "cpu"
    test: bool = False

    @property
    def counted(self) -> range:
        """The counted steps, from 1."""
        return range(WARM_UP + 1, self.steps + 1)

    def peers_of(self, pair: int) -> list[str]:
        """Who runs in one pair, counted from 0."""
        return [peer for peer in self.peers if pair % 2 == 0 or peer not in ("hf", "stock")]


class Runner:
    """Measures cells; what the same code measured before can be taken up.

    Attributes:
        runs: By cell, engine and pair: what `_training_engine.py` told; "gemm" among the engines.
    """

    def __init__(self, path: Path, resume: bool) -> None:
        """Args:
        path: Of the results.
        resume: Whether results of the same code and versions there are kept.
        """
        self.path = path
        self.key = code_key()
        self.runs: dict[str, dict[str, dict[str, Run]]] = {}
        if resume and path.exists():
            saved = json.loads(path.read_text(encoding="utf-8"))
            self.runs = saved["runs"] if saved["key"] == self.key else {}
        self._folders = tempfile.TemporaryDirectory(prefix="apprentice-bench-")
        self.folder = Path(self._folders.name)
        self.work: dict[str, Any] = {}

    def measure(self, cell: Cell, end: float | None) -> None:
        """All pairs of a cell, or as many as fit in time.

        Args:
            cell: What to measure.
            end: `time.monotonic()` by which it should be over; None: all.
        """
        told = self.runs.setdefault(cell.name, {})
        self._prepare(cell)
        took: dict[str, float] = {}
        for pair in range(cell.pairs):
            # The order turns, so that no engine always follows the same one.
            names = ["ours", *cell.peers_of(pair)]
            turn = pair % len(names)
            for engine in ["gemm", *names[turn:], *names[:turn]]:
                if str(pair) in told.get(engine, {}) or _is_late(cell, engine, pair, took, end):
                    continue
                began = time.monotonic()
                told.setdefault(engine, {})[str(pair)] = self._run(cell, engine)
                took[engine] = max(took.get(engine, 0.0), time.monotonic() - began)
                self._save()

    def profile(self, cell: Cell) -> str:
        """Where the time of ours goes."""
        self._prepare(cell)
        return str(self._run(cell, "ours", profile=True)["profile"])

    def encode(self, value: dict[str, Any]) -> str:
        """One line of JSON."""
        return json.dumps(value)

    def _prepare(self, cell: Cell) -> None:
        from tests.helpers.tiny_models import tiny_tokenizer

        folder = self._folder(cell)
        shape, options = cell.shape, cell.shape.options
        work = make_work(options["vocab_size"], ROWS, cell.longest, shape.tokens, cell.batch)
        self.work[cell.name] = work
        if not folder.exists():
            for old in filter(Path.is_dir, self.folder.iterdir()):
                shutil.rmtree(old)  # a model of 8B takes 16 GB
            folder.mkdir()
            make_model(shape, folder / "model", tiny_tokenizer, bf16=cell.device == "cuda")
        work.save(folder / "work.npz")

    def _folder(self, cell: Cell) -> Path:
        return self.folder / cell.shape.name

    def _run(self, cell: Cell, engine: str, profile: bool = False) -> Run:
        """One process, to its end.

        Raises:
            SystemExit: It failed; its last lines are printed.
        """
        order, result, log = (self.folder / name for name in ("order.json", "result.json", "log.txt"))
        told = {
            "engine": engine,
            "folder": str(self._folder(cell)),
            "steps": cell.steps,
            "quantisation": cell.quantisation,
            "device": cell.device,
            "test": cell.test,
            "profile": profile,
        }
        order.write_text(json.dumps(told), encoding="utf-8")
        result.unlink(missing_ok=True)
        environment = {**os.environ, **OFFLINE, **(ALONE if cell.device == "cpu" else {})}
        environment |= {} if engine == "ours" else KEPT
        with log.open("w") as output:
            done = subprocess.run(
                [sys.executable, str(ENGINE), str(order), str(result)],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        if done.returncode or not result.exists():
            print(log.read_text(errors="replace")[-3000:], file=sys.stderr)
            raise SystemExit(f"{engine} failed at {cell.name} (exit code {done.returncode}); see above.")
        found: Run = json.loads(result.read_text(encoding="utf-8"))
        return found

    def _save(self) -> None:
        self.path.parent.mkdir(exist_ok=True)
        made = self.path.with_suffix(".new")
        made.write_text(json.dumps({"key": self.key, "runs": self.runs}, indent=1), encoding="utf-8")
        made.replace(self.path)


def _is_late(cell: Cell, engine: str, pair: int, took: dict[str, float], end: float | None) -> bool:
    """Whether a run would end too late, or keep the fair baselines from theirs; the first pair always runs."""
    if end is None or pair == 0:
        return False
    left = end - time.monotonic() - took.get(engine, 0.0)
    if engine in ("hf", "stock"):
        fair = [name for name in ("gemm", "ours", *cell.peers) if name not in ("hf", "stock")]
        left -= (cell.pairs - pair) * sum(took.get(name, 0.0) for name in fair)
    return left < 0


def code_key() -> str:
    """SHA-256 of the engine's and the benchmark's code and the libraries' versions."""
    made = hashlib.sha256()
    for path in sorted([*(ROOT / "studio").rglob("*.py"), *(ROOT / "benchmarks").glob("*training*.py")]):
        made.update(path.read_bytes())
    for name in ("torch", "transformers", "peft", "trl", "bitsandbytes"):
        made.update(metadata.version(name).encode())
    return made.hexdigest()
