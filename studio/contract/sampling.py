"""How a chat draws the next token: declared once, as the training settings are."""

from typing import Annotated

import msgspec
from msgspec import Meta

from studio.contract.fields import about


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """What the controls beside a chat and the options of `apprentice chat` set."""

    temperature: Annotated[
        float,
        Meta(
            ge=0,
            le=5,
            title="Temperature",
            description="0 always takes the likeliest word; higher values are freer and less reliable.",
            extra=about("temperature", "sampling", "0: the same question gives the same answer, so adapters compare"),
        ),
    ] = 0.0
    top_p: Annotated[
        float,
        Meta(
            gt=0,
            le=1,
            title="Top-p",
            description="Only the likeliest words that together have this probability are considered; 1 is all.",
            extra=about("top-p", "sampling", "Off (Holtzman et al., arXiv 1904.09751, use 0.95)"),
        ),
    ] = 1.0
    top_k: Annotated[
        int,
        Meta(
            ge=0,
            le=100_000,
            title="Top-k",
            description="Only this many of the likeliest words are considered; 0 is off.",
            extra=about("top-k", "sampling", "Off (Fan et al., arXiv 1805.04833, use 10)"),
        ),
    ] = 0
    repetition_penalty: Annotated[
        float,
        Meta(
            gt=0,
            le=10,
            title="Repetition penalty",
            description="Above 1 makes words that were used already less likely; 1 is off.",
            extra=about("repetition penalty", "sampling", "Off (CTRL, arXiv 1909.05858, uses 1.2)"),
        ),
    ] = 1.0
    max_new_tokens: Annotated[
        int,
        Meta(
            ge=1,
            le=32_768,
            title="Longest reply",
            description="A reply is cut after this many tokens.",
            extra=about("max new tokens", "sampling", "256: a few paragraphs", unit="tokens"),
        ),
    ] = 256
    seed: Annotated[
        int,
        Meta(
            ge=0,
            le=2**31 - 1,
            title="Seed",
            description="The same seed gives the same reply again.",
            extra=about("seed", "sampling", "42 by custom"),
        ),
    ] = 42
