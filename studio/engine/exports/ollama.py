"""A folder for Ollama: the GGUF file and a Modelfile with template, stops and context."""

import re
from pathlib import Path
from typing import Any

from studio.contract.events import Exported
from studio.data.system_prompt import fits_modelfile, learned_with
from studio.engine import gguf_tokenizer, go_template
from studio.engine.export_source import Watch, Wish
from studio.engine.exports import gguf
from studio.engine.tokens import load_tokenizer

LONGEST_CONTEXT = 8192
"""Tokens; Ollama keeps memory for all of it from the start."""


def write(run: Path, destination: Path, wish: Wish = Wish(), watch: Watch = Watch()) -> Exported:  # noqa: B008
    """Export the base model with a run's adapter built in, ready for `ollama create`.

    Args:
        run: A run's folder.
        destination: Folder that does not exist yet.
        wish: Number format; whether the result is compared with the adapter.
        watch: Who is told, and who may end it.

    Raises:
        StudioError: See `gguf.write`.
    """

    def add_modelfile(path: Path, base: Path) -> None:
        text = modelfile(path.name, load_tokenizer(base), learned_with(run))
        (path.parent / "Modelfile").write_text(text, encoding="utf-8", newline="\n")

    return gguf.write_folder("ollama", run, destination, wish, watch, finish=add_modelfile)


def modelfile(file_name: str, tokenizer: Any, system: str = "") -> str:
    """The text of a Modelfile.

    Args:
        file_name: Of the GGUF file beside it.
        tokenizer: From `tokens.load_tokenizer`.
        system: The prompt that all examples shared, or nothing.
    """
    lines = [f"FROM ./{file_name}"]
    turns = go_template.read_turns(tokenizer)
    if turns is not None and gguf_tokenizer.adds_bos(tokenizer):
        turns = turns.without_first(tokenizer.bos_token)  # Ollama puts it there itself
    if turns is not None and '"""' not in turns.go():
        lines.append(f'TEMPLATE """{turns.go()}"""')
    else:
        lines += [
            "# This model's chat template depends on more than the order of the messages, which Ollama's templates",
            "# cannot say. Ollama takes the template inside the GGUF file where it knows it: compare its answers.",
        ]
    if system and fits_modelfile(system):  # else the card tells that it has to be sent
        lines.append(f'SYSTEM """{system}"""')
    for id_ in tokenizer.end_ids:
        stop = str(tokenizer.convert_ids_to_tokens(id_))
        if not re.search(r'["\\\n]', stop):
            lines.append(f'PARAMETER stop "{stop}"')
    lines.append(f"PARAMETER num_ctx {min(getattr(tokenizer, 'context', LONGEST_CONTEXT), LONGEST_CONTEXT)}")
    return "\n".join(lines) + "\n"
