"""What a training run came to, in numbers."""

from collections.abc import Mapping

import msgspec

LATE_SHARE = 0.05
"""Less of the whole fall than this in the second half of a run: it had stopped getting better. A rate that decays as a
cosine and a loss that falls with it still make 18 % of the fall there."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was learned and what was kept, in numbers. None: not measured.

    Attributes:
        asked: Held-back questions asked, word for word right before and after.
        rows, rows_better: Held-back rows, and how many have a lower loss than the base's.
        loss_base, loss_tuned: Mean held-back loss.
        known_before: Probe questions the base answered; known_after: of those, still answered.
        probes: Probe questions asked.
        also_learned: Held-back rows that are also among those learned from: right answers to them show memory.
        newly_right: Held-back questions answered right after and not before, some of them: what a chat can show first.
        settled: The loss on held-back rows had stopped falling well before the end. None: too few tests to say so.
    """

    asked: int | None = None
    right_before: int | None = None
    right_after: int | None = None
    rows: int | None = None
    rows_better: int | None = None
    loss_base: float | None = None
    loss_tuned: float | None = None
    probes: int | None = None
    known_before: int | None = None
    known_after: int | None = None
    also_learned: int = 0
    newly_right: tuple[str, ...] = ()
    settled: bool | None = None


def has_settled(losses: Mapping[int, float], steps: int) -> bool | None:
    """Whether the loss on held-back rows fell hardly any more in the second half of a run.

    Args:
        losses: Step -> mean loss on the held-back rows; step 0 is the model as it was.
        steps: How many the run took.

    Returns:
        None where there is no test of the model as it was, none in one of the halves, or nothing fell.
    """
    early = [loss for step, loss in losses.items() if 0 < step <= steps / 2]
    late = [loss for step, loss in losses.items() if steps / 2 < step <= steps]
    if 0 not in losses or not early or not late:
        return None
    fell = losses[0] - min(*early, *late)
    return min(early) - min(late) < LATE_SHARE * fell if fell > 0 else None
