"""Our losses are those of TRL's SFTTrainer on the same batches, from the same first weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.contract import events
from studio.engine import base_model, batches, tokens, train
from studio.engine.methods import lora
from tests.engine.ground import Person, make_dataset, make_job, new_run, sums

STEPS = 20


@pytest.mark.filterwarnings("default")  # TRL's and the Trainer's own warnings are not ours
@pytest.mark.parametrize("packing", [False, True])
def test_losses_equal_those_of_trl_within_a_thousandth(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packing: bool
) -> None:
    # 40 rows are five full steps an epoch: the last, shorter step of an epoch has no counterpart in TRL.
    job = make_job(
        llama,
        make_dataset(tmp_path / "data", sums(40)),
        held_back_share=0.0,
        epochs=10,
        max_steps=STEPS,
        batch_size=4,
        accumulation=2,
        schedule="constant",
        warmup_share=0.0,
        packing=packing,
    )
    read: list[list[tuple[np.ndarray, np.ndarray]]] = []
    rows: list[batches.Rows] = []
    real_read, real_next = train.read_examples, batches.Feed.next_step

    def keep_rows(*arguments: Any) -> Any:
        examples = real_read(*arguments)
        rows.append(examples.rows)
        return examples

    def keep_order(self: batches.Feed) -> np.ndarray:
        indices = real_next(self)
        read.append([rows[0].row(int(i)) for i in indices])
        return indices

    monkeypatch.setattr(train, "read_examples", keep_rows)
    monkeypatch.setattr(batches.Feed, "next_step", keep_order)
    person = Person()
    train.train(job, new_run(tmp_path), person, person)
    ours = [(step.loss, step.grad_norm) for step in person.all(events.Step)]
    assert len(read) == len(ours) == STEPS

    theirs = trl_losses(job, [row for step in read for row in step], tmp_path)
    assert [loss for loss, _ in theirs] == pytest.approx([loss for loss, _ in ours], rel=1e-3)
    assert [norm for _, norm in theirs] == pytest.approx([norm for _, norm in ours], rel=1e-3)


def trl_losses(job: Any, rows: list[tuple[np.ndarray, np.ndarray]], folder: Path) -> list[tuple[float, float]]:
    """Loss and gradient norm of each step of SFTTrainer over these rows in this order."""
    from datasets import Dataset
    from torch.utils.data import SequentialSampler
    from trl import SFTConfig, SFTTrainer

    class InOrder(SFTTrainer):
        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            return SequentialSampler(train_dataset if train_dataset is not None else self.train_dataset)

    settings = job.settings
    model = lora.attach(base_model.load(Path(job.model), base_model.resolve(settings)), settings.method, settings.seed)
    dataset = Dataset.from_list(
        [{"input_ids": ids.tolist(), "labels": np.where(learned, ids, -100).tolist()} for ids, learned in rows]
    )
    config = SFTConfig(
        output_dir=str(folder / "trl"),
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulation,
        max_steps=STEPS,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="constant",
        warmup_steps=0,
        max_grad_norm=settings.max_grad_norm,
        max_length=None,
        activation_checkpointing=False,
        bf16=False,
        use_cpu=True,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=settings.seed,
        dataloader_pin_memory=False,
    )
    trainer = InOrder(
        model=model, args=config, train_dataset=dataset, processing_class=tokens.load_tokenizer(Path(job.model))
    )
    torch.manual_seed(settings.seed)
    trainer.train()
    return [(log["loss"], log["grad_norm"]) for log in trainer.state.log_history if "loss" in log]
