"""Runs on the command line: labels, cleaning, renaming, deleting, the best adapter, the line of runs."""

import json
from pathlib import Path

import msgspec
import pytest

from studio.cli import main, training
from studio.contract import events, job
from studio.contract.control import Going
from studio.contract.errors import StudioError
from studio.contract.run_folder import MARKER, make_folder
from studio.data import run_queue, run_record
from studio.worker.exporting import export
from tests.cli.refusals import refused
from tests.cli.refusals import rows as rows
from tests.ui import run_stream


def test_lists_are_empty_in_a_fresh_home(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["data", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["runs", "list"]) == 0
    assert "no runs yet" in capsys.readouterr().out


@pytest.mark.parametrize("place", ["home", "home/x", "home/runs/x", "home/models/a/b", "link/x", "out/../home/x"])
def test_no_export_goes_into_the_programs_own_folders(place: str, tmp_path: Path, own_home: Path) -> None:
    (tmp_path / "out").mkdir()
    own_home.mkdir()
    (own_home / "runs").mkdir()
    (tmp_path / "link").symlink_to(own_home / "runs", target_is_directory=True)
    work = job.ExportJob(run=str(tmp_path / "gone"), export="adapter", destination=str(tmp_path / place))
    with pytest.raises(StudioError) as caught:
        export(work, lambda event: None, Going())
    assert caught.value.problem.code == "export.own_folder"
    beside = msgspec.structs.replace(work, destination=str(tmp_path / "homes" / "x"))
    with pytest.raises(StudioError) as caught:
        export(beside, lambda event: None, Going())
    assert caught.value.problem.code != "export.own_folder"


def test_runs_bear_tags_and_their_spare_checkpoints_are_freed_on_request(
    capsys: pytest.CaptureFixture[str], own_home: Path
) -> None:
    stream = list(run_stream.run())
    folder = run_stream.write_run("mine", stream, seed=1)
    make_folder(folder.checkpoints)
    (folder.checkpoints / "x").write_bytes(bytes(1000))
    assert main(["runs", "label", "mine", "--tag", "invoices", "--tag", "old", "--note", "It works.", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"name": "mine", "tags": ["invoices", "old"], "note": "It works."}
    assert main(["runs", "list", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["tags"] == ["invoices", "old"]
    assert main(["runs", "clean", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"checkpoints": [{"run": folder.id, "size_bytes": 1000}], "freed_bytes": 0}
    assert main(["runs", "clean", "--delete", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["freed_bytes"] == 1000
    assert not folder.checkpoints.exists()


def test_a_run_is_renamed_and_deleted_only_on_explicit_request(
    capsys: pytest.CaptureFixture[str], own_home: Path
) -> None:
    folder = run_stream.write_run("mine", list(run_stream.run()), seed=1)
    other = run_stream.write_run("other", list(run_stream.run()), seed=2)
    assert main(["runs", "label", "other", "--name", "mine"]) == 0
    assert capsys.readouterr().out == "mine\nTags: none\n"
    assert other.id in refused(capsys, "runs", "delete", "mine", "--for-good")["why"], "two runs bear the name"
    assert main(["runs", "delete", folder.id]) == 0
    assert "--for-good deletes it, and there is no way back" in capsys.readouterr().out
    assert folder.path.is_dir()
    assert main(["runs", "delete", folder.id, "--for-good", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["deleted"] is True
    assert not folder.path.exists()
    assert other.path.is_dir()
    assert "There is no run" in refused(capsys, "runs", "delete", folder.id)["what"]
    (other.path / MARKER).unlink()
    assert refused(capsys, "runs", "delete", other.id, "--for-good")["code"] == "run.missing", "not ours any more"
    assert other.path.is_dir()


def test_the_best_adapter_of_a_run_can_be_used_and_the_last_one_again(
    capsys: pytest.CaptureFixture[str], own_home: Path
) -> None:
    folder = run_stream.write_run("mine", list(run_stream.run()), seed=1)
    assert refused(capsys, "runs", "use", "mine", "best")["code"] == "run.one_adapter"
    run_stream.give_best(folder, 25)
    assert main(["runs", "show", "mine"]) == 0
    assert f"of step 25.\nThe other one can be used: apprentice runs use {folder.id} best" in capsys.readouterr().out
    assert main(["runs", "use", "mine", "best", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["adapter"], told["step"]) == ("best", 25)
    assert json.loads((folder.adapter / "adapter_config.json").read_text()) == {"was": "adapter-best"}
    assert main(["runs", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["state"] == "done"
    assert main(["runs", "use", "mine", "last"]) == 0
    assert f"step 100 from now on. The other one is kept:\n  apprentice runs use {folder.id} best" in (
        capsys.readouterr().out
    )
    assert json.loads((folder.adapter / "adapter_config.json").read_text()) == {"was": "adapter"}


def test_a_run_can_be_put_in_line_listed_and_taken_out_again(
    capsys: pytest.CaptureFixture[str], rows: Path, own_home: Path
) -> None:
    assert main(["runs", "queue"]) == 0
    assert capsys.readouterr().out == "No run waits in line.\n"
    assert main(["train", "--data", str(rows), "--name", "later", "--max-steps", "3", "--queue"]) == 0
    assert "later waits in line, at place 1." in capsys.readouterr().out
    assert main(["runs", "queue", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["place"], told["name"], told["dataset"]) == (1, "later", "rows.jsonl")
    assert not list((own_home / "runs").glob("*")), "it was begun"
    assert "There is no run never in line." in refused(capsys, "runs", "queue", "--remove", "never")["what"]
    assert main(["runs", "queue", "--remove", "later"]) == 0
    assert capsys.readouterr().out == "No run waits in line.\n"
    assert refused(capsys, "train", "--resume", "x", "--queue")["code"] == "run.missing"
    assert refused(capsys, "train", "--resume", "x", "--queue", "--beside")["code"] == "train.options"
    assert refused(capsys, "train", "--start-over")["code"] == "train.options"


def test_a_run_that_was_stopped_can_go_on_in_line_and_go_first(
    capsys: pytest.CaptureFixture[str], rows: Path, own_home: Path
) -> None:
    folder = run_stream.write_run("half", [one for one in run_stream.run() if not isinstance(one, events.Finished)])
    assert main(["train", str(rows), "--name", "later", "--max-steps", "3", "--queue"]) == 0
    capsys.readouterr()
    assert main(["train", "--resume", "half", "--queue", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["place"] == 2
    assert main(["train", "--resume", "half", "--queue", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["place"] == 2, "it stands there once"
    assert [one.run for one in run_queue.waiting()] == ["", folder.id]
    assert main(["runs", "queue", "--first", "half"]) == 0
    assert capsys.readouterr().out.startswith("1. half (goes on)")
    assert [one.run for one in run_queue.waiting()] == [folder.id, ""]


def test_the_end_of_a_run_is_told_in_the_words_of_the_window(
    capsys: pytest.CaptureFixture[str], own_home: Path
) -> None:
    gone = events.Finished(adapter="", reason="discarded", steps=100, seconds=10.0)
    early = msgspec.structs.replace(run_stream.finished(), reason="early")
    run_stream.write_run("gone", [*list(run_stream.run())[:-1], gone], seed=1)
    run_stream.write_run("early", [*list(run_stream.run())[:-1], early], seed=2)
    assert main(["runs", "list"]) == 0
    assert "gone       thrown away " in capsys.readouterr().out
    for name, words in (
        ("gone", "state        thrown away"),
        ("early", "Done after 100 steps: the loss on unseen examples had stopped getting better."),
    ):
        assert main(["runs", "show", name]) == 0
        assert words in capsys.readouterr().out


def test_a_part_that_was_thrown_away_is_left_out_of_what_training_tells(own_home: Path) -> None:
    saved = msgspec.structs.replace(run_stream.finished(2), adapter="adapter", reason="stopped")
    folder = run_stream.write_run("back", [run_stream.step(1, 3.0), run_stream.step(2, 2.0), saved])
    end = msgspec.structs.replace(saved, went_back=True, back_to=folder.events.stat().st_size)
    run_record.append(folder, run_stream.step(3, 1.0), end)
    watcher = training.Watcher(quiet=True)
    watcher(run_stream.step(3, 1.0))
    told = training._summary(run_stream.summary_of(folder).job, folder, end, watcher, 1.0)
    assert (told["went_back"], told["steps"], told["loss_first"], told["loss_last"]) == (True, 2, 3.0, 2.0)
