"""Energy is told where a card counts it, stands in the card of the model, and is never guessed."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import torch

from studio.contract import events
from studio.contract import job as jobs
from studio.data.model_card import card_text
from studio.data.run_history import summarise
from studio.engine import energy, train
from tests.engine.ground import Person, make_dataset, make_job, make_model, new_run, sums


class Silent(Exception):
    """NVML's refusal."""


def nvml(counts: list[int], fault: str = "") -> Any:
    """As pynvml: a counter in millijoules, or silent at one of its calls."""

    def call(name: str, value: Any) -> Any:
        def made(*given: Any) -> Any:
            if name == fault:
                raise Silent
            return value(*given) if callable(value) else value

        return made

    return SimpleNamespace(
        NVMLError=Silent,
        nvmlInit=call("init", None),
        nvmlShutdown=lambda: None,
        nvmlDeviceGetHandleByUUID=call("handle", lambda uuid: uuid),
        nvmlDeviceGetTotalEnergyConsumption=call("count", lambda handle: counts.pop(0)),
    )


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="0-1-2"))


def test_the_cards_own_counter_is_read(card: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml([1_000_000, 19_000_000]))
    device = torch.device("cuda:0")
    before, after = energy.count(device), energy.count(device)
    assert (before, after) == (1000.0, 19000.0)
    assert energy.taken(before, after) == 5.0


@pytest.mark.parametrize("fault", ["init", "handle", "count"])
def test_a_card_without_a_counter_tells_nothing(card: None, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml([1], fault))
    assert energy.count(torch.device("cuda:0")) is None


def test_what_was_not_measured_is_not_guessed() -> None:
    assert energy.count(torch.device("cpu")) is None
    assert energy.taken(None, 1.0) is None
    assert energy.taken(1.0, None) is None
    assert energy.taken(5.0, 1.0) is None  # the driver was loaded anew


def test_a_run_tells_it_and_the_card_of_the_model_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = [100.0, 100.0 + 2 * 3600]
    monkeypatch.setattr(energy, "count", lambda device: counts.pop(0))
    folder, person = new_run(tmp_path), Person()
    work = make_job(make_model(tmp_path / "model"), make_dataset(tmp_path / "data", sums(8)))
    ended = train.train(work, folder, person, person)
    assert ended.energy_wh == 2.0
    assert events.decode(events.encode(ended)) == ended
    jobs.save(work, folder.job)
    for event, said in ((ended, "2.00 Wh"), (msgspec.structs.replace(ended, energy_wh=None), "not measured")):
        folder.events.write_bytes(events.encode(event))
        summary = summarise(folder)
        assert summary is not None
        assert f"| Energy of the graphics card | {said} |" in card_text(folder, summary)
