"""Chat templates of strangers run within limits: whatever they compute, and whenever they begin to."""

import re
import signal
import sys
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


WIDE = "256 MB|900,000,000 characters"
"""The second where the process holds so much freed memory that it need not grow."""
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
    "a wide line": ("{% set n = 900000000 %}{{ 'x'.ljust(n) }}", WIDE),
    "a wide centre": ("{% set n = 900000000 %}{{ 'x' | center(n) }}", WIDE),
    "squares of squares": (
        "{% set ns = namespace(x=3) %}{% for i in range(60) %}{% set ns.x = ns.x * ns.x %}{% endfor %}{{ ns.x }}",
        "huge number",
    ),
    "digits without end": ("{{ 1.5 | round(99999999, 'ceil') }}", "digits"),
    "loops in loops": ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "seconds"),
    "itself": ("{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}", "itself"),
}


LINUX_ALONE = ("a join that doubles", "a wide line", "a wide centre")
"""What only the limit of memory stops."""


@pytest.mark.parametrize("name", [n for n in BOMBS if sys.platform.startswith("linux") or n not in LINUX_ALONE])
def test_a_bomb_is_defused_in_time_and_memory(tmp_path: Path, name: str) -> None:
    template, words = BOMBS[name]
    before = host_memory.resident_bytes()
    with pytest.raises(StudioError) as caught:
        loaded_with(tmp_path, template)
    assert caught.value.problem.code == "model.template_bomb"
    assert re.search(words, caught.value.problem.why)
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


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no such signals here")
def test_a_template_is_not_slow_because_the_process_was_stopped() -> None:
    def wait() -> str:
        stopped = threading.Event()
        stopped.wait(0.5)  # as a process that is stopped, or asleep with its computer
        return "text"

    assert template_guard.run_limited(wait, seconds=0.1) == "text"


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no such signals here")
def test_the_timer_of_someone_else_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[int] = []
    handler = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    before = signal.setitimer(signal.ITIMER_REAL, 300.0)
    try:
        template_guard.run_limited(lambda: "text")
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        assert 290 < left <= 300
        assert rung == []
    finally:
        signal.setitimer(signal.ITIMER_REAL, *before)
        signal.signal(signal.SIGALRM, handler)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is limited on Linux")
def test_limits_are_lifted_again_after_a_template_ran(tmp_path: Path) -> None:
    import resource

    tokenizer = loaded_with(tmp_path, TEMPLATE)
    before = resource.getrlimit(resource.RLIMIT_AS), signal.getsignal(signal.SIGALRM)
    tokenizer.chat.render(THREE)
    assert (resource.getrlimit(resource.RLIMIT_AS), signal.getsignal(signal.SIGALRM)) == before
    with pytest.raises(StudioError):
        template_guard.run_limited(lambda: "x" * (template_guard.LONGEST_TEXT + 1))
    assert resource.getrlimit(resource.RLIMIT_AS) == before[0]
