"""Problems that only show when settings are seen together, or on this machine."""

from collections.abc import Iterator

from studio.contract.compatibility import refusals
from studio.contract.errors import Problem
from studio.contract.methods import METHODS, AdaLoraSettings, tag_of
from studio.contract.settings import TrainSettings


def check_together(settings: TrainSettings, has_cuda: bool, architecture: str = "") -> tuple[Problem, ...]:
    """All of them.

    Args:
        settings: Values that each lie within their limits.
        has_cuda: Whether the chosen device is an NVIDIA GPU.
        architecture: The model's type ("llama"), or "" where no model is chosen yet.
    """
    problems: list[Problem] = []
    if settings.optimiser == "paged_adamw_8bit" and not has_cuda:
        problems.append(
            Problem(
                code="settings.paged_needs_cuda",
                where="optimiser",
                what="The paged correction method only works on an NVIDIA GPU.",
                why="It moves memory between the GPU and the computer; without a GPU there is nothing to page.",
                fix="Choose AdamW or AdamW, 8-bit.",
                sets={"optimiser": "adamw"},
            )
        )
    if settings.optimiser == "schedule_free" and settings.schedule != "constant":
        problems.append(
            Problem(
                code="settings.schedule_free",
                where="schedule",
                what="The chosen correction method works without slowing down.",
                why="It averages its steps instead; a learning speed that falls as well would stop it early.",
                fix="Set slowing down to not at all, or choose AdamW.",
                sets={"schedule": "constant"},
            )
        )
    problems += refusals(settings, has_cuda, architecture)
    problems += _own_limits(settings)
    if settings.early_stopping and (settings.evaluations < 2 or settings.held_back_share == 0):
        problems.append(
            Problem(
                code="settings.early_stopping_blind",
                where="early_stopping",
                what="Stopping early needs tests during training.",
                why="There are no tests (or no held-back examples) that could show whether it gets better.",
                fix="Set at least 2 tests during training and some held-back examples, or switch early stopping off.",
                sets={"early_stopping": 0},
            )
        )
    return tuple(problems)


def _own_limits(settings: TrainSettings) -> Iterator[Problem]:
    """What the chosen way of tuning asks of its own and of common settings."""
    tag = tag_of(settings.method)
    row = METHODS[tag]
    if settings.learning_rate > row.highest_rate:
        yield Problem(
            code="settings.rate_too_high",
            where="learning_rate",
            what=f"A learning speed of {settings.learning_rate:g} is too high for {row.label}.",
            why="Only ways of tuning that learn very few numbers bear it.",
            fix=f"Choose at most {row.highest_rate:g}.",
            sets={"learning_rate": row.highest_rate},
        )
    method = settings.method
    if isinstance(method, AdaLoraSettings) and method.initial_rank < method.target_rank:
        yield Problem(
            code="settings.adalora_sizes",
            where="method.target_rank",
            what="The adapter would have to grow, and AdaLoRA only takes away.",
            why=f"It begins with {method.initial_rank} and is to end with {method.target_rank}.",
            fix=f"Choose at most {method.initial_rank}, or a larger size at the start.",
            sets={"method.target_rank": method.initial_rank},
        )
