"""What the engine's tests stand on: a tiny model, a small dataset, a job, and a person who watches and commands."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from studio.contract import job as jobs
from studio.contract.control import Going, Wish
from studio.contract.events import Event
from studio.contract.fields import build
from studio.contract.run_folder import RunFolder
from studio.contract.settings import TrainSettings
from studio.data.importing import import_dataset
from tests.helpers.tiny_models import tiny_model

E = TypeVar("E", bound=Event)


def sums(count: int) -> list[dict[str, Any]]:
    """Rows of different lengths about sums."""
    rows = []
    for i in range(count):
        question = f"What is {i} plus one?" + " Think twice." * (i % 5)
        answer = f"It is {i + 1}." + " Surely." * (i % 3)
        rows.append({"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]})
    return rows


def make_dataset(folder: Path, rows: Sequence[dict[str, Any]], held_back: Sequence[dict[str, Any]] = ()) -> Path:
    """Import rows as a dataset; `held_back` becomes an own test file."""
    folder.mkdir(parents=True, exist_ok=True)
    source, test = folder / "rows.jsonl", folder / "test.jsonl"
    source.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    if held_back:
        test.write_text("\n".join(json.dumps(row) for row in held_back), encoding="utf-8")
    destination = folder / "dataset"
    work = jobs.ImportJob(
        source=str(source), destination=str(destination), name="rows", held_back=str(test) if held_back else ""
    )
    import_dataset(work, lambda event: None, Going())
    return destination


def make_model(folder: Path, architecture: str = "llama") -> Path:
    """A random tiny model."""
    return tiny_model(folder, architecture)


def make_job(model: Path, dataset: Path, general: str = "", probes: str = "", **values: Any) -> jobs.TrainJob:
    """A short run; `values` are settings ("method.rank" as method__rank)."""
    chosen = {"max_steps": 6, "batch_size": 4, "learning_rate": 5e-3, "evaluations": 0, "replay_share": 0.0}
    chosen |= {"method.rank": 4, "method.alpha": 8.0, "device": "cpu"}
    chosen |= {name.replace("__", "."): value for name, value in values.items()}
    return jobs.TrainJob(
        name="run",
        model=str(model),
        model_name="tiny",
        dataset=str(dataset),
        dataset_name="rows",
        general=general,
        probes=probes,
        settings=build(TrainSettings, chosen),
    )


class Person:
    """Watches every event and may command at any: is the engine's `Emit` and its `Control`.

    Attributes:
        seen: All events, as they would come back from a file.
        on_event: Called with each event; may set `wish`.
        on_pause: What to wish for when the engine holds, one a pause; without one, waiting is an error.
    """

    def __init__(self, on_event: Callable[[Event], Wish | None] | None = None, on_pause: Sequence[Wish] = ()) -> None:
        self.seen: list[Event] = []
        self.wish: Wish = "go"
        self.on_event = on_event
        self.on_pause = list(on_pause)

    def __call__(self, event: Event) -> None:
        line = msgspec.json.encode(event)
        self.seen.append(msgspec.json.decode(line, type=type(event)))
        wish = self.on_event(event) if self.on_event else None
        if wish is not None:
            self.wish = wish

    def poll(self) -> Wish:
        return self.wish

    def wait(self, seconds: float) -> None:
        assert self.on_pause, "the engine holds and nobody will ever resume"
        self.wish = self.on_pause.pop(0)

    def hold(self) -> bool:
        self.wish = "pause"
        return True

    def all(self, kind: type[E]) -> list[E]:
        """The events of one kind, in order."""
        return [event for event in self.seen if isinstance(event, kind)]


def new_run(parent: Path) -> RunFolder:
    """An empty run folder."""
    return RunFolder.create(parent, "train")
