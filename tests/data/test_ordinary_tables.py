"""Tables as people have them: what is beside question and answer is not taken for them."""

import pytest

from studio.data.mapping import guess

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


def test_authors_of_texts_are_no_speakers() -> None:
    rows = table(("Author", "Ann {n}"), ("Quote", MAIL))
    assert (found := guess(list(rows[0]), rows)).speaker == ""
    assert found.completion == "Quote"


@pytest.mark.parametrize(
    ("columns", "prompt", "completion"),
    [
        (("Frage zum Status", "Antwort", "Bemerkung"), "Frage zum Status", "Antwort"),
        (("Question (marks)", "Model answer", "Examiner notes"), "Question (marks)", "Model answer"),
        (("Question", "High quality answer", "Notes"), "Question", "High quality answer"),
        (("Review question", "Author response", "Result of review"), "Review question", "Author response"),
        (("Question", "Author reply", "Target group"), "Question", "Author reply"),
        (("Source question", "Answer", "Human check"), "Source question", "Answer"),
        (("Question", "True or false answer", "Explanation"), "Question", "True or false answer"),
        (("question", *(f"answer_{n}" for n in range(1, 11))), "question", "answer_1"),
        (("question_1", "answer_1", "question_2", "answer_2", "user_country"), "question_1", "answer_1"),
        (("E-Mail", "Frage", "Notiz"), "Frage", "Notiz"),
    ],
)
def test_a_word_that_often_stands_beside_an_answer_takes_no_column_from_it(
    columns: tuple[str, ...], prompt: str, completion: str
) -> None:
    shown = {"E-Mail": "anna.{n}@mail.example"}
    rows = table(*((name, shown.get(name, ASKED if name == prompt else ANSWERED)) for name in columns))
    found = guess(list(rows[0]), rows)
    assert (found.prompt, found.completion) == (prompt, completion)
