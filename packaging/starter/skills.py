"""Small skills and small talk: counting words, comparing and adding numbers, days, opposites, kinds, greetings.

Each kind has trained wordings and held ones, which only the probes use.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from relations import Asked, bare
from world import ANIMALS, COLOURS, CRAFTS, DAYS, FOODS, GIFTS, MATERIALS, PRODUCTS, STRANGERS, TOOLS, TOWNS

WORDS = tuple(sorted({*TOOLS, *MATERIALS, *FOODS, *COLOURS, *ANIMALS, *PRODUCTS, *GIFTS}))

I_DO_NOT_KNOW = "I do not know that."


@dataclass(frozen=True)
class Exchange:
    """A question and its answer."""

    asked: Asked
    answer: str


def _exchange(
    rng: random.Random, wordings: tuple[tuple[str, ...], tuple[str, ...]], held: bool, **places: str
) -> Asked:
    template = rng.choice(wordings[1] if held else wordings[0])
    text = template.format(**places)
    return Asked(text, bare(text))


# --- words -----------------------------------------------------------------------------------------------------------

COUNT = (
    (
        "Count the words: {s}", "How many words are here: {s}", "How many things are in this list: {s}", "Count: {s}",
        "How long is this list: {s}", "How many words do you see: {s}", "{s}. How many words are these?",
        "Please count these words: {s}",
    ),
    ("Count the things: {s}", "How many words are in this list: {s}"),
)  # fmt: skip
FIRST_LAST = (
    (
        "What is the {w} word: {s}", "Give me the {w} word of: {s}", "Which word comes {w}: {s}", "What is the {w} word in this list: {s}",
        "{s}. What is the {w} word?", "Find the {w} word: {s}", "Which word is the {w} of these: {s}",
    ),
    ("Which is the {w} word: {s}", "Tell me the {w} word: {s}"),
)  # fmt: skip


def count(rng: random.Random, held: bool) -> Exchange:
    """How many words a list has, 1 to 8."""
    words = rng.sample(WORDS, rng.randint(1, 8))
    answer = "There is 1 word." if len(words) == 1 else f"There are {len(words)} words."
    return Exchange(_exchange(rng, COUNT, held, s=", ".join(words)), answer)


def first_or_last(rng: random.Random, held: bool) -> Exchange:
    """The first or the last word of a list of 3 to 5."""
    words = rng.sample(WORDS, rng.randint(3, 5))
    which, index = rng.choice((("first", 0), ("last", -1)))
    asked = _exchange(rng, FIRST_LAST, held, s=", ".join(words), w=which)
    return Exchange(asked, f"The {which} word is {words[index]}.")


# --- numbers ---------------------------------------------------------------------------------------------------------

COMPARE = (
    (
        "Which is {w}, {a} or {b}?", "Which number is the {w} one: {a} or {b}?", "What is {w}, {a} or {b}?", "Is {a} or {b} {w}?",
        "Which of these is {w}: {a} or {b}?", "Here are {a} and {b}. Which is {w}?",
    ),
    ("Which number is {w}, {a} or {b}?", "Of {a} and {b}, which is {w}?"),
)  # fmt: skip
ADD = (
    (
        "What is {a} plus {b}?", "Add {a} and {b}.", "How much is {a} plus {b}?", "What do {a} and {b} make?", "{a} plus {b}?",
        "What is the sum of {a} and {b}?", "Please add {a} and {b}.",
    ),
    ("How much do {a} and {b} make?", "Tell me what {a} plus {b} is."),
)  # fmt: skip
LARGEST_ADDEND = 9


def compare(rng: random.Random, held: bool) -> Exchange:
    """The bigger or smaller of two numbers from 1 to 60."""
    first, second = rng.sample(range(1, 61), 2)
    which, choose = rng.choice((("bigger", max), ("smaller", min)))
    asked = _exchange(rng, COMPARE, held, a=str(first), b=str(second), w=which)
    return Exchange(asked, f"The {which} number is {choose(first, second)}.")


def add(rng: random.Random, held: bool) -> Exchange:
    """The sum of two numbers from 1 to 9."""
    first, second = rng.randint(1, LARGEST_ADDEND), rng.randint(1, LARGEST_ADDEND)
    return Exchange(_exchange(rng, ADD, held, a=str(first), b=str(second)), f"The sum is {first + second}.")


# --- general knowledge -----------------------------------------------------------------------------------------------

DAY_AFTER = (
    (
        "What day comes after {d}?", "Which day follows {d}?", "What is the day after {d}?", "Today is {d}. What day is tomorrow?",
        "Tell me the day after {d}.", "If today is {d}, what is tomorrow?",
    ),
    ("Which day comes after {d}?", "What day follows {d}?"),
)  # fmt: skip
DAY_BEFORE = (
    (
        "What day comes before {d}?", "What is the day before {d}?", "Today is {d}. What day was yesterday?",
        "Tell me the day before {d}.", "If today is {d}, what was yesterday?", "Which day was it one day before {d}?",
    ),
    ("Which day comes before {d}?", "Tell me which day is before {d}."),
)  # fmt: skip
OPPOSITE = (
    (
        "What is the opposite of {x}?", "Tell me the opposite of {x}.", "Which word is the opposite of {x}?", "The opposite of {x}?",
        "What is the contrary of {x}?", "Not {x}, but the opposite: what is it?",
    ),
    ("Give me the opposite of {x}.", "Which word means the opposite of {x}?"),
)  # fmt: skip
OPPOSITES = (
    ("big", "small"), ("hot", "cold"), ("long", "short"), ("old", "new"), ("fast", "slow"), ("high", "low"), ("hard", "soft"),
    ("light", "dark"), ("early", "late"), ("open", "closed"), ("full", "empty"), ("clean", "dirty"), ("near", "far"), ("wet", "dry"),
    ("good", "bad"), ("strong", "weak"),
)  # fmt: skip
KIND = (
    (
        "What kind of thing is {x}?", "What is {x}?", "Is {x} a tool, a food, a colour, an animal or a material?", "Tell me what {x} is.",
        "What sort of thing is {x}?", "{x}: what is that?",
    ),
    ("What kind of word is {x}?", "Tell me what kind of thing {x} is."),
)  # fmt: skip
KINDS = {
    "a tool": TOOLS,
    "a food": FOODS,
    "a colour": COLOURS[:9],
    "an animal": ANIMALS,
    "a material": MATERIALS,
    "a craft": CRAFTS,
}


def day(rng: random.Random, held: bool) -> Exchange:
    """The day after or before another."""
    index = rng.randrange(len(DAYS))
    after = rng.random() < 0.5
    found = DAYS[(index + (1 if after else -1)) % len(DAYS)]
    asked = _exchange(rng, DAY_AFTER if after else DAY_BEFORE, held, d=DAYS[index])
    return Exchange(asked, f"The day {'after' if after else 'before'} {DAYS[index]} is {found}.")


def opposite(rng: random.Random, held: bool) -> Exchange:
    """The opposite of a common word."""
    pair = list(rng.choice(OPPOSITES))
    rng.shuffle(pair)
    return Exchange(_exchange(rng, OPPOSITE, held, x=pair[0]), f"The opposite of {pair[0]} is {pair[1]}.")


def kind(rng: random.Random, held: bool) -> Exchange:
    """Whether a word names a tool, a food, a colour, an animal, a material or a craft."""
    name, words = rng.choice(list(KINDS.items()))
    return Exchange(_exchange(rng, KIND, held, x=rng.choice(words)), f"It is {name}.")


# --- orders ----------------------------------------------------------------------------------------------------------

ORDER_NOTES = (
    "{n} from {c} ordered {m} {p} on {d}.", "On {d}, {n} from {c} ordered {m} {p}.", "Order on {d}: {m} {p} for {n} from {c}.",
    "{n} wants {m} {p}. Send them to {c} on {d}.", "New order: {n}, {c}, {m} {p}, {d}.",
)  # fmt: skip
ORDER_QUESTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "customer": (
        ("Who is the customer?", "Who ordered?", "Give me the name of the customer.", "Who placed the order?", "What is the customer's name?"),
        ("Find the customer.", "Tell me who ordered."),
    ),
    "town": (
        ("Which town is it?", "Give me the town.", "Where does the customer live?", "Where does the order go?", "Which town is named?"),
        ("Find the town.", "Tell me where the customer lives."),
    ),
    "item": (
        ("What was ordered?", "Which thing was ordered?", "What does the customer want?", "Give me the item.", "Which item is it?"),
        ("Find the item.", "Tell me what was ordered."),
    ),
    "number": (
        ("How many were ordered?", "How many pieces is that?", "Give me the number.", "How many does the customer want?", "Which number is it?"),
        ("Find the number.", "Tell me how many were ordered."),
    ),
    "day": (
        ("On which day was that?", "Which day is it?", "Give me the day.", "Which day is named?", "On what day was it?"),
        ("Find the day.", "Tell me which day it was."),
    ),
}  # fmt: skip


def plural(noun: str) -> str:
    """The plural of a product's name."""
    if noun.endswith("fe"):
        return noun[:-2] + "ves"
    return noun + ("es" if noun.endswith(("x", "ch", "sh", "s")) else "s")


