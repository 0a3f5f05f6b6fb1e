"""Which settings of a run may be others when it goes on from a checkpoint.

What it has learned, its corrections' memory and its place in the examples must stay what they were. How many examples
are read at once does not matter while each correction is made of as many; nor does whether something is computed
twice, how the frozen model is stored, and how often is saved. Texts may become shorter: the place in the pass is then
found anew.
"""

import msgspec

from studio.contract.settings import TrainSettings

NONE_WHOLE = "checkpoint.none_whole"
"""Code of the problem that a run has checkpoints of which none can be used: only a person may decide to start over."""

_PLAIN = TrainSettings()


def lasting(settings: TrainSettings) -> TrainSettings:
    """What must stay the same, with everything else at its default."""
    return msgspec.structs.replace(
        settings,
        batch_size=settings.batch_size * settings.accumulation,
        accumulation=1,
        gradient_checkpointing=_PLAIN.gradient_checkpointing,
        quantisation=_PLAIN.quantisation,
        save_every_minutes=_PLAIN.save_every_minutes,
    )


def may_follow(before: TrainSettings, after: TrainSettings) -> bool:
    """Whether a run that was begun with one set of settings may go on with the other."""
    if after.max_tokens > before.max_tokens:
        return False
    return lasting(before) == msgspec.structs.replace(lasting(after), max_tokens=before.max_tokens)
