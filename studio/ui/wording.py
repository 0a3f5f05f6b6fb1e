"""What is said in many places: numbers, times and sizes by the user's locale, and the contract's own words."""

import time
from collections import Counter
from collections.abc import Sequence

import msgspec
from PySide6.QtCore import QCoreApplication, QLocale

from studio.contract.errors import Problem
from studio.contract.places import named, put_together


def _tr(text: str) -> str:
    return QCoreApplication.translate("wording", text)


def told(text: str) -> str:
    """A text of the contract (name, help or unit of a setting, part of a problem) in the user's language.

    The contract knows no Qt, so such texts are translated where they are shown, by the text itself.
    """
    return QCoreApplication.translate("contract", text) if text else ""


def told_problem(problem: Problem) -> Problem:
    """The same problem in the user's language, settings by their names; what it says of files and values stays."""
    name, term = named(problem.code, problem.where)
    where = put_together(told(name), told(term)) if problem.place else ""
    return msgspec.structs.replace(
        problem, where=where, what=told(problem.what), why=told(problem.why), fix=told(problem.fix)
    )


def learns(model: str, dataset: str) -> str:
    """What a run is about, in the same words wherever it is named: "Starter learns Sample"."""
    return _tr("{model} learns {dataset}").format(model=model, dataset=dataset)


def number(value: float, digits: int = 0) -> str:
    """1204 -> "1,204"."""
    locale = QLocale()
    if locale.language() == QLocale.Language.C:  # LANG=C or none: English words, so English numbers
        locale = QLocale(QLocale.Language.English)
    return locale.toString(value, "f", digits) if digits else locale.toString(round(value))


def row(number_in_file: int, file: str = "") -> str:
    """What a row is called: its number, and its file where a dataset was made of several."""
    words = _tr("Row {number} of {file}") if file else _tr("Row {number}")
    return words.format(number=number(number_in_file), file=file)


def size(count: float) -> str:
    """Bytes -> "7.9 GB" (powers of 1,000 as file managers show, at most one decimal)."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor * 0.9995:
            value = count / factor
            return f"{number(value, 0 if value >= 99.5 else 1)} {unit}"
    return f"{number(count)} {_tr('bytes')}"


def memory(count: float) -> str:
    """Bytes of memory -> "7.9 GB" by powers of 1,024, as memory is sold and reported."""
    value = count / 2**30
    if value < 0.95:
        return f"{number(count / 2**20)} MB"
    return f"{number(value, 0 if value >= 99.5 else 1)} GB"


def percent(share: float, digits: int = 0) -> str:
    """0.413 -> "41 %"."""
    return f"{number(share * 100, digits)} %"


def duration(seconds: float) -> str:
    """75 -> "1 min 15 s"; seconds only below ten minutes."""
    whole = max(0, round(seconds))
    if whole == 0 and seconds > 0:
        return _tr("less than 1 s")
    if whole < 60:
        return f"{whole} s"
    if whole < 600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    minutes = round(whole / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return _tr("{days} days").format(days=round(hours / 24))


def took(seconds: float, with_tests: bool) -> str:
    """How long a run took, and what was counted: "50 s with tests", "45 s of training"."""
    words = _tr("{time} with tests") if with_tests else _tr("{time} of training")
    return words.format(time=duration(seconds))


def time_left(seconds: float) -> str:
    """An estimate, rounded so that it does not flicker: "about 4 min left"."""
    if seconds < 10:
        rounded: float = 10
    elif seconds < 60:
        rounded = 10 * round(seconds / 10)
    elif seconds < 600:
        rounded = 60 * round(seconds / 60)
    else:
        rounded = 300 * round(seconds / 300)
    return _tr("about {time} left").format(time=duration(rounded))


def moment(unix_seconds: float, to_the_second: bool = False) -> str:
    """When something was: "today 14:05", "yesterday 9:12", else the date."""
    then, now = time.localtime(unix_seconds), time.localtime()
    clock = time.strftime("%H:%M:%S" if to_the_second else "%H:%M", then)
    if then[:3] == now[:3]:
        return _tr("today {clock}").format(clock=clock)
    if then[:3] == time.localtime(time.time() - 86400)[:3]:
        return _tr("yesterday {clock}").format(clock=clock)
    return f"{time.strftime('%Y-%m-%d', then)} {clock}"


def told_apart(made: Sequence[tuple[str, float]]) -> list[str]:
    """Names of things, and where several have one name, when each was made: "faq.csv (today 14:05)"; else a number.

    Args:
        made: Name and Unix time of each.
    """
    names = [name for name, _ in made]
    for to_the_second in (False, True):
        alike = Counter(names)
        names = [
            _tr("{name} ({moment})").format(name=name, moment=moment(at, to_the_second)) if alike[shown] > 1 else shown
            for shown, (name, at) in zip(names, made, strict=True)
        ]
    alike, seen = Counter(names), Counter[str]()
    for place, name in enumerate(names):  # made in one second, by a program
        seen[name] += 1
        names[place] = f"{name} {seen[name]}" if alike[name] > 1 else name
    return names
