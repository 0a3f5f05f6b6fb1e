"""What an adapter can leave as: a row each. `engine/exports/<name>.py` is the other half."""

import msgspec


class Export(msgspec.Struct, frozen=True):
    """A row of the table."""

    label: str
    help: str


EXPORTS: dict[str, Export] = {
    "adapter": Export(
        "Adapter folder (PEFT)",
        "What was learned, alone, with a model card that says how Python programs (PEFT, transformers) load it onto "
        "the same base model.",
    ),
}
