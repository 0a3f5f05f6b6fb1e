"""What an adapter can leave as: a row each. `engine/exports/<name>.py` is the other half."""

import re
from typing import Literal

import msgspec

from studio.contract.errors import Problem

AS_STORED = {"base": "As the base model is stored"}
PLAIN_NUMBERS = {
    "f32": "F32: exact, four bytes a number",
    "bf16": "BF16: two bytes a number, wide range",
    "f16": "F16: two bytes a number, fine steps",
}

GGUF_NUMBERS = {
    "f16": "F16: nearly always the same answers, two bytes a number",
    "bf16": "BF16: two bytes a number, wide range",
    "q8_0": "Q8_0: answers can differ a little, about one byte a number",
    "q5_1": "Q5_1: six bits a number",
    "q5_0": "Q5_0: five and a half bits a number",
    "q4_1": "Q4_1: five bits a number",
    "q4_0": "Q4_0: four and a half bits a number; answers can get worse",
    "f32": "F32: exact, four bytes a number",
    "q6_k": "Q6_K: six and a half bits a number (by llama.cpp)",
    "q5_k_m": "Q5_K_M: about five and a half bits a number (by llama.cpp)",
    "q4_k_m": "Q4_K_M: about five bits a number, the usual choice for large models (by llama.cpp)",
}
K_QUANTS = ("q6_k", "q5_k_m", "q4_k_m")
"""Number formats that llama.cpp's own code rounds to: to be had where llama-cpp-python is installed."""

SMALLER_FIRST = {"q8_0": GGUF_NUMBERS["q8_0"]} | GGUF_NUMBERS


RESERVED = frozenset({"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))})
"""Names that Windows keeps for its devices, whatever their ending."""


_LONGEST_NAME = 255
"""Bytes, of usual file systems."""


def name_problem(name: str) -> Problem | None:
    """Why the new folder of an export may not have a name; None: it may."""
    if len(name.encode("utf-8", "surrogatepass")) > _LONGEST_NAME:
        return Problem(
            code="export.bad_name",
            what=f"The folder's name is too long: it takes more than {_LONGEST_NAME} bytes.",
            why="No disk holds a longer one; letters beyond a to z take two to four bytes.",
            fix="Choose a shorter name.",
        )
    if name and name.split(".")[0].upper() not in RESERVED and not re.search(r'[<>:"|?*\x00-\x1f]|[. ]$', name):
        return None
    return Problem(
        code="export.bad_name",
        what=f"A folder cannot be named {name!r} on every system.",
        why="Windows reserves some names and characters.",
        fix="Choose another name.",
    )


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
    "gguf": Export(
        label="One file for llama.cpp (GGUF)",
        help="What was learned is built into the model, and all of it, with tokenizer and chat template, is one file "
        "for llama.cpp, koboldcpp, Jan, GPT4All and others.",
        holds="model",
        numbers=GGUF_NUMBERS,
    ),
    "gguf_adapter": Export(
        label="Adapter for llama.cpp (GGUF LoRA)",
        help="What was learned, alone, as one small file that llama.cpp puts on a GGUF file of the same base model.",
        holds="lora",
        numbers={"f32": "F32: exact, four bytes a number", "f16": "F16: two bytes a number"},
    ),
    "ollama": Export(
        label="Folder for Ollama",
        help="The GGUF file with a Modelfile that has the chat template, the stops and the context: `ollama create "
        "NAME` in that folder, and it is there.",
        holds="model",
        numbers=SMALLER_FIRST,
    ),
    "lm_studio": Export(
        label="Folder for LM Studio",
        help="The GGUF file in folders as LM Studio keeps them: move the folder apprentice-studio among its models.",
        holds="model",
        numbers=SMALLER_FIRST,
    ),
}
