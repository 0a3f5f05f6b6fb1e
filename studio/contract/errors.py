"""Errors in words: what happened, why, and what to do.

A `Problem` crosses the wire and is shown as it stands, in the window and on the command line; a `StudioError`
carries one through Python code. Codes are stable names (`data.empty_file`), so tests and help pages can refer
to them.
"""

import msgspec


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is wrong, for a person to read.

    Attributes:
        code: Stable dotted name, `room.fault`.
        what: What happened, one sentence.
        why: Why, one sentence; may be empty where `what` says it.
        fix: What to do now, one sentence.
        where: File, line, row, or path of the setting that it concerns ("method.rank"); may be empty. People read
            `place` instead.
        sets: Dotted path -> value, of settings: what `fix` would change, for a button; empty where people must choose.
        details: Technical text shown only on request (a traceback, the last lines of a log).
    """

    code: str
    what: str
    why: str = ""
    fix: str = ""
    where: str = ""
    details: str = ""
    sets: dict[str, str | bool | int | float] = {}

    @property
    def place(self) -> str:
        """What it concerns, as people call it: "Adapter size (rank)"; empty where the message names it itself."""
        from studio.contract.places import named, put_together  # names are made of the settings, which need this module

        name, term = named(self.code, self.where)
        says_it = name != self.where and self.what.startswith(name)
        return "" if says_it else put_together(name, term)

    def sentence(self) -> str:
        """All of it as plain text, one line a part."""
        head = f"{self.place}: {self.what}" if self.place else self.what
        return "\n".join(part for part in (head, self.why, self.fix) if part)


GO_ON = "What was saved is kept: go on from the last checkpoint."
"""What to do where a run failed by no fault of its settings."""
_NOTHING_SAVED = (
    (GO_ON, "Nothing was saved yet: start it again."),
    ("go on from the last checkpoint", "start it again"),
    ("then resume: what was saved is kept", "then start it again: nothing was saved yet"),
)


def agreeing(problem: Problem, saved: bool) -> Problem:
    """A run's failure with a fix that agrees with what there is: no checkpoint is spoken of where none was saved."""
    fix = problem.fix
    for words, others in () if saved else _NOTHING_SAVED:
        fix = fix.replace(words, others)
    return problem if fix == problem.fix else msgspec.structs.replace(problem, fix=fix)


class StudioError(Exception):
    """An expected failure that a person can act on. Chain the technical cause with `raise ... from`."""

    def __init__(self, code: str, what: str, why: str = "", fix: str = "", where: str = "", details: str = "") -> None:
        self._take(Problem(code=code, what=what, why=why, fix=fix, where=where, details=details))

    def _take(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.sentence())

    @classmethod
    def of(cls, problem: Problem) -> "StudioError":
        """Wrap an existing problem."""
        made = cls(problem.code, problem.what)
        made._take(problem)
        return made


class SeveralProblems(StudioError):
    """Several things are wrong with one thing at once: all of them are told, the first one is the error's own."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("", "")
        self._take(problems[0])


class SettingsError(SeveralProblems):
    """Several settings are wrong at once; all of them are listed."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        StudioError.__init__(
            self,
            "settings.invalid",
            "; ".join(p.sentence().replace("\n", " ") for p in problems),
            fix="Change the values named here.",
        )
