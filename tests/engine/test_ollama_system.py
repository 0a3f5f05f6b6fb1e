"""A Modelfile says what the chat says: the system prompt in its place, one begin-of-text token, Go's own braces."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from gguf import GGUFReader
from tokenizers import Tokenizer, processors

from studio.contract.records import Message
from studio.engine import gguf_tokenizer
from studio.engine.export_source import Wish
from studio.engine.exports import gguf, ollama
from studio.engine.tokens import Rules, encode, load_tokenizer
from tests.engine.exported_run import learned_run
from tests.engine.gguf_reader import the_file
from tests.helpers.go_text import as_ollama
from tests.helpers.shared_data import shared_data
from tests.helpers.tiny_models import tiny_model
from tests.helpers.tiny_tokenizers import sentencepiece

ALTERNATE = (
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    "<|start|>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n{{ m['content'] | trim }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>model\n{% endif %}"
)
REFUSES = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
TEMPLATES = {
    "gemma": "{{ bos_token }}" + REFUSES + ALTERNATE,
    "system": "{{ bos_token }}{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}",
    "none of its own": REFUSES + ALTERNATE,
    "unheard system": "{% for m in messages if m['role'] != 'system' %}{{ m['role'] }}: {{ '{' + m['content'] }}"
    "{% endfor %}<|end|>{",
}
TALK = (
    Message("user", "Who keeps the hammer?"), Message("assistant", "The master."), Message("user", "And the plank?")
)  # fmt: skip
SYSTEM = Message("system", "Be brief.")
TALKS = {"one": TALK[:1], "many": TALK, "system": (SYSTEM, *TALK[:1]), "system, many": (SYSTEM, *TALK)}


def template_of(modelfile: str) -> str:
    found = re.search(r'TEMPLATE """(.*?)"""\n', modelfile, re.DOTALL)
    assert found is not None
    return found[1]


def with_begin(folder: Path, template: str, also_end: bool = False) -> Any:
    """A tokenizer of SentencePiece's kind that puts <|bos|> before every text, as Llama 2 and Gemma have it.

    `also_end`: and <|end|> behind it.
    """
    sentencepiece(folder, prefix=False)
    made = Tokenizer.from_file(str(folder / "tokenizer.json"))
    marks = [(mark, made.token_to_id(mark)) for mark in ("<|bos|>", "<|end|>")]
    single = "<|bos|> $A <|end|>" if also_end else "<|bos|> $A"
    made.post_processor = processors.TemplateProcessing(single=single, special_tokens=marks)
    made.save(str(folder / "tokenizer.json"))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"chat_template": template}))
    return load_tokenizer(folder)


def as_learned(tokenizer: Any, talk: tuple[Message, ...]) -> str:
    """What the model read in training and reads in the chat."""
    return str(tokenizer.chat.render(tokenizer.chat.fold(talk), generation_prompt=True))


def ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False).input_ids)


@pytest.mark.parametrize("talk", TALKS)
@pytest.mark.parametrize("name", ["gemma", "system"])
def test_where_ollama_puts_the_begin_of_text_it_is_not_in_the_template(name: str, talk: str, tmp_path: Path) -> None:
    tokenizer = with_begin(tmp_path / "tokenizer", TEMPLATES[name])
    written = as_ollama(template_of(ollama.modelfile("x.gguf", tokenizer)), TALKS[talk])
    learned = as_learned(tokenizer, TALKS[talk])
    assert "<|bos|>" not in written
    assert tokenizer(written).input_ids == ids(tokenizer, learned)  # with what is put before it
    assert tokenizer(written).input_ids.count(tokenizer.bos_token_id) == 1


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_gguf_file_begins_a_prompt_as_the_training_did(name: str, tmp_path: Path) -> None:
    tokenizer = with_begin(tmp_path / "tokenizer", TEMPLATES[name], also_end=True)
    model = tiny_model(tmp_path / "model", "llama", tmp_path / "tokenizer")
    made = gguf.write(learned_run(tmp_path, model).path, tmp_path / "out", Wish(numbers="f32"))
    fields = GGUFReader(the_file(Path(made.path))).fields
    told = {word: bool(fields[f"tokenizer.ggml.add_{word}_token"].contents()) for word in ("bos", "eos")}
    assert told == {"bos": "bos_token" in TEMPLATES[name], "eos": False}
    for talk in TALKS.values():
        learned = list(encode(talk, tokenizer, Rules(), reply=True).ids)
        text = as_learned(tokenizer, talk).removeprefix(tokenizer.bos_token if told["bos"] else "")  # as llama.cpp does
        assert [tokenizer.bos_token_id] * told["bos"] + ids(tokenizer, text) == learned
    assert made.parity is not None
    assert made.parity.same_ids == made.parity.prompts  # which goes by the file's own word


def test_a_file_that_begins_prompts_otherwise_than_the_training_did_is_called_different(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_tokenizer, "adds_bos", lambda tokenizer: True)
    with_begin(tmp_path / "tokenizer", TEMPLATES["none of its own"])
    model = tiny_model(tmp_path / "model", "llama", tmp_path / "tokenizer")
    found = gguf.write(learned_run(tmp_path, model).path, tmp_path / "out", Wish(numbers="f32")).parity
    assert found is not None
    assert found.same_ids == 0
    assert not found.holds


@pytest.mark.parametrize("talk", TALKS)
def test_a_template_that_writes_no_begin_of_text_gets_none_in_ollama(talk: str, tmp_path: Path) -> None:
    tokenizer = with_begin(tmp_path / "tokenizer", TEMPLATES["none of its own"])
    assert not gguf_tokenizer.adds_bos(tokenizer)
    written = as_ollama(template_of(ollama.modelfile("x.gguf", tokenizer)), TALKS[talk])
    assert ids(tokenizer, written) == list(encode(TALKS[talk], tokenizer, Rules(), reply=True).ids)


def test_a_template_that_writes_the_begin_of_text_only_sometimes_is_left_to_write_it(tmp_path: Path) -> None:
    sometimes = "{% if messages[0]['role'] == 'system' %}{{ bos_token }}{% endif %}"
    tokenizer = with_begin(tmp_path / "tokenizer", sometimes + TEMPLATES["system"].removeprefix("{{ bos_token }}"))
    assert not gguf_tokenizer.adds_bos(tokenizer)
    for talk in TALKS.values():
        written = as_ollama(template_of(ollama.modelfile("x.gguf", tokenizer)), talk)
        assert ids(tokenizer, written) == list(encode(talk, tokenizer, Rules(), reply=True).ids)


@pytest.mark.parametrize("talk", TALKS)
@pytest.mark.parametrize("name", TEMPLATES)
def test_where_ollama_puts_no_begin_of_text_the_template_says_what_the_chat_says(
    name: str, talk: str, llama: Path
) -> None:
    tokenizer = load_tokenizer(llama)
    tokenizer.chat_template = TEMPLATES[name]
    written = as_ollama(template_of(ollama.modelfile("x.gguf", tokenizer)), TALKS[talk])
    assert written == as_learned(tokenizer, TALKS[talk])


@pytest.mark.parametrize("name", ["minimind", "mistral-v3", "qwen3"])
def test_real_tokenizers_read_in_ollama_what_they_read_here(name: str) -> None:
    tokenizer = load_tokenizer(shared_data(f"tokenizers/{name}"))
    told = ollama.modelfile("x.gguf", tokenizer)
    if "TEMPLATE" not in told:
        assert "cannot say" in told
        return
    for talk in TALKS.values():
        written = as_ollama(template_of(told), talk)
        assert tokenizer(written).input_ids == ids(tokenizer, as_learned(tokenizer, talk))


def test_a_system_prompt_that_stands_elsewhere_is_not_guessed(llama: Path) -> None:
    tokenizer = load_tokenizer(llama)
    last = "{% if messages[0]['role'] == 'system' and loop.last %}{{ messages[0]['content'] }}{% endif %}"
    shown = f"{{% if m['role'] != 'system' %}}{last}<|start|>{{{{ m['content'] }}}}<|end|>{{% endif %}}"
    tokenizer.chat_template = f"{{% for m in messages %}}{shown}{{% endfor %}}"
    assert "cannot say" in ollama.modelfile("x.gguf", tokenizer, "Be brief.")


def test_a_modelfile_names_the_system_prompt_that_all_examples_shared(llama: Path) -> None:
    tokenizer = load_tokenizer(llama)
    text = ollama.modelfile("x.gguf", tokenizer, 'You are "the desk".\nBe brief.')
    assert 'SYSTEM """You are "the desk".\nBe brief."""\n' in text
    assert "SYSTEM" not in ollama.modelfile("x.gguf", tokenizer)


@pytest.mark.parametrize("prompt", ['Say """ and go on.', 'End with "so"'])
def test_a_prompt_that_would_end_its_own_quotes_is_left_out(llama: Path, prompt: str) -> None:
    assert "SYSTEM" not in ollama.modelfile("x.gguf", load_tokenizer(llama), prompt)
