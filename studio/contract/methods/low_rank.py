"""Settings of the ways of tuning that put a small product of matrices beside each frozen one."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from studio.contract.fields import about

TargetModules = Annotated[
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
]
"""Of every way of tuning that can choose its layers."""


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
    target_modules: TargetModules = "all-linear"
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
    initialisation: Annotated[
        Literal["standard", "pissa", "olora", "eva", "loftq"],
        Meta(
            title="What the adapter begins with",
            description="Nothing, the strongest directions of the model's own weights, those that your examples stir "
            "most, or what compressing the model lost; all but nothing can learn faster and take time at the start.",
            extra=about(
                "initialisation",
                "adapter",
                "Standard, as in the LoRA paper; PiSSA arXiv 2404.02948, OLoRA arXiv 2406.01775, EVA arXiv 2410.07170, "
                "LoftQ arXiv 2310.08659",
                choices={
                    "standard": "Nothing (standard)",
                    "pissa": "The model's strongest directions (PiSSA)",
                    "olora": "Directions at right angles (OLoRA)",
                    "eva": "What your examples stir (EVA)",
                    "loftq": "What 4-bit loading lost (LoftQ)",
                },
            ),
        ),
    ] = "standard"


class AdaLoraSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="adalora"
):
    """LoRA that moves its size to the layers where it helps most (arXiv 2303.10512)."""

    initial_rank: Annotated[
        int,
        Meta(
            ge=1,
            le=1024,
            title="Adapter size at the start",
            description="Every layer begins with an add-on of this size; larger needs more memory.",
            extra=about("initial rank", "adapter", "12: one and a half times the final size, as in the paper"),
        ),
    ] = 12
    target_rank: Annotated[
        int,
        Meta(
            ge=1,
            le=1024,
            title="Adapter size at the end",
            description="Mean size that is left of each add-on; layers that matter more keep more.",
            extra=about("target rank", "adapter", "8: the paper's largest budget", simple=True),
        ),
    ] = 8
    alpha: Annotated[
        float,
        Meta(
            gt=0,
            le=4096,
            title="Adapter strength",
            description="How strongly the add-on changes the base model.",
            extra=about("alpha", "adapter", "32: as in the paper's code for question answering"),
        ),
    ] = 32.0
    dropout: Annotated[
        float,
        Meta(
            ge=0,
            le=0.9,
            title="Dropout",
            description="Ignores random parts while learning to reduce memorising.",
            extra=about("dropout", "adapter", "0: as for LoRA", unit="share"),
        ),
    ] = 0.0
    target_modules: TargetModules = "all-linear"
    orthogonality: Annotated[
        float,
        Meta(
            ge=0,
            le=10,
            title="Keep directions apart",
            description="How strongly the directions that are learned are kept different from each other.",
            extra=about("orthogonal regularisation", "adapter", "0.5: PEFT's default; the paper uses 0.1 to 0.5"),
        ),
    ] = 0.5
    warmup_part: Annotated[
        float,
        Meta(
            ge=0,
            le=0.5,
            title="Full size until",
            description="Share of the run in which all add-ons keep their first size.",
            extra=about("tinit", "adapter", "A tenth: about the paper's share", unit="share"),
        ),
    ] = 0.1
    final_part: Annotated[
        float,
        Meta(
            ge=0.1,
            le=0.9,
            title="Fixed sizes for the last",
            description="Share of the run, at its end, in which sizes do not change any more.",
            extra=about("tfinal", "adapter", "Three tenths: about the paper's share", unit="share"),
        ),
    ] = 0.3


class VeraSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="vera"):
    """Two vectors a layer, beside random matrices that all layers share (arXiv 2310.11454)."""

    rank: Annotated[
        int,
        Meta(
            ge=1,
            le=4096,
            title="Adapter size",
            description="Width of the shared random matrices; the part that learns hardly grows with it.",
            extra=about("rank", "adapter", "256: the paper's size for instruction tuning", simple=True),
        ),
    ] = 256
    dropout: Annotated[
        float,
        Meta(
            ge=0,
            le=0.9,
            title="Dropout",
            description="Ignores random parts while learning to reduce memorising.",
            extra=about("dropout", "adapter", "0: as for LoRA", unit="share"),
        ),
    ] = 0.0
    initial_scale: Annotated[
        float,
        Meta(
            gt=0,
            le=10,
            title="First strength",
            description="What the inner vector begins with.",
            extra=about("d initial", "adapter", "0.1: the paper's choice"),
        ),
    ] = 0.1
    target_modules: TargetModules = "all-linear"


class LohaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="loha"):
    """Product, number by number, of two low-rank matrices (arXiv 2108.06098, 2309.14859)."""

    rank: Annotated[
        int,
        Meta(
            ge=1,
            le=512,
            title="Adapter size",
            description="Size of each of the two add-ons that are multiplied; the change can have its square.",
            extra=about("rank", "adapter", "8: PEFT's default", simple=True),
        ),
    ] = 8
    alpha: Annotated[
        float,
        Meta(
            gt=0,
            le=4096,
            title="Adapter strength",
            description="How strongly the add-on changes the base model.",
            extra=about("alpha", "adapter", "8: PEFT's default, the same as the size"),
        ),
    ] = 8.0
    rank_dropout: Annotated[
        float,
        Meta(
            ge=0,
            le=0.9,
            title="Dropout of directions",
            description="Ignores some of the directions that are learned in each step.",
            extra=about("rank dropout", "adapter", "Off: PEFT's default", unit="share"),
        ),
    ] = 0.0
    target_modules: TargetModules = "all-linear"


class LokrSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="lokr"):
    """Kronecker product of a small and a low-rank matrix (arXiv 2309.14859)."""

    rank: Annotated[
        int,
        Meta(
            ge=1,
            le=512,
            title="Adapter size",
            description="Size of the larger factor's own add-on.",
            extra=about("rank", "adapter", "8: PEFT's default", simple=True),
        ),
    ] = 8
    alpha: Annotated[
        float,
        Meta(
            gt=0,
            le=4096,
            title="Adapter strength",
            description="How strongly the add-on changes the base model.",
            extra=about("alpha", "adapter", "8: PEFT's default, the same as the size"),
        ),
    ] = 8.0
    both_small: Annotated[
        bool,
        Meta(
            title="Make both factors small",
            description="Makes a low-rank product of the small factor too: fewer numbers, less room.",
            extra=about("decompose both", "adapter", "Off: PEFT's default"),
        ),
    ] = False
    factor: Annotated[
        int,
        Meta(
            ge=-1,
            le=256,
            title="Size of the small factor",
            description="At most this many rows and columns; -1 makes both factors as alike as can be.",
            extra=about("decompose factor", "adapter", "-1: PEFT's default"),
        ),
    ] = -1
    target_modules: TargetModules = "all-linear"
