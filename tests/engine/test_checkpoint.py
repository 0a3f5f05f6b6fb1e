"""Checkpoints: whole or absent, damage always noticed, never too few kept."""

import errno
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError

from studio.contract.errors import StudioError
from studio.contract.events import Event, Notice
from studio.engine import checkpoint, room
from studio.engine.checkpoint import Snapshot, State
from studio.engine.verdict import Measured


def snapshot(step: int, best_step: int = 0) -> Snapshot:
    state = State(
        fingerprint="f",
        step=step,
        total_steps=100,
        boxed=False,
        epoch=1,
        batch=2,
        train_seconds=1.5,
        before=Measured(loss=2.0, row_losses=[1.0, 3.0], right=[False], known=[True]),
        evaluated_step=0,
        best_loss=1.25,
        best_step=best_step,
        worse=0,
        optimiser=checkpoint.take_apart({"lr": 0.1}, {}),
        generators=checkpoint.take_apart({}, {}),
    )
    return Snapshot(state, {"adapter": {"a": torch.full((3, 2), float(step)), "b": torch.arange(4.0)}})


def names(folder: Path) -> list[str]:
    return [path.name for path in checkpoint.found(folder)]


def test_what_was_saved_is_what_is_loaded(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, snapshot(7))
    loaded = checkpoint.load(path)
    assert loaded.state == snapshot(7).state
    assert torch.equal(loaded.tensors["adapter"]["a"], torch.full((3, 2), 7.0))
    assert {p.suffix for p in path.iterdir() if p.suffix} <= {".safetensors", ".json"}, "no pickle"


@pytest.mark.parametrize("file", ["adapter.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["cut", "zeros", "bit", "gone", "longer"])
@pytest.mark.parametrize("where", [0.0, 0.5, 1.0])
def test_every_damage_is_noticed_and_the_checkpoint_before_is_used(
    tmp_path: Path, file: str, damage: str, where: float
) -> None:
    older = checkpoint.save(tmp_path, snapshot(1))
    newer = checkpoint.save(tmp_path, snapshot(2))
    path = newer / file
    raw = bytearray(path.read_bytes())
    at = min(int(len(raw) * where), len(raw) - 1)
    match damage:
        case "cut":
            path.write_bytes(raw[:at])
        case "zeros":
            end = min(at + 8, len(raw))
            raw[at:end] = bytes(end - at) if any(raw[at:end]) else b"\x01" * (end - at)
            path.write_bytes(raw)
        case "bit":
            raw[at] ^= 0x10
            path.write_bytes(raw)
        case "gone":
            path.unlink()
        case "longer":
            path.write_bytes(raw + b"x")
    told: list[Event] = []
    assert checkpoint.newest(tmp_path, told.append) == older
    assert [type(event) for event in told] == [Notice]
    assert isinstance(told[0], Notice)
    assert newer.name in told[0].problem.what
    with pytest.raises(StudioError, match="damaged"):
        checkpoint.load(newer)


def test_a_folder_that_was_never_finished_is_no_checkpoint(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, snapshot(1))
    whole = checkpoint.save(tmp_path, snapshot(2))
    half = tmp_path / ".partial-step-000000003"
    half.mkdir()
    (half / "adapter.safetensors").write_bytes(b"x")
    told: list[Event] = []
    assert checkpoint.newest(tmp_path, told.append) == whole
    assert told == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bests=st.lists(st.booleans(), min_size=1, max_size=7))
def test_the_latest_two_and_the_best_are_never_deleted(
    bests: list[bool], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("run") / "checkpoints"
    best = 0
    for step, is_best in enumerate(bests, start=1):
        best = step if is_best else best
        checkpoint.save(folder, snapshot(step, best))
        kept = {int(name.split("-")[1]) for name in names(folder)}
        assert kept == {s for s in (step, step - 1, best) if s > 0}


def test_a_full_disk_leaves_the_earlier_checkpoint_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = checkpoint.save(tmp_path, snapshot(1))

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(checkpoint, "flush", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(tmp_path, snapshot(2))
    monkeypatch.undo()
    assert checkpoint.newest(tmp_path, lambda event: None) == first
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".partial")] == []


def test_what_safetensors_tells_of_a_full_disk_is_known_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OSError, match="No space left") as refused:
        checkpoint.save(tmp_path, snapshot(2))
    assert refused.value.errno == errno.ENOSPC
    told = room.unsaved(refused.value, tmp_path, 20_000_000)
    assert told.why == "The disk is full."
    assert told.fix.startswith("Free about 20.0 MB on the disk of ")
    denied = room.unsaved(PermissionError(errno.EACCES, "Permission denied"), tmp_path, 1)
    assert "Free" not in denied.fix


