"""A Modelfile names the system prompt that a run learned with."""

from pathlib import Path

import pytest

from studio.engine.exports import ollama
from studio.engine.tokens import load_tokenizer


def test_a_modelfile_names_the_system_prompt_that_all_examples_shared(llama: Path) -> None:
    tokenizer = load_tokenizer(llama)
    text = ollama.modelfile("x.gguf", tokenizer, 'You are "the desk".\nBe brief.')
    assert 'SYSTEM """You are "the desk".\nBe brief."""\n' in text
    assert "SYSTEM" not in ollama.modelfile("x.gguf", tokenizer)


@pytest.mark.parametrize("prompt", ['Say """ and go on.', 'End with "so"'])
def test_a_prompt_that_would_end_its_own_quotes_is_left_out(llama: Path, prompt: str) -> None:
    assert "SYSTEM" not in ollama.modelfile("x.gguf", load_tokenizer(llama), prompt)
