"""What can be said about people, things and companies, and every wording of asking for it.

The wordings are English text in wordings/*.toml; this module reads them and fills them in.
"""

from __future__ import annotations

import random
import tomllib
from dataclasses import dataclass
from pathlib import Path

WORDINGS = Path(__file__).parent / "wordings"

PERSONS_AS_VALUES = ("people", "strangers")


@dataclass(frozen=True)
class Core:
    """One wording of asking for a fact, before it is filled in and framed.

    Attributes:
        kind: "question", "noun" (fits "What is ...?") or "clause" (fits "Tell me ...").
        text: The wording with its {places}.
    """

    kind: str
    text: str

    def fits(self, subject: Subject) -> bool:
        """Whether this wording can be used: some need a name, and nobody says "the mascot of you"."""
        return not (subject.addressed and "{name}" in self.text)


@dataclass(frozen=True)
class Subject:
    """Whom or what a question is about.

    Attributes:
        name: The name; for a company that is addressed as "you" it only appears in notes and answers.
        addressed: Ask "When do you open?" instead of "When does Ironwick open?".
    """

    name: str
    addressed: bool = False


@dataclass(frozen=True)
class Relation:
    """One kind of fact: how it is stated and how it is asked for. `held` wordings are only for probes."""

    name: str
    values: str
    answer: str
    label: str
    trained: tuple[Core, ...]
    held: tuple[Core, ...]
    checks: tuple[str, ...]
    held_checks: tuple[str, ...]

    @property
    def asks_for_person(self) -> bool:
        """Whether the value is a person, so that one asks "Who is" rather than "What is"."""
        return self.values in PERSONS_AS_VALUES

    def state(self, name: str, value: str) -> str:
        """The fact as a sentence."""
        return capitalise(fill(self.answer.replace("{N}", name), Subject(name), value))


def load_relations(file: str) -> dict[str, Relation]:
    """The relations of one wordings file, by name, in the file's order."""
    table = tomllib.loads((WORDINGS / f"{file}.toml").read_text(encoding="utf-8"))
    return {name: _relation(name, row) for name, row in table.items()}


def _relation(name: str, row: dict[str, list[str]]) -> Relation:
    return Relation(
        name=name,
        values=str(row["values"]),
        answer=str(row["answer"]),
        label=str(row.get("label", name)),
        trained=_cores(row, ""),
        held=_cores(row, "held_"),
        checks=tuple(row.get("checks", ())),
        held_checks=tuple(row.get("held_checks", ())),
    )


def _cores(row: dict[str, list[str]], prefix: str) -> tuple[Core, ...]:
    kinds = ("question", "noun", "clause")
    return tuple(Core(kind, text) for kind in kinds for text in row.get(f"{prefix}{kind}s", ()))


def fill(text: str, subject: Subject, value: str = "") -> str:
    """Put subject and value into a wording and choose the verb forms in [you|name] brackets."""
    text = _choose_forms(text, 0 if subject.addressed else 1)
    name = "you" if subject.addressed else subject.name
    possessive = "your" if subject.addressed else f"{subject.name}'s"
    article = "an" if value[:1] in tuple("aeiou") else "a"
    places = {
        "{S}": subject.name,
        "{name}": subject.name,
        "{Cs}": possessive,
        "{C}": name,
        "{a}": article,
        "{v}": value,
    }
    for place, filling in places.items():
        text = text.replace(place, filling)
    return text


def _choose_forms(text: str, index: int) -> str:
    while "[" in text:
        before, rest = text.split("[", 1)
        forms, after = rest.split("]", 1)
        text = before + forms.split("|")[index] + after
    return text


def capitalise(text: str) -> str:
    """The text with its first letter in upper case and the rest as it is."""
    return text[:1].upper() + text[1:]


# --- frames: what people say around a question ---------------------------------------------------------------------

