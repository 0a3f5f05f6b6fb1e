"""Job: all that one worker needs, saved as job.json in the job's folder."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, cast, get_args

import msgspec

from studio.contract.errors import StudioError
from studio.contract.fields import variants
from studio.contract.methods import LoraSettings, tag_of
from studio.contract.model_jobs import AddModelJob as AddModelJob
from studio.contract.model_jobs import CheckModelJob as CheckModelJob
from studio.contract.model_jobs import DownloadModelJob as DownloadModelJob
from studio.contract.model_jobs import FindModelsJob as FindModelsJob
from studio.contract.range_test import STEPS
from studio.contract.records import Kind
from studio.contract.settings import MIGRATIONS, VERSION, Quantisation, TrainSettings
from studio.contract.whole_file import write_whole

Shape = Literal["chat", "sharegpt", "alpaca", "prompt_completion", "text", "preference", "label"]
SHAPES: tuple[Shape, ...] = get_args(Shape)

JOB_SUFFIX = ".apprentice-job"
"""Of a job that a person wrote, where the system is to know it by its name; TOML inside."""


class Mapping(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which columns of a source hold what; the user can change every one of them.

    Attributes:
        shape: How a row becomes a record.
        messages: Column of the list of turns (chat, sharegpt, label).
        prompt: Column of the question (alpaca: the instruction). Preference: may be empty where `completion` and
            `rejected` hold whole conversations.
        context: Optional column of further input, put below the question.
        completion: Column of the answer (preference: the better one).
        rejected: Column of the worse answer (preference).
        label: Column that says whether the answer is good (label), or which one is better (preference, optional).
        text: Column of the text (text).
        system: Optional column of the system prompt.
        tools: Optional column of the tools that may be called.
        history: Optional column of earlier exchanges, `[["question", "answer"], …]`.
        instances: Optional column of a list of `{context: …, completion: …}` that share one instruction.
        reasoning: Optional column of what was thought before the answer.
        speaker: Where each row is one turn (chat): column of who speaks; `messages` is then what is said.
        conversation: With `speaker`: column that is the same in all rows of a conversation.
        reason: Why this was guessed, in words.
    """

    shape: Shape
    messages: str = ""
    prompt: str = ""
    context: str = ""
    completion: str = ""
    rejected: str = ""
    label: str = ""
    text: str = ""
    system: str = ""
    tools: str = ""
    history: str = ""
    instances: str = ""
    reasoning: str = ""
    speaker: str = ""
    conversation: str = ""
    reason: str = ""

    @property
    def kind(self) -> Kind:
        """What can be learned from the rows."""
        match self.shape:
            case "chat" | "sharegpt":
                return "chat"
            case "alpaca" | "prompt_completion":
                return "prompt_completion"
            case "text" | "preference" | "label":
                return self.shape

    def same_columns(self, other: "Mapping") -> bool:
        """Whether the other one reads rows in the same way; why it was chosen does not matter."""
        return msgspec.structs.replace(self, reason="") == msgspec.structs.replace(other, reason="")


COLUMN_FIELDS = tuple(name for name in Mapping.__struct_fields__ if name not in ("shape", "reason"))
"""The fields of a mapping that name a column (of `instances`: `context` and `completion` name what is in them)."""


