"""Chats on disk, and what each side of a chat reads."""

import json
from pathlib import Path

import pytest

from studio.contract import job
from studio.contract.control import Going
from studio.contract.errors import StudioError
from studio.contract.metrics import same_words
from studio.contract.records import Message
from studio.contract.run_folder import chats_folder, datasets_folder
from studio.contract.sampling import Sampling
from studio.data.importing import import_dataset
from studio.supervisor import chats, held_back
from studio.supervisor.chats import Chat, Exchange, Reply


def exchange(question: str, base: str = "", tuned: str = "", fresh: bool = False, system: str = "") -> Exchange:
    replies = (Reply(side="", name="m", text=base), Reply(side="a", name="run-1", text=tuned))
    return Exchange(question=question, replies=replies, sampling=Sampling(), fresh=fresh, system=system)


def chat(*exchanges: Exchange) -> Chat:
    return Chat(
        id=chats.new_id(),
        model="/m",
        model_name="m",
        adapters=(job.AdapterRef("a", "/a", "run-1"),),
        run="a",
        exchanges=list(exchanges),
    )


def test_a_saved_chat_comes_back_as_it_was() -> None:
    saved = chat(exchange("Hi?", "Ho.", "Hey."))
    chats.save(saved)
    assert chats.load(saved.id) == saved
    assert (chats_folder() / f"{saved.id}.json").stat().st_mode & 0o777 == 0o600


def test_a_chat_without_a_question_is_not_kept() -> None:
    chats.save(chat())
    assert chats.list_chats() == []


def test_the_last_used_chat_is_listed_first_and_a_damaged_one_hides_no_other() -> None:
    first, second = chat(exchange("one")), chat(exchange("two"))
    chats.save(first)
    chats.save(second)
    chats.save(first)
    (chats_folder() / "chat-broken.json").write_text("{", encoding="utf-8")
    assert [found.title for found in chats.list_chats()] == ["one", "two"]


def test_a_damaged_chat_says_so() -> None:
    (chats_folder() / "chat-broken.json").write_text('{"id": 3}', encoding="utf-8")
    with pytest.raises(StudioError, match="damaged"):
        chats.load("chat-broken")


def test_no_id_leads_out_of_the_folder(tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    outside.write_text("mine", encoding="utf-8")
    chats.delete("../../outside")
    assert outside.read_text(encoding="utf-8") == "mine"


def test_each_side_reads_its_own_replies_only() -> None:
    talk = chat(exchange("one", "base 1", "tuned 1"), exchange("two", "base 2", "tuned 2"), exchange("three"))
    assert [message.content for message in talk.conversation("a", 2)] == ["one", "tuned 1", "two", "tuned 2", "three"]
    assert [message.content for message in talk.conversation("", 2)] == ["one", "base 1", "two", "base 2", "three"]


def test_a_question_that_a_side_did_not_answer_is_left_out_of_its_history() -> None:
    talk = chat(exchange("one", "base 1", ""), exchange("two"))
    assert talk.conversation("a", 1) == (Message("user", "two"),)


def test_a_fresh_question_reads_nothing_above_and_later_ones_read_from_there() -> None:
    talk = chat(exchange("one", "b", "t"), exchange("two", "b 2", "t 2", fresh=True), exchange("three"))
    assert talk.conversation("a", 1) == (Message("user", "two"),)
    assert [message.content for message in talk.conversation("a", 2)] == ["two", "t 2", "three"]


def test_the_system_prompt_comes_first() -> None:
    assert chat(exchange("one", system="Be brief.")).conversation("", 0)[0] == Message("system", "Be brief.")


def _import(tmp_path: Path, rows: int, held_back_rows: int = 0) -> Path:
    def write(name: str, count: int, word: str) -> str:
        path = tmp_path / name
        path.write_text("".join(f'{{"question": "{word} {n}?", "answer": "{n}"}}\n' for n in range(count)))
        return str(path) if count else ""

    target = datasets_folder() / "rows"
    work = job.ImportJob(
        source=write("rows.jsonl", rows, "learned"),
        destination=str(target),
        name="rows",
        held_back=write("own.jsonl", held_back_rows, "tested"),
    )
    import_dataset(work, lambda event: None, Going())
    return target


def test_questions_are_those_that_the_runs_own_split_holds_back(tmp_path: Path) -> None:
    from studio.data.dataset import open_dataset

    folder = _import(tmp_path, 100)
    dataset = open_dataset(folder)
    sides = dataset.sides(0.3)
    wanted = {dataset.record(n).messages[0].content for n in range(100) if sides[n]}
    found = held_back.questions(folder, 0.3, most=100)
    assert {question.text for question in found} == wanted
    assert found[0].expected == found[0].text.removeprefix("learned ").removesuffix("?")


def test_the_users_own_test_file_is_where_questions_come_from(tmp_path: Path) -> None:
    found = held_back.questions(_import(tmp_path, 50, 7), 0.5)
    assert {question.text.split()[0] for question in found} == {"tested"}
    assert len(found) == 7


def test_questions_that_the_run_saw_become_right_come_first_once_each(tmp_path: Path) -> None:
    folder = _import(tmp_path, 50, 7)
    plain = [question.text for question in held_back.questions(folder, 0.5)]
    wanted = [plain[-1], "a question that is not there", plain[2]]
    found = [question.text for question in held_back.questions(folder, 0.5, wanted)]
    assert found[:2] == [plain[-1], plain[2]]
    assert sorted(found) == sorted(plain)


def test_a_dataset_that_is_gone_gives_no_questions(tmp_path: Path) -> None:
    assert held_back.questions(tmp_path / "gone", 0.1) == []


def test_held_back_texts_and_compared_or_rated_answers_are_no_questions(tmp_path: Path) -> None:
    for number, row in enumerate(
        (
            {"text": "Once."},
            {"prompt": "a?", "chosen": "b", "rejected": "c"},
            {"prompt": "a?", "completion": "b", "label": True},
        )
    ):
        source = tmp_path / f"{number}.jsonl"
        source.write_text("\n".join(json.dumps({**row, "id": n}) for n in range(9)), encoding="utf-8")
        target = tmp_path / f"data-{number}"
        import_dataset(
            job.ImportJob(source=str(source), destination=str(target), name="x"), lambda event: None, Going()
        )
        assert held_back.questions(target, 1.0) == []


def test_answers_are_compared_word_for_word_whatever_their_spaces() -> None:
    assert same_words("a  b\n", "a b")
    assert not same_words("a b.", "a b")
    assert not same_words("A b", "a b")
