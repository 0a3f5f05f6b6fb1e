"""Excel: which sheet and which header, cells in words, and limits before the native parser sees the file."""

import zipfile
from pathlib import Path

import pytest

from studio.cli.output import hint
from studio.contract.job import Reading
from studio.data.formats import xlsx
from studio.data.part import Part
from studio.data.remarks import first_of_all, is_remark
from studio.data.rows import Rows, read
from tests.data.files import QA, reading_refused, refused, run_import, write
from tests.data.samples import DATE, DATE_TIME, sheet, workbook_bytes, xlsx_bytes, zip_bytes

FAQ = [["question", "answer"], ["Who?", "Me."], ["Where?", "Here."]]


def book(path: Path, sheets: dict[str, str], hidden: tuple[str, ...] = ()) -> Path:
    return write(path, workbook_bytes(sheets, hidden))


def test_numbers_dates_and_blanks_become_what_a_person_would_write(tmp_path: Path) -> None:
    table = [
        ["a", "b", "c"],
        [7, 1.5, True],
        [(45000, DATE), (45000.5, DATE_TIME), None],
        [None, None, None],
        ["007", -3, "x"],
    ]
    assert list(read(book(tmp_path / "a.xlsx", {"S": sheet(table)}))) == [
        {"a": "7", "b": "1.5", "c": "TRUE"},
        {"a": "2023-03-15", "b": "2023-03-15 12:00:00", "c": ""},
        {"a": "007", "b": "-3", "c": "x"},
    ]


def test_the_first_visible_sheet_with_rows_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    sheets = {"Notes": sheet([["draft"]]), "Old": sheet(FAQ), "FAQ": sheet(FAQ), "More": sheet(FAQ)}
    with Rows(book(tmp_path / "a.xlsx", sheets, hidden=("Old",))) as rows:
        assert [row["answer"] for row in rows] == ["Me.", "Here."]
        assert rows.source.reading.sheet == "FAQ"
        assert rows.source.choices == ("Notes", "FAQ", "More", "Old")
        alike, other = rows.source.notes
    assert (alike.code, other.code) == ("data.sheets_alike", "data.read_sheet")
    assert 'Only the sheet "FAQ" was read' in alike.what
    assert '"More", "Old"' in alike.what
    assert '"Notes" was not' in other.what


def test_a_sheet_of_instructions_before_the_rows_is_passed_over(tmp_path: Path) -> None:
    told = sheet([["How to use this file"], ["Please fill in the second sheet."], ["Thank you!"]])
    imported = run_import(book(tmp_path / "a.xlsx", {"Read me": told, "Data": sheet(FAQ)}), tmp_path / "out")
    assert (imported.usable, imported.mapping.prompt) == (2, "question")
    assert [problem.code for problem in imported.problems] == ["data.read_sheet"]


COVER = [["As of", "2026-11-05"], ["Author", "Ann"], ["Note", "Please do not change the columns"]]


TALKS = [["Customer", "We"], *[[f"Where is my order {n}?", f"It is on its way, number {n}."] for n in range(30)]]


@pytest.mark.parametrize(
    ("sheets", "hidden", "expected"),
    [
        ({"Cover": COVER, "FAQ": FAQ, "Glossary": [["Term", "Meaning"], *[["API", "An interface"]] * 9]}, (), "FAQ"),
        ({"Cover": COVER, "Old": FAQ}, ("Old",), "Cover"),
        ({"Example": FAQ[:2], "FAQ": FAQ, "More": FAQ}, (), "FAQ"),
        ({"FAQ": FAQ, "Old": [*FAQ, *FAQ[1:]]}, ("Old",), "FAQ"),
        ({"Example": FAQ[:2], "Talks": TALKS}, (), "Talks"),
        ({"Talks": TALKS, "Example": FAQ}, (), "Talks"),
        ({"Cover": COVER[:2], "Terms": [["Term", "Meaning"], *[["API", "An interface"]] * 9]}, (), "Terms"),
    ],
)
def test_known_names_of_columns_go_before_a_guess_by_content_and_more_rows_before_fewer(
    tmp_path: Path, sheets: dict[str, list[list[object]]], hidden: tuple[str, ...], expected: str
) -> None:
    path = book(tmp_path / "a.xlsx", {name: sheet(table) for name, table in sheets.items()}, hidden)
    with Rows(path) as rows:
        assert len(list(rows)) == len(sheets[expected]) - 1
        assert rows.source.reading.sheet == expected


