"""How long a run is, and how the learning rate moves over it: a warm-up, then cosine, linear or constant."""

import math

from studio.contract.settings import TrainSettings


def warmup_steps(settings: TrainSettings, total_steps: int) -> int:
    """Steps of the warm-up: its share of the run, rounded up, never the whole run."""
    return min(math.ceil(settings.warmup_share * total_steps), total_steps - 1)


def learning_rate(settings: TrainSettings, step: int, total_steps: int) -> float:
    """The learning rate of one step.

    The formulas are those of `transformers.get_cosine_schedule_with_warmup` and its siblings, except that the
    warm-up counts from 1, so that the first step already learns.

    Args:
        settings: Peak rate, kind of schedule, share of the warm-up.
        step: Counted from 1.
        total_steps: Length of the run.
    """
    warmup = warmup_steps(settings, total_steps)
    if step <= warmup:
        return settings.learning_rate * step / (warmup + 1)
    done = (step - warmup - 1) / max(1, total_steps - warmup)
    if settings.schedule == "cosine":
        return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
    if settings.schedule == "linear":
        return settings.learning_rate * (1 - done)
    return settings.learning_rate
