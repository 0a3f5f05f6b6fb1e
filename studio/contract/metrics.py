"""What is measured when a run ends: a row each. `engine/metrics/<name>.py` is the other half."""

import msgspec


class Metric(msgspec.Struct, frozen=True):
    """A row of the table; `higher_is_better` decides colours and words."""

    label: str
    help: str
    higher_is_better: bool


METRICS: dict[str, Metric] = {
    "held_back_loss": Metric(
        "Loss on unseen examples", "How surprised the model is by held-back answers; lower is better.", False
    ),
    "exact_match": Metric(
        "Unseen questions answered right", "Held-back questions whose whole answer is word for word as expected.", True
    ),
    "knowledge_kept": Metric(
        "What it still knows", "Of the questions the model could answer before, how many it still answers.", True
    ),
}


def same_words(reply: str, wanted: str) -> bool:
    """Whether two answers are the same word for word; how they are spaced does not matter.

    The run's own test and the chat's mark both ask this function.
    """
    return reply.split() == wanted.split()
