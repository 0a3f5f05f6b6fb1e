"""How much memory a run will take: a formula, told before anything is loaded, and corrected by a dry step.

The terms are those that all published estimates share (docs/decisions/0006-memory-planner.md): weights by their
quantisation, the adapter with its gradients and its optimiser, what each layer keeps for the backward pass, the
vocabulary's scores of one slice, unpacked 4-bit weights, and the program itself. Pure Python, so that the window can
show it at once.
"""

from typing import Literal

import msgspec

from studio.contract.compatibility import ONCE, OWN_WEIGHTS, meant
from studio.contract.lengths import POINTS as POINTS
from studio.contract.lengths import Lengths as Lengths
from studio.contract.lengths import lengths_of as lengths_of
from studio.contract.methods import tag_of
from studio.contract.model_shape import ModelShape
from studio.contract.settings import TrainSettings
from studio.contract.trainable import (
    APART,
    goes_apart,
    held_numbers,
    keeps_best,
    kept_numbers,
    resting_layers,
    trainable_parameters,
    virtual_tokens,
)

PartName = Literal[
    "weights",
    "adapter",
    "gradients",
    "optimiser",
    "best",
    "activations",
    "loss",
    "dequantisation",
    "runtime",
    "overhead",
]
PARTS: dict[PartName, str] = {
    "weights": "The model",
    "adapter": "The add-on",
    "gradients": "Its gradients",
    "optimiser": "Memory of past corrections (optimiser)",
    "best": "What it knew at its best test",
    "activations": "Texts being read (activations)",
    "loss": "Comparing words (loss)",
    "dequantisation": "Unpacking the compressed model",
    "runtime": "The program itself",
    "overhead": "Measured beside the formula",
}
"""In the order in which they are shown."""

SLICE_SCORES = 2**24
"""As `engine.loss.SLICE_SCORES`; a test compares them."""
SCORE_COPIES = 3
"""The scores of a slice, their logarithms, and their gradient."""
RUNTIME_CPU = 430 * 2**20
RUNTIME_CUDA = 600 * 2**20
"""Measured on a CPU: Python, torch, transformers and PEFT, and what a test leaves behind. On CUDA the driver's context
and cuBLAS's workspace; not measured by us."""
WASTE_CPU = 1.35
"""Blocks that glibc's allocator cannot use again, as share of what is needed; measured at 1.2 to 1.7."""
HOLES_INT8 = 1.15
"""The same of int8 on a CPU, over what a dry step took: from step to step its products leave other holes in the heap
(measured: 1.0 to 1.4 before large blocks were given back at once, see `data.allocator`)."""
ROUGH, GUESSED, NEAR, SETTLED = 0.25, 0.4, 0.12, 0.06
"""Half width of the band: by the formula, by lengths that are a guess, after a dry step with other settings, and after
one with these."""
MATTERS = (
    "method",
    "max_tokens",
    "packing",
    "replay_share",
    "batch_size",
    "quantisation",
    "precision",
    "optimiser",
    "gradient_checkpointing",
    "device",
)
"""Settings that decide the memory."""

_STATE_BYTES = {"adamw": 8, "adamw_8bit": 2, "paged_adamw_8bit": 2, "adafactor": 1, "lion": 4, "schedule_free": 8}
"""Of the optimiser, for each number that is learned."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The memory of the device that trains.

    Attributes:
        device: "cpu" or "cuda:N".
        total_bytes, free_bytes: Of it; what other programs hold is not free.
        has_bf16: Whether a GPU calculates with bf16.
    """

    device: str
    total_bytes: int
    free_bytes: int
    has_bf16: bool = True

    @property
    def is_gpu(self) -> bool:
        return self.device != "cpu"


class Part(msgspec.Struct, frozen=True):
    """One use of memory."""

    name: PartName
    bytes: int


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What a dry step corrected, so that other settings of the same model and data are told better, too.

    Attributes:
        settled_bytes: Measured with model and adapter loaded, less the formula's for the same.
        work: What the step took, as share of the formula's.
        pack: Longest real pack, as share of the formula's.
        least_bytes: Peak while the model was loaded and tested: it is never less.
        settings: Of the dry step.
        recomputed: Layers that were computed twice in it.
    """

    settled_bytes: int
    work: float
    pack: float
    least_bytes: int
    settings: TrainSettings
    recomputed: int = 0

    def is_about(self, settings: TrainSettings, recomputed: int) -> bool:
        """Whether the dry step was made with these, as far as they matter for memory."""
        same = all(getattr(settings, name) == getattr(self.settings, name) for name in MATTERS)
        return same and recomputed == self.recomputed


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """Memory of a run at its peak.

    Attributes:
        parts: Uses, in the order of PARTS; their sum is `total`.
        total, low, high: Bytes: the estimate and its band.
        pack_tokens: Tokens of the longest pack.
        measured: By a dry step with these very settings.
        recomputed: Layers that are computed twice, of "automatic" as many as it takes to fit.
    """

    parts: tuple[Part, ...]
    total: int
    low: int
    high: int
    pack_tokens: int
    measured: bool
    recomputed: int = 0

    def verdict(self, machine: Machine) -> Literal["fits", "tight", "too_large", "hopeless"]:
        """Whether it fits into what is free: surely, perhaps, hardly, or surely not."""
        if self.high <= machine.free_bytes:
            return "fits"
        if self.total <= machine.free_bytes:
            return "tight"
        return "too_large" if self.low <= machine.free_bytes else "hopeless"


class MemoryPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a run's memory before it starts.

    Attributes:
        estimate: After a dry step where there was one.
        formula_bytes: What the formula alone said.
        machine: What there is.
        lengths: Of the examples, as the trainer's encoder counted them.
        calibration: None without a dry step.
        seconds: What the dry step took.
    """

    estimate: Estimate
    formula_bytes: int
    machine: Machine
    lengths: Lengths
    calibration: Calibration | None = None
    seconds: float = 0.0


