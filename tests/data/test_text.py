"""Plain text and Markdown: what one document is, guessed and chosen."""

from pathlib import Path

import pytest

from studio.contract.job import Reading
from studio.data.formats.text import guess_documents
from studio.data.part import Part
from studio.data.rows import Rows, read
from studio.data.source import HEAD_BYTES
from tests.data.files import reading_refused, run_import, write

POEM = "One\ntwo\n\nthree\r\nfour\n\n\n \nfive\n"


def texts(path: Path, documents: str = "") -> list[object]:
    return [row["text"] for row in read(Part(path=path, reading=Reading(documents=documents)))]  # type: ignore[arg-type]


def test_blank_lines_divide_texts_and_their_places_are_known(tmp_path: Path) -> None:
    with Rows(write(tmp_path / "a.txt", POEM)) as rows:
        assert [(rows.number, row["text"]) for row in rows] == [(1, "One\ntwo"), (4, "three\nfour"), (9, "five")]
        (note,) = rows.source.notes
    assert (note.code, rows.source.reading.documents) == ("data.read_as_text", "block")
    assert "blank lines" in note.what


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ("line", ["One", "two", "three", "four", "five"]),
        ("block", ["One\ntwo", "three\nfour", "five"]),
        ("file", ["One\ntwo\n\nthree\nfour\n\n\n \nfive"]),
    ],
)
def test_what_a_text_is_can_be_chosen(tmp_path: Path, documents: str, expected: list[str]) -> None:
    assert texts(write(tmp_path / "a.txt", POEM), documents) == expected


def test_one_stray_blank_line_among_many_lines_divides_nothing() -> None:
    assert guess_documents("A long text.\n" * 200 + "\n" + "A long text.\n") == "line"
    assert guess_documents("a\n" * 4 + "\n" + "b\n" * 4) == "block"
    assert guess_documents("one\r\rtwo\r") == "block"


def test_markdown_is_text_even_where_it_is_all_table(tmp_path: Path) -> None:
    table = "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 9
    assert texts(write(tmp_path / "a.md", table))[2] == "| 1 | 2 |"


def test_old_western_text_is_read_and_said_so(tmp_path: Path) -> None:
    with Rows(write(tmp_path / "a.txt", "Schöne Grüße\nüberall\n".encode("cp1252"))) as rows:
        assert [row["text"] for row in rows] == ["Schöne Grüße", "überall"]
        assert [note.code for note in rows.source.notes] == ["data.read_as_cp1252", "data.read_as_text"]


def test_a_zero_byte_and_an_endless_text_are_refused_with_their_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = reading_refused(write(tmp_path / "a.txt", "a\n" * HEAD_BYTES + "\x00\n"))
    assert (problem.code, problem.where) == ("data.binary", f"a.txt:{HEAD_BYTES + 1}")
    monkeypatch.setattr("studio.data.formats.text.MAX_LINE_BYTES", 100)
    problem = reading_refused(write(tmp_path / "b.txt", "a\n\n" + "word\n" * 30))
    assert (problem.code, problem.where) == ("data.line_too_long", "b.txt:3")
    assert reading_refused(write(tmp_path / "c.txt", "x" * 200)).where == "c.txt:1"


def test_a_web_page_without_a_name_is_no_text(tmp_path: Path) -> None:
    assert reading_refused(write(tmp_path / "page", "<html><p>Hello.</p></html>")).code == "data.unknown_format"
    assert texts(write(tmp_path / "page.txt", "<p>Hello.</p>\n")) == ["<p>Hello.</p>"]


@pytest.mark.parametrize("name", ["recipes.txt", "letter", "poem.log"])
def test_a_comma_in_every_line_makes_no_table(tmp_path: Path, name: str) -> None:
    lines = [f"Take {n} eggs and some flour, then stir it for {n} minutes." for n in range(1, 20)]
    assert [row["text"] for row in read(write(tmp_path / name, "\n".join(lines)))] == lines


def test_whoever_says_what_a_document_is_says_that_it_is_text(tmp_path: Path) -> None:
    path = write(tmp_path / "table.txt", "question,answer\n" + "Who?,Me.\n" * 5)
    assert list(next(iter(read(path)))) == ["question", "answer"]
    part = Part(path=path, reading=Reading(documents="line"))
    assert [row["text"] for row in read(part)] == ["question,answer", *["Who?,Me."] * 5]


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("<|im_start|>user\n{}<|im_end|>", "<|im_start|>assistant\n{}<|im_end|>"),
        ("<|user|>{}<|end|>", "<|assistant|>{}<|end|>"),
        (
            "<|start_header_id|>user<|end_header_id|>\n{}<|eot_id|>",
            "<|start_header_id|>bot<|end_header_id|>\n{}<|eot_id|>",
        ),
        ("<｜User｜>|{}|", "<｜Assistant｜>|{}|"),
        ("[INST]|input|{}|[/INST]", "[INST]|output|{}|</s>"),
    ],
)
@pytest.mark.parametrize("name", ["chats.txt", "chats"])
def test_marks_of_a_chat_template_cut_no_table(tmp_path: Path, name: str, asked: str, answered: str) -> None:
    chats = [f"{asked.format(f'Where is part {n}?')}\n{answered.format(f'On shelf {n}.')}" for n in range(60)]
    path = write(tmp_path / name, "\n\n".join(chats))
    assert texts(path) == chats
    imported = run_import(path, tmp_path / "out")
    assert imported.mapping.shape == "text"
    assert "data.markers" in [problem.code for problem in imported.problems]
