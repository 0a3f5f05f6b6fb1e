"""Commas too many, packed files in archives, and what is offered where a file cannot be read."""

import gzip
import json
from pathlib import Path

from tests.data.files import QA, reading_refused, refused, run_import, write, write_jsonl
from tests.data.samples import jsonl_bytes, zip_bytes


def test_a_comma_after_the_last_row_is_passed_over_and_told(tmp_path: Path) -> None:
    text = json.dumps(QA, indent=0).removesuffix("]").rstrip() + ",\n]\n"
    imported = run_import(write(tmp_path / "a.json", text), tmp_path / "out")
    assert (imported.usable, [problem.code for problem in imported.problems]) == (len(QA), ["data.trailing_comma"])


def test_leaving_damaged_lines_out_is_offered_only_where_it_helps(tmp_path: Path) -> None:
    two_commas = write(tmp_path / "a.json", json.dumps(QA)[:-1] + ',, {"question": "Who?", "answer": "Me."}]')
    assert "leave damaged lines out" in refused(lambda: run_import(two_commas, tmp_path / "out")).fix
    assert run_import(two_commas, tmp_path / "out", skip_damaged=True).usable == len(QA) + 1
    cut_off = reading_refused(write(tmp_path / "b.json", json.dumps(QA)[:-20]))
    assert cut_off.code == "data.truncated"
    assert "damaged lines" not in cut_off.fix


def test_a_packed_file_in_an_archive_is_read_within_the_same_limits(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", zip_bytes({"rows.jsonl.gz": gzip.compress(jsonl_bytes(QA))}))
    assert run_import(path, tmp_path / "out").usable == len(QA)
    bomb = (b'{"question": "' + b"x" * 1000 + b'", "answer": "y"}\n') * 60_000
    path = write(tmp_path / "b.zip", zip_bytes({"rows.jsonl.gz": gzip.compress(bomb)}))
    problem = refused(lambda: run_import(path, tmp_path / "set"))
    assert (problem.code, "ratio limit" in problem.what) == ("data.archive_bomb", True)


def test_a_single_row_is_told_in_good_grammar(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [{"question": "Who?", "answer": ""}])
    assert refused(lambda: run_import(path, tmp_path / "out")).what == "The only row cannot be learned from."