QUESTION_FRAMES = (
    "{q}", "{q}", "{q}", "{q}", "{q}", "{q}", "{q}", "Hello! {q}", "Hi! {q}", "Good morning! {q}", "Please tell me: {q}",
    "Quick question: {q}", "{q} Thank you.", "{q} Thanks!", "I want to know: {q}", "One more thing: {q}", "Sorry, {l}",
    "Excuse me, {l}", "So, {l}", "A question: {q}", "Good day. {q}", "Please, {l}", "Now, {l}", "I have a question. {q}",
)  # fmt: skip
HELD_QUESTION_FRAMES = ("{q}", "{q}", "{q}", "{q}", "Hey, {l}", "My question is: {q}", "Hello there! {q}")

NOUN_FRAMES = (
    "{w} is {x}?", "{w} is {x}?", "{w} is {x}?", "Tell me {x}.", "Please tell me {x}.", "I need {x}.", "I need to know {x}.",
    "Can you tell me {x}?", "I want to know {x}.", "Give me {x}, please.", "{X}?", "Do you know {x}?", "I am looking for {x}.",
    "I would like to know {x}.", "{X}, please.", "Hello! {w} is {x}?", "Hi! Tell me {x}.", "Excuse me, {lw} is {x}?",
)  # fmt: skip
HELD_NOUN_FRAMES = ("{w} is {x}?", "Tell me {x}.", "Please give me {x}.", "Could you name {x}?")

CLAUSE_FRAMES = (
    "Tell me {x}.", "Please tell me {x}.", "Can you tell me {x}?", "Do you know {x}?", "I want to know {x}.", "Could you tell me {x}?",
    "I would like to know {x}.", "I wonder {x}.", "Please tell me {x}. Thank you.", "Hello! Can you tell me {x}?", "I need to know {x}.",
    "Hi! Do you know {x}?", "Excuse me, do you know {x}?",
)  # fmt: skip
HELD_CLAUSE_FRAMES = ("Tell me {x}.", "Do you know {x}?", "Could you please tell me {x}?")

FRAMES = {"question": QUESTION_FRAMES, "noun": NOUN_FRAMES, "clause": CLAUSE_FRAMES}
HELD_FRAMES = {"question": HELD_QUESTION_FRAMES, "noun": HELD_NOUN_FRAMES, "clause": HELD_CLAUSE_FRAMES}

KIND_SHARES = {"question": 0.6, "noun": 0.22, "clause": 0.18}
SLOPPY_SHARE = 0.06


@dataclass(frozen=True)
class Asked:
    """A question as a person would type it, and the wording at its heart."""

    text: str
    core: str


def frame(rng: random.Random, core: Core, filled: str, held: bool = False, who: bool = False) -> str:
    """Put what people say around a wording. `who`: a noun that names a person."""
    template = rng.choice((HELD_FRAMES if held else FRAMES)[core.kind])
    word = "Who" if who and "name of" not in filled else "What"
    lower = filled[:1].lower() + filled[1:]
    places = {"{q}": filled, "{l}": lower, "{x}": filled, "{X}": capitalise(filled), "{w}": word, "{lw}": word.lower()}
    for place, filling in places.items():
        template = template.replace(place, filling)
    return capitalise(template)


def ask(rng: random.Random, relation: Relation, subject: Subject, held: bool = False) -> Asked:
    """Ask for one fact in a random wording: a trained one, or (`held`) one that only probes use."""
    cores = [core for core in (relation.held if held else relation.trained) if core.fits(subject)]
    kind = rng.choices(list(KIND_SHARES), list(KIND_SHARES.values()))[0]
    core = rng.choice([core for core in cores if core.kind == kind] or cores)
    return ask_core(rng, relation, core, subject, held)


def ask_core(rng: random.Random, relation: Relation, core: Core, subject: Subject, held: bool = False) -> Asked:
    """Ask for one fact in this wording."""
    filled = fill(core.text, subject)
    text = frame(rng, core, filled, held, relation.asks_for_person)
    if not held and rng.random() < SLOPPY_SHARE:
        text = text.rstrip("?.").lower()
    return Asked(text, bare(filled))


def bare(text: str) -> str:
    """A wording as it is compared: lower case, no question mark."""
    return text.rstrip("?.").lower()
