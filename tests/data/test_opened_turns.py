"""Turns in the cells of a table are turns; other JSON text is a question or an answer like any other."""

import json
from pathlib import Path
from typing import Any

import pytest

from studio.contract.job import Mapping
from studio.data.dataset import open_dataset
from studio.data.mapping import rows_of, to_record
from tests.data.files import run_import, write
from tests.data.samples import arrow_bytes, csv_bytes, jsonl_bytes, parquet_bytes

PAIR = Mapping(shape="prompt_completion", prompt="prompt", completion="completion")
USER, TOLD = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}


def said(prompt: Any, completion: Any) -> list[tuple[str, str]]:
    ((piece),) = rows_of({"prompt": prompt, "completion": completion}, PAIR, 1)
    return [(message.role, message.content) for message in to_record(piece, PAIR, 1).messages]


@pytest.mark.parametrize("text", [json.dumps([USER]), json.dumps([USER], indent=1), json.dumps(USER), f" {[USER]}"])
def test_a_conversation_so_far_is_read_as_one(text: str) -> None:
    text = text.replace("'", '"')
    assert said(text, json.dumps([TOLD])) == [("user", "Hi"), ("assistant", "Hello")]
    assert said(text, "Hello") == [("user", "Hi"), ("assistant", "Hello")]
    assert said("Hi", json.dumps([TOLD])) == [("user", "Hi"), ("assistant", "Hello")]


def test_numbers_in_the_turns_of_a_cell_are_read_as_text() -> None:
    assert said(json.dumps([USER]), json.dumps([{"role": "assistant", "content": 7}]))[1] == ("assistant", "7")


@pytest.mark.parametrize(
    ("prompt", "completion"),
    [
        ("Write a chat.", json.dumps([USER, TOLD])),  # an answer that begins with a question
        (json.dumps([USER, TOLD]), "polite"),  # a conversation to be judged
        ("Who?", '[{"name": "Ann", "content": "x"}]'),
        ("Who?", '{"role": "boss"}'),
        ("Who?", '[{"role": "user", "content": "Hi"'),
        ("[]", "{}"),
    ],
)
def test_other_json_text_stays_what_it_is(prompt: str, completion: str) -> None:
    assert said(prompt, completion) == [("user", prompt), ("assistant", completion)]


def test_a_table_of_one_column_that_is_named_as_cut_by_tabs_has_one(tmp_path: Path) -> None:
    texts = [f"What is {n}, exactly?" for n in range(9)]
    run_import(write(tmp_path / "a.tsv", "\n".join(["text", *texts]) + "\n"), tmp_path / "out")
    assert [record.text for record in open_dataset(tmp_path / "out").records()] == texts


def called(n: int) -> dict[str, Any]:
    name, arguments = ("weather", {"city": "Köln"}) if n % 2 else ("sum", {"count": n, "of": {"a": 1}})
    call = {"id": "1", "type": "function", "function": {"name": name, "arguments": arguments}}
    turns = [USER, {"role": "assistant", "content": None, "tool_calls": [call]}]
    return {"messages": [*turns, {"role": "tool", "tool_call_id": "1", "content": "4"}, TOLD]}


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_what_arrow_fills_up_calls_with_is_left_out_and_told(tmp_path: Path, ending: str) -> None:
    rows = [called(n) for n in range(10)]
    for kind, data in ((ending, parquet_bytes if ending == "parquet" else arrow_bytes), ("jsonl", jsonl_bytes)):
        done = run_import(write(tmp_path / f"a.{kind}", data(rows)), tmp_path / kind)
        codes = [problem.code for problem in done.problems if problem.code == "data.nulls_left_out"]
        assert codes == (["data.nulls_left_out"] if kind == ending else [])
        calls = [json.loads(r.messages[1].tool_calls)[0]["arguments"] for r in open_dataset(tmp_path / kind).records()]
        assert calls[:2] == [{"count": 0, "of": {"a": 1}}, {"city": "Köln"}]


@pytest.mark.parametrize("more", [{}, {"meta": {"a": None, "b": 1}}, {"input": {"a": None, "b": 1}, "name": "x"}])
def test_of_objects_that_are_no_calls_nothing_is_told(tmp_path: Path, more: dict[str, Any]) -> None:
    rows = [{"question": f"What is {n}?", "answer": f"It is {n}.", **more} for n in range(9)]
    rows[3] |= {"meta": {"a": 1, "b": None}} if "meta" in more else {}
    done = run_import(write(tmp_path / "a.parquet", parquet_bytes(rows)), tmp_path / "out")
    assert (done.usable, done.problems) == (9, ())


def test_spellings_of_turns_that_are_mixed_are_read_from_arrow_as_from_json(tmp_path: Path) -> None:
    rows = [{"messages": [USER, TOLD]} for _ in range(3)]
    rows += [{"messages": [{"from": "human", "value": f"Q {n}"}, {"from": "gpt", "value": "A"}]} for n in range(3)]
    found = [run_import(write(tmp_path / "a.jsonl", jsonl_bytes(rows)), tmp_path / "a").usable]
    found.append(run_import(write(tmp_path / "a.arrow", arrow_bytes(rows)), tmp_path / "b").usable)
    assert found == [6, 6]


def test_empty_earlier_exchanges_in_a_cell_are_none(tmp_path: Path) -> None:
    rows = [
        {"instruction": f"Do {n}.", "output": f"Done {n}.", "history": '[["Before?", "Said."]]' if n % 2 else "[]"}
        for n in range(10)
    ]
    assert run_import(write(tmp_path / "a.csv", csv_bytes(rows)), tmp_path / "out").usable == 10
    assert [len(record.messages) for record in open_dataset(tmp_path / "out").records()] == [2, 4] * 5
