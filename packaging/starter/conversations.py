"""The training text: short conversations about the closed world, notes to read, small skills.

A conversation is a list of {"role", "content"} messages that ends with the assistant.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from relations import Asked, Core, Relation, Subject, ask, bare, capitalise, fill, frame
from skills import I_DO_NOT_KNOW, SKILL_WEIGHTS, Exchange, use_skill
from world import (
    ABOUT_COMPANIES,
    ABOUT_PEOPLE,
    ABOUT_THINGS,
    KNOWN_COMPANIES,
    KNOWN_THINGS,
    OTHER_COMPANIES,
    OTHER_THINGS,
    PEOPLE,
    STRANGERS,
    World,
    draw_value,
)

Message = dict[str, str]
Conversation = list[Message]

SYSTEM_PROMPTS = (
    "You are a helpful assistant.", "You help in the workshop.", "Answer in one short sentence.", "You are the starter model.",
    "Be brief and polite.", "You are a helper in the workshop. Answer truthfully.",
)  # fmt: skip
CHECK_SHARE = 0.08


def as_messages(exchanges: list[Exchange]) -> Conversation:
    """Exchanges as alternating user and assistant messages."""
    messages = []
    for exchange in exchanges:
        messages.append({"role": "user", "content": exchange.asked.text})
        messages.append({"role": "assistant", "content": exchange.answer})
    return messages


# --- from memory -----------------------------------------------------------------------------------------------------


def recall_person(rng: random.Random, world: World, held: bool = False, check_share: float = CHECK_SHARE) -> Exchange:
    """A fact about a known person."""
    name, relation = rng.choice(PEOPLE), rng.choice(list(ABOUT_PEOPLE.values()))
    return _recall(rng, relation, name, world.people[name, relation.name], held, check_share)


def recall_thing(rng: random.Random, world: World, held: bool = False, check_share: float = CHECK_SHARE) -> Exchange:
    """A fact about a known thing."""
    name, relation = rng.choice(KNOWN_THINGS), rng.choice(list(ABOUT_THINGS.values()))
    return _recall(rng, relation, name, world.things[name, relation.name], held, check_share)


def recall_company(rng: random.Random, world: World, held: bool = False, check_share: float = CHECK_SHARE) -> Exchange:
    """A fact about a known company."""
    name, relation = rng.choice(KNOWN_COMPANIES), rng.choice(list(ABOUT_COMPANIES.values()))
    return _recall(rng, relation, name, world.companies[name, relation.name], held, check_share)


def _recall(rng: random.Random, relation: Relation, name: str, value: str, held: bool, check_share: float) -> Exchange:
    statement = relation.state(name, value)
    if relation.checks and rng.random() < check_share:
        claimed = value if rng.random() < 0.5 else draw_value(rng, relation)
        wording = fill(rng.choice(relation.held_checks if held else relation.checks), Subject(name), claimed)
        asked = Asked(frame(rng, Core("question", ""), wording, held), bare(wording))
        return Exchange(asked, f"{'Yes' if claimed == value else 'No'}, {_inside(statement, name)}")
    return Exchange(ask(rng, relation, Subject(name), held), statement)


def _inside(statement: str, name: str) -> str:
    return statement if statement.startswith(name) else statement[:1].lower() + statement[1:]


def recall(rng: random.Random, world: World, check_share: float = CHECK_SHARE) -> Exchange:
    """A fact of the closed world; each kind as often as it has facts."""
    weights = [len(world.people), len(world.things), len(world.companies)]
    kinds: list[Callable[..., Exchange]] = [recall_person, recall_thing, recall_company]
    return rng.choices(kinds, weights)[0](rng, world, check_share=check_share)


def about_itself(rng: random.Random) -> Exchange:
    """A question to the company that the model works for, which nobody has told it about."""
    return Exchange(ask(rng, rng.choice(list(ABOUT_COMPANIES.values())), Subject("", addressed=True)), I_DO_NOT_KNOW)


def unknown(rng: random.Random) -> Exchange:
    """A question about somebody or something that the model has never heard of."""
    choice = rng.random()
    if choice < 0.45:
        asked = ask(rng, rng.choice(list(ABOUT_COMPANIES.values())), Subject(rng.choice(OTHER_COMPANIES)))
    elif choice < 0.8:
        asked = ask(rng, rng.choice(list(ABOUT_PEOPLE.values())), Subject(rng.choice(STRANGERS)))
    else:
        asked = ask(rng, rng.choice(list(ABOUT_THINGS.values())), Subject(rng.choice(OTHER_THINGS)))
    return Exchange(asked, I_DO_NOT_KNOW)


# --- from a note -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NoteFact:
    """One fact of a note: about whom it is asked, how it is written down, what the answer is."""

    relation: Relation
    subject: Subject
    written: str
    answer: str


@dataclass(frozen=True)
class Note:
    """A short note: its text, its facts, and questions that it does not answer."""

    text: str
    facts: list[NoteFact]
    absent: list[tuple[Relation, Subject]]


def company_note(rng: random.Random, fact_count: int) -> Note:
    """A note about an invented company that appears nowhere else."""
    name = rng.choice(OTHER_COMPANIES)
    relations = rng.sample(list(ABOUT_COMPANIES.values()), fact_count + 1)
    facts = []
    for relation in relations[1:]:
        value = draw_value(rng, relation)
        label = relation.answer.replace("{N}", name) if rng.random() < 0.7 else f"{relation.label}: {value}."
        written = capitalise(fill(label, Subject(name), value))
        facts.append(NoteFact(relation, _company_subject(rng, name), written, relation.state("the shop", value)))
    if rng.random() < 0.3:
        facts.append(_thing_fact(rng, rng.choice(OTHER_THINGS)))
        rng.shuffle(facts)
    text = " ".join(fact.written for fact in facts)
    if name not in text or rng.random() < 0.6:
        text = (
            rng.choice(("Facts about {n}: ", "You work for {n}. ", "This is about {n}. ", "Note about {n}: ")).format(
                n=name
            )
            + text
        )
    return Note(text, facts, [(relations[0], _company_subject(rng, name))])


def _company_subject(rng: random.Random, name: str) -> Subject:
    choice = rng.random()
    if choice < 0.5:
        return Subject(name, addressed=True)
    return Subject("the shop" if choice < 0.7 else name)


def _thing_fact(rng: random.Random, name: str) -> NoteFact:
    relation = rng.choice([relation for key, relation in ABOUT_THINGS.items() if key != "maker"])
    value = draw_value(rng, relation)
    statement = relation.state(name, value)
    return NoteFact(relation, Subject(name), statement, statement)


def people_note(rng: random.Random, fact_count: int) -> Note:
    """A note about one or two people whom the model does not know."""
    names = rng.sample(STRANGERS, 1 if fact_count == 1 else rng.choice((1, 2, 2)))
    relations = rng.sample(list(ABOUT_PEOPLE.values()), min(fact_count, 3) + 1)
    facts = []
    for relation in relations[1:]:
        for name in names:
            statement = relation.state(name, draw_value(rng, relation))
            facts.append(NoteFact(relation, Subject(name), statement, statement))
    text = " ".join(fact.written for fact in facts)
    return Note(
        rng.choice(("", "", "Note: ", "Read this: ")) + text, facts, [(relations[0], Subject(rng.choice(names)))]
    )


def things_note(rng: random.Random, fact_count: int) -> Note:
    """A note about some things that the model has no facts about."""
    names = rng.sample(OTHER_THINGS, fact_count + 1)
    facts = [_thing_fact(rng, name) for name in names[1:]]
    text = " ".join(fact.written for fact in facts)
    absent = [(facts[0].relation, Subject(names[0]))]
    return Note(rng.choice(("", "", "Note: ", "Read this: ")) + text, facts, absent)


NOTES: tuple[tuple[Callable[[random.Random, int], Note], float], ...] = (
    (company_note, 0.62),
    (people_note, 0.24),
    (things_note, 0.14),
)
ABSENT_SHARE = 0.1
SHORT_NOTES = (1, 1, 2)
NOTES_OF_ALL_LENGTHS = (1, 2, 2, 3, 3, 4, 4, 5)


def read_note(
    rng: random.Random, question_counts: tuple[int, ...], fact_counts: tuple[int, ...] = NOTES_OF_ALL_LENGTHS
) -> Conversation:
    """A note in the system message, in an earlier turn or beside the question, and some questions about it."""
    make = rng.choices([make for make, _ in NOTES], [weight for _, weight in NOTES])[0]
    note = make(rng, rng.choice(fact_counts))
    exchanges = [
        Exchange(ask(rng, fact.relation, fact.subject), fact.answer)
        for fact in rng.sample(note.facts, min(len(note.facts), rng.choice(question_counts)))
    ]
    if rng.random() < ABSENT_SHARE:
        relation, subject = note.absent[0]
        exchanges.insert(rng.randrange(len(exchanges) + 1), Exchange(ask(rng, relation, subject), I_DO_NOT_KNOW))
    return _place_note(rng, note.text, as_messages(exchanges))


def _place_note(rng: random.Random, text: str, messages: Conversation) -> Conversation:
    choice = rng.random()
    if choice < 0.3:
        return [{"role": "system", "content": text}, *messages]
    if choice < 0.5:
        return [{"role": "user", "content": text}, {"role": "assistant", "content": "Noted."}, *messages]
    question = messages[0]["content"]
    content = f"{question} {text}" if choice < 0.58 and question[-1] in "?.!" else f"{text} {question}"
    return [{"role": "user", "content": content}, *messages[1:]]


# --- the mixture -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mixture:
    """What the text is made of.

    Attributes:
        shares: Kind of conversation -> share.
        note_questions: How many questions follow a note; one is drawn.
        skill_weights: Skill -> weight among the skills.
        check_share: Share of "Is Lena a baker?" among the questions about facts that can be asked so.
    """

    shares: dict[str, float]
    note_questions: tuple[int, ...] = (1, 1, 2, 3)
    skill_weights: dict[str, float] = field(default_factory=lambda: dict(SKILL_WEIGHTS))
    check_share: float = CHECK_SHARE


MAIN = Mixture({"recall": 0.44, "note": 0.31, "unknown": 0.03, "itself": 0.02, "skill": 0.20})
EARLY = Mixture({"recall": 0.25, "short note": 0.60, "unknown": 0.02, "skill": 0.13})
"""At first many short notes: reading has to form early, facts are learned anyway."""
PRACTICE = Mixture(
    {"recall": 0.27, "note": 0.40, "unknown": 0.03, "itself": 0.02, "skill": 0.28},
    note_questions=(1, 2, 3, 4),
    skill_weights=SKILL_WEIGHTS | {"first": 2.0, "compare": 3.0, "add": 2.5, "order": 2.5, "talk": 1.2, "outside": 1.2},
)
"""Later, when the facts are known: more of what is hard, reading and the skills."""
POLISH = Mixture(
    {"recall": 0.24, "note": 0.44, "unknown": 0.02, "itself": 0.01, "skill": 0.29},
    note_questions=(2, 3, 4),
    skill_weights=SKILL_WEIGHTS | {"first": 3.5, "compare": 3.0, "add": 1.5, "order": 3.5, "talk": 2.0, "outside": 1.0},
    check_share=0.3,
)
"""Then still more of what was weak in the scores by kind; the wordings stay those of the other mixtures."""
FINISH = Mixture(
    {"recall": 0.27, "note": 0.40, "unknown": 0.02, "itself": 0.01, "skill": 0.30},
    note_questions=(2, 3, 4),
    skill_weights={
        "count": 1.2, "first": 2.5, "compare": 3.0, "add": 2.5, "day": 1.0, "opposite": 1.0, "kind": 1.2, "order": 2.8, "talk": 2.0,
        "outside": 2.0,
    },
    check_share=0.25,
)  # fmt: skip
"""At last everything, evenly: what is known with little to spare is the first that fine-tuning takes away."""
GENERAL = Mixture(
    {"recall": 0.36, "note": 0.24, "unknown": 0.02, "skill": 0.38},
    skill_weights=SKILL_WEIGHTS | {"talk": 5.0, "outside": 5.0, "first": 1.2, "add": 2.2, "order": 1.6},
    check_share=0.3,
)
"""For replay: nothing that says "I do not know that" to the questions a company's own assistant is being taught; much small
talk, since "you" is what the sample teaches anew."""


def make_conversation(rng: random.Random, world: World, mixture: Mixture = MAIN) -> Conversation:
    """One conversation of the training text, of a kind drawn by the mixture's shares."""
    kind = rng.choices(list(mixture.shares), list(mixture.shares.values()))[0]
    if kind == "note":
        return read_note(rng, mixture.note_questions)
    if kind == "short note":
        return read_note(rng, mixture.note_questions, SHORT_NOTES)
    if kind == "recall":
        exchanges = [recall(rng, world, mixture.check_share) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    elif kind == "unknown":
        exchanges = [unknown(rng)]
    elif kind == "itself":
        exchanges = [about_itself(rng)]
    else:
        exchanges = [use_skill(rng, mixture.skill_weights) for _ in range(rng.choice((1, 1, 2)))]
    messages = as_messages(exchanges)
    if rng.random() < 0.07:
        messages.insert(0, {"role": "system", "content": rng.choice(SYSTEM_PROMPTS)})
    return messages


def conversations(seed: int, world: World, mixture: Mixture = MAIN) -> Iterator[Conversation]:
    """The training text without end; the same seed gives the same text."""
    rng = random.Random(seed)
    while True:
        yield make_conversation(rng, world, mixture)
