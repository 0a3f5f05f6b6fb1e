"""Worker -> window: tagged unions, one JSON line each, in the pipe and in the run's events.jsonl."""

from typing import Literal

import msgspec

from studio.contract.device_report import DeviceReport as DeviceReport
from studio.contract.device_report import Gpu as Gpu
from studio.contract.diagnosis import Diagnosed as Diagnosed
from studio.contract.errors import Problem
from studio.contract.event import Event as Event
from studio.contract.job import Mapping, Reading
from studio.contract.masked_row import MaskedRow as MaskedRow
from studio.contract.model_events import FoundModel as FoundModel
from studio.contract.model_events import ModelChecked as ModelChecked
from studio.contract.model_events import ModelsFound as ModelsFound
from studio.contract.parity import Parity as Parity
from studio.contract.planning import MemoryPlanned as MemoryPlanned
from studio.contract.planning import Planned as Planned
from studio.contract.planning import RangeTested as RangeTested
from studio.contract.verdict import Verdict as Verdict

PROTOCOL = 1


class Hello(Event, frozen=True, kw_only=True, tag="hello"):
    """First event of every worker."""

    protocol: int
    pid: int
    versions: dict[str, str]


class Heartbeat(Event, frozen=True, kw_only=True, tag="heartbeat"):
    """Each second while the worker lives; only in the pipe, never in events.jsonl."""


class Progress(Event, frozen=True, kw_only=True, tag="progress"):
    """A named stage of preparation: "Loading the model". `total` 0: not known. `unit`: "bytes", "rows", "steps"."""

    stage: str
    done: int = 0
    total: int = 0
    unit: str = ""


UNVERIFIED = "adapter.unverified"
"""Code of the notice that nobody can tell whether an adapter belongs to the base model it was put beside."""


class Notice(Event, frozen=True, kw_only=True, tag="notice"):
    """Risky but allowed: shown, the run goes on."""

    problem: Problem


# --- data -------------------------------------------------------------------------------------------------


class Inspected(Event, frozen=True, kw_only=True, tag="inspected"):
    """What a source looks like, before (and whether or not) it can be mapped."""

    columns: tuple[str, ...]
    rows_seen: int
    mapping: Mapping | None
    first_rows: tuple[dict[str, str], ...]
    """Up to 5 rows, values as shortened text."""
    reading: Reading = Reading()
    """Sheet and kind of documents of the first file as they were read, chosen or guessed."""
    sheets: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    """What can be chosen instead."""
    sample: str = ""
    """The first rows whole, as a JSON list of objects: as many as fit. For trying a mapping on them."""


class Imported(Event, frozen=True, kw_only=True, tag="imported"):
    """A dataset folder is complete. `problems` counts rows left out: code -> (count, example rows)."""

    folder: str
    name: str
    rows: int
    usable: int
    held_back_rows: int
    mapping: Mapping
    problems: tuple[Problem, ...]


class RowsShown(Event, frozen=True, kw_only=True, tag="rows_shown"):
    """Answer to `ShowRows`."""

    request: int
    rows: tuple[MaskedRow, ...]


class DataReport(Event, frozen=True, kw_only=True, tag="data_report"):
    """Before step 1: what will be learned from, counted with the trainer's own labels.

    Attributes:
        train_rows, held_back_rows, general_rows: Rows that will be used; of the general ones each pass takes some.
        mixed_in: General rows of one pass; 0 where an earlier version did not say.
        kept, cut, left_out, nothing_to_learn: Fate of the training rows.
        tokens, learned_tokens: Of the training rows that are used.
        end_token: Text of the token that ends an answer.
        end_token_learned: Whether it is learned in every used row (rows cut at the end excepted).
        bos_count: Largest number of begin-of-text tokens in one row.
        pad_token: Text of the pad token; never the end token.
        longest: Tokens of the user's longest used row.
    """

    train_rows: int
    held_back_rows: int
    general_rows: int
    kept: int
    cut: int
    left_out: int
    nothing_to_learn: int
    tokens: int
    learned_tokens: int
    end_token: str
    end_token_learned: bool
    bos_count: int
    pad_token: str
    longest: int
    duplicates: int = 0
    overlap: int = 0
    """Held-back rows whose text is also a training row."""
    mixed_in: int = 0


# --- training ---------------------------------------------------------------------------------------------


class Started(Event, frozen=True, kw_only=True, tag="started"):
    """Step 1 is next. What "auto" became, in the end.

    Attributes:
        gradient_checkpointing: Whether layers are computed twice, `recomputed_layers` of them.
        kernels: What was tried on a GPU beforehand, each with what came of it, in words.
    """

    total_steps: int
    first_step: int
    trainable_parameters: int
    base_parameters: int
    device: str
    quantisation: str
    precision: str
    gradient_checkpointing: bool
    recomputed_layers: int = 0
    kernels: tuple[str, ...] = ()


class Step(Event, frozen=True, kw_only=True, tag="step"):
    """One correction of the adapter.

    Attributes:
        step: Counted from 1; total_steps may shrink once, when a time box becomes a number of steps.
        loss: Mean over the learned tokens of the user's rows; general_loss over those of the general rows mixed in,
            None where there are none. What is trained on is the mean over both.
        grad_norm: Before clipping.
        tokens: All tokens read in this step; learned_tokens of them had a label.
        step_seconds: Wall time of this step alone.
        train_seconds: Training time so far, pauses excluded.
        memory_bytes: GPU memory allocated at peak since the last step, or the process's resident memory on a CPU.
        eta_seconds: Estimated rest, tests and saving included; None before 5 steps and 5 seconds.
    """

    step: int
    total_steps: int
    epoch: float
    loss: float
    general_loss: float | None = None
    learning_rate: float
    grad_norm: float
    tokens: int
    learned_tokens: int
    step_seconds: float
    train_seconds: float
    memory_bytes: int
    eta_seconds: float | None = None


