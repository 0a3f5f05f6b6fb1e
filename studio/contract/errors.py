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
        where: File, line, field or row that it concerns; may be empty.
        details: Technical text shown only on request (a traceback, the last lines of a log).
    """

    code: str
    what: str
    why: str = ""
    fix: str = ""
    where: str = ""
    details: str = ""

    def sentence(self) -> str:
        """All of it as plain text, one line a part."""
        head = f"{self.where}: {self.what}" if self.where else self.what
        return "\n".join(part for part in (head, self.why, self.fix) if part)


class StudioError(Exception):
    """An expected failure that a person can act on. Chain the technical cause with `raise ... from`."""

    def __init__(self, code: str, what: str, why: str = "", fix: str = "", where: str = "", details: str = "") -> None:
        self.problem = Problem(code=code, what=what, why=why, fix=fix, where=where, details=details)
        super().__init__(self.problem.sentence())

    @classmethod
    def of(cls, problem: Problem) -> "StudioError":
        """Wrap an existing problem."""
        return cls(problem.code, problem.what, problem.why, problem.fix, problem.where, problem.details)


class SettingsError(StudioError):
    """Several settings are wrong at once; all of them are listed."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__(
            "settings.invalid",
            "; ".join(p.sentence().replace("\n", " ") for p in problems),
            fix="Change the values named here.",
        )
