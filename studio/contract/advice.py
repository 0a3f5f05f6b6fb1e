"""Which settings suit data, model and device: each with its reason in a sentence and where that comes from."""

import math
from collections.abc import Iterable
from typing import Any

import msgspec

from studio.contract.fields import value_at
from studio.contract.memory_fit import Planner, changed
from studio.contract.memory_plan import Lengths
from studio.contract.methods import METHODS, Method, tag_of
from studio.contract.model_shape import ModelShape
from studio.contract.plan import steps_per_epoch
from studio.contract.range_test import RangeResult
from studio.contract.settings import TrainSettings

ENOUGH_STEPS = 100
"""Corrections that a small dataset is repeated for."""
MOST_PASSES = 15
"""LIMA (arXiv 2305.11206): 15 passes over 1,000 examples."""
BASE_RATE, LORA_FACTOR, WIDTH = 5e-5, 10, 2000
EXPONENTS = {"qwen2": 0.0775, "qwen3": 0.0775}
EXPONENT = 0.781
"""Learning rate of LoRA: 5e-5 x 10 x (2000 / width) ^ exponent, fitted by Thinking Machines on Llama (0.781) and Qwen
(0.0775): https://tinker-docs.thinkingmachines.ai/supervised-learning/sl-hyperparams. The starter (width 256) is far
outside of what was fitted; there it says 2.5e-3, and 3.5e-3 was found best by trying."""
HIGHEST_RATE = 5e-3
RATE_APART = 2.0
"""A rate that is so many times too low teaches little, one too high may spoil it; nearer ones are a matter of taste."""
RATE_SOURCE = "Thinking Machines, 'LoRA Without Regret' (2025) and its formula by width"


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """One suggested setting.

    Attributes:
        path: Dotted path of the setting.
        value: Suggested.
        now: As it stands.
        reason: One sentence.
        source: Where the rule comes from.
    """

    path: str
    value: Any
    now: Any
    reason: str
    source: str

    @property
    def differs(self) -> bool:
        """Whether anything would change."""
        return bool(self.value != self.now)


class RateTest(msgspec.Struct, frozen=True, kw_only=True):
    """A range test that came to its end.

    Attributes:
        settings: With which it was made.
        result: What it found.
    """

    settings: TrainSettings
    result: RangeResult


def advise(settings: TrainSettings, planner: Planner, tested: RangeResult | None = None) -> tuple[Advice, ...]:
    """Passes, examples at once, learning speed and longest text for these examples on this model and machine.

    Args:
        settings: As they stand; what is not advised on is taken from here.
        planner: Knows model, lengths and machine.
        tested: A range test of these settings; where it found a learning speed, that is advised.
    """
    length = _longest_text(settings, planner)
    settings_then = changed(settings, {"max_tokens": length.value})
    batch = _batch(settings_then, planner)
    sets = {"batch_size": batch.value, "accumulation": 1}
    passes = _passes(changed(settings_then, sets), planner.lengths)
    rate = _rate(settings, planner.shape)
    if tested is not None and tested.suggestion is not None:
        rate = _measured_rate(rate, tested)
    gather = _gather(changed(settings_then, {"batch_size": batch.value}), planner, effective_batch(planner.lengths))
    return (passes, batch, gather, rate, length) if gather is not None else (passes, batch, rate, length)


def effective_batch(lengths: Lengths) -> int:
    """Examples of one correction."""
    if lengths.own < 200:
        return 4
    return 8 if lengths.own < 5000 else 16


