"""What is in a dataset, as the doctor counted it: lengths, first words, classes, languages. No faults, a picture."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QWidget

from studio.contract.diagnosis import Diagnosed, Histogram, Share
from studio.ui import wording
from studio.ui.theme import GRID
from studio.ui.widgets.fold_heading import FoldHeading
from studio.ui.widgets.labels import ElidedLabel, label
from studio.ui.widgets.length_plot import LengthPlot
from studio.ui.widgets.section import Folding, clear_layout, column, held, row

MOST_SHOWN = 6
"""Of first words, and of classes and languages each: what is seldom is counted together."""


class DataContents(QWidget):
    """Closed it is one line that says the most of it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot = LengthPlot()
        self.said = label("", "", wrap=True, selectable=True)
        left = held(column(label(self.tr("How long the rows are"), "strong"), self.plot, self.said, 1))
        self._lines = 0
        self._shares = QGridLayout()
        self._shares.setVerticalSpacing(GRID // 2)
        self._shares.setHorizontalSpacing(2 * GRID)
        self._shares.setColumnStretch(0, 1)
        right = held(column(self._shares, 1))
        self.body = held(row(Folding(left, right, spacing=4 * GRID, stretch=(1, 1), letters=(50, 40))))
        self.heading = FoldHeading(self.tr("What is in it"), self.body)
        self.summary = ElidedLabel("", "muted")
        outer = column(row(self.heading, self.summary), self.body, spacing=GRID // 2)
        outer.setContentsMargins(0, 0, 0, 0)
        self.setLayout(outer)
        inner = self.body.layout()
        assert inner is not None
        inner.setContentsMargins(3 * GRID, 0, 0, GRID)

    def show_found(self, found: Diagnosed | None) -> None:
        """Show what was counted; hidden where nothing was."""
        lengths = found.lengths if found is not None else None
        self.setVisible(lengths is not None)
        if found is None or lengths is None:
            return
        self.plot.show_lengths(lengths)
        self.said.setText(self._lengths_said(lengths))
        self.summary.set_text(*self._summed_up(found, lengths))
        clear_layout(self._shares)
        self._lines = 0
        rows = sum(share.count for share in found.languages) or max(1, found.usable)  # those left out as too long, too
        if found.classes:
            self._add_shares(self.tr("Answers, as classes"), found.classes, rows, rest=True)
        again = [share for share in found.first_words if share.count > 1]
        if again:
            self._add_shares(self.tr("How answers begin most often"), again, rows)
        elif found.first_words:
            self._add_line(self.tr("How answers begin most often"), self.tr("No two longer answers begin alike."))
        if found.languages:
            self._add_shares(self.tr("Languages (a guess)"), found.languages, rows, rest=True)

    # --- in words ---------------------------------------------------------------------------------------

    def _lengths_said(self, lengths: Histogram) -> str:
        """The figures behind the bars, and what the dashed line is."""
        number = wording.number
        tokens = lengths.unit == "tokens"
        words = (
            self.tr("Half of the rows have up to {median} tokens, 95 % up to {most}, the longest {longest}.")
            if tokens
            else self.tr("Half of the rows have up to {median} characters, 95 % up to {most}, the longest {longest}.")
        )
        said = [
            words.format(median=number(lengths.median), most=number(lengths.most_95), longest=number(lengths.longest))
        ]
        if not tokens:
            said.append(self.tr("With a model chosen, its tokens are counted."))
        elif self.plot.limit_place() is not None:
            line = self.tr("Dashed line: the longest text, {limit} tokens of the chosen model.")
            said.append(line.format(limit=number(lengths.limit)))
        elif lengths.limit:
            line = self.tr("All fit into the longest text, {limit} tokens of the chosen model.")
            said.append(line.format(limit=number(lengths.limit)))
        if len(lengths.edges) > 2 and lengths.edges[-1] - lengths.edges[-2] > lengths.edges[1]:
            said.append(self.tr("The last bar holds all longer ones."))
        if lengths.sampled:
            said.append(self.tr("{count} rows were counted.").format(count=number(lengths.sampled)))
        return " ".join(said)

    def _summed_up(self, found: Diagnosed, lengths: Histogram) -> tuple[str, str]:
        """All of it in a line, and the lengths alone where the line is too long."""
        tokens = self.tr("half of the rows up to {median} tokens, the longest {longest}")
        characters = self.tr("half of the rows up to {median} characters, the longest {longest}")
        words = (tokens if lengths.unit == "tokens" else characters).format(
            median=wording.number(lengths.median), longest=wording.number(lengths.longest)
        )
        parts = [words]
        if found.classes:
            parts.append(self.tr("{count} classes").format(count=wording.number(len(found.classes))))
        if found.languages:
            parts.append(found.languages[0].value)
        return " · ".join(parts), words

    # --- shares -----------------------------------------------------------------------------------------

    def _add_shares(self, title: str, shares: Sequence[Share], rows: int, rest: bool = False) -> None:
        """A heading and the most frequent values below it, each with its rows and their part of all.

        Args:
            title: What is counted.
            shares: Most frequent first.
            rows: All of them.
            rest: What is not shown is counted together.
        """
        self._add_line(title)
        shown = [(share.value, share.count) for share in shares[:MOST_SHOWN]]
        others = rows - sum(count for _, count in shown)
        if rest and others > 0:
            shown.append((self.tr("others"), others))
        for value, count in shown:
            words = self.tr("1 row") if count == 1 else self.tr("{count} rows").format(count=wording.number(count))
            right = Qt.AlignmentFlag.AlignRight
            self._shares.addWidget(ElidedLabel(value), self._lines, 0)
            self._shares.addWidget(label(words, "muted"), self._lines, 1, right)
            self._shares.addWidget(label(_part(count, rows), "muted"), self._lines, 2, right)
            self._lines += 1

    def _add_line(self, title: str, words: str = "") -> None:
        for text, role in ((title, "strong"), (words, "muted")):
            if text:
                self._shares.addWidget(label(text, role, wrap=True), self._lines, 0, 1, 3)
                self._lines += 1


def _part(count: int, rows: int) -> str:
    """A part that is there is never 0 %, and one that is missing never makes 100 %."""
    share = count / rows
    if share < 0.01:
        return f"< {wording.percent(0.01)}"
    return f"> {wording.percent(0.99)}" if 0.99 < share < 1 else wording.percent(min(1.0, share))
