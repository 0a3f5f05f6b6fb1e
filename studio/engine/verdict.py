"""What was learned and what was kept: the same model before and after."""

from collections.abc import Sequence

import msgspec

from studio.contract.errors import StudioError
from studio.contract.events import Verdict
from studio.engine.metrics.knowledge_kept import kept


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What one model can do. None or empty: not measured.

    Attributes:
        loss: Mean over the learned tokens of the held-back rows.
        row_losses: Mean of each held-back row.
        right: Whether each held-back question that was asked is answered right.
        known: Whether each probe question that was asked is answered right.
    """

    loss: float | None = None
    row_losses: list[float] = []
    right: list[bool] = []
    known: list[bool] = []


MOST_NEWLY_RIGHT = 20
"""Questions that a verdict names; a chat has no room for more."""


def compare(before: Measured, after: Measured, questions: Sequence[str] = ()) -> Verdict:
    """What was learned and what was kept, over the questions that were asked both times.

    Args:
        before: The base model.
        after: The tuned one.
        questions: Texts of the questions in the order of `Measured.right`.
    """
    rows = list(zip(before.row_losses, after.row_losses, strict=False))
    asked = list(zip(before.right, after.right, strict=False))
    newly_right = [text for text, (b, a) in zip(questions, asked, strict=False) if a and not b]
    probes, known_before, known_after = kept(before.known, after.known)
    return Verdict(
        asked=len(asked) or None,
        right_before=sum(b for b, _ in asked) if asked else None,
        right_after=sum(a for _, a in asked) if asked else None,
        rows=len(rows) or None,
        rows_better=sum(a < b for b, a in rows) if rows else None,
        loss_base=before.loss,
        loss_tuned=after.loss,
        probes=probes or None,
        known_before=known_before if probes else None,
        known_after=known_after if probes else None,
        newly_right=tuple(newly_right[:MOST_NEWLY_RIGHT]),
    )


def require_finite(before: Measured) -> None:
    """Refuse a base model that computes nonsense.

    Raises:
        StudioError: Its loss is not a number.
    """
    if before.loss is not None and not abs(before.loss) < float("inf"):
        raise StudioError(
            "train.base_not_finite",
            "The base model's own loss is not a number.",
            "Its weights are damaged, or the number format is too coarse for it.",
            "Choose the fine number format (fp32), or load the model's files anew.",
            where="precision",
        )
