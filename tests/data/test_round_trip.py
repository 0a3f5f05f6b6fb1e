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

from studio.contract.records import Message
from studio.data.formats import read
from studio.data.inspecting import look
from studio.data.mapping import guess, to_record

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
    suffix = "csv" if writer in ("comma", "semicolon", "tab", "bar") else writer.split()[-1]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"rows.{suffix}"
        WRITERS[writer](path, rows)
        seen = look(path)
        mapping = guess(seen.columns, seen.rows)
        return [to_record(row, mapping, 1).messages for row in read(path)]


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