def _passes(settings: TrainSettings, lengths: Lengths) -> Advice:
    batch = effective_batch(lengths)
    rows = lengths.own
    steps = steps_per_epoch(rows, batch)
    if rows >= 50_000:
        value, reason = 1.0, f"{rows:,} examples are so many that each need be read only once."
        source = "One pass is common practice for large sets (Stanford Alpaca: 3 passes over 52,000)"
    elif steps * 3 >= ENOUGH_STEPS:
        value, reason = 3.0, f"{rows:,} examples make {3 * steps:,} corrections in three passes, which is enough."
        source = "Stanford Alpaca and TRL's default: 3 passes"
    else:
        value = float(min(MOST_PASSES, max(3, math.ceil(ENOUGH_STEPS / steps))))
        reason = f"{rows:,} examples make only {steps} corrections a pass, so they are read {value:.0f} times."
        source = "LIMA (arXiv 2305.11206): 15 passes over 1,000 examples"
    return Advice(path="epochs", value=value, now=settings.epochs, reason=reason, source=source)


def _batch(settings: TrainSettings, planner: Planner) -> Advice:
    wanted = effective_batch(planner.lengths)
    size = wanted
    while size > 1 and not planner.fits(changed(settings, {"batch_size": size, "accumulation": 1})):
        size //= 2
    reason = f"Small batches suit adapters, and {planner.lengths.own:,} examples make enough of them."
    if size < wanted:
        reason = f"More than {size} at once would not fit into memory; gather steps make up for it."
    if not planner.fits(changed(settings, {"batch_size": size, "accumulation": 1})):
        reason = "Not even one at a time is sure to fit into memory; gather steps make up for it."
    source = "'LoRA Without Regret' (2025): adapters lose with large batches; QLoRA (arXiv 2305.14314) used 16"
    return Advice(path="batch_size", value=size, now=settings.batch_size, reason=reason, source=source)


