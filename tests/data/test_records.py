"""Records: what their keys depend on. A key that changes moves rows between learning and testing."""

import msgspec
import pytest

from studio.contract.job import COLUMN_FIELDS, Mapping
from studio.contract.records import Message, Record

GOLDEN = {
    "c9f8e59436df62de": [("user", "Hi"), ("assistant", "Hello")],
    "c039f22677c8824e": [("system", "Sei nett."), ("user", "Was ist 2 + 2?"), ("assistant", "4 😀\n")],
    "51a3b02fa0acab2c": [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")],
}
"""XXH3 of all contents, from the number of the turns on; checked once by a second reckoning."""
PLAIN = Record(messages=(Message("user", "Hi"), Message("assistant", "Hello")))


@pytest.mark.parametrize("key", GOLDEN)
def test_the_key_of_a_plain_conversation_is_the_one_it_always_had(key: str) -> None:
    turns = tuple(Message(role, content) for role, content in GOLDEN[key])  # type: ignore[arg-type]
    record = Record(messages=turns)
    assert record.is_plain
    assert record.key == key
    assert msgspec.structs.replace(record, source_row=7, side="train").key == key


def test_everything_that_is_learned_changes_the_key() -> None:
    answer = PLAIN.messages[1]

    def with_answer(**more: str) -> Record:
        return Record(messages=(PLAIN.messages[0], msgspec.structs.replace(answer, **more)))

    others = [
        with_answer(reasoning="Hm."),
        with_answer(tool_calls='[{"id": "1", "name": "f", "arguments": {}}]'),
        with_answer(name="f"),
        with_answer(call_id="1"),
        msgspec.structs.replace(PLAIN, tools='[{"type": "function", "function": {"name": "f"}}]'),
        msgspec.structs.replace(PLAIN, label=True),
        msgspec.structs.replace(PLAIN, label=False),
        msgspec.structs.replace(PLAIN, rejected=(Message("assistant", "Go."),), shared=1),
        Record(text="Hi"),
        Record(text="Hello"),
    ]
    assert not any(record.is_plain for record in others)
    keys = [record.key for record in (PLAIN, *others)]
    assert len(set(keys)) == len(keys)


def test_the_better_answer_is_what_follows_the_shared_turns() -> None:
    assert PLAIN.chosen == ()
    compared = msgspec.structs.replace(PLAIN, rejected=(Message("assistant", "Go."),), shared=1)
    assert compared.chosen == (Message("assistant", "Hello"),)


def test_every_shape_is_of_a_kind_that_can_be_learned() -> None:
    kinds = {
        "chat": "chat",
        "sharegpt": "chat",
        "alpaca": "prompt_completion",
        "prompt_completion": "prompt_completion",
        "text": "text",
        "preference": "preference",
        "label": "label",
    }
    for shape, kind in kinds.items():
        assert Mapping(shape=shape).kind == kind  # type: ignore[arg-type]
    assert "messages" in COLUMN_FIELDS
    assert not {"shape", "reason"} & set(COLUMN_FIELDS)
