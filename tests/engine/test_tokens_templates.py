"""Chat templates of all kinds: followed where they can be, refused in words where not."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from studio.contract.errors import StudioError
from studio.engine import tokens
from studio.engine.tokens import Rules
from tests.helpers.conversations import edit_tokenizer, learned, talk
from tests.helpers.tiny_models import ARCHITECTURES, tiny_model, tiny_tokenizer

TURN = "<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n"
PROMPT = "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"


def loaded_with(tmp_path: Path, template: str | None) -> Any:
    return tokens.load_tokenizer(edit_tokenizer(tiny_tokenizer(tmp_path), chat_template=template))


@pytest.mark.parametrize(
    ("template", "code", "words"),
    [
        (None, "model.no_template", "no chat template"),
        ("{% for m in messages %}\n{{ m['content'] }}", "model.template_broken", "line"),
        ("{{ 'x' * 1500000000 }}", "model.template_bomb", "huge"),
        ("{{ 7 ** 99999999 }}", "model.template_bomb", "huge"),
        (
            "{% for a in range(99999) %}{% for b in range(99999) %}{% set c = a %}{% endfor %}{% endfor %}",
            "model.template_bomb",
            "seconds",
        ),
        ("x" * 300_000, "model.template_bomb", "characters"),
    ],
)
def test_missing_broken_and_hostile_templates_are_refused_in_words(
    tmp_path: Path, template: str | None, code: str, words: str
) -> None:
    with pytest.raises(StudioError) as caught:
        loaded_with(tmp_path, template)
    assert caught.value.problem.code == code
    assert words in str(caught.value)


def test_a_template_cannot_reach_python(tmp_path: Path) -> None:
    template = "{{ messages.__class__.__mro__[1].__subclasses__() }}"
    with pytest.raises(StudioError) as caught:
        loaded_with(tmp_path, template)
    assert caught.value.problem.code == "model.template_unsafe"


def test_a_system_prompt_goes_into_the_first_question_where_the_template_knows_none(tmp_path: Path) -> None:
    refuses = (
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
        "{% endif %}" + TURN + "{% endfor %}" + PROMPT
    )
    drops = "{% for m in messages %}{% if m['role'] != 'system' %}" + TURN + "{% endif %}{% endfor %}" + PROMPT
    for number, template in enumerate((refuses, drops)):
        tokenizer = loaded_with(tmp_path / str(number), template)
        pairs = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Yes")]
        encoded = tokens.encode(talk(pairs), tokenizer, Rules())
        wanted = "<|start|>user\nBe brief.\n\nHi<|end|>\n<|start|>assistant\nYes<|end|>\n"
        assert tokenizer.decode(encoded.ids) == wanted


def test_a_template_that_refuses_the_order_of_turns_is_quoted(tmp_path: Path) -> None:
    template = (
        "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('roles must alternate') }}{% endif %}" + TURN + "{% endfor %}" + PROMPT
    )
    with pytest.raises(StudioError, match="roles must alternate"):
        tokens.encode(talk([("user", "a"), ("user", "b")]), loaded_with(tmp_path, template), Rules())


@pytest.mark.parametrize(
    "shown", ["{{ m['content'] | upper }}", "{{ m['content'] ~ m['content'] }}", "{{ m['content'] | length }}"]
)
def test_what_cannot_be_traced_is_refused_not_masked_wrongly(tmp_path: Path, shown: str) -> None:
    template = "{% for m in messages %}<|start|>{{ m['role'] }}\n" + shown + "<|end|>\n{% endfor %}" + PROMPT
    tokenizer = loaded_with(tmp_path, template)
    pairs = talk([("user", "Hi"), ("assistant", "Yes it is")])
    with pytest.raises(StudioError) as caught:
        tokens.encode(pairs, tokenizer, Rules())
    assert caught.value.problem.code == "model.template_untraceable"
    everything = tokens.encode(pairs, tokenizer, Rules(learn_answers_only=False))
    assert everything.labels == everything.ids


def test_a_template_that_marks_its_answers_is_believed_where_tracing_fails(tmp_path: Path) -> None:
    template = (
        "{% for m in messages %}<|start|>{{ m['role'] }}\n{% if m['role'] == 'assistant' %}{% generation %}"
        "{{ m['content'] | upper }}<|end|>{% endgeneration %}{% else %}{{ m['content'] }}<|end|>{% endif %}\n"
        "{% endfor %}" + PROMPT
    )
    tokenizer = loaded_with(tmp_path, template)
    encoded = tokens.encode(talk([("user", "Hi"), ("assistant", "yes")]), tokenizer, Rules())
    assert learned(encoded, tokenizer) == ["YES<|end|>"]


@pytest.mark.parametrize(
    ("shown", "answer", "wanted"),
    [
        ("{{ m['content'] | trim }}", "  padded  ", "padded<|end|>"),
        ("{{ m['content'] }}\n", "line", "line\n<|end|>"),
        ("{{ ' ' + (m['content'] | trim) + ' ' }}", " spaced ", "spaced <|end|>"),
    ],
)
def test_white_space_that_the_template_trims_or_adds_is_followed(
    tmp_path: Path, shown: str, answer: str, wanted: str
) -> None:
    template = "{% for m in messages %}<|start|>{{ m['role'] }}\n" + shown + "<|end|>\n{% endfor %}" + PROMPT
    tokenizer = loaded_with(tmp_path, template.replace("}}\n<", "}}{{ '\\n' }}<"))
    encoded = tokens.encode(talk([("user", "Hi"), ("assistant", answer)]), tokenizer, Rules())
    (text,) = learned(encoded, tokenizer)
    assert text.lstrip(" ") == wanted


def test_what_a_template_without_generation_prompt_leaves_to_the_model_is_learned(tmp_path: Path) -> None:
    tokenizer = loaded_with(tmp_path, "{% for m in messages %}" + TURN + "{% endfor %}")
    encoded = tokens.encode(talk([("user", "Hi"), ("assistant", "Yes")]), tokenizer, Rules())
    assert learned(encoded, tokenizer) == ["<|start|>assistant\nYes<|end|>"]


def test_a_template_without_end_token_teaches_none(tmp_path: Path) -> None:
    template = "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}{% endfor %}" + PROMPT
    tokenizer = loaded_with(tmp_path, template)
    pairs = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
    assert learned(tokens.encode(talk(pairs), tokenizer, Rules()), tokenizer) == ["b", "d"]


def test_the_end_token_is_the_templates_own_and_generation_config_adds_more(tmp_path: Path) -> None:
    folder = edit_tokenizer(tiny_tokenizer(tmp_path), eos_token="<|bos|>", bos_token="<|start|>")
    (folder / "generation_config.json").write_text('{"eos_token_id": [0, 1]}', encoding="utf-8")
    tokenizer = tokens.load_tokenizer(folder)
    names = tokenizer.convert_ids_to_tokens(list(tokenizer.end_ids))
    assert names == ["<|end|>", "<|bos|>", "<|pad|>"]
    assert tokenizer.pad_token == "<|start|>"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_tokenizer_is_the_one_that_transformers_would_choose(tmp_path: Path, architecture: str) -> None:
    from transformers import AutoTokenizer

    folder = tiny_model(tmp_path / architecture, architecture)
    ours, theirs = tokens.load_tokenizer(folder), AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    assert type(ours) is type(theirs)
    assert ours.backend_tokenizer.to_str() == theirs.backend_tokenizer.to_str()
    assert ours.special_tokens_map == theirs.special_tokens_map


def test_a_generic_tokenizer_is_loaded_and_used_without_torch(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "m")
    code = (
        "import sys; from pathlib import Path; from studio.engine import tokens\n"
        "from studio.contract.records import Message\n"
        "tokenizer = tokens.load_tokenizer(Path(sys.argv[1]))\n"
        "row = tokens.encode([Message('user', 'a'), Message('assistant', 'b')], tokenizer, tokens.Rules())\n"
        "assert row.fate == 'kept' and tokens.pieces(row.ids, tokenizer)\n"
        "print([m for m in ('torch', 'peft', 'accelerate') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("content", ["", "not json", '{"model": 1}'])
def test_a_damaged_tokenizer_is_named(tmp_path: Path, content: str) -> None:
    folder = tiny_tokenizer(tmp_path)
    (folder / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(StudioError) as caught:
        tokens.load_tokenizer(folder)
    assert caught.value.problem.where == "tokenizer.json"


def test_a_missing_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match=r"tokenizer\.json"):
        tokens.load_tokenizer(tmp_path)


def test_what_stands_between_answers_is_learned_only_where_no_question_stands_there(tmp_path: Path) -> None:
    """A template without control tokens once let the second question be learned as if it joined two answers."""
    names = "{{ {'user': 'Q: ', 'assistant': 'A: '}[m['role']] }}"
    template = "{% for m in messages %}" + names + "{{ m['content'] }}\n{% endfor %}"
    tokenizer = loaded_with(tmp_path, template + "{% if add_generation_prompt %}A: {% endif %}")
    pairs = [("user", "one"), ("assistant", "two"), ("user", "three"), ("assistant", "four")]
    parts = learned(tokens.encode(talk(pairs), tokenizer, Rules()), tokenizer)
    assert [part.strip() for part in parts] == ["two", "four"]
