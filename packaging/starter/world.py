"""The closed world that the starter model knows: a workshop, its people, its things and five companies.

All names and values are the project's own; the facts are drawn with a fixed seed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from relations import Relation, load_relations

PEOPLE = tuple(
    "Lena Otto Mira Bruno Greta Hugo Ines Jonas Karin Lukas Nora Oskar Petra Rosa Stefan Tilda Ulrich Vera Walter Anton "
    "Berta Clara David Emil Frieda Georg Hanna Ivan Julia Konrad".split()
)
STRANGERS = tuple(
    "Alma Boris Cora Dario Edda Felix Gilda Henri Irma Jasper Kira Leon Mona Nils Odile Pavel Rita Sven Tara Udo Vito "
    "Wanda Yara Zeno Agnes Basil Celia Doris Egon Fanny Marta Peter Sonja Viktor".split()
)
CRAFTS = (
    "carpenter potter weaver smith baker tailor mason glazier saddler cooper painter printer binder carver dyer".split()
)
TOOLS = (
    "hammer saw chisel plane file needle loom anvil brush ladle awl trowel mallet drill rasp clamp kiln press".split()
)
MATERIALS = "oak pine clay wool linen iron copper glass leather stone wax paper silk brass tin amber".split()
TOWNS = "Harrow Milford Denby Tarn Elmfield Ashby Corwen Dunmore Fenwick Granton Hollis Kelso Linton Marden Norwick Selby".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
FOODS = "soup bread cheese pears plums dumplings pancakes beans rice stew apples noodles porridge cherries".split()
HOBBIES = "chess fishing singing running drawing dancing reading rowing climbing gardening swimming cooking".split()
COLOURS = "red blue green yellow black white grey brown purple orange pink silver".split()
ANIMALS = "fox owl bear otter hare crow badger wolf heron lynx mole goose".split()
ROOMS = (
    "north hall,south hall,east hall,west hall,old barn,mill room,tower room,long attic,courtyard,river shed"
).split(",")
PRODUCTS = (
    "lamp chair table clock kettle basket blanket mirror stool bowl vase drum kite bell box rug candle ladder bag knife cup "
    "jar whistle"
).split()
PAYMENTS = "cash card cheque invoice transfer voucher".split()
GIFTS = "sticker postcard badge ribbon pencil magnet keyring notebook".split()

KNOWN_THINGS = tuple(TOOLS[:14] + PRODUCTS[:10])
OTHER_THINGS = tuple(PRODUCTS[10:])
KNOWN_COMPANIES = ("Ironwick", "Clayburn", "Woolmere", "Glassford", "Tinnery")
OTHER_COMPANIES = tuple(
    first + last
    for first in "Oak Elm Ash Silver Stone River Hill Moss Fern Lark Amber North".split()
    for last in "ham dale gate brook ton well crest worth".split()
)


def _numbers(first: int, last: int) -> tuple[str, ...]:
    return tuple(str(number) for number in range(first, last + 1))


VALUES: dict[str, tuple[str, ...]] = {
    "people": PEOPLE,
    "strangers": STRANGERS,
    "crafts": tuple(CRAFTS),
    "tools": tuple(TOOLS),
    "materials": tuple(MATERIALS),
    "towns": tuple(TOWNS),
    "days": tuple(DAYS),
    "foods": tuple(FOODS),
    "hobbies": tuple(HOBBIES),
    "colours": tuple(COLOURS),
    "animals": tuple(ANIMALS),
    "rooms": tuple(ROOMS),
    "products": tuple(PRODUCTS),
    "payments": tuple(PAYMENTS),
    "gifts": tuple(GIFTS),
    "benches": _numbers(1, 60),
    "years": _numbers(2, 40),
    "mornings": _numbers(5, 11),
    "evenings": _numbers(14, 23),
    "prices": _numbers(2, 90),
    "shelves": _numbers(1, 40),
    "waits": _numbers(2, 20),
    "guarantees": _numbers(2, 20),
    "deadlines": _numbers(5, 60),
    "phones": _numbers(10, 99),
    "crowds": _numbers(3, 99),
    "ages": _numbers(10, 99),
    "fees": _numbers(2, 30),
}

ABOUT_PEOPLE = load_relations("people")
ABOUT_THINGS = load_relations("things")
ABOUT_COMPANIES = load_relations("companies")


def draw_value(rng: random.Random, relation: Relation) -> str:
    """A value that this kind of fact can have."""
    return rng.choice(VALUES[relation.values])


@dataclass(frozen=True)
class World:
    """Every fact that the starter model is to know: (name, relation's name) -> value."""

    people: dict[tuple[str, str], str]
    things: dict[tuple[str, str], str]
    companies: dict[tuple[str, str], str]

    @property
    def fact_count(self) -> int:
        """How many facts there are."""
        return len(self.people) + len(self.things) + len(self.companies)


def make_world(seed: int) -> World:
    """Draw the facts. The same seed gives the same world."""
    rng = random.Random(seed)
    return World(
        people=_draw_facts(rng, PEOPLE, ABOUT_PEOPLE),
        things=_draw_facts(rng, KNOWN_THINGS, ABOUT_THINGS),
        companies=_draw_facts(rng, KNOWN_COMPANIES, ABOUT_COMPANIES),
    )


def _draw_facts(
    rng: random.Random, names: tuple[str, ...], relations: dict[str, Relation]
) -> dict[tuple[str, str], str]:
    facts = {}
    for name in names:
        for relation in relations.values():
            value = draw_value(rng, relation)
            while value == name:  # nobody learns from themselves
                value = draw_value(rng, relation)
            facts[name, relation.name] = value
    return facts