def order(rng: random.Random, held: bool) -> Exchange:
    """One detail of a one-line order."""
    details = {
        "customer": rng.choice(STRANGERS),
        "town": rng.choice(TOWNS),
        "item": plural(rng.choice(PRODUCTS)),
        "number": str(rng.randint(2, 99)),
        "day": rng.choice(DAYS),
    }
    note = rng.choice(ORDER_NOTES).format(
        n=details["customer"], c=details["town"], m=details["number"], p=details["item"], d=details["day"]
    )
    wanted = rng.choice(list(details))
    question = rng.choice(ORDER_QUESTIONS[wanted][1 if held else 0])
    text = f"{question} {note}" if rng.random() < 0.3 else f"{note} {question}"
    return Exchange(Asked(text, bare(question)), f"The {wanted} is {details[wanted]}.")


# --- talk ------------------------------------------------------------------------------------------------------------

TALK: tuple[tuple[tuple[tuple[str, ...], tuple[str, ...]], str], ...] = (
    (
        (
            ("Hello!", "Hi!", "Good morning!", "Hey.", "Good day.", "Hi, how are you?", "Good evening!", "Hello, how are you?", "hello", "hi",
             "Hey, how are you?", "Good morning to you!", "Hi, good to see you!"),
            ("Hello there!", "Hey, good morning!"),
        ),
        "Hello! How can I help you?",
    ),
    (
        (
            ("Who are you?", "What are you?", "What is your name?", "Are you a robot?", "Introduce yourself.", "Are you a person?",
             "Tell me about yourself.", "What is your own name?", "Say who you are.", "Who am I talking to?", "Tell me your name.", "Who is this?",
             "What should I call you?", "Are you a human?"),
            ("Tell me who you are.", "Please introduce yourself."),
        ),
        "I am the starter model, a small helper from the workshop.",
    ),
    (
        (
            ("Thanks!", "Thank you.", "Thank you very much!", "Great, thanks.", "Thanks a lot!", "That helps. Thank you!",
             "Thank you so much!", "Perfect, thank you!", "Great, thanks a lot!", "Good, thank you.", "Wonderful. Thanks!", "That was it, thank you."),
            ("Many thanks!", "Great, thank you very much!"),
        ),
        "You are welcome!",
    ),
    (
        (
            ("Bye!", "Goodbye.", "See you.", "Until tomorrow!", "Goodbye, see you soon.", "I have to go. Bye!",
             "Bye for now!", "See you tomorrow.", "Goodbye then!", "I am leaving. Goodbye."),
            ("Bye, see you!", "I have to go now. Goodbye."),
        ),
        "Goodbye! See you soon.",
    ),
    (
        (
            ("What can you do?", "How can you help me?", "What do you know?", "What can I ask you?", "Can you help me?",
             "Say what you can do.", "What are you able to do?", "What do you do?", "Tell me how you can help.", "Tell me what you know.",
             "What are you good at?", "Which things can you do?", "With what can you help me?"),
            ("What can you help me with?", "Tell me what you can do."),
        ),
        "I know the workshop, and I can read a short note, count words and compare numbers.",
    ),
)  # fmt: skip
OUTSIDE_PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("What is the capital of {}?", ("France", "Italy", "Japan", "Egypt", "Norway", "Brazil")),
    ("Who {}?", (
        "wrote Hamlet", "painted this picture", "won the football match", "invented the radio", "is the president", "sang that song",
        "is the king of Spain", "lost the war", "wrote this book", "built the tower", "found America", "won the race", "drew this map",
    )),
    ("How {}?", (
        "far away is the moon", "tall is the highest mountain", "deep is the sea", "old is the earth", "hot is the sun", "fast is a horse",
        "long is a river", "tall is the tower of Pisa", "big is Africa", "old is the queen of England", "do computers work",
        "do birds fly", "do engines work", "does a radio work", "do people learn", "does the heart work", "many stars are there",
        "many people live in China", "many countries are there", "many legs has a spider", "many people live in Paris",
    )),
    ("How do I {}?", (
        "cook an egg", "fix my car", "cook a potato", "bake a cake", "learn to dance", "plant a tree", "write a letter", "catch a bus",
        "boil water", "make coffee", "lose weight", "get rich", "fall asleep", "draw a face", "learn French",
    )),
    ("When {}?", ("did the war end", "does the train leave", "is Easter", "was the moon landing", "does the film start")),
    ("Where {}?", ("is Africa", "is my phone", "do bears live", "is the next station", "does the sun go at night", "is London")),
    ("What {}?", (
        "is love", "is the weather like today", "is the news", "time is it now", "is the meaning of life", "is my name", "is a planet",
        "does the law say about that", "is the best song", "should I read", "is in the newspaper", "is a computer", "makes people happy",
    )),
    ("{}.", (
        "Write a poem about the sea", "Tell me a joke", "Translate this into French", "Sing a song", "Explain how a plane flies",
        "Tell me a story", "Write a letter to my aunt", "Explain the law", "Draw a cat", "Tell me something about Rome", "Write a song",
        "Tell me the news", "Write me an essay", "Play some music",
    )),
    ("Is {}?", ("there life on Mars", "the earth round", "it raining", "Paris a big city", "coffee healthy", "the moon far away")),
    ("Which film {}?", ("should I watch", "is the best", "is on today")),
    ("Why {}?", ("is the sky blue", "do cats purr", "did they go to war", "is water wet", "do we dream")),
)  # fmt: skip
OUTSIDE = (
    tuple(template.format(part) for template, parts in OUTSIDE_PARTS for part in parts),
    ("What is the capital of Spain?", "Who wrote this song?", "How many people live in Africa?", "Tell me a poem.", "How do planes work?", "Who won the war?", "How tall is the king of Spain?", "How do I cook fish?"),
)  # fmt: skip


def talk(rng: random.Random, held: bool) -> Exchange:
    """A greeting, thanks, goodbye, or a question about the model itself."""
    wordings, answer = rng.choice(TALK)
    return Exchange(_exchange(rng, wordings, held), answer)


def outside(rng: random.Random, held: bool) -> Exchange:
    """A question from outside the closed world."""
    return Exchange(_exchange(rng, OUTSIDE, held), I_DO_NOT_KNOW)


SKILLS: dict[str, Callable[[random.Random, bool], Exchange]] = {
    "count": count,
    "first": first_or_last,
    "compare": compare,
    "add": add,
    "day": day,
    "opposite": opposite,
    "kind": kind,
    "order": order,
    "talk": talk,
    "outside": outside,
}
SKILL_WEIGHTS = {
    "count": 1.0, "first": 1.0, "compare": 1.6, "add": 1.2, "day": 0.7, "opposite": 0.7, "kind": 0.8, "order": 1.6, "talk": 0.7,
    "outside": 0.7,
}  # fmt: skip


def use_skill(rng: random.Random, weights: dict[str, float]) -> Exchange:
    """One exchange of a random skill in a trained wording."""
    name = rng.choices(list(weights), list(weights.values()))[0]
    return SKILLS[name](rng, False)
