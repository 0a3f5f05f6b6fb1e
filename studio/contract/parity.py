"""How an exported model compares with the adapter that it was made from."""

import msgspec

GREEDY = 32
"""Tokens of each answer that are compared."""


class Bound(msgspec.Struct, frozen=True):
    """What a number format promises.

    Attributes:
        difference: Largest difference of logits, None where none is promised.
        top1: Share of places where the likeliest token must be the same.
    """

    difference: float | None
    top1: float


BOUNDS: dict[str, Bound] = {
    "f32": Bound(1e-3, 1.0),
    "f16": Bound(None, 0.995),
    "bf16": Bound(None, 0.98),
    "q8_0": Bound(None, 0.97),
    "q5_1": Bound(None, 0.9),
    "q5_0": Bound(None, 0.9),
    "q4_1": Bound(None, 0.8),
    "q4_0": Bound(None, 0.8),
    "q6_k": Bound(None, 0.95),
    "q5_k_m": Bound(None, 0.9),
    "q4_k_m": Bound(None, 0.85),
}
"""Number format of the weights -> what must hold on the prompts that are tried."""


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """The same prompts through the adapter and through what was written.

    Attributes:
        numbers: Number format of what was written.
        prompts: How many were tried; 0: nothing was compared, and `skipped` says why.
        same_ids: Prompts that both tokenizers cut alike.
        places: Tokens at which both models were asked for the next one.
        same_top1: Of them, those at which both name the same.
        difference: Largest difference of two logits.
        same_answers: Greedy answers of which the first GREEDY tokens are the same.
        ended: Answers of the adapter that ended within them; `ended_alike` of them ended at the same token.
        same_template: Whether the chat template is the same, character for character.
        skipped: Why nothing was compared.
    """

    numbers: str
    prompts: int = 0
    same_ids: int = 0
    places: int = 0
    same_top1: int = 0
    difference: float = 0.0
    same_answers: int = 0
    ended: int = 0
    ended_alike: int = 0
    same_template: bool = True
    skipped: str = ""

    @property
    def bound(self) -> Bound:
        """What must hold."""
        return BOUNDS[self.numbers]

    @property
    def holds(self) -> bool:
        """Whether it behaves as the adapter does, as nearly as its number format promises."""
        near = self.bound.difference is None or self.difference <= self.bound.difference
        often = self.same_top1 >= self.bound.top1 * self.places
        exact = self.same_ids == self.prompts and self.same_template
        return bool(self.prompts) and near and often and exact


def sentences(parity: Parity) -> list[tuple[str, str]]:
    """What was compared and how it came out, to be shown as rows."""
    if not parity.prompts:
        return [("Compared with the adapter", f"no: {parity.skipped}")]
    share = parity.same_top1 / parity.places if parity.places else 1.0
    wanted = f"at least {100 * parity.bound.top1:.1f} %"
    rows = [
        ("Prompts tried", f"{parity.prompts}"),
        ("Cut into the same tokens", f"{parity.same_ids} of {parity.prompts}"),
        ("Chat template", "the same" if parity.same_template else "ANOTHER"),
        ("The same next token is likeliest", f"{100 * share:.2f} % of {parity.places:,} places ({wanted})"),
        (
            "Largest difference of logits",
            f"{parity.difference:.2g}"
            + (f" (at most {parity.bound.difference:g})" if parity.bound.difference is not None else ""),
        ),
        (f"The first {GREEDY} tokens of greedy answers are the same", f"{parity.same_answers} of {parity.prompts}"),
    ]
    if parity.ended:
        rows.append(("Answers that end at the same end token", f"{parity.ended_alike} of {parity.ended}"))
    return rows
