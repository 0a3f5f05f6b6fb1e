"""SIGKILL at random moments of an export, most of them while its files are written and read again (promise P16).

    python -m tests.faults.export_kills [--kills 50] [--seed 0] [--json]

After each kill there must be nothing under the export's final name, or all of it: the very bytes of an export that
nobody disturbed. The next export to the same place must succeed and sweep away what the killed one left behind.
"""

import argparse
import hashlib
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from studio.contract import job as jobs
from studio.contract.run_folder import RunFolder
from studio.engine.export_folder import PARTIAL
from tests.engine.exported_run import learned_run
from tests.faults import forked
from tests.helpers.tiny_models import tiny_model

FORMS = ("merged", "gguf")
SIZES = {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 6}
"""Large enough that writing takes longer than a look."""


class Result(msgspec.Struct, kw_only=True):
    """What became of the killed exports.

    Attributes:
        kills: Exports that were killed.
        half_written: Of them, those that left a temporary folder behind.
        absent, whole: What lay under the final name: nothing, or everything. Their sum must be `kills`.
        exported_after: Exports to the same place that succeeded afterwards and left no other folder there.
        faults: What the others said.
    """

    kills: int = 0
    half_written: int = 0
    absent: int = 0
    whole: int = 0
    exported_after: int = 0
    faults: list[str] = msgspec.field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether nothing broken was ever seen under a final name."""
        return self.kills == self.absent + self.whole == self.exported_after and not self.faults


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def kill_exports(kills: int, seed: int, home: Path) -> Result:
    """Kill exports of every form in turn; see the module's text."""
    dice, result = random.Random(seed), Result()
    model = tiny_model(home / "model", sizes=SIZES)
    run = learned_run(home, model)

    def begin(form: str, destination: Path) -> int:
        folder = RunFolder.create(home / "jobs", "export")
        work = jobs.ExportJob(run=str(run.path), export=form, destination=str(destination), check=False)
        jobs.save(work, folder.job)
        return forked.start(folder)

    whole, seconds = {}, {}
    for form in FORMS:
        began = time.monotonic()
        if forked.wait(begin(form, home / f"whole-{form}" / "model")):
            raise AssertionError("an export that nobody disturbed failed")
        seconds[form] = time.monotonic() - began
        whole[form] = hashes(home / f"whole-{form}" / "model")
    number = 0
    while result.kills < kills:
        number += 1
        form, place = FORMS[number % len(FORMS)], home / f"place-{number}"
        place.mkdir()
        pid = begin(form, place / "model")
        if dice.random() < 0.8:
            partial = _Appears(place, dice.uniform(0.0, seconds[form] * 0.7))
            code = forked.kill_when(pid, partial)
        else:
            moment = time.monotonic() + dice.uniform(0.0, seconds[form])
            code = forked.kill_when(pid, lambda moment=moment: time.monotonic() >= moment)  # type: ignore[misc]
        if code is None:
            continue  # it had ended before its moment came
        result.kills += 1
        _judge(place, whole[form], result)
        if (place / "model").exists():
            result.exported_after += 1
            continue
        if forked.wait(begin(form, place / "model")) or hashes(place / "model") != whole[form]:
            result.faults.append(f"{place.name}: the export afterwards failed or differs")
        elif [path.name for path in place.iterdir()] != ["model"]:
            result.faults.append(f"{place.name}: left {sorted(path.name for path in place.iterdir())}")
        else:
            result.exported_after += 1
    return result


class _Appears:
    """Says when so many seconds have passed since an export's temporary folder came."""

    def __init__(self, place: Path, seconds: float) -> None:
        self._place, self._seconds, self._since = place, seconds, 0.0

    def __call__(self) -> bool:
        if not self._since and next(self._place.glob(f"{PARTIAL}*"), None) is not None:
            self._since = time.monotonic()
        return bool(self._since) and time.monotonic() >= self._since + self._seconds


def _judge(place: Path, wanted: dict[str, str], result: Result) -> None:
    result.half_written += any(place.glob(f"{PARTIAL}*"))
    if not (place / "model").exists():
        result.absent += 1
    elif hashes(place / "model") == wanted:
        result.whole += 1
    else:
        result.faults.append(f"{place.name}: a broken export has the final name")


def main(words: list[str]) -> int:
    """Print what became of them; 1 where something broken was seen."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(words)
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory(prefix="apprentice-export-kills-") as folder:
        forked.load_libraries()
        result = kill_exports(arguments.kills, arguments.seed, Path(folder))
    print(json.dumps(msgspec.to_builtins(result)) if arguments.json else result)
    return 0 if result.is_good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
