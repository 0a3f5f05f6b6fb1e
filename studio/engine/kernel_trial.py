"""Whether another way to compute the same may be taken on this machine: only one that is right and faster here."""

import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

Results = Sequence[torch.Tensor]
Way = Callable[[], Results]

ROUNDS = 5
GAIN = 1.05
"""So many times as fast as ours another way must be: less would be noise, and change from run to run."""
WORSE = 2.0
"""So many times our own rounding error another way may be apart from the truth."""
FINEST = {torch.bfloat16: 4e-3, torch.float16: 5e-4, torch.float32: 1e-5, torch.float64: 1e-12}
"""Errors below this, as share of the numbers' size, are those of the format and count as none."""


class Tried(NamedTuple):
    """What came of one trial.

    Attributes:
        piece: What is computed: "attention".
        way: The other way: "torch's variable-length kernel".
        used: Whether it is taken.
        why: In words, what was measured.
        seconds: What the trial took.
    """

    piece: str
    way: str
    used: bool
    why: str
    seconds: float

    def __str__(self) -> str:
        taken = "used" if self.used else "not used"
        return f"{self.piece}: {self.way} {taken}, {self.why} (tried in {self.seconds:.1f} s)"


def tried(piece: str, way: str, truth: Way, ours: Way, theirs: Way, timed: tuple[Way, Way] | None = None) -> Tried:
    """Compare another way with ours.

    Args:
        piece: What is computed.
        way: Name of the other way.
        truth: Ours in a finer number format.
        ours: In the run's format.
        theirs: The other way, in the same.
        timed: Ours and theirs in the run's size, where the first three are smaller; None: those.
    """
    began = time.monotonic()
    try:
        used, why = _compared(truth(), ours(), theirs())
        if used:
            used, why = _raced(*(timed or (ours, theirs)))
    except Exception as error:  # noqa: BLE001
        # A kernel may fail in any way, above all where it is compiled; ours stays, and the run loses nothing.
        lines = str(error).strip().splitlines() or [""]
        used, why = False, f"it does not work here: {type(error).__name__}: {lines[0][:200]}"
    return Tried(piece, way, used, why, time.monotonic() - began)


def passes(function: Callable[..., torch.Tensor], inputs: Results) -> Way:
    """Forward and backward pass of a function: its values, and the gradient towards each input."""

    def way() -> Results:
        leaves = [x.detach().clone().requires_grad_() for x in inputs]
        out = function(*leaves)
        dice = torch.Generator().manual_seed(7)
        outer = torch.randn(out.shape, generator=dice).to(out)
        return [out.detach(), *torch.autograd.grad(out, leaves, outer)]

    return way


def numbers(*shape: int, dtype: torch.dtype, device: torch.device, seed: int = 5) -> torch.Tensor:
    """Normally distributed numbers, without touching the run's own generators."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device, dtype)


def _compared(truth: Results, ours: Results, theirs: Results) -> tuple[bool, str]:
    for wanted, mine, other in zip(truth, ours, theirs, strict=True):
        if other.shape != mine.shape:
            return False, f"it gives {tuple(other.shape)} where ours gives {tuple(mine.shape)}"
        own, apart = _error(mine, wanted), _error(other, wanted)
        if not apart <= max(WORSE * own, FINEST[mine.dtype]):
            return False, f"its numbers are wrong here, by {apart:.1e} of their size (ours by {own:.1e})"
    return True, ""


def _error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """How far apart, as share of the size; infinite where something is not a number."""
    apart = float((found.double() - wanted.double()).norm() / wanted.double().norm().clamp(min=1e-30))
    return apart if math.isfinite(apart) else math.inf


def _raced(ours: Way, theirs: Way) -> tuple[bool, str]:
    ratio = seconds(ours) / seconds(theirs)
    if ratio >= GAIN:
        return True, f"{ratio:.1f} times as fast as ours"
    return False, f"it is not faster here ({ratio:.2f} times as fast as ours)"


def seconds(way: Way) -> float:
    """The fastest of some rounds, after one that does not count."""
    way()
    found = []
    for _ in range(ROUNDS):
        _wait()
        began = time.perf_counter()
        way()
        _wait()
        found.append(time.perf_counter() - began)
    return min(found)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
