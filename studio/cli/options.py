"""Command-line options made from the contract: a setting is declared once, there."""

import argparse
import difflib
import json
import tomllib
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from studio.contract import job
from studio.contract.errors import Problem, SettingsError, StudioError
from studio.contract.fields import GROUPS, Field, build, fields, flatten
from studio.contract.method_choice import values_of
from studio.contract.methods import METHODS, tag_of
from studio.contract.presets import PRESETS, load_preset
from studio.contract.setting_facts import idle_because_of
from studio.contract.settings import TrainSettings

S = TypeVar("S", bound=msgspec.Struct)
Brings = Callable[[TrainSettings], TrainSettings]
"""Settings with what belongs to an adapter that is gone on from."""

LARGEST_JOB = 1_000_000
READING = ("learn_answers_only", "learned_turns", "max_tokens", "too_long", "held_back_share")
"""Settings that decide how a row is read; `preview` offers no others."""


def add_settings(parser: argparse.ArgumentParser, only: Container[str] | None = None) -> None:
    """One option for every field of TrainSettings, grouped as in the window's form, and --method, --preset.

    Args:
        parser: Gets the options.
        only: Paths of the settings that have an effect on this command; None: all, and a way of tuning too.
    """
    parser.add_argument("--preset", choices=[*PRESETS, "sample"], help="start from a preset; options override it")
    if only is None:
        parser.add_argument(
            "--method",
            metavar="NAME",
            help=f"way of tuning: {', '.join(METHODS)} (default: lora); qlora is lora on a 4-bit model",
        )
        _add_method_settings(parser.add_argument_group("settings of one way of tuning each"))
    for name, title in GROUPS.items():
        declared = [field for field in fields(TrainSettings) if field.group == name and not _is_methods(field)]
        chosen = [field for field in declared if only is None or field.path in only]
        group = parser.add_argument_group(title.lower()) if chosen else parser
        for field in chosen:
            add_field(group, field, f"set:{field.path}")


def _is_methods(field: Field) -> bool:
    return field.path.partition(".")[0] == "method"


def _add_method_settings(group: Any) -> None:
    """Every setting of every way of tuning; one option where several have one of the same name."""
    found: dict[str, list[tuple[str, Field]]] = {}
    for tag, kind in {tag_of(row.settings): row.settings for row in METHODS.values()}.items():
        for field in fields(kind):
            found.setdefault(field.name, []).append((tag, field))
    for shared in found.values():
        first = shared[0][1]
        told = ", ".join(f"{tag}: {field.default}" for tag, field in shared)
        joined = msgspec.structs.replace(first, help=f"{first.help.rstrip('.')}. For {told}", default=None)
        choices = {value: words for _, field in shared for value, words in field.choices.items()}
        mixed = any(field.kind != first.kind for _, field in shared)
        joined = msgspec.structs.replace(joined, choices={} if mixed else choices)
        add_field(group, joined, f"set:method.{first.name}")


def add_values(group: Any, declared: type[msgspec.Struct]) -> None:
    """One option for every field of another declared class, such as a chat's sampling."""
    for field in fields(declared):
        add_field(group, field, f"value:{field.path}")


def values_from(arguments: argparse.Namespace, declared: type[S]) -> S:
    """What `add_values` offered.

    Raises:
        SettingsError: Values are out of range; all problems are listed.
    """
    chosen = {name[6:]: value for name, value in vars(arguments).items() if name.startswith("value:")}
    return build(declared, {path: value for path, value in chosen.items() if value is not None})


def add_field(group: Any, field: Field, dest: str) -> None:
    """The option of one setting. Limits are checked by the contract, so that all problems are told together."""
    option = "--" + field.name.replace("_", "-")
    default = "" if field.default is None else f" (default: {field.default})"
    text = f"{field.help}{default}".replace("%", "%%")
    if field.kind == "bool":
        group.add_argument(option, dest=dest, action=argparse.BooleanOptionalAction, help=text)
    else:
        shown = "{" + ",".join(field.choices) + "}" if field.choices else (field.unit or field.kind).upper()
        group.add_argument(option, dest=dest, metavar=shown, help=text)


def settings_from(
    arguments: argparse.Namespace, base: TrainSettings | None = None, bring: Brings | None = None
) -> TrainSettings:
    """Settings by preset, then method (or what an adapter that is gone on from brings along), then single options.

    Raises:
        SettingsError: Values are out of range; all problems are listed.
    """
    if arguments.preset:
        base = _with_brought(load_preset(arguments.preset).settings(), bring)
    values: dict[str, Any] = {}
    if getattr(arguments, "method", None):
        require_method(arguments.method)
        values.update(values_of(arguments.method))
    chosen = {name[4:]: value for name, value in vars(arguments).items() if name.startswith("set:")}
    given = {path: value for path, value in chosen.items() if value is not None}
    values.update(given)
    settings = build(TrainSettings, values, base)
    _require_counting(settings, tuple(given))
    return settings