class Reading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How files that leave a choice are read; "" leaves it to the import, which says what it chose.

    Attributes:
        sheet: Name of the sheet of an Excel file; "": the first that can be learned from.
        documents: What one row of a text file is: the file, a line, or a block between blank lines.
        first_line: What the first line of a CSV or Excel table is: the columns' names, or a row.
        split: The split of a `datasets` folder (or of files named train, test ...) that is learned from.
    """

    sheet: str = ""
    documents: Literal["", "file", "line", "block"] = ""
    first_line: Literal["", "names", "row"] = ""
    split: str = ""


class ImportJob(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True, tag="import"):
    """Read dataset files into `destination` (a dataset folder that does not exist yet, or is replaced whole).

    Attributes:
        source: A file, a ZIP archive, or a folder of files or of a saved `datasets` dataset.
        mapping: None: detect it.
        held_back: Optional own test file of the same shape, "" for none.
        skip_damaged: Leave out lines that cannot be read, and count them, instead of ending at the first.
        more: Further files of the same dataset; mapping and columns are those of `source`.
        reading: How files that leave a choice are read.
        weights: None, or one for `source` and each of `more`: 2 writes every row twice, 0.5 every second one.
        mend_turns: Keep conversations whose turns are out of order, as `data.turn_order` says.
        remember: Whether a choice of columns against the guess is kept for files of the same columns.
        group, time: Columns to split rows by, or "": their values are kept; of both, the group decides.
    """

    source: str
    destination: str
    name: str
    mapping: Mapping | None = None
    held_back: str = ""
    skip_damaged: bool = False
    more: tuple[str, ...] = ()
    reading: Reading = Reading()
    weights: tuple[float, ...] = ()
    remember: bool = True
    group: str = ""
    time: str = ""
    mend_turns: bool = False


class PreviewJob(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True, tag="preview"
):
    """Show rows as the model sees them; stays alive and answers `ShowRows` commands."""

    dataset: str
    model: str
    settings: TrainSettings


class DoctorJob(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True, tag="doctor"):
    """Look for what is wrong with a dataset. Needs no torch.

    `model`: folder whose tokens are counted, or "" for characters. `test`: a dataset folder or a file of rows that must
    not be among these, or "". `general`: file of the general rows that are mixed in and counted too, or "".
    """

    dataset: str
    model: str = ""
    settings: TrainSettings = msgspec.field(default_factory=TrainSettings)
    test: str = ""
    general: str = ""


class ExportRowsJob(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True, tag="export_rows"
):
    """Write a dataset's rows, as they read now, as JSONL. Needs no torch."""

    dataset: str
    path: str


class TrainJob(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True, tag="train"):
    """Train one adapter. Paths are absolute.

    Attributes:
        name: Shown name of the run.
        model: Folder of the base model.
        dataset: Dataset folder (made by an import).
        general: JSONL of chat rows for replay, or "".
        probes: JSONL of `{"messages", "answer"}` to test what it still knows, or "".
        settings: Every hyperparameter.
        start_from: Adapter folder of an earlier run to go on from, or "" to begin with the model as it is.
        when_window_closes: What a run does when its window is gone.
    """

    name: str
    model: str
    model_name: str
    dataset: str
    dataset_name: str
    general: str = ""
    probes: str = ""
    settings: TrainSettings = msgspec.field(default_factory=TrainSettings)
    start_from: str = ""
    when_window_closes: Literal["go_on", "stop_at_checkpoint"] = "go_on"
    version: int = VERSION


class PlanJob(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True, tag="plan"):
    """Find out how much memory a run takes, by a dry step with its longest real pack; nothing is trained or kept."""

    work: TrainJob


class RangeTestJob(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True, tag="range_test"
):
    """Try learning rates on real batches, from tiny to too large, in `steps` steps; nothing is kept."""

    work: TrainJob
    steps: int = STEPS


class AdapterRef(msgspec.Struct, frozen=True):
    """An adapter that a chat can switch on: `id` is unique in the chat, `path` a PEFT folder."""

    id: str
    path: str
    name: str


class ChatJob(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True, tag="chat"):
    """Load a base model once and answer `Generate` commands, with or without an adapter."""

    model: str
    adapters: tuple[AdapterRef, ...] = ()
    quantisation: Quantisation = "auto"
    device: str = "auto"


class ExportJob(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True, tag="export"):
    """Write what a run trained to `destination` in the form `export` (a key of EXPORTS).

    `numbers`: key of the form's number formats, "" for the usual one. `check`: compare the result with the adapter.
    """

    run: str
    export: str
    destination: str
    numbers: str = ""
    check: bool = True


class CombineJob(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True, tag="combine"
):
    """Make one adapter of those of several runs, as a new run in `runs_folder`.

    `runs`: (folder, weight) of each. `how`: key of COMBINATIONS. `rank` 0: the largest of theirs.
    """

    runs: tuple[tuple[str, float], ...]
    runs_folder: str
    how: str = "weighted"
    name: str = ""
    density: float = 0.5
    rank: int = 0
    seed: int = 0


class DeviceJob(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True, tag="device"):
    """Say what this computer offers for training and what is missing. Needs no torch."""


Job = (
    ImportJob
    | PreviewJob
    | DoctorJob
    | ExportRowsJob
    | TrainJob
    | PlanJob
    | RangeTestJob
    | ChatJob
    | CheckModelJob
    | AddModelJob
    | DownloadModelJob
    | FindModelsJob
    | ExportJob
    | CombineJob
    | DeviceJob
)

