"""Every check over every kind of dataset, and what a row says beside the contents of its turns."""

from collections.abc import Callable
from pathlib import Path

import pytest

from studio.contract.job import Mapping
from studio.contract.records import Message, Record
from studio.data.doctor.check import Measured
from tests.data.doctor.sets import examine, sentence, write_set

CALL = '[{"id": "call00001", "name": "switch", "arguments": {"light": 3}}]'
TOOLS = '[{"type": "function", "function": {"name": "switch", "description": "Turns a light on."}}]'


def asked(question: str, *answers: Message) -> tuple[Message, ...]:
    return (Message("user", question), *answers)


def said(text: str, **more: str) -> Message:
    return Message("assistant", text, **more)  # type: ignore[arg-type]


KINDS: dict[str, Callable[[int, str], Record]] = {
    "chat": lambda n, told: Record(messages=asked(sentence(n, 9), said(told))),
    "prompt_completion": lambda n, told: Record(messages=asked(sentence(n, 9), said(told, reasoning=sentence(n + 1)))),
    "text": lambda n, told: Record(text=told),
    "preference": lambda n, told: Record(
        messages=asked(sentence(n, 9), said(told)), rejected=(said(sentence(n + 1)),), shared=1
    ),
    "label": lambda n, told: Record(messages=asked(sentence(n, 9), said(told)), label=n % 2 == 0),
    "tools": lambda n, told: Record(
        messages=asked(
            sentence(n, 9), said("", tool_calls=CALL), Message("tool", "Done.", name="switch"), said(told, weight="0")
        ),
        tools=TOOLS,
    ),
    "call at the end": lambda n, told: Record(messages=asked(told, said("", tool_calls=CALL)), tools=TOOLS),
}


@pytest.mark.parametrize("words", [1, 4, 30], ids=["classes", "short", "long"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_check_looks_at_every_kind_of_rows(tmp_path: Path, kind: str, words: int) -> None:
    few = 4 if words < 30 else 60
    rows = [KINDS[kind](n, sentence(n % few, words)) for n in range(60)]
    shape = kind if kind in ("text", "preference", "label") else "chat"
    dataset = write_set(tmp_path / "set", rows, mapping=Mapping(shape=shape))  # type: ignore[arg-type]
    for test in ("", str(dataset.folder)):
        diagnosed = examine(dataset, lambda record: Measured(tokens=9, lost=0, left_out=False), test)
        assert (diagnosed.rows, diagnosed.verdict != "") == (60, True)
    if kind != "call at the end" and words < 30:
        assert len(diagnosed.classes) == 4
        assert {share.value for share in diagnosed.classes} == {sentence(n, words) for n in range(4)}
