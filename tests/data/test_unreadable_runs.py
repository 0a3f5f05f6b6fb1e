"""A run whose job.json cannot be read is still there: listed, named, deletable; and job.json is written whole."""

import json
import os
from pathlib import Path

import msgspec
import pytest

from studio.contract import events, job
from studio.contract.combinations import Ancestry
from studio.contract.errors import StudioError
from studio.contract.run_folder import RunFolder, runs_folder
from studio.contract.settings import VERSION
from studio.contract.whole_file import write_whole
from studio.data import base_identity, run_history, run_record, run_room, support_report
from studio.data.ancestry import write_ancestry
from studio.data.run_label import Label, read_label, write_label

GOOD = job.TrainJob(name="nightly", model="/m", model_name="tiny", dataset="/d", dataset_name="faq")


@pytest.fixture
def run(own_home: Path) -> RunFolder:
    folder = RunFolder.create(runs_folder(), "run")
    job.save(GOOD, folder.job)
    hello = events.Hello(protocol=events.PROTOCOL, pid=1, versions={"apprentice-studio": "0.9.7"})
    run_record.append(folder, hello, events.Progress(stage="Loading the model"))
    return folder


def changed(**changes: object) -> bytes:
    return json.dumps(msgspec.to_builtins(GOOD) | changes).encode()


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", None, "not a job"),
        (b'{"kind": "train", "na', None, "not a job"),
        (msgspec.json.encode(GOOD)[:90], "nightly", "not a job"),
        (b"[" * 100_000, None, "not a job"),
        (b"[1]", None, "what kind of job"),
        (changed(version=99), "nightly", f"up to version {VERSION}"),
        (changed(warp=9), "nightly", "warp"),
        (changed(kind="warp"), "nightly", "what kind"),
        (changed(name=7), None, "not a job"),
        (None, None, "cannot be read"),
    ],
)
def test_a_run_whose_job_cannot_be_read_is_listed_with_its_problem(
    content: bytes | None, name: str | None, words: str, run: RunFolder
) -> None:
    run.job.unlink()
    if content is not None:
        run.job.write_bytes(content)
    (found,) = run_history.list_runs()
    assert (found.id, found.state, found.can_resume, found.has_adapter) == (run.id, "unreadable", False, False)
    assert found.job.name == (name or run.id)
    assert found.problem is not None
    assert words in found.problem.why
    assert "made by version 0.9.7" in found.problem.why
    assert run_room.spare([found]) == []
    report = json.loads(next(p.text for p in support_report.pieces(None, [found]) if p.name.endswith("run.json")))
    assert (report["problem"]["code"], report["settings"]) == ("run.unreadable", {})
    with pytest.raises(StudioError):
        run_history.rename(run, "other")
    run_history.delete_for_good(run)
    assert run_history.list_runs() == []


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"note": "\xff\xfe"}', b"{", b""])
def test_damaged_files_beside_the_job_hide_no_run(content: bytes, run: RunFolder) -> None:
    for name in ("label.json", base_identity.FILE, run.lock.name):
        (run.path / name).write_bytes(content)
    run.events.write_bytes(content + b"\n" + run.events.read_bytes())
    (found,) = run_history.list_runs()
    assert (found.job, found.state, found.label) == (GOOD, "interrupted", Label())
    assert base_identity.recall(run) is None


def test_a_combination_that_broke_off_is_told_as_such_and_can_never_be_trained(run: RunFolder) -> None:
    write_ancestry(run, Ancestry(how="svd", parents=()))
    run.adapter.mkdir()
    (run.adapter / "adapter_config.json").write_text("{}")
    (found,) = run_history.list_runs()
    assert (found.state, found.can_resume, found.has_adapter) == ("unreadable", False, False)
    assert found.problem is not None
    assert found.problem.code == "run.half_combined"
    run_record.append(run, events.Finished(adapter="", reason="stopped", steps=1, seconds=1.0))
    (trained,) = run_history.list_runs()
    assert (trained.state, trained.can_resume) == ("stopped", False)
    run_history.delete_for_good(run)
    assert run_history.list_runs() == []


def test_a_folder_that_has_neither_job_nor_events_yet_is_no_run(own_home: Path) -> None:
    RunFolder.create(runs_folder(), "run")
    assert run_history.list_runs() == []


def test_a_job_is_on_the_disk_before_it_takes_its_name(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    sync, put = os.fsync, Path.replace

    def told_sync(descriptor: int) -> None:
        done.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        sync(descriptor)

    def told_put(path: Path, target: Path) -> Path:
        done.append("rename")
        return put(path, target)

    monkeypatch.setattr(os, "fsync", told_sync)
    monkeypatch.setattr(Path, "replace", told_put)
    job.save(GOOD, run.job)
    assert done == ["file", "rename", "folder"]
    done.clear()
    run_history.rename(run, "other")
    assert done == ["file", "rename", "folder"]
    done.clear()
    write_label(run, Label(("a",)))
    base_identity.remember(run, base_identity.BaseIdentity(name="a", path="/a", sha256="0"))
    assert done == ["file", "rename", "folder"] * 2
    assert read_label(run).tags == ("a",)


def test_a_disk_that_fails_leaves_the_job_as_it_was_and_nothing_beside_it(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run.job.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StudioError):
        run_history.rename(run, "other")
    with pytest.raises(OSError, match="No space"):
        write_whole(run.job, b"half")
    assert run.job.read_bytes() == before
    assert [path.name for path in run.path.iterdir() if path.name.endswith(".tmp")] == []
