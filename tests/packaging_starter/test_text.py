"""The starter's text: its grammar, its seeds, and that what tests it never stands in what it learned from."""

import itertools
import json
import random
import re
from pathlib import Path

import pytest
from build import GENERAL_ROWS, PROBE_SEED, WORLD_SEED, general_rows
from conversations import EARLY, about_itself, conversations, make_conversation, read_note
from pretrain import Recipe
from probes import Probe, make_probes, require_unseen
from relations import Subject, ask, bare, fill
from skills import I_DO_NOT_KNOW, SKILLS, plural
from world import ABOUT_COMPANIES, ABOUT_PEOPLE, ABOUT_THINGS, PEOPLE, VALUES, make_world

STARTER = Path(__file__).parents[2] / "resources" / "starter"
WORLD = make_world(WORLD_SEED)
PROBES = make_probes(PROBE_SEED, WORLD)
ALL_RELATIONS = [*ABOUT_PEOPLE.values(), *ABOUT_THINGS.values(), *ABOUT_COMPANIES.values()]


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_no_probe_wording_stands_in_the_training_text() -> None:
    for cycle in Recipe().cycles:
        require_unseen(PROBES, itertools.islice(conversations(cycle.text_seed, WORLD, cycle.mixture), 8_000))
        if cycle.early_steps:
            require_unseen(PROBES, itertools.islice(conversations(cycle.text_seed + 1, WORLD, EARLY), 4_000))


def test_a_probe_whose_wording_was_trained_is_caught() -> None:
    asked = next(conversations(1, WORLD))[-2]["content"]
    with pytest.raises(AssertionError, match="wordings of probes"):
        require_unseen([Probe("people", asked, bare(asked), "")], conversations_head(1, 1))


def conversations_head(seed: int, count: int) -> list:
    return list(itertools.islice(conversations(seed, WORLD), count))


def test_no_probe_wording_stands_in_the_general_rows_that_are_shipped() -> None:
    require_unseen(PROBES, [row["messages"] for row in rows(STARTER / "general.jsonl")])


def test_the_shipped_probes_are_those_that_the_seed_gives() -> None:
    assert rows(STARTER / "probes.jsonl") == [probe.row() for probe in PROBES]
    assert len(PROBES) == 300
    assert len({probe.question for probe in PROBES}) == 300


def test_the_shipped_general_rows_are_those_that_the_seed_gives() -> None:
    assert [row["messages"] for row in rows(STARTER / "general.jsonl")] == general_rows(WORLD)
    assert len(general_rows(WORLD)) == GENERAL_ROWS


def test_general_rows_never_deny_what_a_company_teaches_its_assistant() -> None:
    rng = random.Random(5)
    denied = {about_itself(rng).asked.text for _ in range(5_000)}
    for messages in general_rows(WORLD):
        alone = len(messages) == 2 and messages[1]["content"] == I_DO_NOT_KNOW
        assert not (alone and messages[0]["content"] in denied)


def test_the_same_seed_gives_the_same_text() -> None:
    assert conversations_head(9, 300) == conversations_head(9, 300)
    assert conversations_head(9, 300) != conversations_head(10, 300)


def test_every_conversation_alternates_and_ends_with_the_assistant() -> None:
    for messages in conversations_head(3, 3_000):
        spoken = [message["role"] for message in messages if message["role"] != "system"]
        assert spoken == ["user", "assistant"] * (len(spoken) // 2)
        assert all(message["role"] != "system" for message in messages[1:])
        assert all(message["content"].strip() == message["content"] != "" for message in messages)


@pytest.mark.parametrize("relation", ALL_RELATIONS, ids=lambda relation: relation.name)
def test_every_wording_is_filled_completely_and_held_wordings_stay_apart(relation) -> None:
    value = VALUES[relation.values][0]
    for addressed in (True, False):
        subject = Subject("Ironwick", addressed)
        filled = [fill(core.text, subject, value) for core in (*relation.trained, *relation.held) if core.fits(subject)]
        assert not [text for text in filled if set(text) & set("{}[]|")]
        assert not [text for text in filled if "  " in text or " ?" in text]
    assert not set(relation.trained) & set(relation.held)
    assert {core.kind for core in relation.held} == {"question", "noun", "clause"}


def test_verbs_follow_their_subject() -> None:
    opens = ABOUT_COMPANIES["opens"].trained[0]
    assert fill(opens.text, Subject("Ironwick")) == "When does Ironwick open?"
    assert fill(opens.text, Subject("Ironwick", addressed=True)) == "When do you open?"


def test_an_article_follows_its_noun() -> None:
    mascot = ABOUT_COMPANIES["mascot"]
    assert mascot.state("Ironwick", "owl") == "Ironwick has an owl as its mascot."
    assert mascot.state("Ironwick", "fox") == "Ironwick has a fox as its mascot."


def test_a_person_is_asked_for_with_who() -> None:
    rng = random.Random(0)
    founder = ABOUT_COMPANIES["founder"]
    texts = {ask(rng, founder, Subject("Ironwick")).text for _ in range(400)}
    assert "What is the founder of Ironwick?" not in texts
    assert "Who is the person who founded Ironwick?" in texts


def test_nobody_teaches_themselves_and_every_fact_is_there() -> None:
    assert all(WORLD.people[name, "teacher"] != name for name in PEOPLE)
    assert WORLD.fact_count == 575


def test_a_note_holds_the_answers_to_its_questions() -> None:
    rng = random.Random(1)
    for _ in range(300):
        messages = read_note(rng, (1, 2, 3))
        everything = " ".join(message["content"] for message in messages if message["role"] != "assistant")
        for message in messages:
            if message["role"] == "assistant" and message["content"] not in ("Noted.", I_DO_NOT_KNOW):
                last_word = message["content"].rstrip(".").split()[-1]
                assert last_word in everything or any(word in everything for word in message["content"].split()[3:])


@pytest.mark.parametrize("name", SKILLS)
def test_a_skill_never_asks_a_held_wording_in_training(name) -> None:
    rng = random.Random(0)
    trained = {SKILLS[name](rng, False).asked.core for _ in range(400)}
    held = {SKILLS[name](rng, True).asked.core for _ in range(100)}
    assert not trained & held


def test_skills_answer_rightly() -> None:
    rng = random.Random(2)
    for _ in range(200):
        exchange = SKILLS["compare"](rng, False)
        numbers = [int(digits) for digits in re.findall(r"\d+", exchange.asked.text)]
        choose = max if "bigger" in exchange.answer else min
        assert exchange.answer.endswith(f" {choose(numbers)}.")


@pytest.mark.parametrize(
    ("one", "many"), [("lamp", "lamps"), ("knife", "knives"), ("box", "boxes"), ("bench", "benches")]
)
def test_plurals(one: str, many: str) -> None:
    assert plural(one) == many


def test_the_mixture_contains_every_kind() -> None:
    rng = random.Random(4)
    texts = [" ".join(message["content"] for message in make_conversation(rng, WORLD)) for _ in range(2_000)]
    assert any(I_DO_NOT_KNOW in text for text in texts)
    assert any("Noted." in text for text in texts)
    assert any("There are" in text for text in texts)
