"""Fitting settings to the memory there is: what to change, what each change gains, and what it costs."""

from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec

from studio.contract.compatibility import refusals
from studio.contract.errors import Problem
from studio.contract.fields import replace_at
from studio.contract.memory_plan import Calibration, Estimate, Lengths, Machine, MemoryPlan, estimate, resolved
from studio.contract.model_shape import ModelShape
from studio.contract.plan import FEW_STEPS, planned_steps, steps_per_epoch
from studio.contract.settings import TrainSettings

LARGEST_BATCH = 64
"""Examples of one correction, unless the user wants more: adapters lose with large batches ('LoRA Without Regret')."""
SHORTEST_TEXT = 64
"""Tokens: texts are not proposed to be cut below this."""

Kind = Literal["batch", "checkpointing", "offload", "quantisation", "optimiser", "length"]
KINDS: tuple[Kind, ...] = ("batch", "checkpointing", "offload", "optimiser", "quantisation", "length")
"""Ways to save memory, mildest first."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change of settings.

    Attributes:
        kind: What is changed.
        sets: Dotted path -> new value.
        gains_bytes: Memory that it saves; below 0 what it takes.
        what, costs: For a person, one sentence each.
    """

    kind: Kind
    sets: dict[str, Any]
    gains_bytes: int
    what: str
    costs: str


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """Changes that together make a run fit (or use what there is).

    Attributes:
        changes: In the order in which they are made; empty where nothing has to be changed.
        estimate: With all of them.
        fits: Whether that is enough.
    """

    changes: tuple[Change, ...]
    estimate: Estimate
    fits: bool

    @property
    def sets(self) -> dict[str, Any]:
        """All changes together: dotted path -> value."""
        return {path: value for change in self.changes for path, value in change.sets.items()}


