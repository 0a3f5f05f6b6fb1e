"""Errors of the window's own process, in words: what a person can act on, and mistakes of ours."""

import errno
import sys
import traceback
from types import TracebackType

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import QMessageBox

from studio.contract.errors import Problem, StudioError
from studio.supervisor.workplace import Workplace
from studio.ui import wording


def _tr(text: str) -> str:
    return QCoreApplication.translate("failures", text)


def problem_of(error: BaseException) -> Problem:
    """What to tell about an error that reached the window.

    An expected failure speaks for itself; where the disk refuses, the file and the reason are named; all else is a
    mistake of ours, with a report to copy.
    """
    if isinstance(error, StudioError):
        return error.problem
    if isinstance(error, OSError):
        return _refused_by_disk(error)
    return Problem(
        code="window.unexpected",
        what=_tr("Something went wrong in the window."),
        why=_tr("This is a mistake in the program; a run that is going on is not touched."),
        fix=_tr("Go on working. If it happens again, copy the report and send it to the developers."),
        details="".join(traceback.format_exception(error)),
    )


def _refused_by_disk(error: OSError) -> Problem:
    place = str(error.filename or "")
    fix = {
        errno.ENOSPC: _tr("Make room on the disk, then try again. What was saved before is kept."),
        errno.EDQUOT: _tr("Make room on the disk, then try again. What was saved before is kept."),
    }.get(error.errno or 0, _tr("Change the permissions of that place, then try again. What was saved before is kept."))
    return Problem(
        code="disk.refused",
        what=_tr("{place} cannot be used.").format(place=place) if place else _tr("The disk refused to work."),
        why=f"{error.strerror or error}.",
        fix=fix,
        details="".join(traceback.format_exception(error)),
    )


def show_unexpected(workplace: Workplace) -> None:
    """From now on an error that nobody caught is said in the window, which goes on."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.__excepthook__(kind, error, trace)
        if isinstance(error, Exception):
            workplace.problem_raised.emit(problem_of(error))

    sys.excepthook = hook


class StartRefused(QMessageBox):
    """The one modal box of the program: there is no window yet that could say it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.setIcon(QMessageBox.Icon.Critical)
        self.setWindowTitle(self.tr("Apprentice Studio cannot start"))
        self.setTextFormat(Qt.TextFormat.PlainText)
        # All in the one text, whose format is set: the informative text below it would be read as rich text.
        problem = wording.told_problem(problem)
        words = "\n\n".join(part for part in (problem.what, problem.why, problem.fix) if part)
        self.setText(words)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setAccessibleName(problem.what)
        self.setAccessibleDescription(words)
        self.setDefaultButton(self.addButton(QMessageBox.StandardButton.Close))
