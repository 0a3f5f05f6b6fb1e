"""Records written in each format and shape come back as they were."""

import csv
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.contract.records import Message, Record
from studio.data.arrow_file import RowWriter, open_table, records_of
from studio.data.inspecting import look
from studio.data.mapping import guess, rows_of, to_record
from studio.data.rows import read

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=30).filter(
    str.strip
)
PAIRS = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5)
CHATS = st.lists(
    st.tuples(st.none() | TEXT, st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3)), min_size=1, max_size=4
)
Rows = list[dict[str, Any]]


def write_jsonl(path: Path, rows: Rows) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8", newline="")


def write_escaped_jsonl(path: Path, rows: Rows) -> None:
    path.write_text("\r\n".join(json.dumps(row) for row in rows), "utf-8", newline="")


def write_json(path: Path, rows: Rows) -> None:
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=1), "utf-8", newline="")


def table_writer(delimiter: str) -> Callable[[Path, Rows], None]:
    def write(path: Path, rows: Rows) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
            table.writeheader()
            for row in rows:
                table.writerow(
                    {key: value if isinstance(value, str) else json.dumps(value) for key, value in row.items()}
                )

    return write


WRITERS = {
    "jsonl": write_jsonl,
    "escaped jsonl": write_escaped_jsonl,
    "json": write_json,
    "comma": table_writer(","),
    "semicolon": table_writer(";"),
    "tab": table_writer("\t"),
    "bar": table_writer("|"),
}
PAIR_SHAPES = {
    "alpaca": lambda q, a: {"instruction": q, "input": "", "output": a},
    "prompt_completion": lambda q, a: {"prompt": q, "completion": a},
    "question_answer": lambda q, a: {"id": "7", "question": q, "answer": a},
}
CHAT_SHAPES = {
    "chat": lambda turns: {"messages": [{"role": role, "content": text} for role, text in turns]},
    "sharegpt": lambda turns: {
        "conversations": [{"from": {"user": "human", "assistant": "gpt"}.get(r, r), "value": t} for r, t in turns]
    },
}


def read_back(rows: Rows, writer: str) -> list[tuple[Message, ...]]:
    return [record.messages for record in read_records(rows, writer)]


