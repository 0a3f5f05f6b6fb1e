"""CSV: delimiters, quotes, headers, and what is refused at which line."""

import json
from pathlib import Path

import pytest

from studio.contract.control import Going
from studio.contract.job import ImportJob, Reading
from studio.data.dataset import open_dataset
from studio.data.formats.csv_layout import detect_layout
from studio.data.importing import import_dataset
from studio.data.inspecting import look
from studio.data.part import Part
from studio.data.rows import Rows, read
from tests.data.files import QA, reading_refused, refused, run_import, write, write_jsonl
from tests.data.samples import sheet, workbook_bytes

ROWS = [
    {"question": "How much, in all?", "answer": 'Five; or "six".'},
    {"question": "Two\nlines?", "answer": "A | bar\tand a tab."},
    {"question": "None", "answer": ""},
]


def as_table(delimiter: str, line_end: str = "\n") -> str:
    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',;\t|"\n') else text

    lines = [["question", "answer"], *([row["question"], row["answer"]] for row in ROWS)]
    return line_end.join(delimiter.join(map(quoted, cells)) for cells in lines) + line_end


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_the_delimiter_is_found_out(tmp_path: Path, delimiter: str, line_end: str) -> None:
    assert list(read(write(tmp_path / "a.csv", as_table(delimiter, line_end)))) == ROWS


def test_a_line_that_names_the_delimiter_is_heeded(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "sep=;\r\na,b;c\r\n1,2;3\r\n")
    assert list(read(path)) == [{"a,b": "1,2", "c": "3"}]


def test_commas_in_sentences_do_not_beat_the_semicolon(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "Frage;Antwort\nWer, was, wo?;Ich, hier, jetzt.\nUnd, wann?;Nie, nein.\n")
    assert [list(row) for row in read(path)] == [["Frage", "Antwort"]] * 2


def test_commas_in_a_name_do_not_beat_what_cuts_every_row_alike(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "question;answer, short, exact\nWho?;Me.\nWhere?;Here.\n")
    assert [list(row.values()) for row in read(path)] == [["Who?", "Me."], ["Where?", "Here."]]


