"""What is known of settings beside their declaration: words people look for them by, and when one changes nothing."""

from collections.abc import Mapping
from typing import Any

SEARCH_WORDS: dict[str, str] = {
    "method": "lora qlora peft adapter full fine-tuning",
    "method.rank": "lora r dimension capacity",
    "method.alpha": "lora scaling",
    "method.dropout": "overfitting memorising regularisation",
    "method.target_modules": "layers modules attention mlp q_proj",
    "epochs": "passes repeat overfitting how long too slow",
    "max_steps": "iterations limit",
    "time_box_minutes": "time limit duration",
    "learn_answers_only": "mask labels prompt loss",
    "max_tokens": "context sequence length cutoff memory vram oom too slow",
    "too_long": "truncate cut long texts",
    "replay_share": "forgetting catastrophic general rows",
    "packing": "padding speed too slow",
    "learning_rate": "lr step size",
    "schedule": "lr scheduler decay annealing",
    "warmup_share": "lr warmup",
    "weight_decay": "overfitting memorising regularisation l2",
    "max_grad_norm": "clip explode unstable nan",
    "neftune_alpha": "overfitting regularisation",
    "seed": "random reproducible",
    "batch_size": "memory vram out of memory oom too slow",
    "accumulation": "gradient accumulation effective batch",
    "quantisation": "quantization 4-bit 4bit 8-bit 8bit nf4 int8 qlora memory vram oom",
    "precision": "bf16 fp32 dtype",
    "optimiser": "optimizer adam",
    "gradient_checkpointing": "memory vram oom activations",
    "device": "gpu cuda cpu",
    "held_back_share": "validation test split eval overfitting",
    "evaluations": "validation eval",
    "early_stopping": "overfitting memorising patience",
    "save_every_minutes": "checkpoint autosave",
}
"""Dotted path -> what others call it, and what people want who look for it; found by the search of the form."""

IDLE_WITH: dict[str, tuple[str, tuple[Any, ...]]] = {
    "schedule_cycles": ("schedule", ("constant", "linear", "cosine", "wsd")),
    "decay_share": ("schedule", ("constant", "linear", "cosine", "cosine_restarts")),
    "learned_turns": ("learn_answers_only", (False,)),
}
"""Dotted path -> another setting and those of its values with which this one changes nothing."""


def idle_because_of(path: str, values: Mapping[str, Any]) -> str:
    """The path of the setting whose value makes this one change nothing; "" where it counts.

    Args:
        path: Dotted path of a setting.
        values: Dotted path -> value, of all settings.
    """
    other, idle = IDLE_WITH.get(path, ("", ()))
    return other if other and values.get(other) in idle else ""
