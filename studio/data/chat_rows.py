"""Two small kinds of file that go with a model: general rows for replay, and probe questions."""

from pathlib import Path

import msgspec

from studio.contract.errors import Problem, StudioError
from studio.contract.records import Message, Record
from studio.data.conversation import to_messages
from studio.data.inspecting import look
from studio.data.mapping import guess, rows_of, to_record
from studio.data.rows import Rows
from studio.data.turn_rows import conversations
from studio.data.wording import shown


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """A question with its one right answer, to see what a model (still) knows.

    Attributes:
        messages: Ends with the user.
        answer: What a right reply says, word for word.
        kind: What it is about, for counting; may be empty.
    """

    messages: tuple[Message, ...]
    answer: str
    kind: str = ""


def read_chat_rows(path: Path, left_out: list[Problem] | None = None) -> list[Record]:
    """Read general rows, of any shape that an import knows, into memory.

    Args:
        path: JSONL, JSON or CSV; the starter's is JSONL of `{"messages": [...]}`.
        left_out: Gets the problem of each row that cannot be learned from; None: the first one is an error.

    Raises:
        StudioError: The file or a row cannot be read, or no row is usable; the row is named.
    """
    seen = look(path)
    mapping = guess(seen.columns, seen.rows)
    if mapping.kind in ("preference", "label"):
        raise StudioError(
            "data.compared_rows",
            "These rows compare or rate answers; general rows must have one good answer each.",
            mapping.reason,
            "Choose a file of questions and answers, or of conversations.",
            where=shown(path.name),
        )
    records: list[Record] = []
    with Rows(path) as rows:
        for number, row in conversations(rows.numbered(), mapping):
            try:
                records += [to_record(part, mapping, number) for part in rows_of(row, mapping, number)]
            except StudioError as error:
                problem = rows.source.at(error.problem, number)
                if left_out is None:
                    raise StudioError.of(problem) from error
                left_out.append(problem)
    if not records:
        raise StudioError("data.no_usable_rows", "No row of this file can be learned from.", where=shown(path.name))
    return records


def read_probes(path: Path) -> list[Probe]:
    """Read probe questions: rows of `{"messages": [...], "answer": "...", "kind": "..."}`, the kind optional.

    Raises:
        StudioError: The file or a row cannot be read, or there are none; the row is named.
    """
    probes: list[Probe] = []
    with Rows(path) as rows:
        for row in rows:
            try:
                probes.append(_probe(row, rows.number))
            except StudioError as error:
                raise StudioError.of(rows.source.at(error.problem, rows.number)) from error
    if not probes:
        raise StudioError("data.no_rows", "There are no probe questions in the file.", where=shown(path.name))
    return probes


def _probe(row: dict[str, object], number: int) -> Probe:
    messages = tuple(to_messages(row.get("messages"), number))
    answer, kind = row.get("answer"), row.get("kind", "")
    if messages[-1].role != "user":
        raise _bad_probe("The last turn of a probe is not the user's.", 'Leave its answer to "answer".')
    if not isinstance(answer, str) or not answer.strip():
        raise _bad_probe("A probe has no answer.", 'Give the right answer as text in "answer".')
    if not isinstance(kind, str):
        raise _bad_probe("The kind of a probe is no text.", 'Write a word in "kind", or leave it out.')
    return Probe(messages=messages, answer=answer, kind=kind)


def _bad_probe(what: str, fix: str) -> StudioError:
    return StudioError("data.bad_probe", what, 'A probe looks like {"messages": [...], "answer": "..."}.', fix)
