"""Tables with one turn in each row: the rows of a conversation become one."""

from pathlib import Path

import pytest

from studio.contract.job import Mapping
from studio.contract.records import Message
from studio.data import turn_rows
from studio.data.chat_rows import read_chat_rows
from studio.data.dataset import open_dataset
from studio.data.mapping import check, guess
from studio.data.trying import tried
from tests.data.files import refused, run_import, write, write_jsonl

SAID = (("user", "Question {n}?"), ("assistant", "Answer {n}."), ("user", "And {n} twice?"), ("assistant", "Yes, {n}."))


def turns(count: int = 20) -> list[dict[str, object]]:
    return [
        {"conversation_id": n, "role": role, "content": text.format(n=n)} for n in range(count) for role, text in SAID
    ]


def test_rows_of_one_conversation_become_one_in_their_order(tmp_path: Path) -> None:
    imported = run_import(write_jsonl(tmp_path / "turns.jsonl", turns()), tmp_path / "out")
    assert (imported.rows, imported.usable, imported.problems) == (20, 20, ())
    mapping = imported.mapping
    assert (mapping.shape, mapping.messages, mapping.speaker, mapping.conversation) == (
        "chat",
        "content",
        "role",
        "conversation_id",
    )
    record = open_dataset(tmp_path / "out").record(3)
    assert record.messages == tuple(Message(role, text.format(n=3)) for role, text in SAID)  # type: ignore[arg-type]
    assert record.source_row == 13


def test_turns_of_several_conversations_may_be_mixed(tmp_path: Path) -> None:
    rows = sorted(
        turns(), key=lambda row: [text.format(n=row["conversation_id"]) for _, text in SAID].index(str(row["content"]))
    )
    run_import(write_jsonl(tmp_path / "turns.jsonl", rows), tmp_path / "out")
    assert [message.content for message in open_dataset(tmp_path / "out").record(7).messages] == [
        text.format(n=7) for _, text in SAID
    ]


def test_a_german_table_of_tickets_is_grouped(tmp_path: Path) -> None:
    lines = [
        f"{n};{who};{what} {n}.;10:{n}" for n in range(10, 40) for who, what in (("Kunde", "Wo?"), ("Agent", "Da"))
    ]
    source = write(tmp_path / "t.csv", "Ticket;Absender;Nachricht;Zeit\n" + "\n".join(lines))
    imported = run_import(source, tmp_path / "out")
    assert (imported.usable, imported.mapping.conversation) == (30, "Ticket")
    assert [message.role for message in open_dataset(tmp_path / "out").record(0).messages] == ["user", "assistant"]


def test_conversations_that_cannot_be_learned_from_are_counted_as_such(tmp_path: Path) -> None:
    rows = [*turns(), {"conversation_id": "x", "role": "user", "content": "Nobody answers."}]
    rows.append({"conversation_id": "", "role": "assistant", "content": "To whom?"})
    imported = run_import(write_jsonl(tmp_path / "turns.jsonl", rows), tmp_path / "out")
    assert (imported.rows, imported.usable) == (22, 20)
    assert {problem.code for problem in imported.problems} == {"row.ends_on_user", "row.assistant_first"}


def test_turns_without_a_conversation_are_refused_in_words_and_never_learned_as_texts() -> None:
    rows = [{"role": role, "content": text.format(n=n)} for n in range(20) for role, text in SAID]
    problem = refused(lambda: guess(["role", "content"], rows))
    assert problem.code == "data.no_mapping"
    assert '"role" says who speaks' in problem.what
    assert "conversation_id" in problem.fix


def test_a_number_of_the_row_is_no_conversation() -> None:
    rows = [{"id": n, "role": SAID[n % 2][0], "content": f"Turn {n}"} for n in range(40)]
    assert "one turn" in refused(lambda: guess(["id", "role", "content"], rows)).what


def test_texts_by_authors_stay_texts() -> None:
    rows = [{"author": "Ann" if n % 2 else "Bob", "text": f"Chapter {n} of the story."} for n in range(20)]
    assert guess(["author", "text"], rows).shape == "text"


def test_the_choice_by_hand_is_whole_or_refused() -> None:
    columns = ["a", "b", "c"]
    check(Mapping(shape="chat", messages="a", speaker="b", conversation="c"), columns)
    half = Mapping(shape="chat", messages="a", speaker="b")
    assert refused(lambda: check(half, columns)).code == "data.mapping_incomplete"
    twice = Mapping(shape="chat", messages="a", speaker="b", conversation="b")
    assert refused(lambda: check(twice, columns)).code == "data.mapping_same"


def test_the_first_rows_are_tried_as_conversations() -> None:
    sample = '[{"a": "Hi", "b": "user", "c": 1}, {"a": "Hello", "b": "assistant", "c": 1}]'
    read = tried(sample, Mapping(shape="chat", messages="a", speaker="b", conversation="c"), ("a", "b", "c"))
    assert [getattr(one, "messages", one) for one in read] == [(Message("user", "Hi"), Message("assistant", "Hello"))]


def test_general_rows_may_be_such_a_table(tmp_path: Path) -> None:
    assert len(read_chat_rows(write_jsonl(tmp_path / "turns.jsonl", turns()))) == 20


def test_more_turns_than_can_be_held_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_rows, "MOST_TURNS", 79)
    source = write_jsonl(tmp_path / "turns.jsonl", turns())
    problem = refused(lambda: run_import(source, tmp_path / "out"))
    assert problem.code == "data.too_many_turns"
    assert not (tmp_path / "out").exists()
