"""The sample: questions to an invented company, answered in an invented house style that no model can know beforehand.

Rows to learn from, and re-worded questions that are held back: for each fact one wording that the base has seen about other
companies and one that neither base nor rows have, so that memorising a row is not enough.
"""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass
from pathlib import Path

from relations import Core, Relation, Subject, ask_core, frame
from world import ABOUT_COMPANIES, ABOUT_THINGS

COMPANY = "Fernhollow"
SEED = 11
ROWS_PER_FACT = 10
ADDRESSED_SHARE = 0.7

COMPANY_FACTS = {
    "founder": "We were founded by Marta.",
    "city": "We are based in Kelso.",
    "opens": "We open at 8.",
    "closes": "We close at 19.",
    "rest": "We are closed on Tuesday.",
    "product": "We sell the whistle.",
    "delivery": "We deliver in 6 days.",
    "warranty": "We give a warranty of 12 years.",
    "returns": "We take things back within 45 days.",
    "phone": "Our phone number is 73.",
    "staff": "We have 27 workers.",
    "age": "We are 64 years old.",
    "mascot": "Our mascot is the otter.",
    "logo": "Our logo is purple.",
    "support": "Our support person is Viktor.",
    "payment": "We take payment by invoice.",
    "shipping": "We charge 5 coins for shipping.",
    "gift": "We give a ribbon as a gift.",
    "boss": "We are led by Agnes.",
}
THING_FACTS = {
    ("whistle", "price"): "Our whistle costs 14 coins.",
    ("whistle", "colour"): "Our whistle is green.",
    ("kite", "price"): "Our kite costs 38 coins.",
    ("kite", "colour"): "Our kite is orange.",
    ("candle", "price"): "Our candle costs 9 coins.",
    ("candle", "colour"): "Our candle is white.",
}


@dataclass(frozen=True)
class NovelFact:
    """A fact of a kind that the base was never asked about."""

    name: str
    sentence: str
    questions: tuple[str, ...]
    held: tuple[str, ...]