_KINDS: dict[str, type[msgspec.Struct]] = {kind.__struct_config__.tag: kind for kind in get_args(Job)}
_encoder = msgspec.json.Encoder()


def save(job: Job, path: Path) -> None:
    """Write a job as JSON, readable by a person; whole, or what was there before is untouched.

    Raises:
        OSError: It cannot be written.
    """
    write_whole(path, msgspec.json.format(_encoder.encode(job), indent=2) + b"\n")


def load(path: Path) -> Job:
    """Read a saved job.

    Raises:
        StudioError: The file cannot be read, is no job, or was made by a newer version.
    """
    try:
        table = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise StudioError("job.unreadable", f"The job file {path.name} cannot be read.", str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _invalid(path.name, f"{error}.") from error
    return convert(table, path.name)


def convert(table: Any, name: str) -> Job:
    """A decoded job file as a job; settings of older versions are renamed first.

    Args:
        table: What stood in the file.
        name: The file's name, for messages.

    Raises:
        StudioError: It is no job, or was made by a newer version; keys that are not known are all named.
    """
    kind = _KINDS.get(str(table.get("kind"))) if isinstance(table, dict) else None
    if kind is None:
        raise _invalid(name, "It does not say what kind of job it is.")
    version = table.get("version", VERSION)
    if isinstance(version, int) and version > VERSION:
        raise StudioError(
            "job.newer",
            f"{name} was made by a newer version of the program.",
            f"Its settings are of version {version}; this program knows them up to version {VERSION}.",
            "Update the program, or make the job anew.",
        )
    table = _migrated(table, version if isinstance(version, int) else VERSION)
    unknown = tuple(_unknown_keys(table, kind))
    if unknown:
        raise StudioError(
            "job.unknown_keys",
            f"{name} holds what this version does not know: {', '.join(unknown[:10])}.",
            "It was changed by hand, or made by a newer version of the program.",
            "Remove it, or update the program.",
        )
    try:
        return cast(Job, msgspec.convert(table, Job))
    except msgspec.ValidationError as error:
        raise _invalid(name, f"{error}.") from error


def _migrated(table: dict[str, Any], version: int) -> dict[str, Any]:
    """Settings under their present names."""
    settings = table.get("settings")
    if not isinstance(settings, dict):
        return table
    for number in range(version, VERSION):
        for old, new in MIGRATIONS.get(number, {}).items():
            settings = _moved(settings, old.split("."), new.split("."))
    if isinstance(settings.get("method"), dict) and "name" not in settings["method"]:
        # Of one class only until there were several, so its name may have been left out.
        settings = {**settings, "method": {"name": tag_of(LoraSettings), **settings["method"]}}
    return (
        {**table, "settings": settings, "version": VERSION} if "version" in table else {**table, "settings": settings}
    )


def _moved(table: dict[str, Any], old: list[str], new: list[str]) -> dict[str, Any]:
    """A copy with one value under its new name; a group that is empty then is gone."""
    table = copy.deepcopy(table)
    holders: list[Any] = [table]
    for part in old[:-1]:
        holders.append(holders[-1].get(part) if isinstance(holders[-1], dict) else None)
    if not isinstance(holders[-1], dict) or old[-1] not in holders[-1]:
        return table
    value = holders[-1].pop(old[-1])
    for holder, part in zip(reversed(holders[:-1]), reversed(old[:-1]), strict=True):
        if not holder[part]:
            del holder[part]
    target: Any = table
    for part in new[:-1]:
        target = target.setdefault(part, {})
    target[new[-1]] = value
    return table


def _unknown_keys(table: dict[str, Any], kind: type[msgspec.Struct], prefix: str = "") -> Iterator[str]:
    """Dotted names of keys that the class does not declare, nested classes included."""
    declared: dict[str, Any] = {field.name: field.type for field in msgspec.structs.fields(kind)}
    tag_field = kind.__struct_config__.tag_field
    for key, value in table.items():
        if key not in declared and key != tag_field:
            yield prefix + str(key)
        inner = declared.get(key)
        several = variants(inner) if isinstance(value, dict) else {}
        if several:
            inner = several.get(str(value.get("name")))
        if isinstance(value, dict) and isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            yield from _unknown_keys(value, inner, f"{prefix}{key}.")


def _invalid(name: str, why: str) -> StudioError:
    return StudioError(
        "job.invalid",
        f"{name} is not a job that this version understands.",
        why,
        "It may be damaged, or made by a newer version of the program.",
    )
