"""What the curves say, in words: the lines beside the plot."""

from typing import Literal, NamedTuple

from PySide6.QtCore import QCoreApplication

from studio.ui.widgets.run_curves import RunCurves

Mood = Literal["good", "neutral", "warning"]


class Note(NamedTuple):
    """One sentence about a run, and how to colour it."""

    text: str
    mood: Mood


def _tr(text: str, count: int = -1) -> str:
    return QCoreApplication.translate("RunNote", text, None, count)


def notes(curves: RunCurves, ended: bool = False) -> list[Note]:
    """What an experienced person would say when looking at the curves; most telling first.

    Args:
        curves: Of one run.
        ended: Nothing more will come, so that it is spoken of in the past.
    """
    found: list[Note] = []
    if curves.broken_step:
        text = _tr("The loss was no number at step {step}: the learning speed may be too high.")
        found.append(Note(text.format(step=curves.broken_step), "warning"))
    found += _about_tests(curves, ended)
    found += _about_spikes(curves)
    return found


def _about_tests(curves: RunCurves, ended: bool) -> list[Note]:
    best = curves.best
    if best is None:
        if curves.held_back_rows == 0:
            return [Note(_tr("No examples are held back, so memorising cannot be seen here."), "neutral")]
        return []
    without = curves.tests_without_gain
    if without >= 2:
        text = _tr("No better on unseen examples for {count} tests: it may be memorising. Best was step {step}.")
        if curves.best_is_kept is not None:
            text += " " + (
                _tr("What it had learned by then is kept.")
                if curves.best_is_kept
                else _tr('What it had learned by then is not kept; "Stop when it gets no better" keeps it.')
            )
        return [Note(text.format(count=without, step=best[0]), "warning")]
    if without == 1:
        return [Note(_tr("The last test on unseen examples was no better than the one before."), "neutral")]
    if len(curves.series["held_back"]) < 2:
        if ended:
            return []
        return [Note(_tr("First test on unseen examples done; the next one shows whether it learns."), "neutral")]
    if ended:
        return [Note(_tr("It was best on unseen examples at its last test."), "good")]
    return [Note(_tr("Still improving on unseen examples."), "good")]


def _about_spikes(curves: RunCurves) -> list[Note]:
    if not curves.spikes:
        return []
    step, loss = curves.spikes[-1]
    if len(curves.spikes) == 1:
        text = _tr("The loss jumped to {loss} at step {step}. A single jump is harmless.")
        return [Note(text.format(step=step, loss=f"{loss:.3g}"), "neutral")]
    text = _tr("The loss jumped {count} times, last at step {step}: a lower learning speed would be steadier.")
    return [Note(text.format(count=len(curves.spikes), step=step), "warning")]