def _gather(settings: TrainSettings, planner: Planner, wanted: int) -> Advice | None:
    value = max(1, wanted // settings.batch_size)
    if value == settings.accumulation == 1:
        return None
    reason = f"So each correction is made of {value * settings.batch_size} examples."
    source = "Follows from the examples at once"
    return Advice(path="accumulation", value=value, now=settings.accumulation, reason=reason, source=source)


def _rate(settings: TrainSettings, shape: ModelShape) -> Advice:
    value = advised_rate(settings, shape)
    reason = f"Adapters learn at about ten times the speed of full training, and a model {shape.hidden} wide "
    reason += "bears more than a wide one." if shape.hidden < WIDTH else "bears less than a narrow one."
    source, row = RATE_SOURCE, _own_rate(settings)
    if row is not None:
        reason, source = (
            "Each way of tuning has speeds of its own; this one is known to learn well at it.",
            row.rate_source,
        )
    return Advice(path="learning_rate", value=value, now=settings.learning_rate, reason=reason, source=source)


def _measured_rate(by_rule: Advice, tested: RangeResult) -> Advice:
    reason = f"Tried with your examples. {tested.reason}"
    reason += f" {beside_rule(by_rule.value, tested)}"
    source = "The range test (Smith, arXiv 1506.01186)"
    return msgspec.structs.replace(by_rule, value=tested.suggestion, reason=reason, source=source)


def beside_rule(by_rule: float, tested: RangeResult) -> str:
    """How the rate that a range test suggests stands to the one by the rule, in a sentence."""
    if tested.suggestion is None:
        return f"The advised one is {by_rule:.2g}, by a rule for many models and data sets."
    if by_rule == tested.suggestion:
        return "A rule for many models and data sets says the same."
    return (
        f"Without trying, {by_rule:.2g} would be advised: a rule for many models and data sets. What was tried counts."
    )


_NOT_TESTED = (
    "learning_rate",
    "epochs",
    "max_steps",
    "time_box_minutes",
    "evaluations",
    "early_stopping",
    "save_every_minutes",
    "held_back_share",
)


def is_tested(settings: TrainSettings, tested: TrainSettings, advice: tuple[Advice, ...] = ()) -> bool:
    """Whether a range test of `tested` says something of these: what it does not go by may differ.

    Args:
        settings: As they stand.
        tested: As they stood in the test.
        advice: What was advised then: the advised rate is meant for those values, too.
    """
    taken = {one.path for one in advice if value_at(settings, one.path) == one.value}
    same = {name: getattr(tested, name) for name in {*_NOT_TESTED, *taken}}
    return msgspec.structs.replace(settings, **same) == tested


def found_rate(tests: Iterable[RateTest], settings: TrainSettings, planner: Planner) -> RangeResult | None:
    """The first of these tests that says something of these settings, also where its advice was taken."""
    for test in tests:
        if is_tested(settings, test.settings, advise(test.settings, planner, test.result)):
            return test.result
    return None


def _own_rate(settings: TrainSettings) -> Method | None:
    """The row of a way of tuning that names its own learning rate."""
    row = METHODS[tag_of(settings.method)]
    return row if "learning_rate" in row.sets else None


def advised_rate(settings: TrainSettings, shape: ModelShape) -> float:
    """A learning rate, rounded to two digits: by the model's width, or what the row of the way of tuning names."""
    row = _own_rate(settings)
    rate = BASE_RATE * LORA_FACTOR * (WIDTH / shape.hidden) ** EXPONENTS.get(shape.kind, EXPONENT)
    rate = min(rate, HIGHEST_RATE) if row is None else float(row.sets["learning_rate"])
    if settings.optimiser == "lion":
        rate /= 3  # arXiv 2302.06675: three to ten times smaller than AdamW's
    return float(f"{rate:.2g}")


def is_far(rate: float, advised: float) -> bool:
    """Whether a learning rate is so far from the advised one that a run should not start unsaid."""
    return max(rate, advised) >= RATE_APART * min(rate, advised)


def unused_rate(advice: tuple[Advice, ...], settings: TrainSettings, preset: TrainSettings) -> Advice | None:
    """The advised learning rate where it is far from the settings' own, which nobody chose.

    Args:
        advice: For these settings.
        settings: As they stand.
        preset: What they are where the user has changed nothing.
    """
    if settings != preset:
        return None
    return next((one for one in advice if one.path == "learning_rate" and is_far(one.now, one.value)), None)


def _longest_text(settings: TrainSettings, planner: Planner) -> Advice:
    shape, lengths = planner.shape, planner.lengths
    context = shape.steady or shape.context or settings.max_tokens  # longer ones are refused (`size_limits`)
    wanted = min(context, max(64, -(-lengths.longest // 64) * 64))
    if lengths.longer:  # how long those are was not counted
        wanted = max(wanted, min(context, settings.max_tokens))
    value = wanted
    probe = changed(settings, {"batch_size": 1, "accumulation": 1})
    while value > 64 and not planner.fits(changed(probe, {"max_tokens": value})):
        value = max(64, value // 2 // 64 * 64)
    if not planner.fits(changed(probe, {"max_tokens": value})):
        value = wanted  # texts would be cut for nothing
    guess = " (guessed)" if lengths.source == "guess" else ""
    general = ", general ones included," if lengths.rows > lengths.own else ""
    reason = f"The longest of the examples{general} has about {lengths.longest:,} tokens{guess}; "
    reason += "more room would change nothing."
    if value < wanted:
        reason = "Longer texts would not fit into memory, even one at a time."
    elif lengths.longer:
        end = "; with more room they could be learned from."
        if value == context:
            end = f": the model can learn from no more than {context:,} tokens."
        reason = (
            f"{lengths.longer:,} of the examples {'is' if lengths.longer == 1 else 'are'} longer, and left out or cut"
        )
        reason += end
    elif lengths.longest > context:
        reason = (
            f"The model can learn from no more than {context:,} tokens; the longest example has {lengths.longest:,}."
        )
    return Advice(
        path="max_tokens", value=value, now=settings.max_tokens, reason=reason, source="The lengths of the examples"
    )


def sets_of(advice: tuple[Advice, ...]) -> dict[str, Any]:
    """Dotted path -> value, for what differs."""
    return {one.path: one.value for one in advice if one.differs}
