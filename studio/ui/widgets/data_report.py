"""What the run learns from, counted by the trainer before step 1."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout

from studio.contract.events import DataReport
from studio.ui import wording
from studio.ui.theme import GRID
from studio.ui.widgets.labels import IconLabel, label
from studio.ui.widgets.section import Section


class DataReportCard(Section):
    """The report in sentences, each with a mark: fine, or worth a look."""

    def __init__(self) -> None:
        super().__init__(self.tr("What it learns from"))
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(GRID)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(1, 1)
        self.add(self._grid)
        self.sentences: list[tuple[bool, str]] = []
        self.show_report(None)

    def show_report(self, report: DataReport | None) -> None:
        """Put a report into words; None says that it is still being counted."""
        waiting = [(True, self.tr("The trainer counts this before its first step."))]
        self.sentences = self._sentences(report) if report is not None else waiting
        while (item := self._grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        for row, (fine, words) in enumerate(self.sentences):
            if report is not None:
                mark = IconLabel("check" if fine else "warning", "success" if fine else "warning", 16)
                mark.setAccessibleName(self.tr("fine") if fine else self.tr("worth a look"))
                self._grid.addWidget(mark, row, 0, Qt.AlignmentFlag.AlignTop)
            text = label(words, "" if report is not None else "muted", wrap=True, selectable=True)
            self._grid.addWidget(text, row, 1)

    def _sentences(self, report: DataReport) -> list[tuple[bool, str]]:
        return [*self._rows(report), *self._tokens(report)]

    def _rows(self, report: DataReport) -> list[tuple[bool, str]]:
        number = wording.number
        used = self.tr("{train} examples to learn from, {held_back} held back").format(
            train=number(report.train_rows), held_back=number(report.held_back_rows)
        )
        if report.general_rows:
            words = self.tr("; {mixed_in} of {general} general ones are mixed into each pass")
            words = words if report.mixed_in else self.tr("; general ones are mixed in, of {general}")
            used += words.format(mixed_in=number(report.mixed_in), general=number(report.general_rows))
        found = [(report.held_back_rows > 0, used)]
        if report.cut or report.left_out or report.nothing_to_learn:
            words = self.tr(
                "{kept} kept whole, {cut} cut, {left_out} left out as too long, {nothing} with nothing to learn"
            )
            words = words.format(
                kept=number(report.kept),
                cut=number(report.cut),
                left_out=number(report.left_out),
                nothing=number(report.nothing_to_learn),
            )
            found.append((False, words))
        else:
            found.append((True, self.tr("All of them are kept whole")))
        if report.duplicates:
            words = self.tr("{count} examples are there more than once")
            words = self.tr("1 example is there more than once") if report.duplicates == 1 else words
            found.append((False, words.format(count=number(report.duplicates))))
        if report.overlap:
            words = self.tr("{count} held-back examples are also learned from: the test flatters")
            if report.overlap == 1:
                words = self.tr("1 held-back example is also learned from: the test flatters")
            found.append((False, words.format(count=number(report.overlap))))
        return found

    def _tokens(self, report: DataReport) -> list[tuple[bool, str]]:
        share = report.learned_tokens / max(1, report.tokens)
        learned = self.tr("{share} of the tokens are learned ({learned} of {tokens})").format(
            share=wording.percent(share, 0 if share >= 0.1 else 1),
            learned=wording.number(report.learned_tokens),
            tokens=wording.number(report.tokens),
        )
        end = (
            self.tr("The end of an answer ({token}) is learned")
            if report.end_token_learned
            else self.tr("The end of an answer ({token}) is not learned everywhere: it may not know when to stop")
        )
        apart = report.pad_token != report.end_token
        pad = (
            self.tr("The padding token ({token}) is not the end token")
            if apart
            else self.tr("The padding token ({token}) is the end token")
        )
        begin = (
            self.tr("Each text begins with at most one begin token")
            if report.bos_count <= 1
            else self.tr("Some texts begin with {count} begin tokens").format(count=report.bos_count)
        )
        longest = self.tr("The longest of your examples has {count} tokens")
        return [
            (True, learned),
            (report.end_token_learned, end.format(token=report.end_token)),
            (apart, pad.format(token=report.pad_token)),
            (report.bos_count <= 1, begin),
            (True, longest.format(count=wording.number(report.longest))),
        ]
