"""Rows as flat arrays, in the shapes that tables of other versions hold."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from studio.data.doctor.batch import ASSISTANT, OTHER, TEXT, USER, Batch, batches
from studio.data.doctor.check import Context
from studio.data.doctor.checks import empty_answers, equal_pairs
from studio.data.doctor.similar import Similar
from tests.data.doctor.sets import sentence, sound, write_set

TURNS = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string()), ("tool_calls", pa.string())]))


def turns(*said: tuple[str, str | None, str]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content, "tool_calls": calls} for role, content, calls in said]


def asked(answer: str | None, calls: str = "") -> list[dict[str, Any]]:
    return turns(("user", "Why?", ""), ("assistant", answer, calls))


def table(messages: list[Any], **more: Any) -> Batch:
    columns = {"messages": pa.array(messages, TURNS)} | more
    return Batch(np.arange(100, 100 + len(messages)), 0, columns)


def context(tmp_path: Path) -> Context:
    dataset = write_set(tmp_path / "set", [*sound(10), *[(sentence(n), "x y z") for n in range(100)]])
    return Context(
        dataset=dataset,
        held=np.zeros(len(dataset), bool),
        similar=Similar(),
        measure=None,
        limit=64,
        tick=lambda stage, done, total: None,
    )


def test_texts_of_rows_without_turns_stand_in_their_places() -> None:
    batch = table([asked("Ü"), [], asked(""), []], text=pa.array(["", "alone", "", "b"]))
    assert [batch.text(n) for n in range(6)] == ["Why?", "Ü", "alone", "Why?", "", "b"]
    assert batch.roles.tolist() == [USER, ASSISTANT, TEXT, USER, ASSISTANT, TEXT]
    assert batch.row_of.tolist() == [0, 0, 1, 2, 2, 3]
    assert batch.starts.tolist() == [0, 2, 3, 5, 6]
    assert batch.answers.tolist() == [1, 2, 4, 5]
    assert batch.text_hashes[4] == 0
    assert len(set(batch.text_hashes.tolist())) == 5


def test_a_part_of_a_table_is_read_as_that_part() -> None:
    whole = pa.record_batch({"messages": pa.array([asked(f"answer {n}") for n in range(6)], TURNS)})
    part = whole.slice(2, 3)
    batch = Batch(np.arange(3), 0, {"messages": part.column("messages")})
    assert [batch.text(int(n)) for n in batch.answers] == ["answer 2", "answer 3", "answer 4"]
    alone = Batch.of_texts(["answer 3"])
    assert batch.text_hashes[batch.answers[1]] == alone.text_hashes[0]


def test_missing_content_and_unknown_roles_are_no_fault_here() -> None:
    batch = table([turns(("tool", None, ""), ("user", "a", ""))])
    assert batch.roles.tolist() == [OTHER, USER]
    assert batch.answers.tolist() == [-1]
    assert batch.text(0) == ""


def test_a_batch_without_rows_or_without_text_is_none_and_nothing() -> None:
    empty = pa.record_batch({"messages": pa.array([], TURNS)})
    assert list(batches(iter([([], empty)]))) == []
    batch = table([asked("")[1:]])
    assert len(batch.words) == 0
    assert batch.word_offsets.tolist() == [0, 0]


def test_large_rows_are_cut_into_batches_that_fit_the_cache() -> None:
    rows = pa.record_batch({"messages": pa.array([asked("x" * 400_000) for _ in range(7)], TURNS)})
    parts = list(batches(iter([(list(range(7)), rows)])))
    assert [len(part) for part in parts] == [3, 3, 1] or max(len(part.data) for part in parts) <= 1_300_000
    assert [part.first for part in parts] == list(np.cumsum([0, *[len(part) for part in parts]])[:-1])
    assert [int(row) for part in parts for row in part.rows] == list(range(7))


def test_rejected_answers_that_equal_the_chosen_ones_are_found(tmp_path: Path) -> None:
    check = equal_pairs.Check(context(tmp_path))
    rejected = [asked(" no ")[1:], asked("yes\n")[1:], [], asked(None)[1:], asked("")[1:]]
    messages = [asked("yes"), asked("yes"), asked("yes"), asked("yes"), asked("", "[{}]")]
    check.look(table(messages, rejected=pa.array(rejected, TURNS)))
    check.look(table([asked("yes")]))
    (one,) = check.findings()
    assert (one.rows.tolist(), one.finding.fix, one.finding.level) == ([101], "drop_equal_pairs", "error")


def test_an_answer_that_calls_a_tool_is_not_empty(tmp_path: Path) -> None:
    check = empty_answers.Check(context(tmp_path))
    check.look(table([asked("", '[{"name": "f"}]'), asked("")]))
    (one,) = check.findings()
    assert one.rows.tolist() == [101]
