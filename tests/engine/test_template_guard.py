"""Chat templates of strangers run within limits: whatever they compute, and whenever they begin to."""

import threading
from pathlib import Path
from typing import Any

import pytest

from studio.contract.errors import StudioError
from studio.contract.records import Message
from studio.data import host_memory
from studio.engine import template_guard, tokens
from tests.engine.test_tokens_shapes import edit_tokenizer
from tests.helpers.tiny_models import TEMPLATE, tiny_tokenizer

MB = 1024 * 1024
THREE = (Message("user", "a"), Message("assistant", "b"), Message("user", "c"))


def loaded_with(folder: Path, template: str) -> Any:
    return tokens.load_tokenizer(edit_tokenizer(tiny_tokenizer(folder), chat_template=template))


BOMBS = {
    "a product in two steps": ("{% set n = 40000 %}{{ 'x' * n * n }}", "characters"),
    "a product from the right": ("{% set n = 1500000000 %}{{ n * 'x' }}", "characters"),
    "a sum that doubles": (
        "{% set ns = namespace(x='xxxx') %}{% for i in range(40) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}",
        "characters",
    ),
    "a join that doubles": (
        "{% set ns = namespace(x='xxxx') %}{% for i in range(40) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "took it more than",
    ),
    "a wide format": ("{% set f = '%900000000d' %}{{ f % 1 }}", "width"),
    "a wide format filter": ("{% set f = '%900000000d' %}{{ f | format(1) }}", "width"),
    "a wide line": ("{% set n = 900000000 %}{{ 'x'.ljust(n) }}", "512 MB"),
    "a wide centre": ("{% set n = 900000000 %}{{ 'x' | center(n) }}", "512 MB"),
    "squares of squares": (
        "{% set ns = namespace(x=3) %}{% for i in range(60) %}{% set ns.x = ns.x * ns.x %}{% endfor %}{{ ns.x }}",
        "huge number",
    ),
    "digits without end": ("{{ 1.5 | round(99999999, 'ceil') }}", "digits"),
    "loops in loops": ("{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}", "seconds"),
    "itself": ("{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}", "itself"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_defused_in_time_and_memory(tmp_path: Path, name: str) -> None:
    template, words = BOMBS[name]
    before = host_memory.resident_bytes()
    with pytest.raises(StudioError) as caught:
        loaded_with(tmp_path, template)
    assert caught.value.problem.code == "model.template_bomb"
    assert words in caught.value.problem.why
    assert host_memory.resident_bytes() - before < 512 * MB


def test_a_bomb_that_waits_for_a_longer_conversation_is_defused_then(tmp_path: Path) -> None:
    bomb = "{% set n = 40000 %}{% if messages | length > 2 %}{{ 'x' * n * n }}{% endif %}"
    tokenizer = loaded_with(tmp_path, TEMPLATE + bomb)
    assert tokenizer.chat.render(THREE[:2])
    with pytest.raises(StudioError) as caught:
        tokenizer.chat.render(THREE)
    assert caught.value.problem.code == "model.template_bomb"


def test_a_template_for_tools_is_measured_too(tmp_path: Path) -> None:
    """Transformers takes another template than the one that was looked at, where tools are given."""
    both = [
        {"name": "default", "template": TEMPLATE},
        {"name": "tool_use", "template": "{% set n = 40000 %}{{ 'x' * n * n }}"},
    ]
    tokenizer = tokens.load_tokenizer(edit_tokenizer(tiny_tokenizer(tmp_path), chat_template=both))
    with pytest.raises(StudioError) as caught:
        tokenizer.chat.render(THREE, tools='[{"type": "function", "function": {"name": "a"}}]')
    assert caught.value.problem.code == "model.template_bomb"


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__ }}",
        "{{ ''['__class__'] }}",
        "{{ '' | attr('__class__') }}",
        "{{ messages.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.system('id') }}",
        "{{ ('_' ~ '_class_' ~ '_') and ''['_' ~ '_class_' ~ '_'].mro() }}",
        "{{ namespace['_' ~ '_init_' ~ '_'].x }}",
    ],
)
def test_no_template_reaches_pythons_inside(tmp_path: Path, template: str) -> None:
    with pytest.raises(StudioError) as caught:
        loaded_with(tmp_path, template)
    assert caught.value.problem.code in ("model.template_unsafe", "model.template_refuses")


def test_time_is_limited_in_other_threads_too(tmp_path: Path) -> None:
    found: list[str] = []

    def work() -> None:
        try:
            loaded_with(tmp_path, BOMBS["loops in loops"][0])
        except StudioError as error:
            found.append(error.problem.code)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == ["model.template_bomb"]


def test_limits_are_lifted_again_after_a_template_ran(tmp_path: Path) -> None:
    import resource
    import signal

    tokenizer = loaded_with(tmp_path, TEMPLATE)
    before = resource.getrlimit(resource.RLIMIT_AS), signal.getsignal(signal.SIGALRM)
    tokenizer.chat.render(THREE)
    assert (resource.getrlimit(resource.RLIMIT_AS), signal.getsignal(signal.SIGALRM)) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    with pytest.raises(StudioError):
        template_guard.run_limited(lambda: "x" * (template_guard.LONGEST_TEXT + 1))
    assert resource.getrlimit(resource.RLIMIT_AS) == before[0]
