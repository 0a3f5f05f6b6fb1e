"""How a run went, in plain words: never better than the figures say."""

import math
from typing import Literal, NamedTuple

from PySide6.QtCore import QCoreApplication

from studio.contract.events import Finished, Verdict
from studio.ui import wording

Mood = Literal["success", "warning", "info"]

_SURE = 1.645
"""Standard deviations: an improvement that luck alone would bring in less than one run of twenty."""

_FEWEST_ASKED = 3
"""Two right answers of two say nothing."""

_KEPT_ENOUGH = 0.9

_FAR = 0.1
"""Share of the loss: what fell by less may have learned too slowly, whatever the answers are."""


class Judgement(NamedTuple):
    """What a verdict says.

    Attributes:
        headline: One sentence.
        sentences: The figures behind it, one a line.
        short: A few words for a table.
        mood: Colour.
    """

    headline: str
    sentences: tuple[str, ...]
    short: str
    mood: Mood


def _tr(text: str) -> str:
    return QCoreApplication.translate("Verdict", text)


def judge(verdict: Verdict | None) -> Judgement:
    """Put a verdict into words."""
    if verdict is None or (verdict.asked is None and verdict.rows is None):
        words = _tr("No examples were held back, so nobody can say how it does on new questions.")
        kept = [] if verdict is None else kept_sentence(verdict)
        return Judgement(words, tuple(kept), _tr("not tested"), "info")
    exact, loss, kept = _exact_sentence(verdict), _loss_sentence(verdict), kept_sentence(verdict)
    if verdict.also_learned:
        return Judgement(
            _memory_sentence(verdict), tuple(filter(None, (exact, loss, *kept))), _short(verdict), "warning"
        )
    if learned_answers(verdict):
        return Judgement(exact, tuple(kept), _short(verdict), _mood(verdict))
    figures = [words for words in (exact, loss) if words] + kept
    if not improved_loss(verdict):
        if verdict.rows and verdict.rows_better == verdict.rows:
            few = _tr("Better on all {count} test examples, but so few cannot tell luck from learning.")
            one = _tr("Better on the only test example, but one cannot tell luck from learning.")
            words = one if verdict.rows == 1 else few.format(count=verdict.rows)
            return Judgement(words, tuple(figures), _tr("too few tests"), "warning")
        worse = verdict.loss_base is not None and (verdict.loss_tuned or 0) > verdict.loss_base
        headline = (
            _tr("Worse on unseen examples than before.") if worse else _tr("No real improvement on unseen examples.")
        )
        return Judgement(headline, tuple(figures), _tr("no real improvement"), "warning")
    if not exact:  # answers too long to be compared word for word: the loss is all there is to go by
        return Judgement(loss, tuple(kept), _short(verdict), _mood(verdict))
    if fell_far(verdict):  # of free text hardly any answer is the expected one to the letter
        return Judgement(loss, (exact, _other_words_sentence(verdict), *kept), _better(verdict), "info")
    return Judgement(exact, (_likelier_sentence(verdict), loss, *kept), _short(verdict), "info")


def _memory_sentence(verdict: Verdict) -> str:
    words = _tr("{count} of the test examples were also learned from: what follows shows memory, not learning.")
    one = _tr("One of the test examples was also learned from: what follows may flatter.")
    return one if verdict.also_learned == 1 else words.format(count=wording.number(verdict.also_learned))


def _mood(verdict: Verdict) -> Mood:
    return "success" if kept_share(verdict) >= _KEPT_ENOUGH else "warning"


def learned_answers(verdict: Verdict) -> bool:
    """Clearly more held-back questions are answered right than before."""
    if not verdict.asked or verdict.asked < _FEWEST_ASKED or verdict.right_after is None:
        return False
    before, after = verdict.right_before or 0, verdict.right_after
    pooled = (before + after) / (2 * verdict.asked)
    spread = math.sqrt(2 * pooled * (1 - pooled) / verdict.asked)
    gain = (after - before) / verdict.asked
    return gain > 0 and gain >= _SURE * spread


def improved_loss(verdict: Verdict) -> bool:
    """Clearly more than half of the held-back rows got better, and so did their mean."""
    if not verdict.rows or verdict.rows_better is None or verdict.loss_base is None or verdict.loss_tuned is None:
        return False
    by_luck = verdict.rows / 2 + _SURE * math.sqrt(verdict.rows) / 2 + 0.5  # of a coin; half a row for continuity
    return verdict.loss_tuned < verdict.loss_base and verdict.rows_better >= by_luck


