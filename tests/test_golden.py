"""What earlier versions left behind is opened by this one: runs, checkpoints, datasets, chats, and the index."""

import json
from pathlib import Path

import msgspec
import pytest
import torch

from studio.contract import events, job
from studio.contract.run_folder import RunFolder
from studio.data import dataset, run_history, run_index
from studio.data.run_history import RunSummary
from studio.supervisor import chats
from tests.helpers import golden
from tests.helpers.golden import CHAT, DATASET, GOLDEN, RUN

VERSIONS = sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())


@pytest.fixture(params=VERSIONS)
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    laid_out = golden.lay_out(request.param, tmp_path / "golden")
    monkeypatch.setenv("APPRENTICE_HOME", str(laid_out))
    run_history._known.clear()
    return laid_out


def only_run() -> RunSummary:
    (run,) = run_history.list_runs()
    return run


def test_a_run_of_an_earlier_version_is_listed_with_its_figures(home: Path) -> None:
    run = only_run()
    assert (run.id, run.state, run.steps, run.total_steps) == (RUN, "done", 2, 2)
    assert run.job.name == "Sums once"
    assert run.label.tags == ("golden", "sums")
    assert run.label.note == "Kept for later versions."
    assert run.loss_last is not None
    assert run.best_loss is not None
    assert run.finished is not None
    assert run.has_adapter


def test_its_whole_record_can_be_read(home: Path) -> None:
    folder = RunFolder(home / "runs" / RUN)
    lines = list(folder.iter_lines())
    read = [events.decode(line) for line in lines]
    assert len(read) == len(lines) > 10
    kinds = {type(event) for event in read}
    assert {events.Hello, events.Started, events.Step, events.Evaluated, events.CheckpointSaved} <= kinds
    assert isinstance(read[-1], events.Finished)


def test_its_job_is_read_and_migrated(home: Path) -> None:
    work = job.load(home / "runs" / RUN / "job.json")
    assert isinstance(work, job.TrainJob)
    assert work.settings.max_steps == 2
    assert work.settings.batch_size == 4


def test_its_checkpoint_is_whole_and_can_be_loaded(home: Path) -> None:
    from studio.engine import checkpoint

    (path,) = checkpoint.found(home / "runs" / RUN / "checkpoints")
    assert checkpoint.is_whole(path)
    snapshot = checkpoint.load(path)
    assert snapshot.state.step == 1
    assert snapshot.state.fingerprint
    optimiser = checkpoint.put_together(snapshot.state.optimiser, snapshot.tensors["optimiser"])
    assert len(optimiser["state"]) == len(snapshot.tensors["adapter"]) > 0
    before = torch.get_rng_state()
    try:
        checkpoint.set_generators(checkpoint.put_together(snapshot.state.generators, snapshot.tensors["generators"]))
    finally:
        torch.set_rng_state(before)


def test_its_index_serves_the_present_version_or_is_set_aside_whole(home: Path) -> None:
    was = (home / run_index.FILE).read_bytes()
    folder = RunFolder(home / "runs" / RUN)
    with run_index.RunIndex() as index:
        kept = index.get(RUN, run_history._key(folder))
    aside = list(home.glob("*.aside"))
    assert kept is not None or [path.read_bytes() for path in aside] == [was]
    assert only_run().steps == 2


def test_its_dataset_opens_with_what_was_changed_in_it(home: Path) -> None:
    (info,) = dataset.list_datasets()
    assert (info.id, info.name, info.rows) == (DATASET, "Sums", 6)
    rows = golden.records(home / "datasets" / DATASET)
    assert len(rows) == 6
    assert rows[2].messages[-1].content == "It is three, of course."
    assert rows[1].messages[0].content.startswith("What is 1 plus one?")


def test_its_chat_can_be_read_and_gone_on_with(home: Path) -> None:
    (chat,) = chats.list_chats()
    assert chat.id == CHAT
    assert chat.title == "What is 2 plus one?"
    assert [message.content for message in chat.history(RUN, 1)] == ["What is 2 plus one?", "It is three."]
    chats.save(chat)
    assert chats.load(CHAT).exchanges == chat.exchanges


def test_its_list_of_models_can_be_read(home: Path) -> None:
    class Shelf(msgspec.Struct):
        models: list[events.ModelChecked]

    (model,) = msgspec.json.decode((home / "models.json").read_bytes(), type=Shelf).models
    assert model.usable
    assert model.architecture


def test_golden_folders_name_no_path_of_the_machine_that_made_them() -> None:
    for path in GOLDEN.rglob("*.json*"):
        assert "/tmp/" not in path.read_text(encoding="utf-8"), path
    for version in VERSIONS:
        assert json.loads((GOLDEN / version / golden.TIMES).read_bytes())
