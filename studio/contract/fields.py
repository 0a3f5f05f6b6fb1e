"""How a setting is declared and read back: the form, the command line, the checks and docs/settings.md use this.

A field is written once, in its settings class:

    rank: Annotated[int, Meta(ge=1, le=512, title="Adapter size", description="...", extra=about(term="rank", ...))] = 8
"""

import difflib
import math
import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from studio.contract.errors import Problem, SettingsError

S = TypeVar("S", bound=msgspec.Struct)

GROUPS: dict[str, str] = {
    "length": "How long",
    "adapter": "Adapter",
    "data": "What is learned",
    "learning": "Learning",
    "memory": "Memory and speed",
    "testing": "Testing and saving",
}


def about(
    term: str,
    group: str,
    source: str,
    unit: str = "",
    simple: bool = False,
    choices: dict[str, str] | None = None,
    form: str = "",
) -> dict[str, Any]:
    """The part of a declaration that msgspec does not know.

    Args:
        term: The field's standard term, shown beside the plain name.
        group: Key of GROUPS (the training form's), or "sampling" for a chat's.
        source: Where the default comes from (a paper, a document, a measurement).
        unit: Unit of the value, for display.
        simple: Shown at the Simple level too.
        choices: For a `Literal`: value -> plain words.
        form: For a text with a pattern: what it may be, in words that follow "Choose".
    """
    return {
        "term": term,
        "group": group,
        "source": source,
        "unit": unit,
        "simple": simple,
        "choices": choices or {},
        "form": form,
    }


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One setting as the form, the command line and the manual see it.

    `path` is dotted ("method.rank"); `kind` is what an editor must offer.
    """

    path: str
    title: str
    term: str
    help: str
    group: str
    unit: str
    source: str
    default: Any
    kind: Literal["int", "float", "bool", "text", "choice"]
    choices: dict[str, str]
    form: str
    minimum: float | None
    maximum: float | None
    minimum_open: bool
    simple: bool
    annotation: Any

    @property
    def name(self) -> str:
        """Last part of the path; unique among the fields, so it names the command line's option."""
        return self.path.rsplit(".", 1)[-1]

    @property
    def label(self) -> str:
        """Plain name with the field's term beside it: "Adapter size (rank)"."""
        same = not self.term or self.term.lower() == self.title.lower()
        return self.title if same else f"{self.title} ({self.term})"


@cache  # the form asks at every key press
def fields(settings: type[msgspec.Struct]) -> tuple[Field, ...]:
    """Every setting of a class, nested classes flattened, in the order of declaration."""
    return tuple(_walk(settings, ""))


def _walk(settings: type[msgspec.Struct], prefix: str) -> Iterator[Field]:
    hints = get_type_hints(settings, include_extras=True)
    defaults = {f.name: f.default for f in msgspec.structs.fields(settings)}
    factories = {f.name: f.default_factory for f in msgspec.structs.fields(settings)}
    for name, hint in hints.items():
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            yield from _walk(hint, f"{prefix}{name}.")
            continue
        meta = next((m for m in get_args(hint)[1:] if isinstance(m, msgspec.Meta)), None)
        if meta is None or meta.extra is None:
            continue
        base = get_args(hint)[0]
        default = defaults[name] if defaults[name] is not msgspec.NODEFAULT else factories[name]()
        low = meta.ge if meta.ge is not None else meta.gt
        high = meta.le if meta.le is not None else meta.lt
        yield Field(
            path=prefix + name,
            title=meta.title or name,
            term=meta.extra["term"],
            help=meta.description or "",
            group=meta.extra["group"],
            unit=meta.extra["unit"],
            source=meta.extra["source"],
            default=default,
            kind=_kind(base),
            choices=meta.extra["choices"] or {str(v): str(v) for v in _literals(base)},
            form=meta.extra["form"],
            minimum=float(low) if low is not None else None,
            maximum=float(high) if high is not None else None,
            minimum_open=meta.gt is not None,
            simple=meta.extra["simple"],
            annotation=hint,
        )


def _literals(base: Any) -> tuple[Any, ...]:
    return get_args(base) if get_origin(base) is Literal else ()


def _kind(base: Any) -> Literal["int", "float", "bool", "text", "choice"]:
    if get_origin(base) is Literal:
        return "choice"
    if get_origin(base) in (typing.Union, types.UnionType):
        base = get_args(base)[0]
    kinds: dict[Any, Literal["int", "float", "bool", "text"]] = {bool: "bool", int: "int", float: "float", str: "text"}
    return kinds[base]


