"""What an adapter can leave as: a row each. `engine/exports/<name>.py` is the other half."""

from typing import Literal

import msgspec

AS_STORED = {"base": "As the base model is stored"}
PLAIN_NUMBERS = {
    "f32": "F32: exact, four bytes a number",
    "bf16": "BF16: two bytes a number, wide range",
    "f16": "F16: two bytes a number, fine steps",
}


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table.

    Attributes:
        label: Plain name, with the term.
        help: What it is for.
        holds: "adapter": what was learned, alone; "model": a whole model, so the way of tuning must go into its
            weights; "lora": what was learned, as low-rank matrices.
        numbers: Number formats that its weights can have -> in words; the first is usual. Empty: no choice.
    """

    label: str
    help: str
    holds: Literal["adapter", "model", "lora"]
    numbers: dict[str, str] = {}


EXPORTS: dict[str, Export] = {
    "adapter": Export(
        label="Adapter folder (PEFT)",
        help="What was learned, alone, with a model card that says how Python programs (PEFT, transformers) load it "
        "onto the same base model.",
        holds="adapter",
    ),
    "merged": Export(
        label="Whole model (safetensors)",
        help="What was learned is built into the base model: a folder that Python programs (transformers, vLLM) load "
        "like any other model, without PEFT.",
        holds="model",
        numbers=AS_STORED | PLAIN_NUMBERS,
    ),
}
