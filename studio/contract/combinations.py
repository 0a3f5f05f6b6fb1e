"""Ways to make one adapter of several: a row each, with what PEFT calls it."""

import msgspec


class Combination(msgspec.Struct, frozen=True, kw_only=True):
    """A row.

    Attributes:
        label: Plain name, with the term.
        help: What it does and when to choose it.
        peft: What PEFT calls it where all adapters have the same size, and where they have not.
        thins: Whether a share of each adapter's numbers is kept (`density`).
        any_rank: Whether the new adapter's size can be chosen.
    """

    label: str
    help: str
    peft: tuple[str, str]
    thins: bool = False
    any_rank: bool = False


COMBINATIONS: dict[str, Combination] = {
    "weighted": Combination(
        label="Added up (weighted)",
        help="Exactly the weighted sum of what each has learned; the new adapter is as large as all of them together.",
        peft=("cat", "cat"),
    ),
    "svd": Combination(
        label="Added up and made small (SVD)",
        help="The weighted sum, of which the strongest directions are kept: nearly the same in a smaller adapter.",
        peft=("svd", "svd"),
        any_rank=True,
    ),
    "ties": Combination(
        label="Agreeing parts only (TIES)",
        help="Keeps the largest numbers of each and, where adapters pull both ways, the side that has more weight.",
        peft=("ties", "ties_svd"),
        thins=True,
    ),
    "dare": Combination(
        label="Thinned at random (DARE)",
        help="Drops numbers of each at random and strengthens the rest, so that adapters get less in each other's way.",
        peft=("dare_linear", "dare_linear_svd"),
        thins=True,
    ),
}
"""arXiv 2306.01708 (TIES), arXiv 2311.03099 (DARE)."""
LARGEST_WEIGHT = 10.0
MOST = 8
"""Adapters that are combined at once."""


class Parent(msgspec.Struct, frozen=True, kw_only=True):
    """One of the adapters that a new one was made of; what is told of it holds also when its run is gone.

    Attributes:
        run, name: Its run.
        weight: How strongly it was added.
        rank: Its size; None where that was not kept.
        dataset: Name of what it was trained on.
        licence: Of its base model; "" where that names none.
    """

    run: str
    name: str
    weight: float
    rank: int | None = None
    dataset: str = ""
    licence: str = ""


class Ancestry(msgspec.Struct, frozen=True, kw_only=True):
    """How a combined adapter came to be; parents.json of its folder.

    Attributes:
        how: Key of COMBINATIONS.
        parents: In the order in which they were named.
        density: Which share of each was kept; None where all was.
        seed: Of what was drawn at random.
        system: The one system prompt that all parents learned with, or ""; None where that was not kept.
    """

    how: str
    parents: tuple[Parent, ...]
    density: float | None = None
    seed: int = 0
    system: str | None = None
