"""Settings of the ways of tuning that put learned words or states before what the model reads."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from studio.contract.fields import about


class PrefixSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="prefix"
):
    """Learned keys and values before the text, in every layer (arXiv 2101.00190, 2110.07602)."""

    virtual_tokens: Annotated[
        int,
        Meta(
            ge=1,
            le=4096,
            title="Length of the prefix",
            description="How many learned places stand before every text; they take room from the longest text.",
            extra=about("virtual tokens", "adapter", "20: the papers use 10 to 200", unit="tokens", simple=True),
        ),
    ] = 20
    projection: Annotated[
        bool,
        Meta(
            title="Learn through a small network",
            description="Learns the prefix through a network that is thrown away afterwards; steadier, more memory.",
            extra=about("prefix projection", "adapter", "Off: P-tuning v2 found it helps some tasks and harms others"),
        ),
    ] = False


class PromptSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="prompt"
):
    """Learned words before the text (arXiv 2104.08691)."""

    virtual_tokens: Annotated[
        int,
        Meta(
            ge=1,
            le=4096,
            title="Length of the learned prompt",
            description="How many learned words stand before every text; they take room from the longest text.",
            extra=about("virtual tokens", "adapter", "20: more gained little in the paper", unit="tokens", simple=True),
        ),
    ] = 20
    initial: Annotated[
        Literal["vocabulary", "random"],
        Meta(
            title="First words",
            description="Begins with words of the model's own vocabulary, or with random numbers.",
            extra=about(
                "initialisation",
                "adapter",
                "Words of the vocabulary: better than random in the paper, most of all for small models",
                choices={"vocabulary": "Words of the vocabulary", "random": "Random numbers"},
            ),
        ),
    ] = "vocabulary"


class PTuningSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="ptuning"
):
    """Learned words before the text, written by a small network (arXiv 2103.10385)."""

    virtual_tokens: Annotated[
        int,
        Meta(
            ge=1,
            le=4096,
            title="Length of the learned prompt",
            description="How many learned words stand before every text; they take room from the longest text.",
            extra=about("virtual tokens", "adapter", "20: as for prompt tuning", unit="tokens", simple=True),
        ),
    ] = 20
    encoder_width: Annotated[
        int,
        Meta(
            ge=1,
            le=16384,
            title="Width of the writing network",
            description="Size of the network that writes the learned words; it is thrown away afterwards.",
            extra=about("encoder hidden size", "adapter", "128: PEFT's example"),
        ),
    ] = 128
    encoder: Annotated[
        Literal["MLP", "LSTM"],
        Meta(
            title="Kind of the writing network",
            description="A plain network of three layers, or one that reads the words in order.",
            extra=about(
                "encoder type",
                "adapter",
                "MLP: PEFT's default; the paper uses an LSTM",
                choices={"MLP": "Plain (MLP)", "LSTM": "In order (LSTM)"},
            ),
        ),
    ] = "MLP"


class LlamaAdapterSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="llama_adapter"
):
    """Learned prompts that the upper layers also attend to, switched on gradually (arXiv 2303.16199)."""

    prompt_length: Annotated[
        int,
        Meta(
            ge=1,
            le=4096,
            title="Length of a learned prompt",
            description="How many learned places each adapted layer attends to besides the text.",
            extra=about("adapter length", "adapter", "10: the paper's choice", unit="tokens", simple=True),
        ),
    ] = 10
    layers_share: Annotated[
        float,
        Meta(
            gt=0,
            le=1,
            title="How many of the upper layers",
            description="Share of the model's layers, counted from the end, that get a learned prompt.",
            extra=about("adapter layers", "adapter", "The paper adapts 30 of 32", unit="share"),
        ),
    ] = 0.9375