def _require_counting(settings: TrainSettings, given: tuple[str, ...]) -> None:
    """Refuse options that would change nothing.

    Raises:
        SettingsError: All of them are named.
    """
    values = flatten(settings)
    problems = []
    for path in given:
        other = idle_because_of(path, values)
        if other:
            option, why = (f"--{name.rpartition('.')[2].replace('_', '-')}" for name in (path, other))
            now = "off" if values[other] is False else values[other]
            what = f"{option} changes nothing while {why} is {now}."
            fix = f"Leave it out, or choose another value of {why}."
            problems.append(Problem(code="settings.idle", where=path, what=what, fix=fix))
    if problems:
        raise SettingsError(tuple(problems))


class JobFile(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A job that a person writes: TOML or JSON. Paths are relative to the file.

    `settings` is flat ("method.rank" = 8) or nested, over `preset`; `from_adapter` names a run (or its folder) that is
    gone on from.
    """

    model: str = "starter"
    data: str
    name: str = ""
    held_back: str = ""
    general: str | None = None
    probes: str | None = None
    preset: str = ""
    method: str = ""
    from_adapter: str = ""
    settings: dict[str, Any] = {}


def read_job_file(path: Path) -> JobFile | job.TrainJob:
    """Read JOB.toml (or .apprentice-job) or JOB.json (a run's own job.json too).

    Raises:
        StudioError: Unreadable, damaged, or with keys that do not exist.
    """
    is_toml = path.suffix in (".toml", job.JOB_SUFFIX)
    if path.suffix.lower() in (".yaml", ".yml"):
        raise StudioError(
            "job.invalid",
            f"{path.name} is an invalid config: a job is written as TOML or JSON.",
            "YAML files are not read at all, because they can name objects to make and grow without limit.",
            "Write the job as .toml; `apprentice train --help` and the manual show one.",
        )
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_JOB + 1)
        if len(content) > LARGEST_JOB:
            raise StudioError(
                "job.invalid", f"{path.name} is no job file.", "It is longer than 1 MB.", "Choose another."
            )
        table = tomllib.loads(content.decode()) if is_toml else msgspec.json.decode(content)
    except OSError as error:
        raise StudioError(
            "job.unreadable", f"The job file {path} cannot be read.", str(error.strerror), "Check the path."
        ) from error
    except RecursionError as error:
        raise StudioError(
            "job.invalid", f"{path.name} is no job file.", "Its lists lie too deeply inside each other.", "Mend it."
        ) from error
    except (tomllib.TOMLDecodeError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StudioError(
            "job.invalid",
            f"{path.name} is no whole {'TOML' if is_toml else 'JSON'} file.",
            f"{error}.",
            "Mend that place.",
        ) from error
    if isinstance(table, dict) and "kind" in table:
        saved = job.convert(table, path.name)
        if not isinstance(saved, job.TrainJob):
            raise StudioError("job.kind", f"{path.name} is no training job.", fix="Give the job.json of a run.")
        return saved
    faults = _faults(table)
    if faults:
        raise StudioError(
            "job.invalid",
            f"{path.name} is no job that can be trained.",
            " ".join(faults),
            f"A job has {', '.join(field.name for field in msgspec.structs.fields(JobFile))}; only data must be there.",
        )
    return msgspec.convert(table, JobFile)


def is_job_file(path: Path) -> bool:
    """Whether an existing file is meant as a job; JSON of rows is not. What is damaged counts as its name says."""
    if path.suffix.lower() in (".toml", ".yaml", ".yml", job.JOB_SUFFIX):
        return True
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_JOB + 1)
        table = msgspec.json.decode(content)
    except (OSError, RecursionError):
        return True
    except (msgspec.DecodeError, UnicodeDecodeError):
        return len(content) <= LARGEST_JOB and not _is_object(content.partition(b"\n")[0])  # else: a row a line
    if isinstance(table, dict):
        return "kind" in table or not any(_are_rows(value) for value in table.values())
    return not _are_rows(table)


def _are_rows(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(row, dict) for row in value)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _faults(table: object) -> list[str]:
    """What is wrong with a job that a person wrote, a sentence each."""
    if not isinstance(table, dict):
        return ["It is no table of names and values."]
    known = {field.name: field for field in msgspec.structs.fields(JobFile)}
    settings = {part for field in fields(TrainSettings) for part in (field.path, field.name)}
    found = [
        f"{name!r} is a setting: it belongs under [settings]."
        if name in settings
        else f"There is no {name!r} in a job."
        for name in table
        if name not in known
    ]
    if "data" not in table:
        found.append("It does not say what to learn from (data).")
    for name, value in table.items():
        wanted = dict if name == "settings" else str
        is_left_out = value is None and name in ("general", "probes")
        if name in known and not isinstance(value, wanted) and not is_left_out:
            is_a = "a table of settings" if wanted is dict else "a text in quotes"
            found.append(f"The value of {name!r} must be {is_a}, not {json.dumps(value, default=str)[:40]}.")
    return found


def _with_brought(settings: TrainSettings, bring: Brings | None) -> TrainSettings:
    return settings if bring is None else bring(settings)


def job_file_settings(file: JobFile, bring: Brings | None = None) -> TrainSettings:
    """The settings of a job file; `bring` puts in what an adapter that is gone on from brings along.

    Raises:
        SettingsError: Values are unknown or out of range.
        StudioError: There is no such preset or method.
    """
    if file.preset and file.preset not in (*PRESETS, "sample"):
        raise StudioError("job.preset", f"There is no preset {file.preset!r}.", fix=f"Known: {', '.join(PRESETS)}.")
    if file.method:
        require_method(file.method)
    base = _with_brought(load_preset(file.preset).settings() if file.preset else TrainSettings(), bring)
    values = values_of(file.method) if file.method else {}
    return build(TrainSettings, {**values, **_flat(file.settings)}, base)


def require_method(name: str) -> None:
    """Raise StudioError where there is no such way of tuning; say which is meant."""
    if name not in METHODS:
        fix = _meant(name)
        raise StudioError("job.method", f"There is no method {name!r}.", fix=f"{fix}Known: {', '.join(METHODS)}.")


def _meant(name: str) -> str:
    """Which way of tuning was meant: by its name, by its term elsewhere ("prompt_tuning") or by a setting of it."""
    names = {_letters(tag): tag for tag in METHODS}
    names |= {_letters(row.label.rpartition("(")[2]): tag for tag, row in METHODS.items()}
    close = difflib.get_close_matches(_letters(name), names, n=1, cutoff=0.9)
    owners = [tag for tag, row in METHODS.items() if name.replace("-", "_") in row.settings.__struct_fields__]
    if owners and not close:
        return f"It is a setting of {', '.join(owners)}. "
    close = close or difflib.get_close_matches(_letters(name), names, n=1)
    return f"Did you mean {names[close[0]]}? " if close else ""


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


COLUMN_HELP = {
    "messages": "list of turns",
    "prompt": "question or instruction",
    "context": "further input, put below the question",
    "completion": "answer (of two: the better one)",
    "rejected": "worse answer",
    "label": "whether the answer is good; of two answers: which one won",
    "text": "text to go on from",
    "system": "system prompt",
    "tools": "tools that may be called",
    "history": "earlier exchanges",
    "instances": "list of inputs and answers of one instruction",
    "reasoning": "what was thought before the answer",
    "speaker": "who speaks, where each row is one turn (--messages is then what is said)",
    "conversation": "which conversation a row belongs to, where each row is one turn",
}
"""What each field of a mapping holds, for --help."""


def add_import_options(parser: argparse.ArgumentParser) -> None:
    """The options of `data import` and `data inspect`, from the contract's own fields."""
    parser.add_argument("file", help="a file, a ZIP archive, or a folder of files")
    parser.add_argument(
        "--more", metavar="FILE", action="append", default=[], help="a further file of the same dataset"
    )
    parser.add_argument(
        "--weight", metavar="NUMBER", action="append", default=[], help="how often a file's rows count, one a file"
    )
    parser.add_argument("--held-back", metavar="FILE", help="an own test file")
    parser.add_argument("--skip-damaged", action="store_true", help="leave damaged lines out and count them")
    parser.add_argument(
        "--mend-turns",
        action="store_true",
        help="keep conversations whose turns are out of order: join neighbouring messages of one side, leave out a "
        "greeting before the first question and a last message without an answer",
    )
    parser.add_argument(
        "--sheet", default="", help="sheet of an Excel file (default: the first that can be learned from)"
    )
    parser.add_argument("--documents", choices=["file", "line", "block"], default="", help="what one text is")
    parser.add_argument(
        "--first-line", choices=["names", "row"], default="", help="what a table's first line is (default: guessed)"
    )
    parser.add_argument("--split", default="", help="split of a saved dataset that is learned from")
    parser.add_argument("--group", metavar="COLUMN", default="", help="keep rows of one value on one side")
    parser.add_argument("--time", metavar="COLUMN", default="", help="hold back the newest rows by this column")
    columns = parser.add_argument_group("columns (default: guessed)")
    columns.add_argument("--shape", choices=list(job.SHAPES), help="shape of a row")
    for name in job.COLUMN_FIELDS:
        columns.add_argument(f"--{name}", metavar="COLUMN", help=COLUMN_HELP[name])
