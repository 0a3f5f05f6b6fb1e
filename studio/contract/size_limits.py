"""What only a model's own sizes forbid: adapters larger than layers, layers it has not, learned tokens without room.

The form and the command line ask with what config.json tells, before anything is loaded; the engine asks again with
the model itself.
"""

from collections.abc import Iterator

import msgspec

from studio.contract import target_layers
from studio.contract.errors import Problem
from studio.contract.methods import (
    AnyMethod,
    BottleneckSettings,
    LayersSettings,
    LoraSettings,
    OftSettings,
    VeraSettings,
)
from studio.contract.model_shape import ModelShape
from studio.contract.settings import TrainSettings
from studio.contract.trainable import virtual_tokens

SHORTEST = 16
"""Of `TrainSettings.max_tokens`."""
LARGEST_BLOCK = 1024
"""Of `OftSettings.block_size`."""


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """A model's sizes, as far as they limit settings.

    Attributes:
        linears: Full name of each linear layer but the output layer -> inputs, outputs.
        hidden, layers: Width and number of layers.
        context: Tokens that it reads at most; 0: not told.
        steady: Tokens of the longest row that changes no other one's numbers (`model_shape.steady_length`); 0: any.
        tied: The output layer is the table of words.
    """

    linears: dict[str, tuple[int, int]]
    hidden: int
    layers: int
    context: int
    steady: int = 0
    tied: bool = False


def sizes_of(shape: ModelShape) -> Sizes:
    """By config.json."""
    return Sizes(
        linears={
            f"model.layers.{layer}.{one.place}.{one.name}": (one.inputs, one.outputs)
            for layer in range(shape.layers)
            for one in shape.linears
        },
        hidden=shape.hidden,
        layers=shape.layers,
        context=shape.context,
        steady=shape.steady,
        tied=shape.tied,
    )


def unfitting(
    settings: TrainSettings, sizes: Sizes, longest: int = 0, likely: int = 0, goes_on: bool = False
) -> Iterator[Problem]:
    """Every setting that this model cannot be trained with, each with the nearest that it can.

    Args:
        settings: As chosen, each within its own limits.
        sizes: Of the model.
        longest: Tokens of the longest example, where it is known; 0: not yet.
        goes_on: The adapter is there and has its size: what began with PiSSA is kept at twice the size that was chosen.
        likely: The same as a guess, for what is proposed; where both are 0, room for the text is not asked about.
    """
    method = settings.method
    names = (*sizes.linears, target_layers.HEAD)
    wanted = str(getattr(method, "target_modules", "paper"))
    absent = target_layers.missing(wanted, names) if wanted != "paper" else None
    if absent is not None:
        yield absent
        wanted = str(absent.sets["method.target_modules"])  # what is too large even then is told at once, too
    if isinstance(method, LoraSettings) and target_layers.HEAD in target_layers.words_of(wanted):
        yield from _head_begins(method.initialisation, sizes.tied)
    if not goes_on:
        yield from _too_large(method, _adapted(wanted, sizes))
    if isinstance(method, BottleneckSettings) and method.width > sizes.hidden:
        yield Problem(
            code="train.block_width",
            what=f"Blocks of {method.width} are wider than the model's layers.",
            why=f"Its layers are {sizes.hidden} wide; a block is to be narrower.",
            fix=f"Choose a width of at most {sizes.hidden}.",
            where="method.width",
            sets={"method.width": sizes.hidden},
        )
    if isinstance(method, LayersSettings) and method.last_layers > sizes.layers:
        yield Problem(
            code="train.too_many_layers",
            what=f"The model has {sizes.layers} layers, {method.last_layers} are to learn.",
            why="Layers are counted from the end.",
            fix=f"Choose at most {sizes.layers}, or the whole model.",
            where="method.last_layers",
            sets={"method.last_layers": sizes.layers},
        )
    if virtual_tokens(method) and sizes.context and (longest or likely):
        yield from _no_room(settings, sizes.context, longest, max(longest, likely))
    if sizes.steady and longest + virtual_tokens(method) > sizes.steady:
        yield _unsteady(settings, sizes.steady, longest)


def _adapted(wanted: str, sizes: Sizes) -> list[tuple[int, int]]:
    """Inputs and outputs of the layers that get an adapter, the output layer left out."""
    if wanted in ("paper", target_layers.ALL):
        return list(sizes.linears.values())
    names = target_layers.found(wanted, sizes.linears)
    return [size for name, size in sizes.linears.items() if target_layers.is_meant(name, names)]


