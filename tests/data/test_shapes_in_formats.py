"""Every shape of rows is the same records in every format that can hold it."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.contract.records import Record
from studio.data.dataset import open_dataset
from studio.data.inspecting import look
from studio.data.mapping import guess, rows_of, to_record
from studio.data.parts import expand
from studio.data.rows import read
from tests.data.files import run_import, write
from tests.data.samples import (
    arrow_bytes,
    csv_bytes,
    json_bytes,
    jsonl_bytes,
    parquet_bytes,
    save_dataset,
    xlsx_bytes,
)

Rows = list[dict[str, Any]]


def cells(rows: Rows) -> Rows:
    """The rows as a table can hold them: what is no text as JSON text."""
    return [
        {
            name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            for name, value in row.items()
        }
        for row in rows
    ]


WRITERS: dict[str, Callable[[Rows], bytes]] = {
    "json": json_bytes,
    "csv": lambda rows: csv_bytes(cells(rows)),
    "tsv": lambda rows: csv_bytes(cells(rows), "\t"),
    "xlsx": lambda rows: xlsx_bytes(cells(rows)),
    "parquet": parquet_bytes,
    "arrow": arrow_bytes,
    "stream.arrow": lambda rows: arrow_bytes(rows, stream=True),
}
"""All that are compared with JSONL, by the name's ending; "saved" stands for save_to_disk."""


def written(folder: Path, ending: str, rows: Rows) -> Path:
    if ending == "saved":
        return save_dataset(folder / "saved", {"": rows})
    return write(folder / f"rows.{ending}", (WRITERS | {"jsonl": jsonl_bytes})[ending](rows))


