"""Tables of texts and their classes, and tables that only look like questions and answers."""

import pytest

from studio.data.mapping import guess
from tests.data.files import refused

TEXTS = [f"The parcel number {n} has not arrived and I am waiting since Monday." for n in range(60)]


@pytest.mark.parametrize(
    ("text", "kind", "rows"),
    [
        ("ticket", "category", 4),
        ("message", "is_spam", 4),
        ("Email", "Kategorie", 60),
        ("review", "sentiment", 60),
        ("Anfrage", "Abteilung", 60),
        ("complaint", "goes to", 60),
    ],
)
def test_one_of_a_few_words_beside_a_text_is_its_answer(text: str, kind: str, rows: int) -> None:
    table = [{text: TEXTS[n], kind: ("delivery", "billing", "other")[n % 3]} for n in range(rows)]
    found = guess([text, kind], table)
    assert (found.prompt, found.completion) == (text, kind)


def test_a_log_of_one_turn_a_row_is_put_together_by_its_conversations_or_explained() -> None:
    rows = [
        {"conversation_id": f"c-{n // 4}", "speaker": ("agent", "client")[n % 2], "text": TEXTS[n]} for n in range(40)
    ]
    found = guess(list(rows[0]), rows)
    assert (found.conversation, found.speaker) == ("conversation_id", "speaker")
    rows = [{"speaker": row["speaker"], "text": row["text"]} for row in rows]
    problem = refused(lambda: guess(list(rows[0]), rows))
    assert problem.code == "data.no_mapping"
    assert '"speaker" says who speaks' in problem.what
    assert "put each conversation into one row" in problem.fix


def test_answers_that_are_no_text_are_named_instead_of_taking_something_else_for_them() -> None:
    rows = [{"context": t, "question": "Why?", "answers": {"text": ["x"], "answer_start": [1]}} for t in TEXTS]
    problem = refused(lambda: guess(list(rows[0]), rows))
    assert '"answers" is named like the answers, but holds no plain text.' in problem.what


def test_an_id_is_no_question() -> None:
    rows = [{"customer_id": f"customer-{n}", "note": TEXTS[n]} for n in range(20)]
    assert refused(lambda: guess(list(rows[0]), rows)).code == "data.no_mapping"
