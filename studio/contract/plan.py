"""How many corrections a run makes: told before it starts, and done by the engine, from the same lines."""

from studio.contract.settings import TrainSettings

FEW_STEPS = 50
"""Below this hardly anything is learned: a warm-up and a few corrections at falling speed."""


def replayed_rows(train_rows: int, share: float) -> int:
    """General rows of one pass, so that they are `share` of all that is read."""
    return round(train_rows * share / (1 - share))


def steps_per_epoch(rows: int, effective_batch: int) -> int:
    """Effective batches of one pass over `rows`; the last may hold fewer."""
    return -(-rows // effective_batch)


def planned_steps(settings: TrainSettings, per_epoch: int) -> int:
    """Corrections that the settings ask for: passes over the data, cut by the largest number of steps."""
    steps = max(1, round(settings.epochs * per_epoch))
    return min(steps, settings.max_steps) if settings.max_steps else steps


def steps_before_start(settings: TrainSettings, train_rows: int, has_general: bool) -> int:
    """What a run over so many rows will do, if none of them has to be left out."""
    replayed = replayed_rows(train_rows, settings.replay_share) if has_general else 0
    return planned_steps(settings, steps_per_epoch(train_rows + replayed, settings.batch_size * settings.accumulation))