def _too_large(method: AnyMethod, adapted: list[tuple[int, int]]) -> Iterator[Problem]:
    """Adapters larger than the layers they sit at."""
    if not adapted:
        return
    smallest = min(min(size) for size in adapted)
    for name in ("rank", "initial_rank"):
        rank = getattr(method, name, 0)
        # VeRA's rank is the width of shared random matrices, which may be larger than a layer.
        if rank > smallest and not isinstance(method, VeraSettings):
            sets: dict[str, str | bool | int | float] = {f"method.{name}": smallest}
            if getattr(method, "target_rank", 0) > smallest:
                sets["method.target_rank"] = smallest  # AdaLoRA never grows
            yield Problem(
                code="train.rank_too_large",
                what=f"An adapter of size {rank} is larger than the layers it sits at.",
                why=f"The smallest of these layers is {smallest} wide; more than that holds nothing more.",
                fix=f"Choose a size of at most {smallest}.",
                where=f"method.{name}",
                sets=sets,
            )
    if isinstance(method, OftSettings):
        yield from _undivided(method.block_size, sorted({inputs for inputs, _ in adapted}))


def _head_begins(beginning: str, tied: bool) -> Iterator[Problem]:
    """Beginnings that the output layer cannot have."""
    why = ""
    if beginning == "loftq":
        why = "It makes up for what 4-bit loading loses, and that layer is never compressed."
    elif beginning in ("pissa", "olora") and tied:
        why = "It takes a part out of that layer's weights, which are this model's table of words, too."
    if why:
        yield Problem(
            code="train.head_beginning",
            what="The output layer (lm_head) cannot have this beginning (PiSSA, OLoRA, LoftQ).",
            why=why,
            fix="Begin with nothing (standard), or name other layers only.",
            where="method.initialisation",
            sets={"method.initialisation": "standard"},
        )


def _undivided(block: int, widths: list[int]) -> Iterator[Problem]:
    if not any(width % block for width in widths):
        return
    fitting = [
        size for size in range(2, min(widths[0], LARGEST_BLOCK) + 1) if all(width % size == 0 for width in widths)
    ]
    nearest = min(fitting, key=lambda size: abs(size - block), default=0)
    yield Problem(
        code="train.block_size",
        what=f"Blocks of {block} do not divide the layers of this model.",
        why=f"Their widths are {', '.join(map(str, widths))}.",
        fix=f"Choose a block of {nearest}." if nearest else "Choose LoRA: no block divides all of them.",
        where="method.block_size",
        sets={"method.block_size": nearest} if nearest else {},
    )


def _unsteady(settings: TrainSettings, steady: int, longest: int) -> Problem:
    """A row so long that shorter ones beside it would be computed otherwise than alone."""
    most = steady - virtual_tokens(settings.method)
    return Problem(
        code="train.longer_than_original",
        what=f"The longest example has {longest:,} tokens; examples for this model may have at most {most:,}.",
        why=f"Beyond {steady:,} tokens this model counts places otherwise, for all texts that are read together: "
        "shorter examples would be learned otherwise than they are read alone.",
        fix=f"Choose a longest text of {most:,} tokens." if most >= SHORTEST else "Choose fewer learned tokens.",
        where="max_tokens",
        sets={"max_tokens": most} if most >= SHORTEST else {},
    )


def _no_room(settings: TrainSettings, most: int, longest: int, likely: int) -> Iterator[Problem]:
    """Learned tokens that leave no room for the text.

    Args:
        settings: It.
        most: Tokens that the model reads.
        longest, likely: Of the longest example, known and guessed; one token is the least.
    """
    tokens = virtual_tokens(settings.method)
    if tokens + max(1, longest) <= most:
        return
    fitting = most - max(1, min(likely, settings.max_tokens, most))
    sets: dict[str, str | bool | int | float] = {"method.virtual_tokens": fitting}
    fix = f"Choose {'at most' if longest else 'about'} {fitting:,} learned tokens."
    if fitting < 1:  # texts fill all of the context: they must be shorter
        tokens_left = min(tokens, max(1, most // 4))
        sets = {"method.virtual_tokens": tokens_left} if tokens_left < tokens else {}
        sets["max_tokens"] = max(SHORTEST, most - tokens_left)
        fix = "Choose a shorter longest text."
    what = f"{tokens:,} learned tokens leave no room for any text in the model's context."
    if longest:
        what = f"{tokens:,} learned tokens and the longest example of {longest:,} do not fit into the model's context."
    general = "; the longest example may be one of the general ones" if longest and settings.replay_share else ""
    yield Problem(
        code="train.too_many_virtual_tokens",
        what=what,
        why=f"The model reads at most {most:,} tokens{general}.",
        fix=fix,
        where="method.virtual_tokens",
        sets=sets,
    )