def resolved(settings: TrainSettings, machine: Machine) -> TrainSettings:
    """With what "automatic" of loading and number format becomes there; `estimate` decides what comes twice."""
    made = {path: meant(settings, path, machine.is_gpu, machine.has_bf16) for path in ("quantisation", "precision")}
    return msgspec.structs.replace(settings, **made)


def estimate(
    shape: ModelShape,
    settings: TrainSettings,
    lengths: Lengths,
    machine: Machine,
    calibration: Calibration | None = None,
    recomputed: int | None = None,
) -> Estimate:
    """Memory of a run with these settings.

    Args:
        shape: Of the base model.
        settings: As the user sees them; "auto" is resolved here.
        lengths: Of the examples, before the longest text is applied.
        machine: What trains.
        calibration: From a dry step with the same model and examples.
        recomputed: Layers that are computed twice; None: as the settings say, of "automatic" the fewest with which
            it fits. The last layer is never one of those, as it would be needed again at once, nor is one below all
            that learns.
    """

    def told(count: int) -> Estimate:
        return _estimate(shape, settings, lengths, machine, calibration, count)

    if recomputed is not None:
        return told(recomputed)
    fewest, most = recomputable(shape, settings)
    while fewest < most:
        middle = (fewest + most) // 2
        if told(middle).high <= machine.free_bytes:
            most = middle
        else:
            fewest = middle + 1
    return told(most)


def recomputable(shape: ModelShape, settings: TrainSettings) -> tuple[int, int]:
    """The fewest and the most layers that may be computed twice: of those that keep something at all."""
    awake = shape.layers - resting_layers(settings.method, shape)
    if settings.gradient_checkpointing == "auto" and tag_of(settings.method) not in ONCE:
        return 0, awake - 1
    count = awake if settings.gradient_checkpointing in ("on", "offload") else 0
    return count, count


def _estimate(
    shape: ModelShape,
    settings: TrainSettings,
    lengths: Lengths,
    machine: Machine,
    calibration: Calibration | None,
    recomputed: int,
) -> Estimate:
    same = calibration is not None and calibration.is_about(settings, recomputed)
    settings = resolved(settings, machine)
    seen = lengths.cut(min(settings.max_tokens, shape.context or settings.max_tokens))
    pack = seen.pack(settings)
    if calibration is not None:
        pack = round(pack * calibration.pack)
    learns = trainable_parameters(settings.method, shape)
    owns = tag_of(settings.method) in OWN_WEIGHTS  # what learns is the model's own, in fp32: no add-on besides
    found: dict[PartName, float] = {
        "weights": _weights(shape, settings),
        "adapter": 4 * (0 if owns else learns) + 4 * held_numbers(settings.method, shape),
        "gradients": 4 * learns,
        "optimiser": learns * _STATE_BYTES[settings.optimiser],
        "best": 4 * learns if not machine.is_gpu and keeps_best(learns, settings) else 0,  # in the computer's memory
        "activations": _activations(shape, settings, pack, seen.longest, recomputed),
        "loss": _loss(shape, pack * seen.learned_share, settings),
        "dequantisation": _dequantisation(shape, settings),
        "runtime": RUNTIME_CUDA if machine.is_gpu else RUNTIME_CPU,
    }
    if not machine.is_gpu:
        found["activations"] *= WASTE_CPU
    if calibration is not None:
        for name in ("activations", "loss", "dequantisation", "gradients"):
            found[name] *= calibration.work
        found["overhead"] = calibration.settled_bytes
    parts = {name: round(found[name]) for name in PARTS if name in found}
    total = sum(parts.values())
    if calibration is not None and total < calibration.least_bytes:
        parts["overhead"] += calibration.least_bytes - total
        total = calibration.least_bytes
    band = GUESSED if lengths.source == "guess" else ROUGH
    if calibration is not None:
        band = SETTLED if same else NEAR
    return Estimate(
        parts=tuple(Part(name, size) for name, size in parts.items()),
        total=total,
        low=round(total * (1 - band)),
        high=round(total * (1 + band)),
        pack_tokens=pack,
        measured=same,
        recomputed=recomputed,
    )