class Evaluated(Event, frozen=True, kw_only=True, tag="evaluated"):
    """A test on the held-back rows: mean loss over their learned tokens."""

    step: int
    loss: float
    best: bool
    rows: int
    kept: bool | None = None
    """Whether what the model had learned by then is kept until a better test; None: a run of before it was told."""


class SampleAnswer(Event, frozen=True, kw_only=True, tag="sample_answer"):
    """What the model, as it is now, answers to a held-back question."""

    step: int
    question: str
    answer: str
    expected: str


class CheckpointSaved(Event, frozen=True, kw_only=True, tag="checkpoint_saved"):
    """A checkpoint is complete on disk."""

    step: int
    path: str
    seconds: float


class Pausing(Event, frozen=True, kw_only=True, tag="pausing"):
    """The command was seen; the step is being finished."""


class Paused(Event, frozen=True, kw_only=True, tag="paused"):
    """Held at `step`, memory kept. `problem` where the run paused by itself."""

    step: int
    problem: Problem | None = None


class Resumed(Event, frozen=True, kw_only=True, tag="resumed"):
    """Going on after a pause."""

    step: int


class Stopping(Event, frozen=True, kw_only=True, tag="stopping"):
    """The command was seen; the step is being finished and the adapter saved."""

    save: bool


class Finished(Event, frozen=True, kw_only=True, tag="finished"):
    """The end of a training run: `adapter` is a PEFT folder, or "" when the user discarded it.

    reason: "done", "stopped" (by the user), "early" (no more improvement), "time" (time box), "discarded".
    """

    adapter: str
    reason: Literal["done", "stopped", "early", "time", "discarded"]
    steps: int
    seconds: float
    verdict: Verdict | None = None
    best_step: int = 0
    """Of the adapter, where it is the best one; 0: it is that of the last step."""
    best_aside: int = 0
    """Step of the best adapter where it is kept beside that of the last step (`data.adapter_choice`); 0: it is not."""
    peak_bytes: int = 0
    """Memory at its peak over the whole run: the process's on a CPU, what was allocated on a GPU; 0: not known."""
    energy_wh: float | None = None
    """Watt hours that the graphics card took for steps and tests; None: not measured."""
    went_back: bool = False
    """The run had been saved before and gone on: what came after was thrown away, and all that is told here is as it
    was saved then."""
    back_to: int = 0
    """Where what was thrown away begins in the record, in bytes; it ends at this event. 0: all that is told holds."""


class Failed(Event, frozen=True, kw_only=True, tag="failed"):
    """The end of any job that went wrong."""

    problem: Problem
    problems: tuple[Problem, ...] = ()


# --- chat -------------------------------------------------------------------------------------------------


class Ready(Event, frozen=True, kw_only=True, tag="ready"):
    """The chat's (or preview's) model is loaded; commands are answered."""

    device: str = ""
    quantisation: str = ""
    adapters: tuple[str, ...] = ()


class ReplyPiece(Event, frozen=True, kw_only=True, tag="reply_piece"):
    """Streamed text of one side ("" is the base model, else an adapter's id)."""

    request: int
    side: str
    text: str


class ReplyDone(Event, frozen=True, kw_only=True, tag="reply_done"):
    """A reply is complete. `ended`: by its end token, the length limit, or the user."""

    request: int
    side: str
    text: str
    tokens: int
    seconds: float
    ended: Literal["end_token", "length", "stopped"]


# --- export ------------------------------------------------------------------------------------------------


class RowsExported(Event, frozen=True, kw_only=True, tag="rows_exported"):
    """A dataset's rows, as they read now, lie in a JSONL file."""

    path: str
    rows: int


class Exported(Event, frozen=True, kw_only=True, tag="exported"):
    """The export is complete under its final name.

    Attributes:
        path: Of its folder.
        run: Id of the run that it was made from.
        parity: How it compares with the adapter, where that was asked.
    """

    path: str
    run: str = ""
    files: tuple[str, ...]
    total_bytes: int
    parity: Parity | None = None


class Combined(Event, frozen=True, kw_only=True, tag="combined"):
    """A new run holds the adapter that was made of several."""

    run: str
    name: str
    rank: int


AnyEvent = (
    Hello
    | Heartbeat
    | Progress
    | Notice
    | Inspected
    | Imported
    | RowsShown
    | DataReport
    | Started
    | Step
    | Evaluated
    | SampleAnswer
    | CheckpointSaved
    | Pausing
    | Paused
    | Resumed
    | Stopping
    | Finished
    | Failed
    | Ready
    | ReplyPiece
    | ReplyDone
    | ModelChecked
    | ModelsFound
    | Exported
    | Combined
    | RowsExported
    | DeviceReport
    | Diagnosed
    | MemoryPlanned
    | Planned
    | RangeTested
)

FINAL = (
    Finished,
    Failed,
    Imported,
    ModelChecked,
    ModelsFound,
    Exported,
    Combined,
    RowsExported,
    DeviceReport,
    Diagnosed,
    Planned,
    RangeTested,
)
"""A worker that ends without one of these (and was not told to end) has crashed."""

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


def encode(event: Event) -> bytes:
    """One line of JSON, with its line feed."""
    return _encoder.encode(event) + b"\n"


def decode(line: bytes) -> AnyEvent:
    """Read one line.

    Raises:
        msgspec.DecodeError: The line is cut, damaged or of another protocol (ValidationError is a kind of it).
    """
    return _decoder.decode(line)