def read_records(rows: Rows, writer: str) -> list[Record]:
    suffix = "csv" if writer in ("comma", "semicolon", "tab", "bar") else writer.split()[-1]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"rows.{suffix}"
        WRITERS[writer](path, rows)
        seen = look(path)
        mapping = guess(seen.columns, seen.rows)
        return [to_record(part, mapping, 1) for row in read(path) for part in rows_of(row, mapping, 1)]


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("shape", PAIR_SHAPES)
@given(pairs=PAIRS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pairs_come_back_as_they_were(writer: str, shape: str, pairs: list[tuple[str, str]]) -> None:
    expected = [(Message("user", question), Message("assistant", answer)) for question, answer in pairs]
    assert read_back([PAIR_SHAPES[shape](*pair) for pair in pairs], writer) == expected


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("shape", CHAT_SHAPES)
@given(chats=CHATS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_conversations_come_back_as_they_were(writer: str, shape: str, chats: list[Any]) -> None:
    rows, expected = [], []
    for system, pairs in chats:
        turns = [("system", system)] if system else []
        turns += [turn for question, answer in pairs for turn in (("user", question), ("assistant", answer))]
        rows.append(CHAT_SHAPES[shape](turns))
        expected.append(tuple(Message(role, text) for role, text in turns))
    assert read_back(rows, writer) == expected


TWO = st.tuples(TEXT, TEXT).filter(lambda two: two[0].strip() != two[1].strip())
ARGUMENTS = st.dictionaries(TEXT, st.none() | st.booleans() | st.integers(-9, 9) | TEXT | st.lists(TEXT, max_size=2))
NAMES = st.text("abcdefg_", min_size=1, max_size=8)


def asked(question: str, answer: str, **more: Any) -> Record:
    return Record(messages=(Message("user", question), Message("assistant", answer)), source_row=1, **more)


def turned(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


COMPARED_SHAPES: dict[str, Callable[[str, str, str], dict[str, Any]]] = {
    "flat": lambda q, a, b: {"prompt": q, "chosen": a, "rejected": b},
    "ending": lambda q, a, b: {
        "conversations": [{"from": "human", "value": q}],
        "chosen": {"from": "gpt", "value": a},
        "rejected": {"from": "gpt", "value": b},
    },
    "whole": lambda q, a, b: {
        "chosen": [turned("user", q), turned("assistant", a)],
        "rejected": [turned("user", q), turned("assistant", b)],
    },
}
LABELLED_SHAPES: dict[str, Callable[[str, str, bool], dict[str, Any]]] = {
    "pair": lambda q, a, label: {"prompt": q, "completion": a, "label": label},
    "talk": lambda q, a, label: {"messages": [turned("user", q), turned("assistant", a)], "label": label},
}
QUICK = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("shape", COMPARED_SHAPES)
@given(rows=st.lists(st.tuples(TEXT, TWO), min_size=1, max_size=4))
@QUICK
def test_compared_answers_come_back_as_they_were(writer: str, shape: str, rows: list[Any]) -> None:
    expected = [asked(q, a, rejected=(Message("assistant", b),), shared=1) for q, (a, b) in rows]
    assert read_records([COMPARED_SHAPES[shape](q, a, b) for q, (a, b) in rows], writer) == expected


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("shape", LABELLED_SHAPES)
@given(rows=st.lists(st.tuples(TEXT, TEXT, st.booleans()), min_size=1, max_size=4))
@QUICK
def test_rated_answers_come_back_as_they_were(writer: str, shape: str, rows: list[Any]) -> None:
    expected = [asked(q, a, label=label) for q, a, label in rows]
    assert read_records([LABELLED_SHAPES[shape](*row) for row in rows], writer) == expected


@pytest.mark.parametrize("writer", WRITERS)
@given(texts=st.lists(TEXT.filter(lambda text: any(char.isalpha() for char in text)), min_size=1, max_size=4))
@QUICK
def test_texts_come_back_as_they_were(writer: str, texts: list[str]) -> None:
    assert read_records([{"id": "7", "text": text} for text in texts], writer) == [
        Record(text=text, source_row=1) for text in texts
    ]


@pytest.mark.parametrize("writer", WRITERS)
@given(rows=st.lists(st.tuples(TEXT, st.lists(PAIRS.map(lambda pairs: pairs[0]), min_size=1)), min_size=1, max_size=3))
@QUICK
def test_instances_come_back_as_they_were(writer: str, rows: list[Any]) -> None:
    given_rows = [{"instruction": q, "instances": [{"input": i, "output": o} for i, o in more]} for q, more in rows]
    expected = [asked(f"{q}\n\n{i}", o) for q, more in rows for i, o in more]
    assert read_records(given_rows, writer) == expected


@st.composite
def tool_talks(draw: st.DrawFn) -> tuple[dict[str, Any], Record]:
    """A row in OpenAI's spelling, and the record that it must become."""
    name = draw(NAMES)
    turns: list[dict[str, Any]] = []
    messages: list[Message] = []
    for number in range(draw(st.integers(1, 2))):
        question, thought, result, answer = (draw(TEXT) for _ in range(4))
        arguments = draw(ARGUMENTS)
        call = {"id": f"id{number}", "name": name, "arguments": arguments}
        inner = {"name": name, "arguments": draw(st.sampled_from([arguments, json.dumps(arguments)]))}
        turns += [
            turned("user", question),
            {"role": "assistant", "content": None, "reasoning_content": thought,
             "tool_calls": [{"id": f"id{number}", "type": "function", "function": inner}]},
            {"role": "tool", "tool_call_id": f"id{number}", "content": result},
            turned("assistant", answer),
        ]  # fmt: skip
        messages += [
            Message("user", question),
            Message("assistant", "", reasoning=thought, tool_calls=json.dumps([call], ensure_ascii=False)),
            Message("tool", result, name=name, call_id=f"id{number}"),
            Message("assistant", answer),
        ]
    tool = {"type": "function", "function": {"name": name, "parameters": draw(ARGUMENTS)}}
    record = Record(messages=tuple(messages), tools=json.dumps([tool], ensure_ascii=False), source_row=1)
    return {"messages": turns, "tools": [tool]}, record


@pytest.mark.parametrize("writer", WRITERS)
@given(rows=st.lists(tool_talks(), min_size=1, max_size=2))
@QUICK
def test_calls_of_tools_come_back_as_they_were(writer: str, rows: list[tuple[dict[str, Any], Record]]) -> None:
    assert read_records([row for row, _ in rows], writer) == [record for _, record in rows]


MESSAGES = st.builds(
    Message,
    st.sampled_from(["system", "user", "assistant", "tool"]),
    st.just("") | TEXT,
    *[st.just("") | TEXT for _ in range(4)],
)
RECORDS = st.builds(
    Record,
    messages=st.lists(MESSAGES, max_size=3).map(tuple),
    text=st.just("") | TEXT,
    rejected=st.lists(MESSAGES, max_size=2).map(tuple),
    shared=st.integers(0, 9),
    label=st.none() | st.booleans(),
    tools=st.just("") | TEXT,
    source_row=st.integers(0, 9),
    side=st.sampled_from(["", "train", "held_back"]),
)


@given(records=st.lists(RECORDS, max_size=6))
@settings(max_examples=200, deadline=None)
def test_records_come_back_from_disk_as_they_were(records: list[Record]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.arrow"
        with RowWriter(path) as writer:
            for record in records:
                writer.add(record, record.key)
        table = open_table(path)
        assert [record for batch in table.batches() for record in records_of(batch)] == records
        for start in range(len(records)):  # a slice must not read its neighbours
            (batch,) = table.batches(start, start + 1)
            assert list(records_of(batch)) == [records[start]]
        assert table.column("key").to_pylist() == [record.key for record in records]
