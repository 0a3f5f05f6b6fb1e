"""Checkpoints are given up only where what they led to is whole."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save_file

from studio.contract import events, job
from studio.contract.run_folder import RunFolder, make_folder, runs_folder
from studio.data import run_history, run_record, run_room, starting_over
from studio.data.adapter_files import CONFIG, WEIGHTS, is_whole


@pytest.fixture
def done(own_home: Path) -> RunFolder:
    """A run that ended well, with 1,000 bytes of checkpoints."""
    folder = RunFolder.create(runs_folder(), "run")
    job.save(job.TrainJob(name="a", model="/m", model_name="m", dataset="/d", dataset_name="d"), folder.job)
    step = make_folder(make_folder(folder.checkpoints) / "step-000000050")
    (step / "adapter.safetensors").write_bytes(bytes(1000))
    folder.adapter.mkdir()
    (folder.adapter / CONFIG).write_text('{"peft_type": "LORA"}')
    save_file({"a": np.ones((2, 3), np.float32), "b": np.ones(5, np.float16)}, folder.adapter / WEIGHTS)
    run_record.append(folder, events.Finished(adapter=str(folder.adapter), reason="done", steps=50, seconds=1.0))
    return folder


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


DAMAGES: dict[str, Callable[[Path], object]] = {
    "no weights": lambda adapter: (adapter / WEIGHTS).unlink(),
    "empty weights": lambda adapter: (adapter / WEIGHTS).write_bytes(b""),
    "cut weights": lambda adapter: cut(adapter / WEIGHTS),
    "zeroed weights": lambda adapter: (adapter / WEIGHTS).write_bytes(bytes(300)),
    "no tensors": lambda adapter: save_file({}, adapter / WEIGHTS),
    "no options": lambda adapter: (adapter / CONFIG).unlink(),
    "empty options": lambda adapter: (adapter / CONFIG).write_bytes(b""),
    "weights elsewhere": lambda adapter: (
        (adapter / WEIGHTS).rename(adapter.parent / WEIGHTS)
        and (adapter / WEIGHTS).symlink_to(adapter.parent / WEIGHTS)
    ),
}


def test_checkpoints_of_a_run_with_a_whole_adapter_can_go(done: RunFolder) -> None:
    assert is_whole(done.adapter)
    (spare,) = run_room.spare(run_history.list_runs())
    assert run_room.clean([spare]) == 1000
    assert not done.checkpoints.exists()


@pytest.mark.parametrize("damage", DAMAGES)
def test_checkpoints_of_a_run_whose_adapter_is_damaged_stay(damage: str, done: RunFolder) -> None:
    DAMAGES[damage](done.adapter)
    assert run_room.spare(run_history.list_runs()) == []


def test_what_was_put_aside_when_a_run_started_over_goes_with_the_rest(done: RunFolder) -> None:
    starting_over.start_over(done)
    make_folder(done.checkpoints)
    starting_over.start_over(done)
    assert len(list(done.path.glob("checkpoints-aside*"))) == 2
    assert run_room.clean(run_room.spare(run_history.list_runs())) == 1000
    assert list(done.path.glob("checkpoints*")) == []


def test_what_was_kept_in_case_it_is_thrown_away_goes_with_the_rest_and_counts_once(done: RunFolder) -> None:
    size = run_room.size_of(done.path)
    before = make_folder(done.path / run_room.BEFORE)
    (before / "adapter.safetensors").hardlink_to(done.checkpoints / "step-000000050" / "adapter.safetensors")
    assert run_room.size_of(done.path) == size
    run_room.clean(run_room.spare(run_history.list_runs()))
    assert not before.exists()


def test_a_file_of_several_names_counts_once_where_a_listing_knows_nothing_of_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(bytes(1000))
    os.link(tmp_path / "a", tmp_path / "b")

    def as_on_windows(folder: Path) -> AbstractContextManager[list[SimpleNamespace]]:
        unknown = SimpleNamespace(st_size=1000, st_nlink=0, st_ino=0)
        return nullcontext(
            [
                SimpleNamespace(path=str(path), is_dir=lambda **_: False, stat=lambda **_: unknown)
                for path in Path(folder).iterdir()
            ]
        )

    monkeypatch.setattr(os, "scandir", as_on_windows)
    assert run_room.size_of(tmp_path) == 1000
