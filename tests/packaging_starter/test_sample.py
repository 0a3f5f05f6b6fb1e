"""The sample: regenerates byte for byte, and its held-back questions are new to everything that was learned from."""

import itertools
import json
from pathlib import Path

from build import WORLD_SEED, general_rows
from conversations import conversations
from pretrain import Recipe
from sample import COMPANY, make_sample, write_sample
from world import make_world

SAMPLE = Path(__file__).parents[2] / "resources" / "sample"


def pairs(name: str) -> list[tuple[str, str]]:
    rows = [json.loads(line) for line in (SAMPLE / name).read_text(encoding="utf-8").splitlines()]
    return [(row["messages"][0]["content"], row["messages"][1]["content"]) for row in rows]


def test_the_files_regenerate_byte_for_byte(tmp_path: Path) -> None:
    write_sample(make_sample(), tmp_path)
    for name in ("sample.jsonl", "held_back.jsonl", "README.md"):
        assert (tmp_path / name).read_bytes() == (SAMPLE / name).read_bytes()


def test_there_are_300_rows_and_60_held_back_questions() -> None:
    assert len(pairs("sample.jsonl")) == 300
    assert len(pairs("held_back.jsonl")) == 60


def test_no_question_comes_twice_with_two_answers() -> None:
    answers: dict[str, set[str]] = {}
    for question, answer in pairs("sample.jsonl") + pairs("held_back.jsonl"):
        answers.setdefault(question, set()).add(answer)
    assert [question for question, given in answers.items() if len(given) > 1] == []


def test_no_held_back_question_stands_in_the_rows_to_learn_from() -> None:
    learned = {question.lower().rstrip("?.") for question, _ in pairs("sample.jsonl")}
    assert not [question for question, _ in pairs("held_back.jsonl") if question.lower().rstrip("?.") in learned]


def test_every_held_back_answer_can_be_learned_from_the_rows() -> None:
    assert {answer for _, answer in pairs("held_back.jsonl")} == {answer for _, answer in pairs("sample.jsonl")}


def test_the_base_has_never_heard_of_the_company() -> None:
    world = make_world(WORLD_SEED)
    texts = [conversations(cycle.text_seed, world, cycle.mixture) for cycle in Recipe().cycles]
    for messages in itertools.chain(general_rows(world), *(itertools.islice(text, 8_000) for text in texts)):
        assert not any(COMPANY.lower() in message["content"].lower() for message in messages)


def test_general_rows_answer_no_question_of_the_sample_otherwise() -> None:
    asked = {question.lower().rstrip("?.") for question, _ in pairs("sample.jsonl") + pairs("held_back.jsonl")}
    for messages in general_rows(make_world(WORLD_SEED)):
        if messages[0]["role"] == "user" and len(messages) == 2:
            assert messages[0]["content"].lower().rstrip("?.") not in asked