def test_a_space_after_each_comma_is_no_part_of_the_cell(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", '"question", "answer"\n"A, b?", "C, d."\n')
    assert list(read(path)) == [{"question": "A, b?", "answer": "C, d."}]


def test_a_quote_inside_an_unquoted_cell_is_text(tmp_path: Path) -> None:
    assert next(read(write(tmp_path / "a.csv", 'q,a\nA 5" pipe?,Yes\n')))["q"] == 'A 5" pipe?'


def test_a_row_of_other_width_is_named_with_what_is_expected(tmp_path: Path) -> None:
    problem = reading_refused(write(tmp_path / "a.csv", "question,answer\nWho?,Me\nWhere?,Here, there\n"))
    assert (problem.code, problem.where) == ("data.ragged_row", "a.csv:3")
    assert "3 columns where 2 are expected" in problem.what
    assert reading_refused(write(tmp_path / "b.csv", "q,a,c\n1,2,3\n1,2\n")).where == "b.csv:3"


def test_rows_of_other_width_are_left_out_where_that_is_wanted(tmp_path: Path) -> None:
    found = []
    with Rows(write(tmp_path / "a.csv", "q,a\n1,2\n3\n4,5\n"), found.append) as rows:
        assert [(rows.number, row) for row in rows] == [(1, {"q": "1", "a": "2"}), (3, {"q": "4", "a": "5"})]
    assert [problem.where for problem in found] == ["a.csv:3"]


def test_empty_cells_at_the_end_of_a_row_do_no_harm(tmp_path: Path) -> None:
    assert list(read(write(tmp_path / "a.csv", "q,a,,\n1,2,,\n3,4\n"))) == [{"q": "1", "a": "2"}, {"q": "3", "a": "4"}]


def test_a_quote_that_is_never_closed_is_named_with_the_line_where_it_opens(tmp_path: Path) -> None:
    text = 'q,a\n1,2\n3,"four\n' + "5,6\n" * 50
    problem = reading_refused(write(tmp_path / "a.csv", text))
    assert (problem.code, problem.where) == ("data.unclosed_quote", "a.csv:3")
    problem = reading_refused(write(tmp_path / "b.csv", 'q,a\n1,2\n3,"four\n5,6\n7,"eight"\n'))
    assert (problem.code, problem.where) == ("data.unclosed_quote", "b.csv:3")


def test_text_after_a_closing_quote_is_refused(tmp_path: Path) -> None:
    problem = reading_refused(write(tmp_path / "a.csv", 'q,a\n1,"two" three\n'))
    assert (problem.code, problem.where) == ("data.stray_quote", "a.csv:2")


def test_column_names_that_occur_twice_are_named(tmp_path: Path) -> None:
    problem = reading_refused(write(tmp_path / "a.csv", "question,answer,answer,note,note\n1,2,3,4,5\n"))
    assert problem.code == "data.duplicate_columns"
    assert '"answer", "note"' in problem.what


def test_a_column_without_a_name_gets_one(tmp_path: Path) -> None:
    assert list(read(write(tmp_path / "a.csv", ",q,a\n0,1,2\n"))) == [{"column 1": "0", "q": "1", "a": "2"}]


def test_a_table_without_names_keeps_its_first_row(tmp_path: Path) -> None:
    with Rows(write(tmp_path / "a.csv", "Who are you?,Me.\nWhere are you?,Here.\n")) as rows:
        assert [row["column 1"] for row in rows] == ["Who are you?", "Where are you?"]
        assert [note.code for note in rows.source.notes] == ["data.no_header"]


def test_a_zero_byte_far_into_the_file_is_no_text(tmp_path: Path) -> None:
    problem = reading_refused(write(tmp_path / "a.csv", "q,a\n" + "1,2\n" * 200_000 + "3,\x00\n"))
    assert problem.code == "data.binary"


def test_a_row_longer_than_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.data.formats.csv.MAX_LINE_BYTES", 10_000)
    problem = reading_refused(write(tmp_path / "a.csv", "q,a\n1," + "x" * 20_000 + "\n"))
    assert (problem.code, problem.where) == ("data.line_too_long", "a.csv:2")
    problem = reading_refused(write(tmp_path / "b.csv", 'q,a\n1,"' + "x" * 9_000 + "\n" + "x" * 9_000 + '"\n'))
    assert (problem.code, problem.where) == ("data.unclosed_quote", "b.csv:2")


def test_a_quote_that_swallows_the_file_is_noticed_before_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.data.formats.csv._MAX_RECORD_LINES", 100)
    path = write(tmp_path / "a.csv", 'q,a\n1,"x\n' + "2,3\n" * 1000)
    assert (reading_refused(path).code, reading_refused(path).where) == ("data.unclosed_quote", "a.csv:2")


def test_a_first_row_of_endless_columns_is_refused(tmp_path: Path) -> None:
    assert reading_refused(write(tmp_path / "a.csv", "," * 50_000 + "\n")).code == "data.too_many_columns"


def test_a_header_alone_holds_no_rows(tmp_path: Path) -> None:
    assert list(read(write(tmp_path / "a.csv", "question,answer\n"))) == []


def test_text_files_are_tables_only_when_they_look_like_one(tmp_path: Path) -> None:
    table = write(tmp_path / "table.txt", "question\tanswer\n" + "Who?\tMe.\n" * 5)
    assert len(list(read(table))) == 5
    prose = write(tmp_path / "prose.txt", "It rained.\nThen, as ever, it stopped, and we left.\nHome, at last.\n")
    assert [list(row) for row in read(prose)] == [["text"]] * 3


@pytest.mark.parametrize("delimiter", ["^", "~", "\x1f", "\x01"])
def test_a_rare_delimiter_is_found_where_no_usual_one_cuts(tmp_path: Path, delimiter: str) -> None:
    text = f"question{delimiter}answer\n" + f"Who, then?{delimiter}Me.\n" * 5
    assert list(read(write(tmp_path / "a.csv", text)))[4] == {"question": "Who, then?", "answer": "Me."}


def test_a_layout_of_nothing_is_narrow() -> None:
    assert detect_layout("", True).width == 0


@pytest.mark.parametrize(
    "title",
    ["Fragen an den Kundendienst\n\n", "Questions 2024, as asked;;\nkept by Ms Quill;;\n;;\n", 'sep=;\n"Two\nlines"\n'],
)
def test_a_title_above_the_names_of_the_columns_is_passed_over_and_said(tmp_path: Path, title: str) -> None:
    path = write(tmp_path / "a.csv", title + "Frage;Antwort;Nummer\n" + "Wer denn, bitte?;Ich.;1\n" * 5)
    with Rows(path) as rows:
        assert list(rows) == [{"Frage": "Wer denn, bitte?", "Antwort": "Ich.", "Nummer": "1"}] * 5
        assert f"line {title.count(chr(10)) + 1};" in rows.source.notes[-1].what


@pytest.mark.parametrize(
    "notes",
    [
        "FAQ der Abteilung;Stand 05.11.2026\n",
        "FAQ;;;\nStand:;05.11.2026;Anna;\n;;;\n",
        "FAQ der Abteilung\n\n",
        "Eigenschaft;Wert\nStand;05.11.2026\nAutor;Anna\nVersion;1.3\nSprache;Deutsch\n;\n",
        "sep=;\nKunde;;Service;\n",
    ],
)
@pytest.mark.parametrize("rows", [2, 30])
def test_notes_above_known_names_are_left_out_and_that_is_said(tmp_path: Path, notes: str, rows: int) -> None:
    row = {"Frage": "Wer denn, bitte?", "Kanal": "Mail", "Antwort": "Ich.", "Fertig?": "ja"}
    table = ";".join(row) + "\n" + (";".join(row.values()) + "\n") * rows
    imported = run_import(write(tmp_path / "a.csv", notes + table), tmp_path / "out")
    assert imported.usable == rows
    assert (imported.mapping.prompt, imported.mapping.completion) == ("Frage", "Antwort")
    (note,) = [problem for problem in imported.problems if problem.code == "data.header_row"]
    assert f"line {notes.count(chr(10)) + 1};" in note.what
    assert "left out" in note.what
    assert list(read(write(tmp_path / "b.csv", notes + table))) == [row] * rows


@pytest.mark.parametrize(
    ("first", "place"),
    [("word,opposite", 5), ("Frage,Antwort", 2), ("prompt,completion", 1), ("Kundenfrage,Antwort des Supports", 25)],
)
def test_a_row_of_a_table_that_reads_like_names_is_a_row(tmp_path: Path, first: str, place: int) -> None:
    rows = [f"word {n},other {n}" for n in range(30)]
    rows[place - 1] = "text,label" if first == "Frage,Antwort" else "question,answer"
    assert len(list(read(write(tmp_path / "a.csv", "\n".join([first, *rows]))))) == 30


def test_whoever_says_what_the_first_line_is_has_it_read_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "FAQ;May 2026\nquestion;answer\nday?;night\n")
    assert len(list(read(path))) == 1
    assert len(list(read(Part(path=path, reading=Reading(first_line="names"))))) == 2
    assert len(list(read(Part(path=path, reading=Reading(first_line="row"))))) == 3


