"""Answers that a file asks not to learn (OpenAI's `"weight": 0`) are kept as such, and that is said."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from studio.contract.records import Message, Record
from studio.data.arrow_file import RowWriter, open_table, records_of
from studio.data.dataset import open_dataset
from studio.data.exporting_rows import export
from studio.data.remarks import is_remark
from studio.data.turn_order import mend
from tests.data.files import run_import, write_jsonl


def chat(n: int, weight: object = None) -> dict[str, Any]:
    answer = {"role": "assistant", "content": f"It is {n}."} | ({} if weight is None else {"weight": weight})
    return {"messages": [{"role": "user", "content": f"What is {n}?"}, answer]}


def weights(folder: Path) -> list[list[str]]:
    return [[message.weight for message in record.messages] for record in open_dataset(folder).records()]


def test_answers_of_weight_nought_are_kept_as_such_counted_and_named(tmp_path: Path) -> None:
    rows = [chat(n, 0 if n in (3, 7, 250) else 1 if n == 5 else None) for n in range(300)]
    rows[7]["messages"] = [*chat(70)["messages"], *rows[7]["messages"]]
    imported = run_import(write_jsonl(tmp_path / "a.jsonl", rows), tmp_path / "out")
    (problem,) = imported.problems
    assert (problem.code, imported.usable) == ("data.answers_unlearned", 300)
    assert is_remark(problem)
    assert problem.what.startswith('3 rows have answers with "weight": 0: they are read')
    assert problem.why == "2 of them have no other answer, so nothing is learned from them."
    assert "rows 4, 8, 251" in problem.where
    found = weights(tmp_path / "out")
    assert [number for number, of_row in enumerate(found) if "0" in of_row] == [3, 7, 250]
    assert found[7] == ["", "", "", "0"]


@pytest.mark.parametrize("spelled", [0, 0.0, "0"])
def test_every_spelling_and_format_says_the_same(tmp_path: Path, spelled: object) -> None:
    gpt = {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes.", "weight": spelled}]}
    parts = {"role": "assistant", "content": [{"type": "text", "text": "Yes."}], "weight": spelled}
    rows = {
        "messages.jsonl": [chat(1, spelled), chat(2, spelled)],
        "sharegpt.jsonl": [gpt, {**gpt, "id": 2}],
        "parts.jsonl": [{"messages": [{"role": "user", "content": f"Hi {n}"}, parts]} for n in (1, 2)],
    }
    for name, told in rows.items():
        run_import(write_jsonl(tmp_path / name, told), tmp_path / f"out-{name}")
        assert weights(tmp_path / f"out-{name}") == [["", "0"]] * 2, name
    pq.write_table(pa.Table.from_pylist([chat(1, spelled), chat(2, spelled)]), tmp_path / "a.parquet")
    run_import(tmp_path / "a.parquet", tmp_path / "parquet")
    assert weights(tmp_path / "parquet") == [["", "0"]] * 2


def test_other_weights_and_those_of_questions_are_nothing_to_tell(tmp_path: Path) -> None:
    rows = [chat(n, 1) for n in range(20)]
    rows[0]["messages"][0]["weight"] = 0
    assert run_import(write_jsonl(tmp_path / "a.jsonl", rows), tmp_path / "out").problems == ()
    assert weights(tmp_path / "out") == [["", ""]] * 20


def test_a_row_that_is_learned_otherwise_has_another_key_and_all_others_keep_theirs() -> None:
    asked = Message("user", "Hi")
    plain, unlearned = (Record(messages=(asked, Message("assistant", "Yes.", weight=w))) for w in ("", "0"))  # type: ignore[arg-type]
    called = Record(messages=(asked, Message("assistant", "Yes.", name="f")))
    assert plain.key != unlearned.key
    assert (plain.key, called.key) == ("ecfc5a72faa3c376", "38bbd2e8b6d4151f")


def test_weights_survive_an_export_and_another_import(tmp_path: Path) -> None:
    run_import(write_jsonl(tmp_path / "a.jsonl", [chat(1, 0), chat(2)]), tmp_path / "one")
    export(open_dataset(tmp_path / "one"), tmp_path / "b.jsonl")
    written = [json.loads(line) for line in (tmp_path / "b.jsonl").read_text().splitlines()]
    assert [row["messages"][1].get("weight") for row in written] == [0, None]
    run_import(tmp_path / "b.jsonl", tmp_path / "two")
    assert weights(tmp_path / "two") == [["", "0"], ["", ""]]


def test_datasets_from_before_there_were_weights_still_open(tmp_path: Path) -> None:
    record = Record(messages=(Message("user", "Hi"), Message("assistant", "Yes.", "Hm.")), source_row=1)
    with RowWriter(tmp_path / "new.arrow") as writer:
        writer.add(record, record.key)
    table = open_table(tmp_path / "new.arrow").whole()
    turns = table.column("messages").combine_chunks()
    parts = dict(zip([field.name for field in turns.type.value_type], turns.values.flatten(), strict=True))
    del parts["weight"]
    older = pa.ListArray.from_arrays(turns.offsets, pa.StructArray.from_arrays(list(parts.values()), list(parts)))
    table = table.set_column(0, "messages", older)
    with pa.OSFile(str(tmp_path / "old.arrow"), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)
    (batch,) = open_table(tmp_path / "old.arrow").batches()
    assert list(records_of(batch)) == [record]


def test_a_learned_answer_and_one_that_is_not_are_never_joined() -> None:
    asked = Message("user", "Hi")
    one, other = Message("assistant", "No.", weight="0"), Message("assistant", "Yes.")
    assert mend([asked, one, other]) == ([asked, one, other], ())
    assert mend([asked, one, one])[0] == [asked, Message("assistant", "No.\n\nNo.", weight="0")]
