"""Job: all that one worker needs, saved as job.json in the job's folder."""

from pathlib import Path
from typing import Literal

import msgspec

from studio.contract.errors import Problem, StudioError
from studio.contract.settings import VERSION, TrainSettings

Shape = Literal["chat", "sharegpt", "alpaca", "prompt_completion"]


class Mapping(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which columns of a source hold what; the user can change every one of them.

    Attributes:
        shape: How a row becomes a conversation.
        messages: Column of the list of turns (chat, sharegpt).
        prompt: Column of the question (alpaca: the instruction).
        context: Optional column of further input, put below the question.
        completion: Column of the answer.
        system: Optional column of the system prompt.
        reason: Why this was guessed, in words.
    """

    shape: Shape
    messages: str = ""
    prompt: str = ""
    context: str = ""
    completion: str = ""
    system: str = ""
    reason: str = ""


class ImportJob(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="import"):
    """Read dataset files into `destination` (a dataset folder that does not exist yet, or is replaced whole).

    `held_back` is an optional own test file of the same shape. `mapping` None: detect it. `skip_damaged`: leave out
    lines that cannot be read, and count them, instead of ending at the first. `group`, `time`: columns whose values are
    kept, so that rows can be split by them; where one is given, the dataset is split by it from the start.
    """

    source: str
    destination: str
    name: str
    mapping: Mapping | None = None
    held_back: str = ""
    skip_damaged: bool = False
    group: str = ""
    time: str = ""


class PreviewJob(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="preview"):
    """Show rows as the model sees them; stays alive and answers `ShowRows` commands."""

    dataset: str
    model: str
    settings: TrainSettings


class DoctorJob(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="doctor"):
    """Look for what is wrong with a dataset. Needs no torch.

    `model`: folder whose tokens are counted, or "" for characters. `test`: a dataset folder or a file of rows that must
    not be among these, or "".
    """

    dataset: str
    model: str = ""
    settings: TrainSettings = msgspec.field(default_factory=TrainSettings)
    test: str = ""


class TrainJob(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="train"):
    """Train one adapter. Paths are absolute.

    Attributes:
        name: Shown name of the run.
        model: Folder of the base model.
        dataset: Dataset folder (made by an import).
        general: JSONL of chat rows for replay, or "".
        probes: JSONL of `{"messages", "answer"}` to test what it still knows, or "".
        settings: Every hyperparameter.
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
    when_window_closes: Literal["go_on", "stop_at_checkpoint"] = "go_on"
    version: int = VERSION


class AdapterRef(msgspec.Struct, frozen=True):
    """An adapter that a chat can switch on: `id` is unique in the chat, `path` a PEFT folder."""

    id: str
    path: str
    name: str


class ChatJob(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="chat"):
    """Load a base model once and answer `Generate` commands, with or without an adapter."""

    model: str
    adapters: tuple[AdapterRef, ...] = ()
    quantisation: Literal["auto", "none", "nf4"] = "auto"
    device: str = "auto"


class CheckModelJob(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="check_model"):
    """Look at a model folder without loading it: what it is and every problem found. Needs no torch."""

    path: str


class ExportJob(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="export"):
    """Write what a run trained to `destination` in the form `export` (a key of EXPORTS)."""

    run: str
    export: str
    destination: str


class DeviceJob(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="device"):
    """Say what this computer offers for training and what is missing. Needs no torch."""


Job = ImportJob | PreviewJob | DoctorJob | TrainJob | ChatJob | CheckModelJob | ExportJob | DeviceJob

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Job] = msgspec.json.Decoder(Job)


def save(job: Job, path: Path) -> None:
    """Write a job as JSON, readable by a person."""
    path.write_bytes(msgspec.json.format(_encoder.encode(job), indent=2) + b"\n")


def load(path: Path) -> Job:
    """Read a saved job.

    Raises:
        StudioError: The file cannot be read, is no job, or was made by a newer version.
    """
    try:
        return _decoder.decode(path.read_bytes())
    except OSError as error:
        raise StudioError("job.unreadable", f"The job file {path.name} cannot be read.", str(error)) from error
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise StudioError.of(
            Problem(
                code="job.invalid",
                what=f"{path.name} is not a job that this version understands.",
                why=str(error),
                fix="It may be damaged, or made by a newer version of the program.",
            )
        ) from error