def value_at(settings: msgspec.Struct, path: str) -> Any:
    """The value of a dotted path."""
    value: Any = settings
    for part in path.split("."):
        value = getattr(value, part)
    return value


def replace_at(settings: S, path: str, value: Any) -> S:
    """A copy with one dotted path changed; the value is taken as it is (check it first)."""
    head, _, rest = path.partition(".")
    inner = replace_at(getattr(settings, head), rest, value) if rest else value
    return msgspec.structs.replace(settings, **{head: inner})


def flatten(settings: msgspec.Struct) -> dict[str, Any]:
    """Dotted path -> value, for every declared field."""
    return {field.path: value_at(settings, field.path) for field in fields(type(settings))}


def check_values(settings: type[msgspec.Struct], values: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Every problem of a flat mapping (dotted path -> value), gathered, not only the first.

    Values that arrive as text (a form, the command line) are read as their field's type.
    """
    known = {field.path: field for field in fields(settings)}
    problems: list[Problem] = []
    for path, value in values.items():
        if path not in known:
            problems.append(_unknown(path, known))
            continue
        try:
            read_value(known[path], value)
        except (msgspec.ValidationError, ValueError):
            problems.append(_out_of_range(known[path], value))
    return tuple(problems)


def read_value(field: Field, value: Any) -> Any:
    """A value as its field's type, within its limits.

    Raises:
        msgspec.ValidationError: The value is of another type or outside the limits.
    """
    if isinstance(value, float) and value != value:
        raise ValueError("not a number")
    return msgspec.convert(value, field.annotation, strict=not isinstance(value, str))


def _unknown(path: str, known: Mapping[str, Field]) -> Problem:
    last = path.rsplit(".", 1)[-1]
    meant = [name for name in known if name.rsplit(".", 1)[-1] == last] or difflib.get_close_matches(path, known, n=2)
    return Problem(
        code="settings.unknown",
        where=path,
        what="There is no such setting.",
        why="" if meant else "It may come from a newer version of the program.",
        fix=f"Did you mean {' or '.join(meant)}?" if meant else "Remove it, or update the program.",
    )


def _out_of_range(field: Field, value: Any) -> Problem:
    if field.kind == "choice":
        fix = "Choose one of: " + ", ".join(field.choices) + "."
    elif field.form:
        fix = f"Choose {field.form}; the default is {field.default}."
    elif field.minimum is not None or field.maximum is not None:
        low = (
            f"{'above' if field.minimum_open else 'at least'} {_plain(field.minimum)}"
            if field.minimum is not None
            else ""
        )
        high = f"at most {_plain(field.maximum)}" if field.maximum is not None else ""
        fix = f"Choose a value of {' and '.join(part for part in (low, high) if part)}; the default is {field.default}."
    else:
        fix = f"The default is {field.default}."
    return Problem(
        code="settings.range",
        where=field.path,
        what=f"{field.label} cannot be {value!r}.",
        why=_reason(field, value),
        fix=fix,
    )


def _reason(field: Field, value: Any) -> str:
    """Why a value was refused, in the words of a person, not of the library that checked it."""
    needed = {"int": "a whole number", "float": "a number", "bool": "true or false", "text": "a text"}
    if field.kind == "choice" or field.form:
        return ""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if field.kind in ("bool", "text") or not math.isfinite(number):
        return f"It must be {needed[field.kind]}."
    if field.kind == "int" and number != int(number):
        return "It must be a whole number."
    return "It is outside the limits." if field.minimum is not None or field.maximum is not None else ""


def _plain(limit: float) -> str:
    """2147483647, not 2.14748e+09; 0.1 as it is."""
    return str(int(limit)) if limit == int(limit) else f"{limit:g}"


def build(settings: type[S], values: Mapping[str, Any], base: S | None = None) -> S:
    """Settings from a flat mapping over defaults (or over `base`).

    Raises:
        SettingsError: Any value is unknown or out of range; all problems are listed.
    """
    problems = check_values(settings, values)
    if problems:
        raise SettingsError(problems)
    known = {field.path: field for field in fields(settings)}
    built = base if base is not None else settings()
    for path, value in values.items():
        built = replace_at(built, path, read_value(known[path], value))
    return built
