"""Limits for chat templates, which are programs of strangers: checked before they run, bounded while they run.

Jinja's sandbox (as transformers sets it up) keeps a template from Python's inside, but not from filling the memory or
running for ever. So: what a template multiplies, adds and formats is measured first, on every system; on Linux the
process may not grow by more than LARGEST_BYTES while one runs; and whatever it does, it ends after LONGEST_SECONDS.
"""

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import FrameType
from typing import Any, TypeVar

import jinja2
import jinja2.ext

from studio.contract.errors import StudioError

LONGEST_TEMPLATE = 262_144
"""Characters; the longest template of a known family has about 20,000."""
LARGEST_FACTOR = 1_000
"""A template that multiplies by a larger constant wants to fill the memory, not to write a chat."""
LONGEST_SECONDS = 2.0
LARGEST_BYTES = 256 * 1024 * 1024  # half of what a bad input may cost a whole command (512 MB)
LONGEST_TEXT = 64_000_000
"""Characters that a template may make of one conversation: as long as the longest line of a dataset."""
LARGEST_BITS = 4_096
"""Of a whole number; to multiply larger ones again and again takes longer than any signal can interrupt."""
WIDEST_FORMAT = 10_000
_INSIDE_WORDS = "base bases builtins class code dict func getattribute globals import init loader mro self subclasses"
INSIDE = frozenset(f"__{name}__" for name in _INSIDE_WORDS.split())
"""Names of Python's inside, by which code is reached from any value."""
OPERATORS = frozenset(("+", "*", "%", "**"))

T = TypeVar("T")


class TooMuch(MemoryError):
    """A template asked for more than a conversation can need."""


def check_source(source: str) -> None:
    """Refuse a template that is broken or built to harm, before it is run.

    Raises:
        StudioError: It cannot be parsed (with the line), is too long, multiplies by something huge, or reaches for
            Python's inside.
    """
    if len(source) > LONGEST_TEMPLATE:
        raise bomb(f"it has {len(source):,} characters", 0)
    environment = jinja2.Environment(extensions=["jinja2.ext.loopcontrols", _Generation])
    try:
        tree = environment.parse(source)
    except jinja2.TemplateSyntaxError as error:
        raise syntax_problem(error) from error
    except RecursionError as error:
        raise bomb("it is nested too deeply", 0) from error
    for node in tree.find_all((jinja2.nodes.Mul, jinja2.nodes.Pow)):
        numbers = [c.value for c in node.find_all(jinja2.nodes.Const) if isinstance(c.value, int | float)]
        if isinstance(node, jinja2.nodes.Pow) or any(abs(number) > LARGEST_FACTOR for number in numbers):
            raise bomb("it multiplies by a huge number", node.lineno)
    for node in tree.find_all((jinja2.nodes.Getattr, jinja2.nodes.Const)):
        name = node.attr if isinstance(node, jinja2.nodes.Getattr) else node.value
        if isinstance(name, str) and (name in INSIDE or (name.startswith("__") and not hasattr(node, "value"))):
            raise unsafe(f"it asks for {name[:50]}", node.lineno)


class _Generation(jinja2.ext.Extension):
    """Knows the tag `{% generation %}`, which transformers adds to Jinja."""

    tags = {"generation"}

    def parse(self, parser: Any) -> Any:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def harden() -> None:
    """Have every chat template of this process compiled with measured operators, whoever renders it.

    transformers compiles and keeps templates in one function, which is replaced by `compiled`.
    """
    from transformers.utils import chat_template_utils

    if chat_template_utils._compile_jinja_template is not compiled:
        _environment.cache_clear()
        _environment()  # of the library's own function, before it is replaced
        chat_template_utils._compile_jinja_template = compiled


@lru_cache
def compiled(source: str) -> jinja2.Template:
    """A template in transformers' own sandbox, its operators measured. To be called within `run_limited`.

    Jinja computes what is constant while it compiles, so that is measured and limited as well.
    """
    return _environment().from_string(source)


@lru_cache
def _environment() -> Any:
    from transformers.utils.chat_template_utils import _compile_jinja_template

    environment = _compile_jinja_template("").environment
    environment.intercepted_binops = OPERATORS
    environment.binop_table |= {"+": _add, "*": _multiply, "%": _remainder, "**": _power}
    environment.filters["round"] = _rounded(environment.filters["round"])
    environment.filters["format"] = _formatted(environment.filters["format"])
    return environment


def _add(left: Any, right: Any) -> Any:
    if isinstance(left, str | list | tuple) and isinstance(right, str | list | tuple):
        _require_short(len(left) + len(right))
    return left + right


def _multiply(left: Any, right: Any) -> Any:
    for one, other in ((left, right), (right, left)):
        if isinstance(one, str | list | tuple) and isinstance(other, int):
            _require_short(len(one) * other)
    if isinstance(left, int) and isinstance(right, int):
        _require_small(left, right)
    return left * right


def _remainder(left: Any, right: Any) -> Any:
    if isinstance(left, str):
        _require_narrow(left)
    return left % right


