"""What it still knows: of the probe questions that the base answered, how many the tuned model still answers."""

from collections.abc import Sequence


def kept(before: Sequence[bool], after: Sequence[bool]) -> tuple[int, int, int]:
    """Count over the questions asked both times.

    Returns:
        Questions asked, right before, and of those right after.
    """
    both = list(zip(before, after, strict=False))
    return len(both), sum(b for b, _ in both), sum(b and a for b, a in both)
