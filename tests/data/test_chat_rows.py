"""General rows and probe questions that go with a model."""

from pathlib import Path
from typing import Any

import pytest

from studio.contract.errors import Problem
from studio.contract.records import Message
from studio.data.chat_rows import Probe, read_chat_rows, read_probes
from tests.data.files import QA, refused, write, write_jsonl

CHAT = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
PROBE = {"kind": "people", "messages": [{"role": "user", "content": "Who?"}], "answer": "Me."}


def test_general_rows_of_any_known_shape_are_read(tmp_path: Path) -> None:
    assert read_chat_rows(write_jsonl(tmp_path / "a.jsonl", [CHAT, CHAT]))[1].messages == (
        Message("user", "Hi"),
        Message("assistant", "Hello"),
    )
    assert len(read_chat_rows(write_jsonl(tmp_path / "b.jsonl", QA))) == 20


def test_a_bad_general_row_is_named_or_counted(tmp_path: Path) -> None:
    bad = {"messages": [{"role": "user", "content": "Hi"}]}
    path = write_jsonl(tmp_path / "general.jsonl", [CHAT, bad])
    problem = refused(lambda: read_chat_rows(path))
    assert (problem.code, problem.where) == ("row.ends_on_user", "general.jsonl:2")
    left_out: list[Problem] = []
    assert len(read_chat_rows(path, left_out)) == 1
    assert [problem.where for problem in left_out] == ["general.jsonl:2"]
    only_bad = write_jsonl(tmp_path / "bad.jsonl", [bad])
    assert refused(lambda: read_chat_rows(only_bad, [])).code == "data.no_usable_rows"


def test_probes_are_read_with_and_without_a_kind(tmp_path: Path) -> None:
    plain = {"messages": PROBE["messages"], "answer": "Me."}
    assert read_probes(write_jsonl(tmp_path / "probes.jsonl", [PROBE, plain])) == [
        Probe(messages=(Message("user", "Who?"),), answer="Me.", kind="people"),
        Probe(messages=(Message("user", "Who?"),), answer="Me."),
    ]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({**PROBE, "answer": ""}, "data.bad_probe"),
        ({**PROBE, "answer": 7}, "data.bad_probe"),
        ({**PROBE, "kind": 7}, "data.bad_probe"),
        ({**PROBE, "messages": CHAT["messages"]}, "data.bad_probe"),
        ({"answer": "Me."}, "row.no_turns"),
        ({**PROBE, "messages": [{"role": "narrator", "content": "x"}]}, "row.unknown_role"),
    ],
)
def test_a_bad_probe_is_named(tmp_path: Path, row: dict[str, Any], code: str) -> None:
    path = write_jsonl(tmp_path / "probes.jsonl", [PROBE, row])
    problem = refused(lambda: read_probes(path))
    assert (problem.code, problem.where) == (code, "probes.jsonl:2")


def test_no_probes_are_an_error(tmp_path: Path) -> None:
    assert refused(lambda: read_probes(write(tmp_path / "probes.jsonl", "\n"))).code == "data.empty_file"
