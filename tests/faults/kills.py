"""SIGKILL at random moments of a run, at least half of them while a checkpoint is being written (promise P1).

    python -m tests.faults.kills [--kills 200] [--seed 0] [--trainer 0] [--json]

Each run is killed once, taken up by a new process and led to its end; then every step's loss and gradient norm, the
tests and the final weights must be those of a run that nobody disturbed, bit for bit. `--trainer N` does the same to
the Trainer of transformers, for comparison: a run without a checkpoint is begun anew, as its user would.
"""

import argparse
import hashlib
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from studio.contract import events
from studio.contract import job as jobs
from studio.contract.run_folder import RunFolder
from studio.data.run_history import summarise
from tests.engine.ground import make_dataset, make_job, make_model, new_run, sums
from tests.faults import forked

VALUES: dict[str, Any] = {
    "max_steps": 14,
    "batch_size": 2,
    "accumulation": 2,
    "method__dropout": 0.1,
    "neftune_alpha": 0.1,
    "evaluations": 4,
    "save_every_minutes": 1e-9,
}
"""Everything that draws random numbers or remembers something between steps; a checkpoint after every step."""


class Result(msgspec.Struct, kw_only=True):
    """What became of the killed runs.

    Attributes:
        kills: Runs that were killed; more than asked for where too few of them hit a save.
        during_save: Of them, those that left a half-written checkpoint behind.
        before_checkpoint: Killed before there was any: they began anew.
        resumed: Led to their end by a second process.
        identical: Of them, those whose losses and weights are those of the undisturbed run.
        faults: What the others said.
    """

    kills: int = 0
    during_save: int = 0
    before_checkpoint: int = 0
    resumed: int = 0
    identical: int = 0
    faults: list[str] = msgspec.field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether every killed run ended as if it had not been."""
        return not self.faults and self.kills == self.resumed == self.identical


def told(folder: RunFolder) -> dict[Any, Any]:
    """Loss, norm and rate of each step, and each test; of steps that were done twice both must agree."""
    found: dict[Any, Any] = {}
    for event in forked.run_events(folder):
        pair: tuple[Any, Any] | None = None
        if isinstance(event, events.Step):
            pair = ("step", event.step), (event.loss, event.grad_norm, event.learning_rate, event.epoch)
        elif isinstance(event, events.Evaluated):
            pair = ("test", event.step), (event.loss, event.best)
        if pair is not None and found.setdefault(*pair) != pair[1]:
            found[pair[0]] = "differs from what was told before the kill"
    return found


def weights(folder: Path) -> str:
    """SHA-256 of the adapter's file."""
    return hashlib.sha256((folder / "adapter_model.safetensors").read_bytes()).hexdigest()


def kill_ours(kills: int, seed: int, home: Path) -> Result:
    """Kill our worker; see the module's text."""
    dice, result = random.Random(seed), Result()
    model, dataset = make_model(home / "model"), make_dataset(home / "data", sums(24))
    job = make_job(model, dataset, **VALUES)

    def begin() -> RunFolder:
        folder = new_run(home)
        jobs.save(job, folder.job)
        return folder

    whole = begin()
    pid, began = forked.start(whole), time.monotonic()
    if forked.wait(pid):
        raise AssertionError(whole.log.read_text())
    seconds = time.monotonic() - began
    wanted, sha256 = told(whole), weights(whole.adapter)
    saves = [event.seconds for event in forked.run_events(whole) if isinstance(event, events.CheckpointSaved)]
    reach = statistics.median(saves)
    while result.kills < kills or result.during_save * 2 < kills:
        if result.kills == 5 * kills:
            result.faults.append(f"of {result.kills} kills only {result.during_save} hit a save")
            break
        folder = begin()
        in_save = result.during_save * 2 < kills and (dice.random() < 0.7 or result.kills >= kills)
        moment = dice.uniform(0.0, reach if in_save else seconds)
        if not _kill(folder, dice, moment, in_save):
            continue  # it had ended before its moment came
        result.kills += 1
        hit = any(path.name.startswith(".partial") for path in _inside(folder))
        result.during_save += hit
        if in_save and not hit:
            reach *= 0.7  # the saves that were measured were slower, as on a machine that was busy then
        summary = summarise(folder)
        has_checkpoint = any(path.name.startswith("step-") for path in _inside(folder))
        result.before_checkpoint += not has_checkpoint
        if has_checkpoint and (summary is None or not summary.can_resume):
            result.faults.append(f"{folder.id}: it is not offered to be taken up")
        code = forked.wait(forked.start(folder))
        if code:
            result.faults.append(f"{folder.id}: ended with {code}: {folder.log.read_text()[-500:]}")
            continue
        result.resumed += 1
        if told(folder) == wanted and weights(folder.adapter) == sha256:
            result.identical += 1
        else:
            result.faults.append(f"{folder.id}: losses or weights differ")
    return result


