"""Tables as people have them: what is beside question and answer is not taken for them."""

from pathlib import Path

import pytest

from studio.data.mapping import guess
from tests.data.files import refused, run_import, write

DAY, MOMENT = "0{n}.03.2025", "2025-03-0{n} 10:12:13"
ASKED, ANSWERED = "Where is part {n}?", "It is on shelf {n}."
MAIL = "Hello, part {n} of my order broke, I would like another one and my money back."


def table(*columns: tuple[str, str]) -> list[dict[str, object]]:
    return [
        {name: text.format(n=n % 9 + 1, word=("open", "closed")[n % 2]) for name, text in columns} for n in range(24)
    ]


@pytest.mark.parametrize(
    ("columns", "prompt", "completion"),
    [
        ((("Query", ASKED), ("Response time", MOMENT), ("Agent response", ANSWERED)), "Query", "Agent response"),
        ((("Query", ASKED), ("Response Time (min)", "{n}"), ("Response Text", ANSWERED)), "Query", "Response Text"),
        ((("Kunde", ASKED), ("Antwort am", DAY), ("Unsere Antwort", ANSWERED)), "Kunde", "Unsere Antwort"),
        (
            (("Frage vom", DAY), ("Frage des Kunden", ASKED), ("Antwort Datum", DAY), ("Antwort Support", ANSWERED)),
            "Frage des Kunden",
            "Antwort Support",
        ),
        (
            (("Question ID", "Q{n}"), ("Question text", ASKED), ("Answer status", "{word}"), ("Answer text", ANSWERED)),
            "Question text",
            "Answer text",
        ),
        (
            (
                ("question_source", "{word}"),
                ("question_text", ASKED),
                ("answer_source", "{word}"),
                ("the_answer", ANSWERED),
            ),
            "question_text",
            "the_answer",
        ),
        ((("Question", ASKED), ("First Response Time", MOMENT), ("Notes", ANSWERED)), "Question", "Notes"),
        (
            (("Question votes", "{n}"), ("Question body", ASKED), ("Answer votes", "{n}"), ("Answer body", ANSWERED)),
            "Question body",
            "Answer body",
        ),
        ((("Demande", ASKED), ("Statut réponse", "{word}"), ("Réponse agent", ANSWERED)), "Demande", "Réponse agent"),
        ((("Reviewer", ASKED), ("Author response", ANSWERED), ("Date", DAY)), "Reviewer", "Author response"),
    ],
)
def test_when_and_how_an_answer_came_is_no_answer(
    columns: tuple[tuple[str, str], ...], prompt: str, completion: str
) -> None:
    rows = table(*columns)
    found = guess(list(rows[0]), rows)
    assert (found.prompt, found.completion) == (prompt, completion)


def test_dates_are_answers_where_they_are_all_that_is_named_so() -> None:
    rows = table(("Question", ASKED), ("Correct answer", DAY), ("Status", "{word}"))
    assert guess(list(rows[0]), rows).completion == "Correct answer"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("wrong answer", "right answer"),
        ("Incorrect answer", "Correct answer"),
        ("Falsche Antwort", "Richtige Antwort"),
        ("Best Incorrect Answer", "Best Answer"),
    ],
)
def test_a_wrong_answer_that_stands_first_is_not_learned(wrong: str, right: str) -> None:
    rows = table(("question", ASKED), (wrong, "In bin {n}."), (right, ANSWERED))
    assert guess(list(rows[0]), rows).completion == right


def test_a_bad_question_is_a_question() -> None:
    rows = table(("Bad prompt", ASKED), ("Improved prompt", "Please: where is part {n}?"))
    assert guess(list(rows[0]), rows).prompt == "Bad prompt"


@pytest.mark.parametrize(("better", "worse"), [("Good answer", "Bad answer"), ("Gute Antwort", "Schlechte Antwort")])
def test_good_and_bad_answers_are_pairs_in_any_order(better: str, worse: str) -> None:
    rows = table(("Question", ASKED), (worse, "In bin {n}."), (better, ANSWERED))
    found = guess(list(rows[0]), rows)
    assert (found.shape, found.completion, found.rejected) == ("preference", better, worse)


def test_choices_go_after_the_right_answer() -> None:
    rows = table(
        ("Frage", ASKED),
        ("Antwort A", "A{n}"),
        ("Antwort B", "B{n}"),
        ("Antwort C", "C{n}"),
        ("Richtige Antwort", ANSWERED),
    )
    assert guess(list(rows[0]), rows).completion == "Richtige Antwort"
    del rows[0]["Richtige Antwort"]
    assert guess(list(rows[0]), rows).completion == "Antwort A"


@pytest.mark.parametrize("name", ["Resolution", "close_notes"])
def test_what_solved_a_ticket_is_the_answer_though_it_is_shorter(name: str) -> None:
    rows = table(
        ("Ticket", "T{n}"), ("Customer", "Ann {n}"), ("Ticket Description", MAIL), (name, ANSWERED), ("State", "{word}")
    )
    found = guess(list(rows[0]), rows)
    assert (found.prompt, found.completion) == ("Ticket Description", name)