def test_in_a_large_workbook_the_first_sheet_of_known_names_ends_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xlsx, "_COMPARED_BYTES", 10)
    sheets = {"Cover": sheet(COVER), "Example": sheet(FAQ[:2]), "FAQ": sheet(FAQ)}
    with Rows(book(tmp_path / "a.xlsx", sheets)) as rows:
        assert len(list(rows)) == 1
        assert rows.source.reading.sheet == "Example"


def test_a_sheet_of_texts_is_taken_where_none_holds_questions_and_answers(tmp_path: Path) -> None:
    texts = sheet([["text"], ["A first chapter of the book."], ["A second chapter of it."]])
    numbers = sheet([["x", "y"], [1, 2], [3, 4]])
    imported = run_import(book(tmp_path / "a.xlsx", {"Figures": numbers, "Book": texts}), tmp_path / "out")
    assert (imported.mapping.shape, imported.mapping.text) == ("text", "text")


def test_sheets_of_the_same_columns_that_are_not_read_are_a_warning_unless_one_was_chosen(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", {"May": sheet(FAQ), "June": sheet(FAQ), "Sums": sheet([["n"], [3]])})
    (problem,) = [one for one in run_import(path, tmp_path / "out").problems if not is_remark(one)]
    assert problem.what == 'Only the sheet "May" was read; "June", of the same columns, was not.'
    assert first_of_all((problem,)) is problem
    with Rows(Part(path=path, reading=Reading(sheet="June"))) as rows:
        assert len(list(rows)) == 2
        assert [note.code for note in rows.source.notes] == ["data.read_sheet"]


def test_a_workbook_that_cannot_be_mapped_names_the_sheet_and_the_others_and_speaks_of_no_commas(
    tmp_path: Path,
) -> None:
    told = sheet([["How to use this big file"], ["Please fill in the second sheet."]])
    path = book(tmp_path / "a.xlsx", {"Read me": told, "Data": sheet([["x", "y"], [1, 2], [3, 4]])})
    problem = refused(lambda: run_import(path, tmp_path / "out"))
    assert problem.code == "data.no_mapping"
    assert 'This is the sheet "Read me"; there is also "Data".' in problem.why
    assert "comma" not in problem.fix
    assert problem.fix.endswith("Or choose another sheet.")
    assert "--sheet" in hint(problem)


def test_rows_behind_a_row_that_is_damaged_are_not_lost_unsaid(tmp_path: Path) -> None:
    table = [["q", "a"], *([f"Who is {n}?", f"It is {n}."] for n in range(5)), ["x", "y", "."], ["z", "w", None, "."]]
    assert len(list(read(book(tmp_path / "a.xlsx", {"S": sheet(table), "T": sheet([["x"], [1]])})))) == 7


def test_a_sheet_can_be_chosen_a_hidden_one_too(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", {"A": sheet(FAQ), "B": sheet([["q", "a"], ["1", "2"]])}, hidden=("B",))
    assert list(read(Part(path=path, reading=Reading(sheet="B")))) == [{"q": "1", "a": "2"}]
    with pytest.raises(Exception, match='has no sheet "C"') as caught:
        list(read(Part(path=path, reading=Reading(sheet="C"))))
    assert '"A", "B"' in str(caught.value)


def test_a_title_above_the_header_and_a_table_in_the_middle_do_no_harm(tmp_path: Path) -> None:
    xml = sheet([["Our questions", None], [None, None], *FAQ], first_row=3, first_column=2, merged=("B3:C3",))
    with Rows(book(tmp_path / "a.xlsx", {"S": xml})) as rows:
        assert [(rows.number, row) for row in rows] == [
            (6, {"question": "Who?", "answer": "Me."}),
            (7, {"question": "Where?", "answer": "Here."}),
        ]
        assert [note.code for note in rows.source.notes] == ["data.header_row"]


@pytest.mark.parametrize(
    ("notes", "merged"),
    [
        ([["FAQ"], ["As of:", "2026-11-05", "Ann"], []], ()),
        ([["Customer", None, "Service", None]], ("B2:C2", "D2:E2")),
        ([["FAQ"], ["Version", 3, "Kind", "mail"], ["Text", "any"], [None]], ()),
    ],
)
def test_notes_and_groups_above_known_names_are_left_out_and_that_is_said(
    tmp_path: Path, notes: list[list[object]], merged: tuple[str, ...]
) -> None:
    table = [*notes, ["No.", "Question", "Answer", "Done?"], [1, "Who?", "Me.", "yes"], [2, "Where?", "Here.", "no"]]
    path = book(tmp_path / "a.xlsx", {"S": sheet(table, first_row=2, first_column=2, merged=merged)})
    with Rows(path) as rows:
        assert [(row["Question"], row["Answer"]) for row in rows] == [("Who?", "Me."), ("Where?", "Here.")]
        (note,) = rows.source.notes
    assert note.code == "data.header_row"
    assert note.what.endswith(f'row {len(notes) + 2} of "S"; what stands above was left out.')
    assert "column 1" in next(iter(read(Part(path=path, reading=Reading(first_line="row")))))


def test_what_is_merged_over_rows_counts_for_each_of_them(tmp_path: Path) -> None:
    table = [["question", "answer"], ["Who?", "Me."], [None, "You."], ["Where?", "Here."]]
    with Rows(book(tmp_path / "a.xlsx", {"S": sheet(table, merged=("A2:A3",))})) as rows:
        assert [row["question"] for row in rows] == ["Who?", "Who?", "Where?"]
        assert [note.code for note in rows.source.notes] == ["data.merged_cells"]


def test_names_that_occur_twice_are_refused(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", {"S": sheet([["q", "q"], ["1", "2"]])})
    assert reading_refused(path).code == "data.duplicate_columns"


def test_a_cell_beside_the_header_gets_a_column_of_its_own(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", {"S": sheet([["q", "a"], ["1", "2", "3"], ["4"]])})
    assert list(read(path)) == [{"q": "1", "a": "2", "column 3": "3"}, {"q": "4", "a": "", "column 3": ""}]


def test_a_workbook_without_rows_names_its_sheets(tmp_path: Path) -> None:
    problem = reading_refused(book(tmp_path / "a.xlsx", {"One": sheet([]), "Two": sheet([["q", "a"]])}))
    assert problem.code == "data.no_rows"
    assert '"One", "Two"' in problem.why


def test_an_excel_file_of_another_name_is_read_and_said_so(tmp_path: Path) -> None:
    imported = run_import(write(tmp_path / "a.csv", xlsx_bytes(QA)), tmp_path / "out")
    assert imported.usable == len(QA)
    assert [problem.code for problem in imported.problems] == ["data.read_sheet"]
    assert "Excel file" in imported.problems[0].what


@pytest.mark.parametrize("far", ["XFD1048576", "XFD2", "A1048576"])
def test_cells_far_apart_are_refused_before_the_parser_lays_out_their_rectangle(tmp_path: Path, far: str) -> None:
    row = far.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    xml = f'<row r="1"><c r="A1"><v>1</v></c></row><row r="{row}"><c s=">" r="{far}"><v>1</v></c></row>'
    xml = f"<sheetData>{xml}</sheetData>"
    path = book(tmp_path / "a.xlsx", {"S": xml})
    if far == "XFD1048576":
        problem = reading_refused(path)
        assert problem.code == "data.exceeds_limit"
        assert "8,000,000 cells" in problem.what
        assert "CSV" in problem.fix
    else:
        assert sum(1 for _ in read(path)) == 1


def test_cells_without_a_reference_are_measured_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = "<row><c><v>1</v></c><c><v>2</v></c></row>"
    path = book(tmp_path / "a.xlsx", {"S": f"<sheetData>{row * 10}</sheetData>"})
    assert len(list(read(path))) == 9
    monkeypatch.setattr(xlsx, "MAX_CELLS", 19)
    assert reading_refused(path).code == "data.exceeds_limit"
    far = book(tmp_path / "b.xlsx", {"S": f'<sheetData>{row}<row r="500000"><c><v>1</v></c></row></sheetData>'})
    assert reading_refused(far).code == "data.exceeds_limit"


def test_cells_that_have_a_format_only_are_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    styled = "".join(f'<row r="{n}"><c r="A{n}" s="1"/><c r="Z{n}" s=\'1\' /></row>' for n in range(4, 50))
    path = book(tmp_path / "a.xlsx", {"S": sheet(FAQ).replace("</sheetData>", f"{styled}</sheetData>")})
    monkeypatch.setattr(xlsx, "MAX_CELLS", 6)
    assert len(list(read(path))) == 2


def test_a_workbook_that_is_damaged_or_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    whole = xlsx_bytes(QA)
    assert reading_refused(write(tmp_path / "cut.xlsx", whole[:-30])).code == "data.damaged_archive"
    content = zip_bytes({"[Content_Types].xml": b"<Types/>", "xl/workbook.xml": b"<workbook/>"})
    assert reading_refused(write(tmp_path / "odd.xlsx", content)).code in ("data.damaged_table", "data.no_rows")
    path = write(tmp_path / "lie.xlsx", whole)
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("xl/worksheets/sheet1.xml").file_size
    data = whole.replace(size.to_bytes(4, "little"), (size - 1).to_bytes(4, "little"))
    problem = reading_refused(write(tmp_path / "lie.xlsx", data))
    assert problem.code == "data.damaged_archive"
    assert "longer than" in problem.why


def test_a_workbook_of_bombs_is_refused_by_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = sheet(FAQ) + " " * 4_000_000
    problem = reading_refused(book(tmp_path / "a.xlsx", {"S": bomb}))
    assert problem.code == "data.archive_bomb"
    monkeypatch.setattr(xlsx, "MAX_UNPACKED_BYTES", 1000)
    assert reading_refused(write(tmp_path / "b.xlsx", xlsx_bytes(QA))).code == "data.exceeds_limit"
    monkeypatch.setattr(xlsx, "MAX_FILE_BYTES", 1000)
    assert "256 MB" in reading_refused(write(tmp_path / "b.xlsx", xlsx_bytes(QA))).what


def test_a_failed_check_within_the_native_parser_is_a_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own exception is none that `except Exception` would take."""

    class PanicException(BaseException):
        pass

    class Workbook:
        @staticmethod
        def from_filelike(file: object) -> None:
            raise PanicException("index out of bounds")

    monkeypatch.setattr("python_calamine.CalamineWorkbook", Workbook)
    problem = reading_refused(write(tmp_path / "a.xlsx", xlsx_bytes(QA)))
    assert problem.code == "data.damaged_table"
    assert "index out of bounds" in problem.why


def test_a_cell_far_to_the_right_is_named_at_once(tmp_path: Path) -> None:
    """A damaged place such as BNAN3: found by fuzzing, which waited."""
    book = sheet([["question", "answer"], ["Who?", "Me."]]).replace('r="B2"', 'r="BNAN2"')
    problem = reading_refused(write(tmp_path / "a.xlsx", workbook_bytes({"FAQ": book})))
    assert problem.code == "data.too_many_columns"


def test_a_title_far_to_the_right_is_named_before_any_cell_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged place such as BNVEH1: found by fuzzing, which waited 7 s of the processor's time."""
    monkeypatch.setattr(xlsx, "as_text", lambda cell: pytest.fail("a cell was looked at"))
    book = sheet([["question", "answer"], ["Who?", "Me."]]).replace('r="B1"', 'r="BNVEH1"')
    problem = reading_refused(write(tmp_path / "a.xlsx", workbook_bytes({"FAQ": book})))
    assert problem.code == "data.too_many_columns"
    assert "This sheet has" in problem.what
