"""Settings of the ways of tuning that turn or scale what is there, or add small blocks to it."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from studio.contract.fields import about
from studio.contract.methods.low_rank import TargetModules


class Ia3Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="ia3"):
    """One factor for each key, value and inner feature (arXiv 2205.05638)."""

    target_modules: Annotated[
        Literal["paper", "all-linear"],
        Meta(
            title="Where the factors sit",
            description="At keys, values and the feed-forward part's inside, or at every linear layer.",
            extra=about(
                "target modules",
                "adapter",
                "The paper's three places",
                choices={"paper": "Keys, values, inside of the feed-forward part", "all-linear": "Every linear layer"},
            ),
        ),
    ] = "paper"


class OftSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="oft"):
    """Turns the inputs of each layer in small blocks (arXiv 2306.07280, 2506.19847)."""

    block_size: Annotated[
        int,
        Meta(
            ge=2,
            le=1024,
            title="Size of a turned block",
            description="How many inputs are turned together; must divide the layers' widths.",
            extra=about("block size", "adapter", "32: PEFT's default", simple=True),
        ),
    ] = 32
    dropout: Annotated[
        float,
        Meta(
            ge=0,
            le=0.9,
            title="Dropout",
            description="Leaves random blocks unturned while learning to reduce memorising.",
            extra=about("module dropout", "adapter", "Off: PEFT's default", unit="share"),
        ),
    ] = 0.0
    target_modules: TargetModules = "all-linear"


class NormsSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="norms"
):
    """The norms' factors alone (arXiv 2312.11420); there is nothing to set."""


class BottleneckSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="bottleneck"
):
    """Small blocks inside each layer (Houlsby et al., arXiv 1902.00751; Pfeiffer et al., arXiv 2005.00247)."""

    width: Annotated[
        int,
        Meta(
            ge=1,
            le=8192,
            title="Width of a block",
            description="How many numbers pass through each small block; larger holds more and needs more memory.",
            extra=about("bottleneck size", "adapter", "64: the middle size of Houlsby et al.", simple=True),
        ),
    ] = 64
    places: Annotated[
        Literal["pfeiffer", "houlsby"],
        Meta(
            title="Where the blocks sit",
            description="After the feed-forward part only, or after attention too.",
            extra=about(
                "adapter architecture",
                "adapter",
                "One a layer: as good at half the size (arXiv 2005.00247)",
                choices={"pfeiffer": "One a layer (Pfeiffer)", "houlsby": "Two a layer (Houlsby)"},
            ),
        ),
    ] = "pfeiffer"
    activation: Annotated[
        Literal["relu", "gelu", "silu"],
        Meta(
            title="Bend in a block",
            description="The function between a block's two halves.",
            extra=about(
                "non-linearity",
                "adapter",
                "ReLU: the configuration of Pfeiffer et al.",
                choices={"relu": "ReLU", "gelu": "GELU", "silu": "SiLU"},
            ),
        ),
    ] = "relu"
    dropout: Annotated[
        float,
        Meta(
            ge=0,
            le=0.9,
            title="Dropout",
            description="Ignores random parts while learning to reduce memorising.",
            extra=about("dropout", "adapter", "Off, as for LoRA", unit="share"),
        ),
    ] = 0.0


class LayersSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="layers"
):
    """The model's own weights, in the last layers only."""

    last_layers: Annotated[
        int,
        Meta(
            ge=1,
            le=1000,
            title="How many layers learn",
            description="Counted from the end; the layers before them stay as they are and cost no gradients.",
            extra=about("last layers", "adapter", "2: little memory; a choice of ours", unit="layers", simple=True),
        ),
    ] = 2
    parts: Annotated[
        Literal["all", "attention", "feed-forward"],
        Meta(
            title="Which part of them",
            description="The whole layer, or one of its two parts.",
            extra=about(
                "parts",
                "adapter",
                "The whole layer",
                choices={"all": "All of it", "attention": "Attention", "feed-forward": "Feed-forward part"},
            ),
        ),
    ] = "all"


class FullSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="full"):
    """All of the model's own weights."""

    embeddings: Annotated[
        bool,
        Meta(
            title="Words learn too",
            description="Changes the table of words as well; off saves memory and keeps rare words as they are.",
            extra=about("train embeddings", "adapter", "On: that is what full fine-tuning means elsewhere"),
        ),
    ] = True
