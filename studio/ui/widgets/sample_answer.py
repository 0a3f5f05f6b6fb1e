"""What the model, as it learns, answers to a held-back question: each answer of the run, to page through."""

import re
from collections.abc import Sequence

from studio.contract.events import SampleAnswer
from studio.ui import wording
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import label, set_role
from studio.ui.widgets.section import Section

_LONGEST = 1200
"""Letters shown of a text; the rest is told by an ellipsis."""

_LONG_WORD = re.compile(r"\S{24}(?=\S)")


class SampleAnswerCard(Section):
    """The newest answer, or the one that the user paged back to."""

    def __init__(self) -> None:
        super().__init__(self.tr("Sample answer"))
        self._answers: list[SampleAnswer] = []
        self._index = -1
        self._pinned = False
        self.earlier = buttons.icon_button("chevron-left", self.tr("Earlier answer"), lambda: self._page(-1))
        self.later = buttons.icon_button("chevron-right", self.tr("Later answer"), lambda: self._page(1))
        self.add_action(self.earlier)
        self.add_action(self.later)
        self.question = label("", wrap=True, selectable=True)
        self.answer = label("", wrap=True, selectable=True)
        self.expected = label("", wrap=True, selectable=True)
        self.answer_heading = label("", "muted", wrap=True)
        self._question_heading = label(self.tr("Question it has not seen"), "muted", wrap=True)
        self._expected_heading = label(self.tr("Answer in your data"), "muted", wrap=True)
        for widget in (
            self._question_heading,
            self.question,
            self.answer_heading,
            self.answer,
            self._expected_heading,
            self.expected,
        ):
            self.add(widget)
        self.show_answers([])

    def show_answers(self, answers: Sequence[SampleAnswer]) -> None:
        """Take the answers of a run, oldest first; shows the newest unless the user looks at an earlier one."""
        fewer = len(answers) < len(self._answers)
        self._answers = list(answers)
        if fewer or not self._pinned:
            self._index, self._pinned = len(self._answers) - 1, False
        self._show()

    def _page(self, by: int) -> None:
        self._index = min(max(self._index + by, 0), len(self._answers) - 1)
        self._pinned = self._index < len(self._answers) - 1
        self._show()

    def _show(self) -> None:
        known = self._index >= 0
        shown = (self.question, self.answer, self.expected, self.answer_heading)
        for widget in (*shown, self._question_heading, self._expected_heading, self.earlier, self.later):
            widget.setVisible(known)
        if not known:
            self.set_hint(self.tr("At each test it answers a question that it does not learn from."))
            return
        self.set_hint("")
        answer = self._answers[self._index]
        right = answer.answer.strip() == answer.expected.strip()
        words = self.tr("Answer before training") if answer.step == 0 else self.tr("Answer at step {step}")
        words = words.format(step=wording.number(answer.step))
        self.answer_heading.setText(words + (self.tr(", word for word right") if right else ""))
        set_role(self.answer_heading, "success" if right else "muted")
        self.question.setText(_short(answer.question))
        self.answer.setText(_short(answer.answer) or self.tr("(nothing)"))
        self.expected.setText(_short(answer.expected))
        self.earlier.setEnabled(self._index > 0)
        self.later.setEnabled(self._index < len(self._answers) - 1)


def _short(text: str) -> str:
    """Shortened, and with places to break in words that are longer than the card is wide."""
    text = text.strip()
    text = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    return _LONG_WORD.sub("\\g<0>\u200b", text)
