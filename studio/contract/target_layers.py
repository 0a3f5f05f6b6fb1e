"""Which linear layers "where the adapter sits" means, by the layers' own names. Knows no torch."""

import difflib
import re
from collections.abc import Collection

from studio.contract.errors import Problem

ALL = "all-linear"
HEAD = "lm_head"
"""The output layer: it can be named, but "all-linear" does not mean it."""
GROUPS: dict[str, tuple[str, ...]] = {
    "attention": ("q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj"),
    "feed-forward": ("gate_proj", "up_proj", "down_proj", "gate_up_proj"),
}
"""Names of linear layers in the supported architectures; phi3 joins q, k, v and gate, up into one each."""


def words_of(wanted: str) -> list[str]:
    """Names and groups that are separated by commas."""
    return re.split(r" *, *", wanted)


def found(wanted: str, layers: Collection[str]) -> list[str]:
    """The names that fit a layer, groups taken apart, each once.

    Args:
        wanted: As set, but not ALL.
        layers: Names of a model's linear layers, full ("model.layers.0.self_attn.q_proj") or the end of them.
    """
    names: list[str] = []
    for word in words_of(wanted):
        names += [name for name in GROUPS.get(word, (word,)) if name not in names and _is_there(name, layers)]
    return names


def is_meant(layer: str, names: Collection[str]) -> bool:
    """Whether a layer's full name is one of `found`'s."""
    return any(layer == name or layer.endswith(f".{name}") for name in names)


def missing(wanted: str, layers: Collection[str]) -> Problem | None:
    """What is wrong where a name fits no layer, all such names told; None where each fits."""
    if wanted == ALL:
        return None
    if ALL in words_of(wanted):
        return Problem(
            code="train.all_linear_beside_others",
            what=f"{ALL} stands alone, without other names.",
            why="It means every linear layer already, the output layer left out.",
            fix=f"Choose {ALL} alone, or names without it.",
            where="method.target_modules",
            sets={"method.target_modules": ALL},
        )
    absent = [w for w in words_of(wanted) if not any(_is_there(name, layers) for name in GROUPS.get(w, (w,)))]
    if not absent:
        return None
    kinds = sorted({name.rsplit(".", 1)[-1] for name in layers})
    nearest, names = _nearest(words_of(wanted), absent, kinds), [repr(word) for word in dict.fromkeys(absent)]
    told = f"layers named {', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else f"layer named {names[0]}"
    return Problem(
        code="train.no_such_module",
        what=f"The model has no {told}.",
        why=f"Its layers are named {', '.join(kinds)}.",
        fix="Choose all-linear, attention, feed-forward, or names from that list."
        if nearest == ALL
        else f"Choose {nearest}; or all-linear, attention, feed-forward.",
        where="method.target_modules",
        sets={"method.target_modules": nearest},
    )


def _is_there(name: str, layers: Collection[str]) -> bool:
    return any(is_meant(layer, (name,)) for layer in layers)


def _nearest(words: list[str], absent: list[str], kinds: list[str]) -> str:
    """The same with each absent name replaced by the most similar one; ALL where one is like none."""
    kept: list[str] = []
    for word in words:
        similar = difflib.get_close_matches(word, [*kinds, *GROUPS], n=1) if word in absent else [word]
        if not similar:
            return ALL
        kept += [name for name in similar if name not in kept]
    return ", ".join(kept)
