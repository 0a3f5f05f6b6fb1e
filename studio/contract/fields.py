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
    "adapter": "Way of tuning",
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


def fields(settings: type[msgspec.Struct] | msgspec.Struct) -> tuple[Field, ...]:
    """Every setting, nested classes flattened, in the order of declaration.

    A field that is one of several classes (the way of tuning) is listed as a choice of their tags, followed by the
    settings of the class it holds: of a class the default's, of an instance its own.
    """
    if isinstance(settings, type):
        return _fields(settings, ())
    values = ((name, getattr(settings, name)) for name in settings.__struct_fields__)
    return _fields(type(settings), tuple((name, type(v)) for name, v in values if isinstance(v, msgspec.Struct)))


@cache  # the form asks at every key press
def _fields(settings: type[msgspec.Struct], held: tuple[tuple[str, type], ...]) -> tuple[Field, ...]:
    return tuple(_walk(settings, "", dict(held)))


def variants(annotation: Any) -> dict[str, type[msgspec.Struct]]:
    """Tag -> class of a field that is one of several classes; empty for any other field."""
    base = get_args(annotation)[0] if get_origin(annotation) is typing.Annotated else annotation
    kinds = get_args(base) if get_origin(base) in (typing.Union, types.UnionType) else ()
    if not kinds or not all(isinstance(kind, type) and issubclass(kind, msgspec.Struct) for kind in kinds):
        return {}
    return {str(kind.__struct_config__.tag): kind for kind in kinds}


def _walk(settings: type[msgspec.Struct], prefix: str, held: Mapping[str, type]) -> Iterator[Field]:
    hints = get_type_hints(settings, include_extras=True)
    defaults = {f.name: f.default for f in msgspec.structs.fields(settings)}
    factories = {f.name: f.default_factory for f in msgspec.structs.fields(settings)}
    for name, hint in hints.items():
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            yield from _walk(hint, f"{prefix}{name}.", {})
            continue
        meta = next((m for m in get_args(hint)[1:] if isinstance(m, msgspec.Meta)), None)
        if meta is None or meta.extra is None:
            continue
        base = get_args(hint)[0]
        default = defaults[name] if defaults[name] is not msgspec.NODEFAULT else factories[name]()
        several = variants(hint)
        kind = held.get(name, type(default))
        if several:
            default = str(default.__struct_config__.tag)
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
            kind="choice" if several else _kind(base),
            choices=meta.extra["choices"] or {str(v): str(v) for v in _literals(base)},
            form=meta.extra["form"],
            minimum=float(low) if low is not None else None,
            maximum=float(high) if high is not None else None,
            minimum_open=meta.gt is not None,
            simple=meta.extra["simple"],
            annotation=Literal[tuple(several)] if several else hint,
        )
        if several:
            yield from _walk(kind, f"{prefix}{name}.", {})


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
    """Dotted path -> value, for every declared field; of a field that is one of several classes its tag."""
    values = {field.path: value_at(settings, field.path) for field in fields(settings)}
    return {
        path: value.__struct_config__.tag if isinstance(value, msgspec.Struct) else value
        for path, value in values.items()
    }


def check_values(
    settings: type[msgspec.Struct], values: Mapping[str, Any], base: msgspec.Struct | None = None
) -> tuple[Problem, ...]:
    """Every problem of a flat mapping (dotted path -> value), gathered, not only the first.

    Values that arrive as text (a form, the command line) are read as their field's type. Which classes they belong to
    is decided by `base`, where `values` do not say it.
    """
    start = _with_variants(base if base is not None else settings(), values)
    known = {field.path: field for field in fields(start)}
    problems: list[Problem] = []
    for path, value in values.items():
        if path not in known:
            problems.append(_unknown(path, known, start))
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


def _with_variants(settings: S, values: Mapping[str, Any]) -> S:
    """A copy whose fields of several classes hold the class that `values` name; the same one is left as it is."""
    for name, hint in get_type_hints(type(settings), include_extras=True).items():
        kind = variants(hint).get(str(values.get(name, "")))
        if kind is not None and kind is not type(getattr(settings, name)):
            settings = msgspec.structs.replace(settings, **{name: kind()})
    return settings


def _unknown(path: str, known: Mapping[str, Field], settings: msgspec.Struct) -> Problem:
    last = path.rsplit(".", 1)[-1]
    head = path.partition(".")[0]
    hint = get_type_hints(type(settings), include_extras=True).get(head)
    others = [tag for tag, kind in variants(hint).items() if last in kind.__struct_fields__]
    if others:
        chosen = known[head]
        tag = getattr(settings, head).__struct_config__.tag
        return Problem(
            code="settings.of_another_method",
            where=path,
            what=f"{chosen.choices.get(tag, tag)} has no setting named {last}.",
            why=f"It belongs to {', '.join(others)}.",
            fix=f"Leave it out, or choose one of these as the {chosen.title.lower()}.",
        )
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
    problems = check_values(settings, values, base)
    if problems:
        raise SettingsError(problems)
    built = _with_variants(base if base is not None else settings(), values)
    known = {field.path: field for field in fields(built)}
    for path, value in values.items():
        if variants(get_type_hints(settings, include_extras=True).get(path)):
            continue  # its class was chosen before
        built = replace_at(built, path, read_value(known[path], value))
    return built
