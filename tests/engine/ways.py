"""A short run for every way of tuning on a tiny model: rates and sizes that make twenty steps visible."""

from pathlib import Path
from typing import Any

import torch

from studio.contract import job as jobs
from studio.contract.fields import build
from studio.contract.method_choice import values_of
from studio.contract.settings import TrainSettings

RATES = {
    "lora": 5e-3, "qlora": 5e-3, "adalora": 2e-2, "vera": 5e-2, "loha": 2e-2, "lokr": 2e-2, "oft": 5e-3, "ia3": 1e-1,
    "norms": 3e-2, "bottleneck": 1e-2, "prefix": 1e-1, "prompt": 1e-1, "ptuning": 1e-2, "llama_adapter": 1e-1,
    "layers": 3e-3, "full": 2e-3,
}  # fmt: skip
OWN: dict[str, dict[str, Any]] = {
    "lora": {"method.rank": 4},
    "qlora": {"method.rank": 4},
    "adalora": {"method.initial_rank": 6, "method.target_rank": 4},
    "vera": {"method.rank": 32},
    "loha": {"method.rank": 4},
    "lokr": {"method.rank": 4},
    "oft": {"method.block_size": 4},
    "bottleneck": {"method.width": 8, "method.places": "houlsby"},
    "prefix": {"method.virtual_tokens": 8},
    "prompt": {"method.virtual_tokens": 8},
    "ptuning": {"method.virtual_tokens": 8, "method.encoder_width": 32},
    "layers": {"method.last_layers": 1},
}
"""Of tiny layers the defaults would be larger than the layers are."""


def way_job(name: str, model: Path, dataset: Path, **values: Any) -> jobs.TrainJob:
    """Twenty steps of one way of tuning; `values` are settings ("method.rank" as method__rank)."""
    chosen = {"max_steps": 20, "batch_size": 8, "evaluations": 0, "replay_share": 0.0, "device": "cpu"}
    chosen |= {"schedule": "constant", "warmup_share": 0.0}
    chosen |= {**values_of(name), "learning_rate": RATES[name], **OWN.get(name, {})}
    chosen |= {path.replace("__", "."): value for path, value in values.items()}
    return jobs.TrainJob(
        name=name,
        model=str(model),
        model_name="tiny",
        dataset=str(dataset),
        dataset_name="rows",
        settings=build(TrainSettings, chosen),
    )


@torch.no_grad()
def logits(model: Any) -> torch.Tensor:
    """What a model says to some tokens, (1, tokens, vocabulary)."""
    return model(input_ids=torch.arange(5, 25)[None]).logits  # type: ignore[no-any-return]