def calibrated(
    shape: ModelShape,
    settings: TrainSettings,
    lengths: Lengths,
    machine: Machine,
    pack_tokens: int,
    settled_bytes: int,
    peak_bytes: int,
    least_bytes: int,
    recomputed: int | None = None,
) -> Calibration:
    """What a dry step says about the formula.

    Args:
        shape, settings, lengths, machine: Of the dry step.
        pack_tokens: Of its pack.
        settled_bytes: Memory before it, model and adapter loaded.
        peak_bytes: At its peak, without the optimiser's and without what is kept of the best test.
        least_bytes: Peak before it.
        recomputed: Layers that it computed twice; None: as the formula has them.
    """
    plain = estimate(shape, settings, lengths, machine, recomputed=recomputed)
    ratio, twice = pack_tokens / max(1, plain.pack_tokens), plain.recomputed
    bare = Calibration(settled_bytes=0, work=1.0, pack=ratio, least_bytes=0, settings=settings, recomputed=twice)
    told = estimate(shape, settings, lengths, machine, bare, twice)
    sizes = {part.name: part.bytes for part in told.parts}
    work = sum(sizes[name] for name in ("activations", "loss", "dequantisation", "gradients"))
    settled = sizes["weights"] + sizes["adapter"] + sizes["runtime"]
    holes = HOLES_INT8 if settings.quantisation == "int8" and not machine.is_gpu else 1.0
    return Calibration(
        settled_bytes=settled_bytes - settled,
        work=holes * max(0.0, peak_bytes - settled_bytes) / max(1, work),
        pack=ratio,
        least_bytes=least_bytes,
        settings=settings,
        recomputed=twice,
    )


def _weights(shape: ModelShape, settings: TrainSettings) -> float:
    """Only linear layers of the layers are packed; embeddings, output layer and norms keep the number format."""
    plain = 4.0 if settings.precision == "fp32" else 2.0
    each = {"none": plain, "int8": 1.0}.get(settings.quantisation, 0.5 + 1 / 64 + 4 / (64 * 256))
    return (shape.parameters - shape.linear) * plain + shape.linear * each


def _activations(shape: ModelShape, settings: TrainSettings, pack: int, longest: int, recomputed: int) -> float:
    """What is kept of a pack for the backward pass, and what one layer takes besides while it goes back.

    Layers below all that learns keep nothing. Of a layer that is computed twice only its input is kept, and one such
    layer is whole at a time.
    """
    size = 4 if settings.precision == "fp32" else 2
    method = settings.method
    pack += settings.batch_size * virtual_tokens(method)  # learned places stand before every text
    kept = 2.0 * shape.hidden + shape.norms * shape.hidden + 4 * shape.inner  # norms and their results, feed-forward
    kept += 3 * shape.queries + 2 * shape.keys  # queries, keys, values; what was attended to, and that in one line
    kept += (shape.queries + shape.keys) if shape.head_norms else 0
    kept += kept_numbers(method, shape)
    if goes_apart(method, settings.quantisation):
        kept *= APART
    back = 3 * shape.inner + 2 * shape.hidden + 2 * shape.queries  # gradients inside one layer
    layer = pack * kept * size
    if shape.capped:  # scores, capped, their shares, each (heads, longest, longest) a row
        layer += 4 * shape.heads * pack * longest * size
    # Kept in main memory, inputs come one by one, the next while the last is still there.
    inputs = min(recomputed, 2) if settings.gradient_checkpointing == "offload" else recomputed
    whole = max(1, shape.layers - resting_layers(method, shape) - recomputed)
    return pack * shape.hidden * size * inputs + whole * layer + pack * back * size


def _loss(shape: ModelShape, learned: float, settings: TrainSettings) -> float:
    """Scores of one slice with their copies, and the hidden states of all learned places with their gradients.

    An output layer that learns has the sum of its gradient over the slices beside the gradient that is kept.
    """
    size = 4 if settings.precision == "fp32" else 2
    slice_scores = min(learned * shape.vocabulary, SLICE_SCORES)
    head = 4.0 * shape.vocabulary * shape.hidden if tag_of(settings.method) == "full" else 0.0
    return SCORE_COPIES * 4 * slice_scores + 2 * learned * shape.hidden * size + head


def _dequantisation(shape: ModelShape, settings: TrainSettings) -> float:
    """The largest linear layer as numbers, twice: as the library unpacks it and in the format of the input."""
    if settings.quantisation not in ("nf4", "fp4"):
        return 0.0
    size = 4 if settings.precision == "fp32" else 2
    return 2 * size * max(one.inputs * one.outputs for one in shape.linears)
