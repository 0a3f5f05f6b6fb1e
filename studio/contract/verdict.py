"""What a training run came to, in numbers."""

import msgspec


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
