"""The room on the disk that is told before a run is the room that it takes."""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from studio.contract.errors import StudioError
from studio.contract.events import CheckpointSaved, Event
from studio.engine import checkpoint, method_fit, room, train
from tests.engine.ground import Person, make_job, new_run

OPTIMISERS = ("adamw", "adamw_8bit", "adafactor", "lion", "schedule_free")


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def large_adapters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adapters larger than the layers of a tiny model, so that their size outweighs what every checkpoint has."""
    monkeypatch.setattr(method_fit, "unfitting", lambda *_, **__: iter(()))


@pytest.mark.usefixtures("large_adapters")
@pytest.mark.parametrize("patience", [0, 2])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_a_checkpoint_is_as_large_as_was_told(
    llama: Path, sums: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimiser: str, patience: int
) -> None:
    told: list[int] = []
    real = room.checkpoint_bytes
    monkeypatch.setattr(room, "checkpoint_bytes", lambda *given: told.append(real(*given)) or told[-1])
    values: dict[str, Any] = {
        "optimiser": optimiser,
        "early_stopping": patience,
        "save_every_minutes": 1e-9,
        "max_steps": 2,
    }
    values |= {"method__rank": 256, "schedule": "constant", "evaluations": patience}
    folder, person = new_run(tmp_path), Person()
    train.train(make_job(llama, sums, **values), folder, person, person)
    (newest, *_) = checkpoint.found(folder.checkpoints)
    assert told[0] == pytest.approx(size_of(newest), rel=0.1)


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_run_without_room_is_refused_before_its_first_step_with_what_is_missing(
    llama: Path, sums: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9 - 1000, 1000))
    folder, person = new_run(tmp_path), Person()
    with pytest.raises(StudioError, match="no room for this run") as refused:
        train.train(make_job(llama, sums), folder, person, person)
    assert refused.value.problem.code == "disk.too_full"
    assert "MB on the disk" in refused.value.problem.fix
    assert not any(isinstance(event, CheckpointSaved) for event in person.seen)


@pytest.mark.parametrize(
    ("free", "needed", "told"),
    [
        (5.1e6, 12.4e6, ("5.1 MB", "12.4 MB", "7.3 MB")),
        (5.19e6, 12.41e6, ("5.1 MB", "12.5 MB", "7.4 MB")),
        (3e6, 2.51e9, ("0.0 GB", "2.6 GB", "2.6 GB")),
    ],
)
def test_what_is_free_needed_and_missing_is_told_in_one_unit_and_adds_up(
    free: float, needed: float, told: tuple[str, ...]
) -> None:
    assert room.compared(free, needed) == told


@pytest.mark.usefixtures("large_adapters")
def test_the_folder_never_holds_more_than_was_told(llama: Path, sums: Path, tmp_path: Path) -> None:
    most = [0]
    folder = new_run(tmp_path)

    def measure(event: Event) -> None:
        held = size_of(folder.checkpoints) if folder.checkpoints.is_dir() else 0
        most[0] = max(most[0], held + (size_of(folder.adapter) if folder.adapter.is_dir() else 0))

    job = make_job(llama, sums, method__rank=256, max_steps=6, save_every_minutes=1e-9, evaluations=6, early_stopping=5)
    person = Person(measure)
    train.train(job, folder, person, person)
    from studio.engine import base_model
    from studio.engine.methods import lora

    model = lora.attach(base_model.load(llama, base_model.resolve(job.settings)), job.settings.method, 0)
    needed = room.needed_bytes([p for p in model.parameters() if p.requires_grad], job.settings)
    assert most[0] <= room.MARGIN * needed
