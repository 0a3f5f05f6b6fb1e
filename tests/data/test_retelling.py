"""Summaries, translations and replies are the answer, however short they are beside the text that they tell again."""

from pathlib import Path

import pytest

from studio.contract.job import Mapping
from studio.data.mapping import guess
from tests.data.files import run_import, write_jsonl

LONG = "This is report number {n} with many sentences about one patient. It goes on and on, and on for a while. " * 3
SHORT = "Short note {n} in a few words."


def guessed(*columns: str, **more: str) -> Mapping:
    """The guess for a long first and a short second column."""
    texts = {columns[0]: LONG, columns[1]: SHORT, **more}
    rows = [{name: text.format(n=n) for name, text in texts.items()} for n in range(30)]
    return guess(list(texts), rows)


@pytest.mark.parametrize(
    ("text", "retold"),
    [
        ("document", "summary"),
        ("article", "highlights"),
        ("text", "summary"),
        ("note", "summary"),
        ("dialogue", "summary"),
        ("Arztbrief", "Zusammenfassung"),
        ("Bericht", "Kurzfassung"),
        ("Befund", "Beurteilung"),
        ("findings", "impression"),
        ("report", "impression"),
        ("transcript", "minutes"),
        ("informe", "resumen"),
        ("texte", "résumé"),
        ("Kundenmail", "Antwortmail"),
        ("Mail", "Kundendienstantwort"),
        ("original", "simplified"),
        ("text", "Übersetzung"),
        ("complaint", "classification"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_the_retelling_is_the_answer_wherever_it_stands(text: str, retold: str, turned: bool) -> None:
    rows = [{text: LONG.format(n=n), retold: SHORT.format(n=n)} for n in range(30)]
    mapping = guess([retold, text] if turned else [text, retold], rows)
    assert (mapping.shape, mapping.prompt, mapping.completion) == ("prompt_completion", text, retold)
    assert '"' + retold + '"' in mapping.reason


def test_an_instruction_above_a_text_keeps_the_text() -> None:
    mapping = guessed("text", "summary", instruction="Sum it up, please ({n}).")
    assert (mapping.prompt, mapping.context, mapping.completion) == ("instruction", "text", "summary")


def test_where_a_text_comes_from_is_no_question() -> None:
    mapping = guessed("article", "highlights", source="The Daily {n}")
    assert (mapping.prompt, mapping.completion) == ("article", "highlights")


def test_a_curriculum_vitae_is_no_summary_of_its_kind() -> None:
    rows = [{"Resume": LONG.format(n=n), "Category": ("Law", "Art")[n % 2]} for n in range(30)]
    mapping = guess(["Resume", "Category"], rows)
    assert (mapping.prompt, mapping.completion) == ("Resume", "Category")


def test_the_day_of_an_answer_is_no_answer() -> None:
    mapping = guessed("Anliegen", "Erledigung", Antwortdatum="Montag der {n}.")
    assert "Antwortdatum" not in (mapping.prompt, mapping.completion)


def test_a_guess_by_length_alone_is_a_warning_and_one_by_name_is_none(tmp_path: Path) -> None:
    told = {}
    for name in ("risk", "summary"):
        rows = [{"clause": LONG.format(n=n), name: SHORT.format(n=n)} for n in range(30)]
        imported = run_import(write_jsonl(tmp_path / f"{name}.jsonl", rows), tmp_path / name)
        told[name] = [problem.code for problem in imported.problems]
    assert told == {"risk": ["data.guessed_by_length"], "summary": []}


def test_columns_that_were_chosen_are_not_warned_of(tmp_path: Path) -> None:
    rows = [{"clause": LONG.format(n=n), "risk": SHORT.format(n=n)} for n in range(30)]
    chosen = Mapping(shape="prompt_completion", prompt="clause", completion="risk")
    assert run_import(write_jsonl(tmp_path / "a.jsonl", rows), tmp_path / "out", chosen).problems == ()