def test_a_disk_that_reads_back_something_else_is_an_error_and_nothing_old_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (1, 2):
        checkpoint.save(tmp_path, snapshot(step))
    monkeypatch.setattr(checkpoint, "is_whole", lambda path: False)
    with pytest.raises(OSError, match="reads back differently"):
        checkpoint.save(tmp_path, snapshot(3))
    assert {"step-000000001", "step-000000002"} <= set(names(tmp_path))


def test_folders_without_our_marker_are_never_deleted(tmp_path: Path) -> None:
    strange = tmp_path / "step-000000001"
    strange.mkdir()
    (strange / "manifest.json").write_text("mine")
    for step in (2, 3, 4, 5):
        checkpoint.save(tmp_path, snapshot(step))
    assert (strange / "manifest.json").read_text() == "mine"


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    final = tmp_path / "adapter"
    checkpoint.replace_folder(final, lambda folder: (folder / "x").write_text("one") and None)

    def fail(folder: Path) -> None:
        (folder / "x").write_text("tw")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        checkpoint.replace_folder(final, fail)
    assert (final / "x").read_text() == "one"
    checkpoint.replace_folder(final, lambda folder: (folder / "x").write_text("two") and None)
    assert (final / "x").read_text() == "two"
    assert [p.name for p in tmp_path.iterdir()] == ["adapter"]


def test_trees_of_tensors_survive_being_taken_apart() -> None:
    tree = {0: {"step": torch.tensor(3.0), "deep": [torch.arange(2), {"x": None}]}, "betas": (0.9, 0.999), "n": "s"}
    tensors: dict[str, torch.Tensor] = {}
    again = checkpoint.put_together(checkpoint.take_apart(tree, tensors), tensors)
    assert again[0]["step"] == 3
    assert again[0]["deep"][0].tolist() == [0, 1]
    assert again[0]["deep"][1] == {"x": None}
    assert again["betas"] == (0.9, 0.999)
    assert again["n"] == "s"


def test_all_random_generators_go_on_where_they_were() -> None:
    def draw() -> tuple[float, float, float, float]:
        return random.random(), float(np.random.normal()), float(np.random.normal()), float(torch.rand(()))

    draw()
    tensors: dict[str, torch.Tensor] = {}
    tree = checkpoint.take_apart(checkpoint.read_generators(), tensors)
    expected = [draw() for _ in range(3)]
    draw()
    checkpoint.set_generators(checkpoint.put_together(tree, tensors))
    assert [draw() for _ in range(3)] == expected


def test_damaged_checkpoints_of_later_steps_do_not_take_the_place_of_whole_ones(tmp_path: Path) -> None:
    """Two were damaged, the run went on from the one before: what it saves now is the latest, whatever the numbers."""
    for step in (6, 8, 9):
        checkpoint.save(tmp_path, snapshot(step, best_step=6))
    for step in (8, 9):
        (tmp_path / f"step-{step:09d}" / "adapter.safetensors").write_bytes(b"damaged")
    assert checkpoint.newest(tmp_path, lambda event: None) == tmp_path / "step-000000006"
    saved = checkpoint.save(tmp_path, snapshot(7, best_step=7))
    assert checkpoint.newest(tmp_path, lambda event: None) == saved
    assert checkpoint.is_whole(tmp_path / "step-000000006")


def test_what_a_killed_save_left_behind_is_taken_away_by_the_next(tmp_path: Path) -> None:
    left = checkpoint.make_folder(tmp_path / ".partial-step-000000004")
    (left / "adapter.safetensors").write_bytes(b"half")
    checkpoint.save(tmp_path, snapshot(5))
    assert not left.exists()


def test_a_folder_that_was_killed_between_its_two_names_is_found_again(tmp_path: Path) -> None:
    final = tmp_path / "adapter"
    checkpoint.replace_folder(final, lambda folder: (folder / "x").write_text("one") and None)
    final.rename(tmp_path / ".old-adapter")  # as after a kill between the two renames

    def fail(folder: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        checkpoint.replace_folder(final, fail)
    assert (final / "x").read_text() == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["adapter"]
