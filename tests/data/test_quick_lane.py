"""The quick lane and the careful way give the same dataset and say the same of it."""

import csv
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.contract.control import Going
from studio.contract.errors import Problem, StudioError
from studio.contract.job import ImportJob, Mapping
from studio.data import intake
from studio.data.dataset import open_dataset
from studio.data.formats import csv as csv_format
from studio.data.formats import csv_blocks, jsonl
from studio.data.importing import import_dataset
from studio.data.quick_lane import lane_for, runs

TURN = '[{"role": "%s", "content": "Hi"}]'
TURNS = [TURN % "user", "\n" + TURN % "assistant", (TURN % "gpt").replace("role", "\\u0072ole"), "[]", '{"a": [1]}']
WORDS = st.sampled_from(
    ["What?", "It is 4.", " leading", "Ü", "日本語", "", " ", "\n", "<|im_start|>", "### Input:", "[INST]", *TURNS]
)
ROLE = st.sampled_from(["user", "assistant", "system", "human", "gpt", "tool", "Robot"])
ODD_TURN = st.one_of(
    st.fixed_dictionaries({"role": ROLE, "content": st.one_of(WORDS, st.none(), st.integers())}),
    st.fixed_dictionaries({"role": ROLE, "content": WORDS, "name": st.just("x")}),
    st.just("no turn"),
    st.none(),
)
GOOD_PAIR = st.tuples(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "human"]), "content": st.text(min_size=1, max_size=9)}),
    st.fixed_dictionaries({"role": st.sampled_from(["assistant", "gpt"]), "content": WORDS}),
)
GOOD = st.lists(GOOD_PAIR, min_size=1, max_size=3).map(lambda pairs: [turn for pair in pairs for turn in pair])
CONVERSATION = st.one_of(
    GOOD,
    GOOD.map(lambda turns: turns[:-1]),
    GOOD.map(lambda turns: [*turns, None]),
    st.lists(ODD_TURN, max_size=4),
)
CHATS = st.lists(st.fixed_dictionaries({"messages": CONVERSATION}), min_size=1, max_size=12)
FIRST_CHAT = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
VALUE = st.one_of(WORDS, st.text(max_size=9), st.none(), st.integers(0, 9))
PAIRS = st.lists(st.fixed_dictionaries({"prompt": VALUE, "input": VALUE, "completion": VALUE}), min_size=1, max_size=12)
FIRST_PAIRS = [{"prompt": f"What is {n}?", "input": "", "completion": f"It is {n}."} for n in range(3)]
CHAT = Mapping(shape="chat", messages="messages")
PAIR = Mapping(shape="prompt_completion", prompt="prompt", context="input", completion="completion")

Outcome = tuple[list[Any], list[Problem]] | str


def outcome(path: Path, mapping: Mapping, quick: bool, mend: bool = False, skip_damaged: bool = True) -> Outcome:
    with tempfile.TemporaryDirectory() as parent, pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_blocks, "BLOCK_BYTES", 100)
        patch.setattr(jsonl, "BLOCK_BYTES", 300)  # several blocks, and lines across their ends
        if not quick:
            patch.setattr(intake, "lane_for", lambda mapping, rows: None)
        work = ImportJob(source=str(path), destination=f"{parent}/set", name="x", mapping=mapping, mend_turns=mend)
        work = msgspec.structs.replace(work, skip_damaged=skip_damaged)
        try:
            done = import_dataset(work, lambda event: None, Going())
        except StudioError as error:
            return error.problem.sentence()
        return open_dataset(Path(f"{parent}/set")).table.whole().to_pylist(), list(done.problems)


def check_same(path: Path, mapping: Mapping, mend: bool = False) -> None:
    assert outcome(path, mapping, True, mend) == outcome(path, mapping, False, mend)


@pytest.fixture
def folder(tmp_path: Path, own_home: Path) -> Path:
    return tmp_path


FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FEW
@given(
    rows=CHATS,
    damage=st.sampled_from(["", "\n", "{broken\n", '{"messages": [], "messages": []}\n', "{} {}\n"]),
    mend=st.booleans(),
)
def test_conversations_in_lines_are_the_same_both_ways(folder: Path, rows: list[Any], damage: str, mend: bool) -> None:
    path = folder / "rows.jsonl"
    lines = [json.dumps(row, ensure_ascii=len(rows) % 2 == 0) + "\n" for row in [FIRST_CHAT] * 3 + rows]
    path.write_text("".join([*lines[:4], damage, *lines[4:]]), encoding="utf-8")
    check_same(path, CHAT, mend)


@FEW
@given(rows=PAIRS)
def test_pairs_in_lines_are_the_same_both_ways(folder: Path, rows: list[Any]) -> None:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*FIRST_PAIRS, *rows]), encoding="utf-8")
    check_same(path, PAIR)


@FEW
@given(rows=st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=9), wide=st.booleans())
def test_tables_are_the_same_both_ways(folder: Path, rows: list[tuple[str, str, str]], wide: bool) -> None:
    kind = pa.large_string() if wide else pa.string()
    columns = zip(("prompt", "input", "completion"), zip(*rows, strict=True), strict=True)
    table = pa.table({name: pa.array(values, kind) for name, values in columns})
    first = pa.Table.from_pylist(FIRST_PAIRS).cast(table.schema)
    pq.write_table(pa.concat_tables([first, table]), folder / "rows.parquet", row_group_size=4)
    check_same(folder / "rows.parquet", PAIR)