def _inside(folder: RunFolder) -> list[Path]:
    return list(folder.checkpoints.iterdir()) if folder.checkpoints.is_dir() else []


def _kill(folder: RunFolder, dice: random.Random, seconds: float, in_save: bool) -> bool:
    """Kill a run so long after its start, or after some checkpoint was begun; False where it had ended before."""
    pid = forked.start(folder)
    if not in_save:
        moment = time.monotonic() + seconds
        return forked.kill_when(pid, lambda: time.monotonic() >= moment) is not None
    partial = folder.checkpoints / f".partial-step-{dice.randrange(1, VALUES['max_steps']):09d}"
    return forked.kill_when(pid, soon_after(partial, seconds)) is not None


def soon_after(folder: Path, seconds: float) -> Callable[[], bool]:
    """Says when a folder has been there for so long."""
    moment = 0.0

    def is_time() -> bool:
        nonlocal moment
        if not moment and folder.is_dir():
            moment = time.monotonic() + seconds
        return bool(moment) and time.monotonic() >= moment

    return is_time


# --- the peer -----------------------------------------------------------------------------------------------------


def kill_trainer(kills: int, seed: int, home: Path) -> Result:
    """The same to the Trainer of transformers: a checkpoint after every step, taken up with resume_from_checkpoint."""
    dice, result = random.Random(seed), Result()
    model = make_model(home / "peer-model")
    whole = home / "peer-whole"
    if forked.wait(forked.fork(lambda: _train_peer(model, whole, ""), home / "peer.log")):
        raise AssertionError((home / "peer.log").read_text())
    wanted = weights(whole / "end")
    while result.kills < kills:
        out = home / f"peer-{result.kills}-{dice.random()}"
        late = dice.uniform(0.0, 0.05) if dice.random() < 0.5 else dice.uniform(0.05, 1.0)  # half of them in a save
        is_time = soon_after(out / f"checkpoint-{dice.randrange(1, 14)}", late)
        pid = forked.fork(lambda out=out: _train_peer(model, out, ""), home / "peer.log")  # type: ignore[misc]
        if forked.kill_when(pid, is_time) is None:
            continue
        result.kills += 1
        has_checkpoint = any(out.glob("checkpoint-*")) if out.is_dir() else False
        result.before_checkpoint += not has_checkpoint
        resume = "last" if has_checkpoint else ""
        code = forked.wait(
            forked.fork(lambda out=out, resume=resume: _train_peer(model, out, resume), home / "peer.log")
        )  # type: ignore[misc]
        if code:
            result.faults.append((home / "peer.log").read_text().strip().rpartition("\n")[2])
            continue
        result.resumed += 1
        result.identical += weights(out / "end") == wanted
    return result


def _train_peer(model_folder: Path, out: Path, resume: str) -> int:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(str(model_folder))
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules="all-linear"))
    rows = [{"input_ids": [(i * 7 + j) % 300 + 4 for j in range(12)]} for i in range(24)]
    data = [{**row, "labels": row["input_ids"], "attention_mask": [1] * 12} for row in rows]
    arguments = TrainingArguments(
        output_dir=str(out), max_steps=14, per_device_train_batch_size=4, save_steps=1, save_strategy="steps",
        logging_strategy="no", report_to=[], use_cpu=True, disable_tqdm=True, seed=0, learning_rate=5e-3,
    )  # fmt: skip
    Trainer(model=model, args=arguments, train_dataset=data).train(resume_from_checkpoint=bool(resume))
    model.save_pretrained(out / "end")
    return 0


def main(words: list[str]) -> int:
    """Print what became of them; 1 where a run of ours did not end as it should."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--trainer", type=int, default=0, help="kills of the Trainer of transformers beside it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(words)
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory(prefix="apprentice-kills-") as folder:
        home = Path(folder)
        forked.load_libraries()
        results = {"ours": kill_ours(arguments.kills, arguments.seed, home)}
        if arguments.trainer:
            results["transformers.Trainer"] = kill_trainer(arguments.trainer, arguments.seed, home)
    if arguments.json:
        print(json.dumps({name: msgspec.to_builtins(result) for name, result in results.items()}))
    else:
        print("| engine | kills | during a save | before a checkpoint | ended after all | bit for bit the same |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        for name, made in results.items():
            told_all = (made.kills, made.during_save, made.before_checkpoint, made.resumed, made.identical)
            print(f"| {name} | {' | '.join(map(str, told_all))} |")
        for fault in results["ours"].faults:
            print(f"- {fault}")
    return 0 if results["ours"].is_good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
