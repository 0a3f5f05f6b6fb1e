"""Ways of tuning: a row each, with its settings class. `engine/methods/<name>.py` is the other half.

QLoRA is no method of its own: it is LoRA on a base model loaded in 4-bit, so `--method qlora` sets both.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from studio.contract.fields import about


class LoraSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="lora"):
    """Low-rank adapters beside frozen weights (arXiv 2106.09685)."""

    rank: Annotated[
        int,
        Meta(
            ge=1,
            le=1024,
            title="Adapter size",
            description="How much new knowledge the add-on can hold; larger needs more memory.",
            extra=about("rank", "adapter", "16: QLoRA paper found little difference between 8 and 256", simple=True),
        ),
    ] = 16
    alpha: Annotated[
        float,
        Meta(
            gt=0,
            le=4096,
            title="Adapter strength",
            description="How strongly the add-on changes the base model; usually twice its size.",
            extra=about("alpha", "adapter", "Twice the rank: common practice"),
        ),
    ] = 32.0
    dropout: Annotated[
        float,
        Meta(
            ge=0,
            le=0.9,
            title="Dropout",
            description="Ignores random parts while learning to reduce memorising.",
            extra=about(
                "dropout", "adapter", "0: QLoRA paper uses 0.05 to 0.1 for small models; off is faster", unit="share"
            ),
        ),
    ] = 0.0
    target_modules: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9_.\-]+( *, *[A-Za-z0-9_.\-]+)*$",
            max_length=1000,
            title="Where the adapter sits",
            description="Which parts of the model get an add-on: all-linear, attention, feed-forward, or names of "
            "layers separated by commas.",
            extra=about(
                "target modules",
                "adapter",
                "All linear layers: QLoRA paper, and 'LoRA without regret' (2025)",
                form="all-linear, attention, feed-forward, or names of layers separated by commas",
            ),
        ),
    ] = "all-linear"
    rslora: Annotated[
        bool,
        Meta(
            title="Steady strength for large adapters",
            description="Scales the strength by the square root of the size, so that large adapters still learn.",
            extra=about("rsLoRA", "adapter", "Off; arXiv 2312.03732"),
        ),
    ] = False
    rate_ratio: Annotated[
        float,
        Meta(
            ge=1,
            le=64,
            title="Faster output side",
            description="How many times faster the add-on's second half learns than its first; 1 means alike.",
            extra=about("LoRA+ ratio", "adapter", "Off; arXiv 2402.12354 suggests 16", unit="times"),
        ),
    ] = 1.0
    dora: Annotated[
        bool,
        Meta(
            title="Learn direction and size apart",
            description="Can learn better with small adapters; slower.",
            extra=about("DoRA", "adapter", "Off; arXiv 2402.09353"),
        ),
    ] = False


class Method(msgspec.Struct, frozen=True):
    """A row: `sets` are the settings that choosing it implies (dotted path -> value)."""

    label: str
    help: str
    settings: type[msgspec.Struct]
    module: str
    sets: dict[str, Any]


METHODS: dict[str, Method] = {
    "lora": Method("Adapter (LoRA)", "A small add-on learns; the model stays as it is.", LoraSettings, "lora", {}),
    "qlora": Method(
        "Adapter on a 4-bit model (QLoRA)",
        "The same add-on while the model is stored compressed: needs far less memory.",
        LoraSettings,
        "lora",
        {"quantisation": "nf4"},
    ),
}
