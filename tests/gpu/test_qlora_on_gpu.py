"""What only a GPU can show: the same path is QLoRA there. Left out, with a reason, on machines without one."""

from pathlib import Path

import pytest

from studio.contract import events
from studio.contract.control import Going
from studio.contract.fields import build
from studio.contract.job import TrainJob
from studio.contract.presets import load_preset
from studio.contract.run_folder import RunFolder, sample_folder, starter_folder
from studio.contract.settings import TrainSettings

pytestmark = pytest.mark.gpu


def train_sample(tmp_path: Path, **values: object) -> tuple[list[events.Event], events.Finished]:
    from studio.contract.job import ImportJob
    from studio.data.importing import import_dataset
    from studio.engine.train import train

    seen: list[events.Event] = []
    data = tmp_path / "data"
    import_dataset(
        ImportJob(
            source=str(sample_folder() / "sample.jsonl"),
            held_back=str(sample_folder() / "held_back.jsonl"),
            destination=str(data),
            name="Sample",
        ),
        seen.append,
        Going(),
    )
    settings = build(TrainSettings, values, load_preset("sample").settings())
    work = TrainJob(
        name="gpu",
        model=str(starter_folder()),
        model_name="Starter",
        dataset=str(data),
        dataset_name="Sample",
        general=str(starter_folder() / "general.jsonl"),
        settings=settings,
    )
    finished = train(work, RunFolder.create(tmp_path, "run"), seen.append, Going())
    return seen, finished


def test_automatic_settings_mean_four_bit_and_bf16_on_a_gpu(tmp_path: Path) -> None:
    seen, finished = train_sample(tmp_path, max_steps=20)
    started = next(event for event in seen if isinstance(event, events.Started))
    assert started.device.startswith("cuda")
    assert started.quantisation == "nf4"
    assert started.precision == "bf16"
    assert Path(finished.adapter, "adapter_model.safetensors").is_file()


@pytest.mark.parametrize("optimiser", ["adamw", "adamw_8bit", "paged_adamw_8bit"])
def test_every_optimiser_lowers_the_loss_on_a_gpu(tmp_path: Path, optimiser: str) -> None:
    seen, _ = train_sample(tmp_path, max_steps=40, optimiser=optimiser)
    losses = [event.loss for event in seen if isinstance(event, events.Step)]
    assert losses[-1] < losses[0] / 2


def test_the_sample_is_learned_and_knowledge_kept_on_a_gpu(tmp_path: Path) -> None:
    _, finished = train_sample(tmp_path)
    assert finished.verdict is not None
    assert finished.verdict.right_after is not None
    assert finished.verdict.asked is not None
    assert finished.verdict.right_after / finished.verdict.asked >= 0.9