def fell_far(verdict: Verdict) -> bool:
    """The loss on held-back rows is clearly another, not merely a little lower."""
    base, tuned = verdict.loss_base, verdict.loss_tuned
    return base is not None and tuned is not None and tuned <= (1 - _FAR) * base


def kept_share(verdict: Verdict) -> float:
    """Share of what it knew that it still knows; 1 where nothing was asked."""
    return (verdict.known_after or 0) / verdict.known_before if verdict.known_before else 1.0


def kept_sentence(verdict: Verdict) -> list[str]:
    """What is left of what it knew."""
    if not verdict.known_before or verdict.known_after is None:
        return []
    words = _tr("Still answers {after} of {before} that it could before.")
    if kept_share(verdict) < _KEPT_ENOUGH:
        words += " " + _tr("It forgot the rest: a larger share of “Keep what it knew” helps.")
    return [words.format(after=wording.number(verdict.known_after), before=wording.number(verdict.known_before))]


def _exact_sentence(verdict: Verdict) -> str:
    if not verdict.asked or verdict.right_after is None:
        return ""
    new = _tr("Answers {after} of {asked} new questions right, word for word; before: {before}.")
    test = _tr("Answers {after} of {asked} test questions right, word for word; before: {before}.")
    return (test if verdict.also_learned else new).format(
        after=wording.number(verdict.right_after),
        asked=wording.number(verdict.asked),
        before=wording.number(verdict.right_before or 0),
    )


def _likelier_sentence(verdict: Verdict) -> str:
    """A lower loss alone is no right answer: say so, and what helps."""
    if verdict.settled:
        return _tr(
            "A little more likely, and no longer getting better at the end: longer training would hardly help; more "
            "and clearer examples may."
        )
    if not verdict.right_after:
        return _tr(
            "A little more likely, but no new question is answered right yet: train longer or with a higher "
            "learning speed."
        )
    return _tr(
        "A little more likely, but that more of them are answered right may be luck: train longer or with a higher "
        "learning speed."
    )


def _other_words_sentence(verdict: Verdict) -> str:
    """What to make of much better answers of which hardly any is the expected one to the letter."""
    words = _tr("The same in other words counts as wrong there: read some answers in Compare.")
    if verdict.settled:
        return words + " " + _tr("It had stopped getting better before the end: longer training would hardly help.")
    if verdict.settled is False:
        return words + " " + _tr("It was still getting better at the end: longer training may help.")
    return words


def _loss_sentence(verdict: Verdict) -> str:
    if not verdict.rows or verdict.rows_better is None or verdict.loss_base is None or verdict.loss_tuned is None:
        return ""
    fell = verdict.loss_tuned < verdict.loss_base
    words = (
        _tr("Better on {better} of {rows} unseen examples; loss on them fell from {before} to {after}.")
        if fell
        else _tr("Better on {better} of {rows} unseen examples; loss on them rose from {before} to {after}.")
    )
    if verdict.also_learned:
        words = (
            _tr("Better on {better} of {rows} test examples; loss on them fell from {before} to {after}.")
            if fell
            else _tr("Better on {better} of {rows} test examples; loss on them rose from {before} to {after}.")
        )
    return words.format(
        better=wording.number(verdict.rows_better),
        rows=wording.number(verdict.rows),
        before=loss_words(verdict.loss_base),
        after=loss_words(verdict.loss_tuned),
    )


def ending_words(finished: Finished) -> str:
    """What has to be said of how a run ended, beside "done" or "stopped"; "" for nothing."""
    step = wording.number(finished.steps)
    if finished.went_back:
        return _tr("What came after step {step} was thrown away; the run is as it was saved at step {step}.").format(
            step=step
        )
    if finished.reason == "early":
        return _tr("Done after {step} steps: the loss on unseen examples had stopped getting better.").format(step=step)
    if finished.reason == "time":
        return _tr("Done after {step} steps: its time was up.").format(step=step)
    if finished.reason == "stopped" and not finished.steps:
        return _tr("The run was stopped before its first step, so nothing was learned.")
    return ""


def loss_words(loss: float) -> str:
    """A loss in as many digits as say something."""
    return wording.number(loss, 2 if loss >= 0.1 else 4)


def _short(verdict: Verdict) -> str:
    if verdict.asked and verdict.right_after is not None:
        return _tr("{after} of {asked} right").format(
            after=wording.number(verdict.right_after), asked=wording.number(verdict.asked)
        )
    return _better(verdict)


def _better(verdict: Verdict) -> str:
    return _tr("better on {better} of {rows}").format(
        better=wording.number(verdict.rows_better or 0), rows=wording.number(verdict.rows or 0)
    )