CELL = st.one_of(WORDS, st.sampled_from(["a,b", 'say "x"', "two\nlines", "a\r\nb", ";", "'"]))
TABLE_FAULTS = [
    "", "a,b,c,d\n", "only one\n", '"a"b,c,d\n', 'a"b,c,d\n', "\n", " \n", "a,b,c,\n", "x\ry,b,c\n", '"open,b,c\n',
    "x,b,c\r",
]  # fmt: skip


@FEW
@given(rows=st.lists(st.tuples(CELL, CELL, CELL), max_size=9), fault=st.sampled_from(TABLE_FAULTS), feed=st.booleans())
def test_csv_is_the_same_both_ways(folder: Path, rows: list[tuple[str, str, str]], fault: str, feed: bool) -> None:
    path = folder / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n" if feed else "\r\n")
        table.writerow(("prompt", "input", "completion"))
        table.writerows(row.values() for row in FIRST_PAIRS)
        table.writerows(rows[:4])
        file.write(fault)
        table.writerows(rows[4:])
    check_same(path, PAIR)


@pytest.mark.parametrize(
    "lines",
    ["Why?,,So.\rHow?,,Thus.\n\n", "\n", "\r\n", ",,\n", "Why?,,So.\r", "Why?,,So.\r\r\nHow?,,Thus.\n", "Why?,,So."],
)
def test_blank_lines_and_returns_alone_are_the_same_both_ways(folder: Path, lines: str) -> None:
    path = folder / "rows.csv"
    first = "".join(",".join(row.values()) + "\n" for row in FIRST_PAIRS)
    path.write_bytes(f"prompt,input,completion\n{first}{lines}".encode())
    check_same(path, PAIR)


@given(text=st.text("\r\na,", max_size=9))
def test_a_return_alone_is_seen_wherever_it_stands(text: str) -> None:
    assert csv_blocks._has_lone_return(text.encode()) == ("\r" in text.replace("\r\n", ""))


def test_a_plain_table_is_never_read_row_by_row(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "rows.csv"
    path.write_text("prompt,input,completion\n" + 'What is "this"?,,It is that.\n'.replace('"this"', "this") * 99)
    monkeypatch.setattr(intake._Taker, "take", lambda self, row, number: pytest.fail("a plain row went the long way"))
    monkeypatch.setattr(csv_format, "gathered", lambda rows, schema: pytest.fail("a plain table was gathered"))
    assert len(outcome(path, PAIR, quick=True)[0]) == 99


def test_a_plain_file_goes_the_quick_way_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "rows.jsonl"
    path.write_text((json.dumps(FIRST_CHAT) + "\n") * 50)
    monkeypatch.setattr(intake._Taker, "take", lambda self, row, number: pytest.fail("a plain row went the long way"))
    result = outcome(path, CHAT, quick=True)
    assert len(result[0]) == 50


@pytest.mark.parametrize("value", ["NaN", "[1.5, NaN]", '{"a": {"b": [{"c": -Infinity}]}}', '[{"a": 1.5}, {"a": NaN}]'])
@pytest.mark.parametrize("skip", [False, True])
def test_numbers_that_are_none_are_refused_both_ways_wherever_they_lie(folder: Path, value: str, skip: bool) -> None:
    path = folder / "rows.jsonl"
    row = {**FIRST_CHAT, "meta": json.loads(re.sub("NaN|-Infinity", "2.5", value))}
    good = (json.dumps(row) + "\n") * 3
    path.write_text(good + good.replace("2.5", "NaN", 1) + good)
    quick, careful = (outcome(path, CHAT, quick=way, skip_damaged=skip) for way in (True, False))
    assert quick == careful
    assert len(quick[0]) == 8 if skip else "NaN is not JSON" in str(quick)


def test_rows_are_divided_in_their_order() -> None:
    rows = pa.RecordBatch.from_pylist([FIRST_CHAT, {"messages": []}, FIRST_CHAT, FIRST_CHAT])
    lane = lane_for(CHAT, [FIRST_CHAT])
    assert lane is not None
    converted = lane.convert(rows, np.arange(1, 5))
    assert converted is not None
    plain, good = converted
    assert good.tolist() == [True, False, True, True]
    found = [item if isinstance(item, int) else item.numbers.tolist() for item in runs(plain, good)]
    assert found == [[1], 1, [3, 4]]


@pytest.mark.parametrize("more", ["system", "tools", "history", "instances", "reasoning"])
def test_what_the_lane_does_not_know_is_left_to_the_careful_way(more: str) -> None:
    mapping = Mapping(shape="prompt_completion", prompt="prompt", completion="completion", **{more: "x"})
    assert lane_for(mapping, FIRST_PAIRS) is None


def test_a_column_whose_buffer_is_longer_than_it_need_be_is_read() -> None:
    """As a damaged Arrow file may bring it; found by fuzzing."""
    ends = pa.py_buffer(np.array([0, 1, 2], np.int32).tobytes() + b"!")
    texts = pa.StringArray.from_buffers(2, ends, pa.py_buffer(b"ab"))
    lane = lane_for(PAIR, FIRST_PAIRS)
    assert lane is not None
    table = pa.RecordBatch.from_arrays([texts] * 3, schema=lane.schema)
    converted = lane.convert(table, np.array([1, 2]))
    assert converted is not None
    assert converted[0].contents.to_pylist() == ["a\n\na", "a", "b\n\nb", "b"]