def _power(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() * abs(right) > LARGEST_BITS:
        raise TooMuch("it computes a huge number")
    return left**right


def _rounded(filter_: Callable[..., Any]) -> Callable[..., Any]:
    def round_(value: Any, precision: Any = 0, method: Any = "common") -> Any:
        if not isinstance(precision, int) or abs(precision) > 100:
            raise TooMuch("it rounds to a huge number of digits")
        return filter_(value, precision, method)

    return round_


def _formatted(filter_: Callable[..., Any]) -> Callable[..., Any]:
    def format_(value: Any, *arguments: Any, **named: Any) -> Any:
        _require_narrow(str(value))
        return filter_(value, *arguments, **named)

    return format_


def _require_short(length: int) -> None:
    if length > LONGEST_TEXT:
        raise TooMuch(f"it makes a text of {length:,} characters")


def _require_small(left: int, right: int) -> None:
    if left.bit_length() + right.bit_length() > LARGEST_BITS:
        raise TooMuch("it computes a huge number")


def _require_narrow(form: str) -> None:
    _require_short(len(form))
    if "*" in form or any(int(digits[:9]) > WIDEST_FORMAT for digits in re.findall(r"\d+", form)):
        raise TooMuch("it formats to a huge width")


# --- while it runs ---------------------------------------------------------------------------------------------------


def run_limited(work: Callable[[], str], seconds: float = LONGEST_SECONDS) -> str:
    """Render a template within limits of time and memory.

    Raises:
        StudioError: It took too long or wanted too much memory.
    """
    try:
        with _deadline(seconds), _memory_limit():
            text = work()
            _require_short(len(text))
            return text
    except TooMuch as error:
        raise bomb(str(error), 0) from error
    except TimeoutError as error:
        raise bomb(f"one conversation took it more than {seconds:g} seconds", 0) from error
    except MemoryError as error:
        raise bomb(f"one conversation took it more than {LARGEST_BYTES // 2**20} MB", 0) from error
    except RecursionError as error:
        raise bomb("it calls itself without end", 0) from error


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the running code once it has computed for some seconds.

    Computing counts, not waiting: a process that was stopped, or slept with the computer, has no slow template. By a
    signal, where there are any, else by tracing.
    """
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        with _alarm(time.thread_time() + seconds, seconds):
            yield
    else:
        with _traced_deadline(time.thread_time() + seconds):
            yield


@contextmanager
def _alarm(end: float, seconds: float) -> Iterator[None]:
    def on_alarm(number: int, frame: FrameType | None) -> None:
        if time.thread_time() >= end:
            raise TimeoutError

    began = time.monotonic()
    handler = signal.signal(signal.SIGALRM, on_alarm)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, seconds / 10)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:  # someone else's timer goes on
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - began), 0.001), interval)


@contextmanager
def _traced_deadline(end: float) -> Iterator[None]:
    before = sys.gettrace()

    def watch(frame: FrameType, event: str, argument: object) -> Any:
        if time.thread_time() >= end:
            raise TimeoutError
        return watch

    sys.settrace(watch)
    try:
        yield
    finally:
        sys.settrace(before)


PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def _address_space_bytes() -> int:
    """How much of the process there is now; asked before each conversation, so without the weight of a `Path`."""
    statm = os.open("/proc/self/statm", os.O_RDONLY)
    try:
        return int(os.read(statm, 100).split(maxsplit=1)[0]) * PAGE_BYTES
    finally:
        os.close(statm)


@contextmanager
def _memory_limit() -> Iterator[None]:
    """Let the process grow by LARGEST_BYTES at most; on Linux, elsewhere only what is measured is bounded."""
    if not sys.platform.startswith("linux"):
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = _address_space_bytes() + LARGEST_BYTES
    if soft != resource.RLIM_INFINITY and soft < most:
        yield
        return
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


# --- in words --------------------------------------------------------------------------------------------------------


def syntax_problem(error: jinja2.TemplateSyntaxError) -> StudioError:
    """The template is no valid Jinja."""
    return StudioError(
        "model.template_broken",
        "The model's chat template is broken.",
        f"{error.message} (line {error.lineno} of the template).",
        "Get the model's files again, or choose another model.",
        where=f"chat template, line {error.lineno}",
    )


def bomb(why: str, line: int) -> StudioError:
    """The template wants too much."""
    return StudioError(
        "model.template_bomb",
        "The model's chat template was refused.",
        f"It looks built to exhaust the computer: {why.rstrip('.')}.",
        "Choose a model from a source you trust.",
        where=f"chat template, line {line}" if line else "chat template",
    )


def unsafe(why: str, line: int = 0) -> StudioError:
    """The template reaches for what no template needs."""
    return StudioError(
        "model.template_unsafe",
        "The model's chat template was refused.",
        f"It looks built to run code: {why.rstrip('.')}.",
        "Choose a model from a source you trust.",
        where=f"chat template, line {line}" if line else "chat template",
    )
