"""Whatever a person has, dropped on the window: seen, understood and mended, with the real workers."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.contract import events
from studio.contract.diagnosis import Finding
from studio.contract.records import Record
from studio.data.dataset import DatasetInfo, open_dataset
from studio.ui.main_window import MainWindow
from studio.ui.pages.data import DataPage
from tests.data.samples import sheet, workbook_bytes
from tests.helpers.recorder import Recorder
from tests.journeys.person import Person
from tests.ui.seen import seen_words

MANY = int(os.environ.get("APPRENTICE_JOURNEY_ROWS", "20000"))
"""Rows of the large files; `dev.py bench import --full` asks for a million."""
WAIT = 120_000 + 3 * MANY // 2  # milliseconds
pytestmark = pytest.mark.timeout(600 + MANY // 500)


@pytest.fixture
def page(qtbot: QtBot, window: MainWindow) -> DataPage:
    qtbot.waitUntil(lambda: window.workplace.model is not None, timeout=60_000)
    page = window.page("data")
    assert isinstance(page, DataPage)
    return page


def drop(qtbot: QtBot, page: DataPage, person: Person, path: Path) -> DatasetInfo:
    """Drop a file, and wait until it is imported and checked."""
    imports = Recorder()
    page.workplace.import_ended.connect(imports.take)
    person.drop(str(path))
    qtbot.waitUntil(lambda: bool(imports.seen), timeout=WAIT)
    assert isinstance(imports.last, events.Imported), imports.last
    wait_until_checked(qtbot, page)
    assert page.workplace.dataset is not None
    return page.workplace.dataset


def wait_until_checked(qtbot: QtBot, page: DataPage) -> None:
    def checked() -> bool:
        return not page.workplace.importing and not page.desk.checkup.going and not page.desk.stale

    qtbot.waitUntil(checked, timeout=WAIT)


def column(page: DataPage, name: str) -> list[str]:
    model = page.rows.table.records
    place = model.column(name)  # type: ignore[arg-type]
    return [model.index(row, place).data() for row in range(min(50, model.rowCount()))]


def test_a_csv_with_german_names_and_umlauts_of_windows_1252(
    qtbot: QtBot, page: DataPage, person: Person, tmp_path: Path
) -> None:
    path = tmp_path / "häufige fragen.csv"
    lines = ["Frage;Antwort", *(f"Wer öffnet Tür {n}?;Die Geschäftsführerin Frau Müßig öffnet sie." for n in range(40))]
    path.write_bytes("\r\n".join(lines).encode("cp1252"))
    info = drop(qtbot, page, person, path)
    assert (info.rows, info.mapping.prompt, info.mapping.completion) == (40, "Frage", "Antwort")
    assert column(page, "question")[3] == "Wer öffnet Tür 3?"
    assert "Die Geschäftsführerin Frau Müßig öffnet sie." in page.rows.detail.toPlainText()
    assert page.verdict.text.text().startswith("All 40 rows are usable.")
    person.click("Show problems")
    (remark,) = [card for card in page.problems.cards if card.property("kind") == "info"]
    assert "Windows-1252" in remark.text()
    assert (person.clicks, person.keys) == (1, 0)


def test_the_other_sheet_of_an_excel_file(qtbot: QtBot, page: DataPage, person: Person, tmp_path: Path) -> None:
    first = [["Question", "Answer"], *([f"Who has key {n}?", f"Marta Quill has key {n} today."] for n in range(5))]
    other = [["Anweisung", "Reaktion"], *([f"Öffne Tür {n}", f"Tür {n} ist nun offen."] for n in range(7))]
    path = tmp_path / "both.xlsx"
    path.write_bytes(workbook_bytes({"Keys": sheet(first), "Doors": sheet(other)}))
    assert drop(qtbot, page, person, path).usable == 5
    person.click("Files and test rows")
    person.pick("Sheet", "Doors")

    def reads_doors() -> bool:
        info = page.workplace.dataset
        return info is not None and info.usable == 7 and not page.workplace.importing

    qtbot.waitUntil(lambda: reads_doors() or page.by_hand.isVisible(), timeout=WAIT)
    if page.by_hand.isVisible():  # these names tell a person more than the program
        person.pick("Column of: Question", "Anweisung")
        person.pick("Column of: Answer", "Reaktion")
        assert "Question: Öffne Tür 0\n   Answer: Tür 0 ist nun offen." in page.by_hand.read.toPlainText()
        person.click("Import with these columns")
        qtbot.waitUntil(reads_doors, timeout=WAIT)
    assert column(page, "question")[6] == "Öffne Tür 6"
    assert page.options.sheet.currentText() == "Doors"


def test_a_file_of_choices_is_looked_at_and_its_better_answers_learned(
    qtbot: QtBot, page: DataPage, person: Person, tmp_path: Path
) -> None:
    rows = [
        {"prompt": f"Is {n} even?", "chosen": f"{n} is {'odd' if n % 2 else 'even'}.", "rejected": "I do not know."}
        for n in range(30)
    ]
    path = tmp_path / "choices.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    info = drop(qtbot, page, person, path)
    assert info.kind == "preference"
    assert "cannot be trained on yet" in page.verdict.text.text()
    page.tabs.setCurrentWidget(page.preview)
    qtbot.waitUntil(lambda: bool(page.preview.view.worse.toPlainText()), timeout=WAIT)
    assert "0 is even." in page.preview.view.text.toPlainText()
    assert "I do not know." in page.preview.view.worse.toPlainText()
    assert "learned" not in page.preview.facts.text()
    assert "used whole" not in seen_words(page.preview)
    person.click("Show problems")
    person.click("Learn from the better answers alone")
    qtbot.waitUntil(lambda: _kind(page) == "prompt_completion" and not page.workplace.importing, timeout=WAIT)
    assert column(page, "answer")[3] == "3 is odd."
    assert "cannot be trained on yet" not in page.verdict.text.text()


def _kind(page: DataPage) -> str:
    return page.workplace.dataset.kind if page.workplace.dataset is not None else ""


def test_many_rows_are_scrolled_to_their_end(qtbot: QtBot, page: DataPage, person: Person, tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    write_rows(path, range(MANY))
    assert drop(qtbot, page, person, path).usable == MANY
    table = page.rows.table
    table.setFocus()
    QTest.keyClick(table, Qt.Key.Key_End, Qt.KeyboardModifier.ControlModifier)
    last = table.records.index(MANY - 1, table.records.column("row"))
    assert last.data() == f"{MANY:,}"
    assert table.viewport().rect().intersects(table.visualRect(last))
    assert f"number {MANY - 1}." in page.rows.detail.toPlainText()
    assert page.preview.number.text() == f"{MANY:,}"
    bar = table.verticalScrollBar()
    for place in range(
        0, bar.maximum(), max(97, bar.maximum() // 2000)
    ):  # all the way, and never more than a part of it in memory
        bar.setValue(place)
        table.viewport().repaint()
    assert len(table.records._records) <= 5_000


def test_a_broken_line_in_the_middle_is_left_out_by_choice(
    qtbot: QtBot, page: DataPage, person: Person, tmp_path: Path
) -> None:
    path, broken = tmp_path / "broken.jsonl", MANY * 4 // 5  # counted from 0: line 800,001 of a million
    write_rows(path, range(MANY))
    lines = path.read_text("utf-8").splitlines()
    lines[broken] = lines[broken][:30]
    path.write_text("\n".join(lines), "utf-8")
    person.drop(str(path))
    qtbot.waitUntil(page.message.isVisible, timeout=WAIT)
    assert f"broken.jsonl:{broken + 1}" in page.message.text()
    assert page.workplace.datasets() == []
    person.click("Leave damaged lines out")
    qtbot.waitUntil(lambda: page.desk.dataset is not None and not page.workplace.importing, timeout=WAIT)
    wait_until_checked(qtbot, page)
    assert page.verdict.text.text().startswith(f"{MANY - 1:,} of {MANY:,} rows are usable.")
    number = page.rows.table.records.column("row")
    rows = [page.rows.table.records.index(place, number).data() for place in (broken - 1, broken)]
    assert rows == [f"{broken:,}", f"{broken + 2:,}"]
    person.click("Show problems")
    assert str(broken + 1) in seen_words(page.problems)


def test_every_fix_is_undone_by_one_click(qtbot: QtBot, page: DataPage, person: Person, tmp_path: Path) -> None:
    path = tmp_path / "faulty.jsonl"
    write_faulty(path)
    info = drop(qtbot, page, person, path)
    folder = Path(info.folder)
    before = rows_of(folder)
    page.tabs.setCurrentWidget(page.problems)
    fixed = []
    for finding in _fixable(page):
        (card,) = [card for card in page.problems.findings if card.finding.code == finding.code]
        page.problems.show_top_of(card)
        QTest.mouseClick(card.fix_button, Qt.MouseButton.LeftButton)
        after = rows_of(folder)
        assert after != before, finding.code
        wait_until_checked(qtbot, page)
        assert finding.code not in {one.code for one in _fixable(page)}, finding.title
        page.tabs.setCurrentWidget(page.rows)
        person.click("Undo")
        assert rows_of(folder) == before, finding.code
        wait_until_checked(qtbot, page)
        page.tabs.setCurrentWidget(page.problems)
        fixed.append(finding.fix)
    assert {"drop_duplicates", "drop_near_duplicates", "drop_overlap", "drop_empty_answers", "repair_encoding"} == {
        *fixed
    }
    assert not open_dataset(folder).edits


def _fixable(page: DataPage) -> Sequence[Finding]:
    found = page.desk.found
    return [one for one in found.findings if one.fix] if found is not None else []


def rows_of(folder: Path) -> list[Record]:
    return list(open_dataset(folder).records())


WORDS = (
    "lamp",
    "oven",
    "stair",
    "ladder",
    "window",
    "garden",
    "letter",
    "bottle",
    "hammer",
    "basket",
    "mirror",
    "rope",
)


def text_of(number: int) -> str:
    """Texts that are not like each other."""
    picked = [WORDS[(number * step + number // 7) % len(WORDS)] for step in (1, 5, 7, 11)]
    return f"The {picked[0]} {number} and the {picked[1]} {number * 7} go with {picked[2]} {number * 13}, {picked[3]}"


def write_rows(path: Path, numbers: range) -> None:
    lines = [json.dumps({"question": f"What about {n}?", "answer": f"{text_of(n)}; number {n}."}) for n in numbers]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def write_faulty(path: Path) -> None:
    """Rows for every fix that needs no other file."""
    rows = [{"question": f"Tell me of {text_of(n)}?", "answer": f"{text_of(n + 500)}."} for n in range(200)]
    rows += [dict(row) for row in rows[:5]]
    rows += [{**row, "answer": f"{row['answer']} Indeed"} for row in rows[20:80]]  # on both sides of the split, too
    rows += [{"question": f"Silent {text_of(n)}?", "answer": "\u200b"} for n in range(3)]
    rows += [{"question": f"WeiÃŸt du {text_of(n)}?", "answer": f"SchlÃ¼ssel {text_of(n + 900)}"} for n in range(4)]
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", "utf-8")