def test_notes_make_no_table_of_prose_but_one_cut_by_tabs_stays_one(tmp_path: Path) -> None:
    prose = "On lists; and their names\nquestion; answer\nThen; it rained\n"
    assert [list(row) for row in read(write(tmp_path / "a.txt", prose))] == [["text"]] * 3
    table = "FAQ\tof May 2026\nquestion\tanswer\n" + "Who?\tMe.\n" * 5
    for name in ("b.txt", "b.xls"):
        assert list(read(write(tmp_path / name, table))) == [{"question": "Who?", "answer": "Me."}] * 5


def test_the_name_of_an_only_column_is_no_title(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text\n" + "It rained, and stopped.\n" * 5)
    assert reading_refused(path).code == "data.ragged_row"
    path = write(tmp_path / "b.csv", "Bemerkung\n" + "Es regnet, heute.\nNa, wenn, dann.\nGut.\n" * 5)
    assert reading_refused(path).code == "data.ragged_row"


@pytest.mark.parametrize(
    ("encoding", "question"), [("cp1251", "Где мой заказ?"), ("iso8859_7", "Πού είναι η παραγγελία;")]
)
def test_letters_of_other_scripts_in_an_old_encoding_are_refused_not_mangled(
    tmp_path: Path, encoding: str, question: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(f"question;answer\n{question}|Да, конечно.\n".replace("|", ";").encode(encoding, "replace") * 9)
    problem = reading_refused(path)
    assert problem.code == "data.invalid_utf8"
    assert "save it as UTF-8" in problem.fix


NAMELESS = "dog,Hund\ncat,Katze\nhouse,Haus\ntree,Baum\n"


@pytest.mark.parametrize(
    "first",
    [
        "Who are you?,I am Ann.",
        "Name a colour.,Blue is a colour that many like.",
        "Sag etwas Nettes!,Gern geschehen",
        "1,dog,Hund",
        "これは何ですか？,本です。",
    ],
)
def test_a_first_line_that_reads_like_a_row_is_one_and_the_way_to_say_otherwise_is_told(
    tmp_path: Path, first: str
) -> None:
    path = write(tmp_path / "a.csv", f"{first}\n" * 3)
    with Rows(path) as rows:
        assert len(list(rows)) == 3
        assert [note.code for note in rows.source.notes] == ["data.no_header"]
        assert "--first-line names" in rows.source.notes[0].fix
    named = Part(path=path, reading=Reading(first_line="names"))
    with Rows(named) as rows:
        assert len(list(rows)) == 2
        assert rows.source.notes == []


@pytest.mark.parametrize("first", ["question,answer", "Nr.,Frage", "2019,2020", "Answer the user.,completion"])
def test_names_stay_names(tmp_path: Path, first: str) -> None:
    assert len(list(read(write(tmp_path / "a.csv", f"{first}\na,b\nc,d\n")))) == 2


@pytest.mark.parametrize("name", ["a.csv", "a.xlsx"])
def test_a_first_line_that_may_be_a_row_is_read_as_names_with_a_word_and_as_a_row_by_choice(
    tmp_path: Path, name: str
) -> None:
    cells = [line.split(",") for line in NAMELESS.splitlines()]
    path = write(tmp_path / name, NAMELESS if name == "a.csv" else workbook_bytes({"S": sheet(cells)}))
    imported = run_import(path, tmp_path / "guessed")
    assert imported.rows == 3
    (note,) = [problem for problem in imported.problems if problem.code == "data.names_guessed"]
    assert '"dog", "Hund"' in note.what
    assert "--first-line row" in note.fix
    work = ImportJob(source=str(path), destination=str(tmp_path / "all"), name="a", reading=Reading(first_line="row"))
    assert import_dataset(work, lambda event: None, Going()).rows == 4
    (first, *_) = open_dataset(tmp_path / "all").records()
    assert [message.content for message in first.messages] == ["dog", "Hund"]


def test_a_choice_of_the_first_line_is_refused_where_there_is_none(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", QA)
    work = ImportJob(source=str(path), destination=str(tmp_path / "x"), name="a", reading=Reading(first_line="row"))
    assert refused(lambda: import_dataset(work, lambda event: None, Going())).code == "data.no_first_line"


PRICES = "".join(f"Was kostet die {thing}?;{n},50 Euro\n" for n, thing in enumerate(("Schraube", "Mutter", "Zange")))
SHELVES = "".join(f"Where is part {n}?\tOn shelf {n}, at the left.\n" for n in range(6))
ASIDES = "".join(f"Where, please, is part {n}?\tOn shelf {n}.\n" for n in range(6))
COLOURS = "".join(f"Farben von Regal {n};rot,blau\n" for n in range(6))


@pytest.mark.parametrize(
    ("text", "first"),
    [
        (PRICES, ["Was kostet die Schraube?", "0,50 Euro"]),
        (PRICES.replace(";", "\t"), ["Was kostet die Schraube?", "0,50 Euro"]),
        (SHELVES, ["Where is part 0?", "On shelf 0, at the left."]),
        (ASIDES, ["Where, please, is part 0?", "On shelf 0."]),
        (ASIDES.replace("\t", ";"), ["Where, please, is part 0?", "On shelf 0."]),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_a_comma_in_every_row_of_a_table_without_names_does_not_cut_it(
    tmp_path: Path, text: str, first: list[str], suffix: str
) -> None:
    assert list(next(iter(read(write(tmp_path / f"a.{suffix}", text)))).values()) == first
    imported = run_import(write(tmp_path / f"b.{suffix}", text), tmp_path / "set")
    assert imported.usable == text.count("\n")
    (record, *_) = open_dataset(tmp_path / "set").records()
    assert [message.content for message in record.messages] == first


def test_the_semicolon_cuts_where_a_comma_would_do_as_well_and_a_name_that_says_tabs_is_believed() -> None:
    assert detect_layout(COLOURS, True).delimiter == ";"
    either = "a b;c\td\n" * 5
    assert detect_layout(either.replace("\t", ";x\t"), True, ".tsv").delimiter == "\t"
    assert detect_layout("a,b\nc,d\n", True, ".tsv").delimiter == ","


def test_commas_still_cut_tables_whose_cells_hold_other_signs() -> None:
    assert detect_layout("1,2\n" * 5, True).delimiter == ","
    assert detect_layout('Who; or what?,"It is; that."\n' * 5, True).delimiter == ","
    assert detect_layout("name, answer\nWho is it?, Ann\n", True).delimiter == ","


def test_names_within_the_cells_of_a_table_are_no_header(tmp_path: Path) -> None:
    cell = json.dumps([{"input": "0", "output": "0"}, {"input": ":", "output": ":"}]).replace('"', '""')
    path = tmp_path / "rows.csv"
    path.write_text(f'instruction;instances\n0;"{cell}"\n', encoding="utf-8")
    assert list(look(path).columns) == ["instruction", "instances"]


TURNS = "conversation_id;from;to;message\n" + "1;user;bot;How do I log in?\n1;bot;user;Press the key.\n" * 4


@pytest.mark.parametrize(
    ("table", "first"),
    [
        (TURNS, "conversation_id"),
        ("Word;Opposite\nhot;cold\nquestion;answer\n" + "day;night\n" * 9, "Word"),
        ("Begriff;Erklärung\nPrompt;Output\n" + "API;Eine Schnittstelle\n" * 9, "Begriff"),
    ],
)
def test_rows_that_look_like_names_are_rows(tmp_path: Path, table: str, first: str) -> None:
    assert next(iter(look(write(tmp_path / "a.csv", table)).columns)) == first
