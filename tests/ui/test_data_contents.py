"""What is in a dataset, shown on the Data page: how long its rows are, how answers begin, classes, languages."""

from collections.abc import Iterator

import msgspec
import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QApplication, QToolTip
from pytestqt.qtbot import QtBot

from studio.contract.diagnosis import Diagnosed, Histogram, Share
from studio.supervisor.workplace import Workplace
from studio.ui import theme
from studio.ui.pages.data import DataPage
from studio.ui.widgets.data_contents import DataContents
from tests.ui.seen import seen_words
from tests.ui.workshop import FAQ, made, shown_page

LENGTHS = Histogram(
    unit="tokens", edges=(0, 10, 20, 30, 91), counts=(0, 30, 9, 1), median=15, most_95=28, longest=90, limit=25
)


@pytest.fixture
def page(qtbot: QtBot, workplace: Workplace) -> Iterator[DataPage]:
    with shown_page(qtbot, workplace) as page:
        yield page


def found_in(page: DataPage, name: str, rows: list[dict[str, object]]) -> Diagnosed:
    """What the doctor says of such rows, which the page shows, with the part opened."""
    page.workplace.choose_dataset(made(name, rows))
    page.desk._calm.setInterval(600_000)
    page.contents.heading.setChecked(True)
    assert page.desk.found is not None
    return page.desk.found


def test_it_is_folded_up_to_a_line_that_says_the_most_of_it(page: DataPage) -> None:
    assert not page.contents.isVisible(), "there is no dataset yet"
    found = found_in(page, "faq", FAQ)
    page.contents.heading.setChecked(False)
    assert found.lengths is not None
    assert not page.contents.body.isVisible()
    half = f"half of the rows up to {found.lengths.median} characters, the longest {found.lengths.longest}"
    assert page.contents.summary.text() == f"{half} · English"
    assert page.verdict.y() < page.contents.y() < page.tabs.y()


def test_first_words_classes_and_languages_are_told_with_their_rows(page: DataPage) -> None:
    rows: list[dict[str, object]] = [
        {"question": f"Is the number {n} an even one, or is it not?", "answer": "no" if n % 4 else "yes"}
        for n in range(40)
    ]
    found = found_in(page, "classes", rows)
    assert [(share.value, share.count) for share in found.classes] == [("no", 30), ("yes", 10)]
    words = seen_words(page.contents)
    for told in ("Answers, as classes", "no", "30 rows", "75 %", "yes", "10 rows", "25 %", "Languages (a guess)"):
        assert told in words, told
    rows = [{"question": f"Who is {n}?", "answer": f"As far as I know, it is {n} again."} for n in range(60)]
    assert found_in(page, "alike", rows).first_words[0].count == 60
    words = seen_words(page.contents)
    assert "As far as" in words
    assert "60 rows" in words
    assert "100 %" in words
    assert "Answers, as classes" not in words


def test_a_few_rows_among_many_never_make_none_of_them_or_all(page: DataPage) -> None:
    found = found_in(page, "faq", FAQ)
    shares = (Share("English", 990), Share("German", 9), Share("language unclear", 1))
    few = msgspec.structs.replace(found, languages=shares, classes=(Share("yes", 995),), first_words=())
    page.contents.show_found(few)
    words = seen_words(page.contents)
    assert words.count("< 1 %") == 3
    assert "> 99 %" in words
    assert "others" in words


def test_answers_that_all_begin_otherwise_are_told_so(page: DataPage) -> None:
    rows: list[dict[str, object]] = [
        {"question": f"Who is {n}?", "answer": f"{n} is one of us, as you know."} for n in range(9)
    ]
    found_in(page, "each", rows)
    assert "No two longer answers begin alike." in seen_words(page.contents)


def test_the_longest_text_is_marked_among_the_lengths_and_bars_say_their_numbers(
    qtbot: QtBot, page: DataPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = msgspec.structs.replace(found_in(page, "faq", FAQ), lengths=LENGTHS)
    contents, plot = page.contents, page.contents.plot
    contents.show_found(found)
    assert plot.limit_place() == 2.5
    assert contents.said.text() == (
        "Half of the rows have up to 15 tokens, 95 % up to 28, the longest 90. "
        "Dashed line: the longest text, 25 tokens of the chosen model. "
        "The last bar holds all longer ones."
    )
    assert plot.accessibleName() == "How long the rows are"
    assert plot.accessibleDescription() == "10 to 19 tokens: 30 rows; 20 to 29 tokens: 9 rows; 30 to 90 tokens: 1 row"
    told: list[str] = []
    monkeypatch.setattr(QToolTip, "showText", lambda at, words, of: told.append(words))
    for across in (plot.width() - 12, 1):
        place = QPoint(across, plot.height() // 2)
        QApplication.sendEvent(plot, QHelpEvent(QHelpEvent.Type.ToolTip, place, plot.mapToGlobal(place)))
    assert told == ["30 to 90 tokens: 1 row", ""]
    far = msgspec.structs.replace(LENGTHS, limit=512, sampled=20_000)
    contents.show_found(msgspec.structs.replace(found, lengths=far))
    assert plot.limit_place() is None
    assert "All fit into the longest text, 512 tokens" in contents.said.text()
    assert contents.said.text().endswith("20,000 rows were counted.")


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_bars_beyond_the_longest_text_have_another_colour_in_both_themes(
    qtbot: QtBot, page: DataPage, mode: theme.Mode
) -> None:
    found = found_in(page, "faq", FAQ)
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    theme.apply(application, mode)
    try:
        beyond = msgspec.structs.replace(LENGTHS, counts=(0, 30, 9, 30))
        page.contents.show_found(msgspec.structs.replace(found, lengths=beyond))
        plot = page.contents.plot
        drawn, area = plot.grab().toImage(), plot._area()
        colors = [
            drawn.pixelColor(int(area.left() + (bar + 0.5) * area.width() / 4), int(area.center().y())).name()
            for bar in (0, 1, 3)
        ]
        tokens = theme.tokens()
        assert colors[1:] == [tokens.accent, tokens.warning]
        assert colors[0] not in colors[1:]
    finally:
        theme.apply(application, "light")


def test_the_line_goes_with_what_was_counted(qtbot: QtBot) -> None:
    contents = DataContents()
    qtbot.addWidget(contents)
    contents.show_found(None)
    assert contents.isHidden()
