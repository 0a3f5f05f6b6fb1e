"""What the program of now leaves in a home folder, small, for later versions to open.

    python -m tests.helpers.golden

Writes tests/samples/golden/<version>: a run with its checkpoint, adapter, label and record, a dataset with a change, a
chat, the list of models and the index of runs. Run it once for each release, never again for one that is out: the
folders are what people have. Paths of this machine are replaced by those of nobody's.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from studio import __version__
from studio.contract import job as jobs
from studio.contract.control import Going
from studio.contract.fields import build
from studio.contract.records import Record
from studio.contract.run_folder import (
    MARKER,
    RunFolder,
    chats_folder,
    datasets_folder,
    home_folder,
    make_folder,
    runs_folder,
)
from studio.contract.sampling import Sampling
from studio.contract.settings import TrainSettings
from studio.data import dataset, run_history
from studio.data.edits import Cell, EditLog, Replace
from studio.data.importing import import_dataset
from studio.data.run_label import Label, write_label
from tests.engine.ground import sums
from tests.helpers.tiny_models import tiny_model

GOLDEN = Path(__file__).resolve().parents[1] / "samples" / "golden"
NOBODY = "/home/someone/studio"
TIMES = "times.json"
"""Of each run's record, which the index goes by and git does not keep: name -> nanoseconds."""

SMALL = {
    "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 8,
}  # fmt: skip
RUN, DATASET, CHAT = "run-20260101-120000-0001", "data-20260101-110000-0001", "chat-20260101-130000-0001"


def make_home(beside: Path) -> Path:
    """Fill the program's home; gives it."""
    from studio.engine import model_folder
    from studio.supervisor import chats, library
    from studio.worker.__main__ import work_on

    model = tiny_model(beside / "model", sizes=SMALL)
    library.put_model(model_folder.check(model))
    rows, data = beside / "rows.jsonl", datasets_folder() / DATASET
    rows.write_text("\n".join(json.dumps(row) for row in sums(6)), encoding="utf-8")
    import_dataset(jobs.ImportJob(source=str(rows), destination=str(data), name="Sums"), lambda event: None, Going())
    EditLog(data, 6).apply(Replace((Cell(2, 1, "It is three, of course."),)))
    folder = RunFolder(make_folder(runs_folder() / RUN))
    values = {
        "max_steps": 2, "batch_size": 4, "evaluations": 1, "held_back_share": 0.2, "replay_share": 0.0,
        "method.rank": 1, "method.alpha": 2.0, "device": "cpu", "save_every_minutes": 1e-9,
    }  # fmt: skip
    work = jobs.TrainJob(
        name="Sums once", model=str(model), model_name="Tiny", dataset=str(data), dataset_name="Sums",
        settings=build(TrainSettings, values),
    )  # fmt: skip
    jobs.save(work, folder.job)
    if work_on(folder, None):
        raise AssertionError(folder.events.read_text())
    write_label(folder, Label(("golden", "sums"), "Kept for later versions."))
    reply = chats.Reply(side=RUN, name="Sums once", text="It is three.", tokens=4, seconds=0.5, ended="end_token")
    adapter = jobs.AdapterRef(id=RUN, name="Sums once", path=str(folder.adapter))
    chat = chats.Chat(
        id=CHAT, model=str(model), model_name="Tiny", adapters=(adapter,), run=RUN, sides=("", RUN),
        exchanges=[chats.Exchange(question="What is 2 plus one?", replies=(reply,), sampling=Sampling())],
    )  # fmt: skip
    chats.save(chat)
    assert (chats_folder() / f"{CHAT}.json").is_file()
    return home_folder()


def make_nobodys(home: Path, beside: Path) -> None:
    """Take this machine's paths out of all texts."""
    for path in home.rglob("*"):
        if path.suffix in (".json", ".jsonl", ".md") and path.is_file():
            text = path.read_text(encoding="utf-8")
            text = text.replace(str(home), NOBODY).replace(str(beside), f"{NOBODY}-files")
            path.write_text(text, encoding="utf-8")


def keep(home: Path, golden: Path) -> None:
    """Copy what people keep; the index is made from what is copied."""
    shutil.copytree(home, golden, ignore=shutil.ignore_patterns("*.log", "commands.jsonl", "jobs", "runs.sqlite*"))
    times = {}
    for number, path in enumerate(sorted(golden.glob("runs/*/events.jsonl"))):
        at = (1_767_268_800 + number) * 10**9
        os.utime(path, ns=(at, at))
        times[path.parent.name] = at
    (golden / TIMES).write_text(json.dumps(times), encoding="utf-8")
    os.environ["APPRENTICE_HOME"] = str(golden)
    run_history._known.clear()
    assert len(run_history.list_runs()) == len(times)


def lay_out(version: str, home: Path) -> Path:
    """A copy of a golden folder as a home that may be written to, with the times that it had."""
    shutil.copytree(GOLDEN / version, home)
    for name, at in json.loads((home / TIMES).read_bytes()).items():
        os.utime(home / "runs" / name / "events.jsonl", ns=(at, at))
    return home


def records(folder: Path) -> list[Record]:
    """A dataset's rows as they read now."""
    return list(dataset.open_dataset(folder).records())


def main() -> int:
    """Write the folder of this version, unless it is there."""
    golden = GOLDEN / __version__
    if golden.exists():
        print(f"{golden} is there already; what people have does not change.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as name:
        beside = Path(name) / "files"
        beside.mkdir()
        os.environ["APPRENTICE_HOME"] = str(Path(name) / "home")
        home = make_home(beside)
        make_nobodys(home, beside)
        keep(home, golden)
    files = [path for path in golden.rglob("*") if path.is_file()]
    print(f"{golden}: {len(files)} files, {sum(path.stat().st_size for path in files)} bytes")
    assert all((path / MARKER).is_file() for path in golden.glob("runs/*"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