# XML, and so Excel, cannot hold most control characters; "_x000D_" is its own way to write one.
TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn"], include_characters="\n\t"), min_size=1, max_size=20
).filter(lambda text: any(map(str.isalpha, text)) and "_x" not in text)
TWO = st.tuples(TEXT, TEXT).filter(lambda two: two[0].strip() != two[1].strip())
ARGUMENTS = st.fixed_dictionaries(
    {}, optional={"city": TEXT, "count": st.integers(0, 9), "tags": st.lists(TEXT, min_size=1, max_size=2)}
).filter(bool)
TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": {"properties": {"city": {"type": "string"}}}}},
    {"type": "function", "function": {"name": "sum", "parameters": {"properties": {"count": {"type": "integer"}}}}},
]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def told(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def called(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    call = {"id": "call-1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def chat(q: str, a: str, b: str, arguments: dict[str, Any], flag: bool) -> dict[str, Any]:
    turns = [user(q), told(a), user(b), told(a, reasoning_content=b)] if flag else [user(q), told(a)]
    return {"messages": [{"role": "system", "content": b}, *turns] if len(q) % 2 else turns}


def chat_with_tools(q: str, a: str, b: str, arguments: dict[str, Any], flag: bool) -> dict[str, Any]:
    result = {"role": "tool", "tool_call_id": "call-1", "content": b}
    name = "weather" if flag else "sum"
    return {"messages": [user(q), called(name, arguments), result, told(a)], "tools": TOOLS}


SHAPES: dict[str, Callable[[str, str, str, dict[str, Any], bool], dict[str, Any]]] = {
    "chat": chat,
    "chat with tools": chat_with_tools,
    "weights": lambda q, a, b, args, flag: {
        "messages": [user(q), told(a, weight=0), user(b), told(a, weight=int(flag))],
    },
    "sharegpt": lambda q, a, b, args, flag: {
        "system": b,
        "conversations": [{"from": "human", "value": q}, {"from": "gpt", "value": a}] * (1 + flag),
    },
    "alpaca": lambda q, a, b, args, flag: {"instruction": q, "input": b if flag else "", "output": a},
    "alpaca with history": lambda q, a, b, args, flag: {
        "instruction": q, "input": "", "output": a, "history": [[b, a]] if flag else [],
    },
    "instances": lambda q, a, b, args, flag: {
        "instruction": q, "instances": [{"input": b, "output": a}, {"input": "", "output": b}],
    },
    "prompt and completion": lambda q, a, b, args, flag: {"prompt": q, "completion": a},
    "prompt and completion of turns": lambda q, a, b, args, flag: {
        "prompt": [user(q), told(b), user(q)] if flag else [user(q)], "completion": [told(a)],
    },
    "question and answer": lambda q, a, b, args, flag: {"id": "7", "question": q, "answer": a},
    "text": lambda q, a, b, args, flag: {"text": q},
    "preference": lambda q, a, b, args, flag: {"prompt": q, "chosen": a, "rejected": b},
    "preference of turns": lambda q, a, b, args, flag: {
        "prompt": [user(q)], "chosen": [told(a)], "rejected": [told(b)],
    },
    "preference of conversations": lambda q, a, b, args, flag: {
        "chosen": [user(q), told(a)], "rejected": [user(q), told(b)],
    },
    "question and turns compared": lambda q, a, b, args, flag: {
        "prompt": q, "chosen": [told(a)], "rejected": [told(b)],
    },
    "label": lambda q, a, b, args, flag: {"prompt": q, "completion": a, "label": flag},
    "label of turns": lambda q, a, b, args, flag: {"prompt": [user(q)], "completion": [told(a)], "label": flag},
    "label of conversations": lambda q, a, b, args, flag: {"messages": [user(q), told(a)], "label": flag},
}  # fmt: skip


def plain(record: Record) -> Any:
    """A record, whatever the order of a call's arguments: Arrow has one for all calls. Nor does its row matter, which
    is counted with the header in Excel.
    """
    turns = [
        [(turn.role, turn.content, turn.reasoning, json.loads(turn.tool_calls or "[]"), turn.weight) for turn in side]
        for side in (record.messages, record.rejected)
    ]
    return turns, record.text, record.shared, record.label, json.loads(record.tools or "[]")


def records(path: Path) -> list[Any]:
    (part,) = expand(path).learned
    seen = look(part)
    mapping = guess(seen.columns, seen.rows)
    return [plain(to_record(piece, mapping, 1)) for row in read(part) for piece in rows_of(row, mapping, 1)]


@pytest.mark.parametrize("shape", SHAPES)
@given(drawn=st.lists(st.tuples(TEXT, TWO, ARGUMENTS, st.booleans()), min_size=1, max_size=3))
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_drawn_rows_are_the_same_records_in_every_format(shape: str, drawn: list[Any]) -> None:
    rows = [SHAPES[shape](q, a, b, arguments, flag) for q, (a, b), arguments, flag in drawn]
    with tempfile.TemporaryDirectory() as parent:
        expected = records(written(Path(parent), "jsonl", rows))
        for ending in WRITERS:
            assert records(written(Path(parent), ending, rows)) == expected, ending


def imported(path: Path, out: Path) -> tuple[Any, list[Any]]:
    done = run_import(path, out)
    return (done.mapping.shape, done.rows, done.usable), [plain(record) for record in open_dataset(out).records()]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_imported_alike_from_every_format(tmp_path: Path, shape: str) -> None:
    arguments = [{"city": "Köln"}, {"count": 3}, {"city": "Bonn", "tags": ["a"]}]
    rows = [
        SHAPES[shape](f"What is {n}, exactly?", f"It is {n}.", f'Not "{n}";\nmaybe.', arguments[n % 3], n % 2 == 0)
        for n in range(12)
    ]
    expected = imported(written(tmp_path, "jsonl", rows), tmp_path / "expected")
    assert expected[0][1:] == ((24, 24) if shape == "instances" else (12, 12))
    for at, ending in enumerate(("json", "csv", "xlsx", "parquet", "saved")):
        assert imported(written(tmp_path, ending, rows), tmp_path / f"out{at}") == expected, ending
