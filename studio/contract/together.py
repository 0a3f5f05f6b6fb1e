"""Problems that only show when settings are seen together, or on this machine."""

from studio.contract.errors import Problem
from studio.contract.settings import TrainSettings


def check_together(settings: TrainSettings, has_cuda: bool) -> tuple[Problem, ...]:
    """All of them.

    Args:
        settings: Values that each lie within their limits.
        has_cuda: Whether the chosen device is an NVIDIA GPU.
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
            )
        )
    if settings.method.dora and settings.quantisation == "int8":
        problems.append(
            Problem(
                code="settings.dora_int8",
                where="method.dora",
                what="Learning direction and size apart (DoRA) does not work on an 8-bit model.",
                why="The library for 8-bit weights loses their scales when it is asked for the weights' own sizes.",
                fix="Switch it off, or choose 4-bit loading or none.",
            )
        )
    if settings.early_stopping and (settings.evaluations < 2 or settings.held_back_share == 0):
        problems.append(
            Problem(
                code="settings.early_stopping_blind",
                where="early_stopping",
                what="Stopping early needs tests during training.",
                why="There are no tests (or no held-back examples) that could show whether it gets better.",
                fix="Set at least 2 tests during training and some held-back examples, or switch early stopping off.",
            )
        )
    return tuple(problems)