def test_a_resolution_of_few_words_is_no_answer() -> None:
    rows = table(("Summary", "Part {n} broke"), ("Resolution", "{word}"), ("Description", MAIL))
    assert guess(list(rows[0]), rows).completion == "Summary"


def test_a_title_above_a_table_of_tickets_is_left_out(tmp_path: Path) -> None:
    rows = "".join(f"T{n},Part {n} broke.,It was mended with {n} nails.\n" for n in range(9))
    path = write(tmp_path / "a.csv", f"Report: closed tickets\n\nTicket,Issue,Resolution\n{rows}")
    imported = run_import(path, tmp_path / "out")
    assert (imported.usable, imported.mapping.prompt, imported.mapping.completion) == (9, "Issue", "Resolution")


def test_the_mail_is_asked_and_not_its_subject() -> None:
    rows = table(("Betreff", "Part {n}"), ("E-Mail", MAIL), ("Antwort", ANSWERED))
    assert guess(list(rows[0]), rows).prompt == "E-Mail"


@pytest.mark.parametrize("name", ["Author", "participant"])
def test_who_speaks_is_known_by_what_the_column_says(name: str) -> None:
    rows: list[dict[str, object]] = [
        {"Ticket ID": str(n // 2), name: ("Customer", "Agent")[n % 2], "Message": f"Say {n}."} for n in range(24)
    ]
    found = guess(list(rows[0]), rows)
    assert (found.shape, found.speaker, found.messages) == ("chat", name, "Message")
    for row in rows:
        del row["Ticket ID"]
    assert f'"{name}" says who speaks' in refused(lambda: guess([name, "Message"], rows)).what


def test_authors_of_texts_are_no_speakers() -> None:
    rows = table(("Author", "Ann {n}"), ("Quote", MAIL))
    assert (found := guess(list(rows[0]), rows)).speaker == ""
    assert found.completion == "Quote"


def test_few_words_again_and_again_are_no_answer_beside_a_text_that_may_be_it() -> None:
    rows = table(("db_id", "{word}"), ("query", "SELECT {n} FROM parts"), ("question", ASKED))
    assert guess(list(rows[0]), rows).completion == "query"


@pytest.mark.parametrize("cut", ";\t|")
def test_a_title_above_names_that_are_not_known_is_left_out(tmp_path: Path, cut: str) -> None:
    rows = "".join(f"V{n}{cut}Teil {n} ist kaputt.{cut}Es wurde ersetzt, Nummer {n}.\n" for n in range(9))
    path = write(tmp_path / "a.csv", f"Reklamationen 2025\nVorgang{cut}Beschwerde{cut}Stellungnahme\n{rows}")
    imported = run_import(path, tmp_path / "out")
    assert (imported.rows, imported.mapping.prompt, imported.mapping.completion) == (9, "Beschwerde", "Stellungnahme")
    assert "data.header_row" in [problem.code for problem in imported.problems]


def test_a_row_wider_than_a_title_names_the_title_as_the_cause(tmp_path: Path) -> None:
    rows = "".join(f"V{n},Part {n} broke.,It was replaced.\n" for n in range(9))
    path = write(tmp_path / "a.csv", f"Complaints 2025\nCase,Complaint,Statement\n{rows}")
    problem = refused(lambda: run_import(path, tmp_path / "out"))
    assert problem.code == "data.ragged_row"
    assert "where 1 is expected" in problem.what
    assert "title" in problem.fix


@pytest.mark.parametrize("name", ["Vorgänge", "Satz"])
def test_one_column_of_texts_with_commas_needs_no_quotes(tmp_path: Path, name: str) -> None:
    texts = [f"Teil {n} ist kaputt, leider." if n % 3 else f"Teil {n} ist da." for n in range(9)]
    imported = run_import(write(tmp_path / "a.csv", "\n".join([name, *texts])), tmp_path / "out")
    assert (imported.rows, imported.usable, imported.mapping.text) == (9, 9, name)


def test_sentences_with_a_semicolon_each_stay_whole(tmp_path: Path) -> None:
    texts = "".join(f"Erst lesen, Nummer {n}; dann reden.\n" for n in range(9))
    imported = run_import(write(tmp_path / "a.csv", f"Regeln\n{texts}"), tmp_path / "out")
    assert (imported.rows, imported.mapping.text) == (9, "Regeln")


def test_what_a_question_is_filed_under_is_no_answer_beside_a_text() -> None:
    rows = table(("Frage", ASKED), ("Kategorie", "{word}"), ("Auskunft", ANSWERED))
    assert guess(list(rows[0]), rows).completion == "Auskunft"
    assert guess(["Frage", "Kategorie"], rows).completion == "Kategorie"
