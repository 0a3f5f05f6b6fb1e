"""How the learning rate moves over a run: a warm-up, then what the settings say."""

import math

from studio.contract.settings import TrainSettings


def warmup_steps(settings: TrainSettings, total_steps: int) -> int:
    """Steps of the warm-up: its share of the run, rounded up, never the whole run."""
    return min(math.ceil(settings.warmup_share * total_steps), total_steps - 1)


def learning_rate(settings: TrainSettings, step: int, total_steps: int) -> float:
    """The learning rate of one step.

    The formulas are those of `transformers.get_cosine_schedule_with_warmup` and its siblings, except that the
    warm-up counts from 1, so that the first step already learns. Warm-up, stable, decay falls with 1 - sqrt
    (arXiv 2405.18392).

    Args:
        settings: Peak rate, kind of schedule, share of the warm-up.
        step: Counted from 1.
        total_steps: Length of the run.
    """
    warmup = warmup_steps(settings, total_steps)
    if step <= warmup:
        return settings.learning_rate * step / (warmup + 1)
    done = (step - warmup - 1) / max(1, total_steps - warmup)
    return settings.learning_rate * _share(settings, done)


def _share(settings: TrainSettings, done: float) -> float:
    """Share of the peak rate, at a share from 0 to below 1 of what follows the warm-up."""
    match settings.schedule:
        case "cosine":
            return 0.5 * (1 + math.cos(math.pi * done))
        case "cosine_restarts":
            return 0.5 * (1 + math.cos(math.pi * (done * settings.schedule_cycles % 1.0)))
        case "linear":
            return 1 - done
        case "wsd":
            left = (1 - done) / settings.decay_share
            return 1.0 if left >= 1 else 1 - math.sqrt(1 - left)
        case "constant":
            return 1.0
