"""300 questions that test what the starter model knows, in wordings that its training text never uses."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from conversations import (
    Conversation,
    company_note,
    people_note,
    recall_company,
    recall_person,
    recall_thing,
    things_note,
)
from relations import ask
from skills import SKILLS, Exchange
from world import World

FACT_PROBES: tuple[tuple[str, Callable[[random.Random, World, bool], Exchange], int], ...] = (
    ("people", recall_person, 100),
    ("things", recall_thing, 40),
    ("companies", recall_company, 40),
)
NOTE_PROBES = ((company_note, 36), (people_note, 14), (things_note, 10))
PROBES_PER_SKILL = 6


@dataclass(frozen=True)
class Probe:
    """A question with the only answer that counts.

    Attributes:
        kind: What it tests, for the table of scores.
        question: The user's message.
        core: The wording at its heart, lower case, which the training text must not hold.
        answer: The whole answer.
    """

    kind: str
    question: str
    core: str
    answer: str

    def row(self) -> dict[str, object]:
        """The probe as a row of probes.jsonl."""
        return {"kind": self.kind, "messages": [{"role": "user", "content": self.question}], "answer": self.answer}


def make_probes(seed: int, world: World) -> list[Probe]:
    """All probes. The same seed gives the same probes; no question comes twice."""
    rng = random.Random(seed)
    probes: dict[str, Probe] = {}
    for kind, recall, count in FACT_PROBES:
        _collect(probes, count, kind, lambda recall=recall: (recall(rng, world, True), ""))  # type: ignore[misc]
    for make_note, count in NOTE_PROBES:
        _collect(probes, count, "reading", lambda make_note=make_note: _about_note(rng, make_note))  # type: ignore[misc]
    for name, exchange in SKILLS.items():
        _collect(probes, PROBES_PER_SKILL, name, lambda exchange=exchange: (exchange(rng, True), ""))  # type: ignore[misc]
    return list(probes.values())


def _collect(probes: dict[str, Probe], count: int, kind: str, draw: Callable[[], tuple[Exchange, str]]) -> None:
    wanted = len(probes) + count
    for _ in range(100 * count):
        exchange, note = draw()
        question = f"{note} {exchange.asked.text}".strip()
        probes.setdefault(question, Probe(kind, question, exchange.asked.core, exchange.answer))
        if len(probes) == wanted:
            return
    raise ValueError(f"There are not {count} different probes of the kind {kind!r}; write more held wordings for it.")


def _about_note(rng: random.Random, make_note: Callable) -> tuple[Exchange, str]:
    note = make_note(rng, rng.choice((2, 3, 4)))
    fact = rng.choice(note.facts)
    return Exchange(ask(rng, fact.relation, fact.subject, held=True), fact.answer), note.text


def require_unseen(probes: Iterable[Probe], conversations: Iterable[Conversation]) -> None:
    """Check that no probe's wording stands in the training text.

    Raises:
        AssertionError: A probe's core wording occurs in a message that the model was trained on.
    """
    text = "\n".join(message["content"].lower() for conversation in conversations for message in conversation)
    seen = [probe.core for probe in probes if probe.core in text]
    assert not seen, f"The training text holds these wordings of probes: {seen[:5]}"
