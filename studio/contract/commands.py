"""Window -> worker: lines appended to commands.jsonl in the job's folder, which the worker follows."""

from pathlib import Path

import msgspec

from studio.contract.records import Message
from studio.contract.sampling import Sampling


class Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="command", omit_defaults=True):
    """Base of all commands."""


class Stop(Command, frozen=True, kw_only=True, tag="stop"):
    """End the job. A training run finishes its step and, with `save`, leaves an adapter."""

    save: bool = True


class Pause(Command, frozen=True, kw_only=True, tag="pause"):
    """Hold after this step, keeping memory."""


class Resume(Command, frozen=True, kw_only=True, tag="resume"):
    """Go on."""


class ShowRows(Command, frozen=True, kw_only=True, tag="show_rows"):
    """Preview: encode these rows of the dataset."""

    request: int
    rows: tuple[int, ...]


class Generate(Command, frozen=True, kw_only=True, tag="generate"):
    """Chat: answer the conversation once for every side, in order ("" is the base, else an adapter's id)."""

    request: int
    messages: tuple[Message, ...]
    sides: tuple[str, ...] = ("",)
    sampling: Sampling = Sampling()


class StopReply(Command, frozen=True, kw_only=True, tag="stop_reply"):
    """Chat: end the reply that is being written (all its sides)."""

    request: int


class AddAdapter(Command, frozen=True, kw_only=True, tag="add_adapter"):
    """Chat: load one more adapter onto the loaded base; answered by `Ready`."""

    id: str
    path: str
    name: str


AnyCommand = Stop | Pause | Resume | ShowRows | Generate | StopReply | AddAdapter

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyCommand] = msgspec.json.Decoder(AnyCommand)


def append(path: Path, command: Command) -> None:
    """Add one command to a job's commands.jsonl; a single write, so lines never mix."""
    with path.open("ab", buffering=0) as file:
        file.write(_encoder.encode(command) + b"\n")


def decode(line: bytes) -> AnyCommand:
    """Read one line.

    Raises:
        msgspec.DecodeError: The line is damaged.
    """
    return _decoder.decode(line)
