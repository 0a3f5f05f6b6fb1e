"""Marks of chat templates in the text itself are pointed out; the rows are kept."""

from pathlib import Path

import pytest

from studio.contract.records import Message, Record
from studio.data.markers import mark_in
from tests.data.files import QA, run_import, write_jsonl


@pytest.mark.parametrize(
    "mark",
    ["<|im_end|>", "<|eot_id|>", "<|start_header_id|>", "[INST]", "[/INST]", "<<SYS>>", "</s>", "<s>", "<eos>",
     "<end_of_turn>", "<｜Assistant｜>", "### Response:"],
)  # fmt: skip
def test_marks_of_the_known_families_are_seen_wherever_they_stand(mark: str) -> None:
    asked, answered = Message("user", "Hi"), Message("assistant", f"Hello\n{mark} there")
    assert mark_in(Record(messages=(asked, answered))) == mark
    assert mark_in(Record(messages=(Message("user", f"{mark}"), Message("assistant", "x")))) == mark
    assert mark_in(Record(messages=(asked, Message("assistant", "x")), rejected=(answered,), shared=1)) == mark
    assert mark_in(Record(text=f"a\n{mark}")) == mark


@pytest.mark.parametrize(
    "text", ["a < b | c > d", "x[i] << 3", "<think>\nHm.\n</think>", "<strong>s</strong>", "# Title", "#### 7"]
)
def test_ordinary_text_has_no_marks(text: str) -> None:
    assert mark_in(Record(text=text)) == ""


def test_rows_with_marks_are_counted_and_kept(tmp_path: Path) -> None:
    rows = [*QA[:5], {"question": "Say <|im_end|>", "answer": "No."}, {"question": "Who?", "answer": "Me.</s>"}]
    imported = run_import(write_jsonl(tmp_path / "faq.jsonl", rows), tmp_path / "out")
    assert imported.usable == 7
    (problem,) = imported.problems
    assert (problem.code, problem.where) == ("data.markers", "faq.jsonl, rows 6, 7")
    assert problem.what.startswith('2 rows hold marks of a chat template, such as "<|im_end|>", "</s>"')