class Planner:
    """Answers for one model, one set of examples and one machine."""

    def __init__(
        self,
        shape: ModelShape,
        lengths: Lengths,
        machine: Machine,
        calibration: Calibration | None = None,
        is_wary: bool = False,
    ) -> None:
        """Args:
        shape, lengths, machine: What is planned for.
        calibration: Of a dry step.
        is_wary: The estimate was too low before, so nothing is left to what a run decides by it ("auto").
        """
        self.shape, self.lengths, self.machine, self.calibration = shape, lengths, machine, calibration
        self.is_wary = is_wary

    @classmethod
    def of(cls, shape: ModelShape, plan: MemoryPlan) -> "Planner":
        """With what a dry step found."""
        return cls(shape, plan.lengths, plan.machine, plan.calibration)

    def estimate(self, settings: TrainSettings) -> Estimate:
        """Memory with these settings."""
        return estimate(self.shape, settings, self.lengths, self.machine, self.calibration)

    def fits(self, settings: TrainSettings) -> bool:
        """Whether even the high end of the band is free."""
        return self.estimate(settings).high <= self.machine.free_bytes

    def make_it_fit(self, settings: TrainSettings, kinds: tuple[Kind, ...] = KINDS) -> Fit:
        """The mildest changes first; as many as are needed, and none that gains nothing.

        Args:
            settings: As they stand.
            kinds: What may be changed, in this order.
        """
        changes: list[Change] = []
        for kind in kinds:
            if self.fits(settings):
                break
            for change in self.changes(settings, (kind,)):
                changes.append(change)
                settings = changed(settings, change.sets)
        return Fit(changes=tuple(changes), estimate=self.estimate(settings), fits=self.fits(settings))

    def is_beyond(self, fit: Fit) -> bool:
        """Whether even with all these changes more is needed than is free: then no settings are worth an advice."""
        return not fit.fits and fit.estimate.total > self.machine.free_bytes

    def changes(self, settings: TrainSettings, kinds: tuple[Kind, ...]) -> tuple[Change, ...]:
        """The changes of these kinds that gain something, each by itself."""
        propose: dict[Kind, Callable[[TrainSettings], Change | None]] = {
            "batch": self._smaller_batch,
            "checkpointing": self._checkpointing,
            "offload": self._offloading,
            "optimiser": self._leaner_optimiser,
            "quantisation": self._four_bit,
            "length": self._shorter,
        }
        found = (propose[kind](settings) for kind in kinds)
        return tuple(
            one
            for one in found
            if one is not None and one.gains_bytes > 0 and self._goes_together(changed(settings, one.sets))
        )

    def use_memory(self, settings: TrainSettings) -> Fit:
        """The largest batch that fits, and no computing twice where that fits, too.

        Gather steps shrink with it, so that each correction is made of as many examples as before. Beyond that the
        batch grows only up to LARGEST_BATCH and as long as the run keeps FEW_STEPS corrections.
        """
        changes = []
        if settings.gradient_checkpointing == "on":
            quick = changed(settings, {"gradient_checkpointing": "off"})
            if self.fits(quick) and self._goes_together(quick):
                gains = self.estimate(settings).total - self.estimate(quick).total
                changes.append(
                    Change(
                        kind="checkpointing",
                        sets={"gradient_checkpointing": "off"},
                        gains_bytes=gains,
                        what="Compute once instead of twice.",
                        costs="About a quarter less time; the result stays the same.",
                    )
                )
                settings = quick
        change = self._larger_batch(settings)
        if change is not None:
            changes.append(change)
            settings = changed(settings, change.sets)
        return Fit(changes=tuple(changes), estimate=self.estimate(settings), fits=self.fits(settings))

    # --- single changes -----------------------------------------------------------------------------------

    def _smaller_batch(self, settings: TrainSettings) -> Change | None:
        effective = self._effective(settings)
        sizes = [size for size in range(min(settings.batch_size - 1, effective), 0, -1) if effective % size == 0]
        if not sizes:
            return None
        size = next((one for one in sizes if self.fits(changed(settings, _batch(one, effective)))), sizes[-1])
        return self._change(
            settings,
            "batch",
            _batch(size, effective),
            f"Read {size} instead of {settings.batch_size} examples at once, and gather {effective // size} times."
            if size < effective
            else f"Read {size} instead of {settings.batch_size} examples at once.",
            "A little slower; each correction is made of as many examples as before, so the result stays the same."
            if effective == settings.batch_size * settings.accumulation
            else f"Each correction is made of all {effective} examples: there are no more.",
        )

    def _effective(self, settings: TrainSettings) -> int:
        """Examples of one correction; no proposal gathers more than there are."""
        return min(settings.batch_size * settings.accumulation, self.lengths.own)

    def _checkpointing(self, settings: TrainSettings) -> Change | None:
        if settings.gradient_checkpointing != "off":
            return None
        return self._change(
            settings,
            "checkpointing",
            {"gradient_checkpointing": "on" if self.is_wary else "auto"},
            "Save memory by computing twice."
            if self.is_wary
            else "Save memory by computing twice, as many layers as it takes.",
            "Up to a third more time; the result stays the same.",
        )

    def _offloading(self, settings: TrainSettings) -> Change | None:
        if not self.machine.is_gpu or settings.gradient_checkpointing == "offload":
            return None
        return self._change(
            settings,
            "offload",
            {"gradient_checkpointing": "offload"},
            "Keep texts being read in main memory.",
            "More time; the result stays the same.",
        )

    def _leaner_optimiser(self, settings: TrainSettings) -> Change | None:
        if settings.optimiser not in ("adamw", "schedule_free"):
            return None
        sets: dict[str, Any] = {"optimiser": "adamw_8bit"}
        now, then = self.estimate(settings).total, self.estimate(changed(settings, sets)).total
        if now - then < 0.02 * now:  # an adapter's optimiser is small: not worth a change
            return None
        words = "Compute corrections with AdamW, 8-bit."
        return self._change(settings, "optimiser", sets, words, "Corrections are a little coarser.")

    def _four_bit(self, settings: TrainSettings) -> Change | None:
        if resolved(settings, self.machine).quantisation in ("nf4", "fp4"):
            return None
        return self._change(
            settings,
            "quantisation",
            {"quantisation": "nf4"},
            "Load the model compressed (4-bit).",
            "The model answers a little less exactly.",
        )

    def _shorter(self, settings: TrainSettings) -> Change | None:
        for limit in self._limits(settings):
            if self.fits(changed(settings, {"max_tokens": limit})):
                break
        else:
            limit = SHORTEST_TEXT
        if limit >= min(settings.max_tokens, self.lengths.longest):
            return None
        share = self.lengths.share_over(limit)
        words = f"Keep texts to {limit} instead of {settings.max_tokens} tokens."
        costs = f"About {max(1, round(100 * share))} % of the examples are longer and would be left out or cut."
        return self._change(settings, "length", {"max_tokens": limit}, words, costs)

    def _limits(self, settings: TrainSettings) -> Iterator[int]:
        """Multiples of 32 (of 8 for short texts) below what is read now, longest first."""
        now = min(settings.max_tokens, self.lengths.longest)
        step = 32 if now > 256 else 8
        limit = (now - 1) // step * step
        while limit >= SHORTEST_TEXT:
            yield limit
            limit -= max(step, limit // 16 // step * step)

    def _larger_batch(self, settings: TrainSettings) -> Change | None:
        effective = self._effective(settings)
        divisors = [size for size in range(settings.batch_size + 1, effective + 1) if effective % size == 0]
        most = min(LARGEST_BATCH, self.lengths.own)
        doubled, more = effective * 2, []
        while doubled <= most and self._steps(settings, doubled) >= FEW_STEPS:
            more.append(doubled)
            doubled *= 2
        size = next((one for one in [*reversed(more), *reversed(divisors)] if self._holds(settings, one)), 0)
        if not size:
            return None
        gather = max(1, effective // size)
        words = f"Read {size} instead of {settings.batch_size} examples at once"
        words += f", and gather {gather} times." if gather > 1 else "."
        costs = "Faster; the result stays the same."
        if size > effective:
            costs = f"Faster; each correction is made of {size} examples instead of {effective}, so there are fewer."
        if size >= effective:
            costs += self._what_ends_it(settings, size)
        return self._change(settings, "batch", {"batch_size": size, "accumulation": gather}, words, costs)

    def _what_ends_it(self, settings: TrainSettings, size: int) -> str:
        """Why no larger batch is proposed, where that is not the memory's doing."""
        if not self._holds(settings, 2 * size):
            return ""
        if 2 * size > LARGEST_BATCH:
            return f" Memory would hold more; beyond {LARGEST_BATCH} we propose none, as adapters learn worse so."
        return " Memory would hold more, but too few corrections would be left."

    def _goes_together(self, settings: TrainSettings) -> bool:
        """Whether the table of what goes with what has nothing against it."""
        return not any(refusals(settings, self.machine.is_gpu, self.shape.kind))

    def _holds(self, settings: TrainSettings, size: int) -> bool:
        """Whether so many at once fit, and without more layers that are computed twice: that would cost time."""
        larger = changed(settings, {"batch_size": size, "accumulation": 1})
        return self.fits(larger) and self.estimate(larger).recomputed <= self.estimate(settings).recomputed

    def _steps(self, settings: TrainSettings, effective: int) -> int:
        return planned_steps(settings, steps_per_epoch(self.lengths.own, effective))

    def _change(self, settings: TrainSettings, kind: Kind, sets: dict[str, Any], what: str, costs: str) -> Change:
        gains = self.estimate(settings).total - self.estimate(changed(settings, sets)).total
        return Change(kind=kind, sets=sets, gains_bytes=gains, what=what, costs=costs)


def changed(settings: TrainSettings, sets: dict[str, Any]) -> TrainSettings:
    """Settings with some dotted paths changed."""
    for path, value in sets.items():
        settings = replace_at(settings, path, value)
    return settings


def refusal(planner: Planner, settings: TrainSettings) -> Problem | None:
    """Why a run cannot start: even the low end of the estimate is more than is free. Names the nearest way out."""
    told = planner.estimate(settings)
    if told.verdict(planner.machine) != "hopeless":
        return None
    return Problem(
        code="memory.cannot_fit",
        what=f"There is not enough {_memory_of(planner.machine)}: this needs about {gigabytes(told.total)}, "
        f"{gigabytes(planner.machine.free_bytes)} are free; "
        f"{gigabytes(told.total - planner.machine.free_bytes)} are missing.",
        why=f"Most of it is for {_largest(told)}.",
        fix=nearest_fix(planner, settings),
        where="memory",
    )


def nearest_fix(planner: Planner, settings: TrainSettings) -> str:
    """What to change so that it fits, in a sentence or two; or that nothing does."""
    fit = planner.make_it_fit(settings)
    if not fit.fits:
        still = f" (with all of them it still needs about {gigabytes(fit.estimate.total)})" if fit.changes else ""
        return f"Choose a smaller model, or close other programs: no change of these settings makes it fit{still}."
    if not fit.changes:
        return "By the estimate it fits as it is. Start it again."
    return f"{_told_all(fit)} Then it needs about {gigabytes(fit.estimate.total)}."


def fix_after_all(planner: Planner, settings: TrainSettings) -> str:
    """What to change where the memory ran out although the estimate let it try: how much is enough cannot be told.

    At most half of what was free counts, and less than the estimate, so that something is always to be changed.
    """
    told, there = planner.estimate(settings), planner.machine
    less = msgspec.structs.replace(there, free_bytes=min(there.free_bytes // 2, told.low))
    fit = Planner(planner.shape, planner.lengths, less, planner.calibration, is_wary=True).make_it_fit(settings)
    if not fit.changes:
        return "Close other programs, or choose a smaller model: no setting is left that saves memory."
    enough = "" if fit.fits else " If that is not enough, close other programs, or choose a smaller model."
    then = f"By the estimate that takes {gigabytes(fit.estimate.total)} instead of {gigabytes(told.total)}."
    return f"{_told_all(fit)} {then}{enough}"


def _told_all(fit: Fit) -> str:
    return " ".join(_told(change) for change in fit.changes)


def _told(change: Change) -> str:
    options = " ".join(f"--{path.rsplit('.', 1)[-1].replace('_', '-')} {value}" for path, value in change.sets.items())
    return f"{change.what} ({options})"


def gigabytes(size: float) -> str:
    """Bytes of memory by powers of 1,024: "7.9 GB", "310 MB"."""
    return f"{size / 2**30:.1f} GB" if size >= 0.95 * 2**30 else f"{size / 2**20:.0f} MB"


def _memory_of(machine: Machine) -> str:
    return "graphics memory" if machine.is_gpu else "memory"


_LARGEST_WORDS = {
    "weights": "the model itself",
    "activations": "the texts that are read together",
    "loss": "comparing words",
    "optimiser": "the optimiser",
}


def _largest(told: Estimate) -> str:
    largest = max(told.parts, key=lambda part: part.bytes)
    return _LARGEST_WORDS.get(largest.name, "the program itself")


def _batch(size: int, effective: int) -> dict[str, Any]:
    return {"batch_size": size, "accumulation": effective // size}