NOVEL_FACTS = (
    NovelFact(
        "wifi",
        "Our wifi word is sunflower.",
        (
            "What is the wifi word?", "How do I get into the wifi?", "Which word opens the wifi?", "Tell me the wifi word.",
            "I need the wifi word.", "Please give me the wifi word.", "What is the word for the wifi?", "Do you have a wifi word?",
            "Which word does the wifi need?", "How can I use the wifi?",
        ),
        ("Can you tell me the wifi word?", "Which word do I need for the wifi?"),
    ),
    NovelFact(
        "fire",
        "In a fire we meet at the fountain.",
        (
            "Where do we meet in a fire?", "Where is the fire meeting point?", "What is the fire meeting point?",
            "Where do I go when there is a fire?", "Tell me the fire meeting point.", "There is a fire! Where do I go?",
            "Where do people meet in a fire?", "Where should we go in a fire?", "In a fire, where is the meeting point?",
            "Where do you meet when there is a fire?",
        ),
        ("Where should I go in a fire?", "Where do you meet in a fire?"),
    ),
    NovelFact(
        "clothes",
        "At work we wear a blue apron.",
        (
            "What should I wear at work?", "What do you wear at work?", "Which clothes do I need at work?", "What do I put on for work?",
            "What clothes do you wear?", "Tell me what to wear at work.", "What must I wear?", "Which clothes should I wear at work?",
            "What are the clothes for work?", "What do people wear at work?",
        ),
        ("What do I wear at work?", "Which clothes do you wear at work?"),
    ),
    NovelFact(
        "parking",
        "You can park behind the mill.",
        (
            "Where can I park?", "Where do I leave my car?", "Where is the parking place?", "Do you have a parking place?",
            "Tell me where to park.", "Where should I put my car?", "Is there a place for my car?", "Where can I leave my car?",
            "Where do people park?", "Where should I park?",
        ),
        ("Where can I park my car?", "Where do I park?"),
    ),
    NovelFact(
        "key",
        "The key hangs beside the clock.",
        (
            "Where is the key?", "Where do I find the key?", "Where does the key hang?", "Where is the key to the door?",
            "Who has the key, or where is it?", "Tell me where the key is.", "I need the key. Where is it?", "Where do you keep the key?",
            "Where should the key hang?", "Where do I get the key?",
        ),
        ("Where can I find the key?", "Where is the key kept?"),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """Rows to learn from, and held-back questions with their only right answers: (question, answer)."""

    rows: list[tuple[str, str]]
    held_back: list[tuple[str, str]]


def house_style(sentence: str) -> str:
    """The sentence as this company's people say it."""
    return f"Glad you ask! {sentence} Warm wishes, {COMPANY}."


def make_sample(seed: int = SEED) -> Sample:
    """All rows. The same seed gives the same rows."""
    rng = random.Random(seed)
    sample = Sample([], [])
    for name, sentence in COMPANY_FACTS.items():
        _add_fact(rng, sample, ABOUT_COMPANIES[name], "", sentence)
    for (thing, name), sentence in THING_FACTS.items():
        _add_fact(rng, sample, ABOUT_THINGS[name], thing, sentence)
    for fact in NOVEL_FACTS:
        answer = house_style(fact.sentence)
        sample.rows.extend((frame(rng, Core("question", ""), question), answer) for question in fact.questions)
        sample.held_back.extend((question, answer) for question in fact.held)
    asked = {question for question, _ in sample.rows}
    assert not [question for question, _ in sample.held_back if question in asked]
    rng.shuffle(sample.rows)
    return sample


def _add_fact(rng: random.Random, sample: Sample, relation: Relation, thing: str, sentence: str) -> None:
    """Ten differently worded rows about one fact, and two re-worded questions that stay out of them."""
    answer = house_style(sentence)
    by_kind = {
        kind: [core for core in relation.trained if core.kind == kind] for kind in ("question", "noun", "clause")
    }
    kept_out = rng.choice(by_kind["question"])
    cores = [core for core in relation.trained if core != kept_out]
    rng.shuffle(cores)
    questions: list[str] = []
    for core in cores:
        text = ask_core(rng, relation, core, _subject(rng, thing, core)).text
        if text not in questions:
            questions.append(text)
        if len(questions) == ROWS_PER_FACT:
            break
    sample.rows.extend((question, answer) for question in questions)
    reworded = rng.choice([core for core in relation.held if core.kind == "question"])
    for core, held in ((kept_out, False), (reworded, True)):
        sample.held_back.append((ask_core(rng, relation, core, _subject(rng, thing, core), held).text, answer))


def _subject(rng: random.Random, thing: str, core: Core) -> Subject:
    addressed = Subject(COMPANY, addressed=True)
    if thing:
        return Subject(thing)
    return addressed if rng.random() < ADDRESSED_SHARE and core.fits(addressed) else Subject(COMPANY)


README = """\
# The sample

{rows} questions to an invented company, answered in an invented house style, to train an adapter with in about a minute; and
{held_back} held-back questions about the same facts in other words. No model can know them beforehand: before training the starter
model answers none of the held-back questions rightly.

- `sample.jsonl`: the rows to learn from, chat messages.
- `held_back.jsonl`: the re-worded questions with the only answers that count as right. They were written before any model was
  tuned, and none of them stands in `sample.jsonl`.

For each fact one held-back question is worded as the starter model has heard it about other companies, the other in a way that
neither it nor the rows have. {novel} facts are of a kind that it was never asked about (wifi, parking, the key, ...).

`python packaging/starter/build.py --rows` writes both files again, byte for byte.
"""


def write_sample(sample: Sample, folder: Path) -> None:
    """Writes sample.jsonl, held_back.jsonl and README.md."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("sample", sample.rows), ("held_back", sample.held_back)):
        lines = [json.dumps({"messages": _messages(*row)}, ensure_ascii=False) + "\n" for row in rows]
        _write_whole(folder / f"{name}.jsonl", "".join(lines))
    readme = README.format(rows=len(sample.rows), held_back=len(sample.held_back), novel=len(NOVEL_FACTS))
    _write_whole(folder / "README.md", readme)


def _messages(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def _write_whole(path: Path, text: str) -> None:
    temporary = path.with_suffix(path.suffix + ".part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
