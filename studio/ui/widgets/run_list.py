"""The list of runs: four short lines each, broken where there is little room, newest first."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QFont, QFontMetrics, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
)

from studio.data.run_history import RunSummary
from studio.ui import icons, theme, wording
from studio.ui.theme import GRID
from studio.ui.widgets.run_header import LOOKS
from studio.ui.widgets.verdict_words import judge, loss_words

_Index = QModelIndex | QPersistentModelIndex
_SUMMARY = Qt.ItemDataRole.UserRole
_BESIDE = 2 * GRID + 18 + 8
"""Of an entry's width, in pixels: the icon, and the space around it and the words."""


class RunListModel(QAbstractListModel):
    """Summaries of runs; the words of a row are its accessible text too."""

    def __init__(self) -> None:
        super().__init__()
        self.summaries: list[RunSummary] = []

    def take(self, summaries: Sequence[RunSummary]) -> None:
        """Show these."""
        self.beginResetModel()
        self.summaries = list(summaries)
        self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(self.summaries)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        summary = self.summaries[index.row()]
        if role == _SUMMARY:
            return summary
        if role == Qt.ItemDataRole.DisplayRole:
            return summary.job.name
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.ToolTipRole):
            return "\n".join(self.lines(summary))
        return None

    def lines(self, summary: RunSummary) -> tuple[str, str, str, str]:
        """Name and state; what learned what; how it went; how long, and when."""
        ended = summary.finished
        if ended is not None and ended.adapter:  # the same time as in the banner at its end
            took = wording.took(ended.seconds, ended.verdict is not None)
        else:
            took = wording.took(summary.seconds, False) if summary.seconds else ""
        when = [took, wording.moment(summary.started)]
        return (
            f"{summary.job.name} · {self.state_words(summary)}",
            self._about(summary),
            self.result(summary) or self.tr("no result"),
            " · ".join(part for part in when if part),
        )

    def _about(self, summary: RunSummary) -> str:
        work = summary.job
        if summary.problem is not None and not (work.model_name and work.dataset_name):
            return self.tr("what it learned is not known")
        return wording.learns(work.model_name, work.dataset_name)

    def state_words(self, summary: RunSummary) -> str:
        """The state in a word; how far an unfinished run came."""
        share = summary.steps / summary.total_steps if summary.total_steps else 0.0
        words = {
            "running": self.tr("Running"),
            "done": self.tr("Done"),
            "stopped": self.tr("Stopped"),
            "discarded": self.tr("Thrown away"),
            "failed": self.tr("Failed"),
            "interrupted": self.tr("Interrupted"),
            "unreadable": self.tr("Cannot be read"),
        }[summary.state]
        if summary.state in ("interrupted", "failed", "stopped") and summary.total_steps:
            words += self.tr(" at {share}").format(share=wording.percent(share))
        return words

    def result(self, summary: RunSummary) -> str:
        """The verdict in a few words, and the last loss; why, where it failed."""
        if summary.problem is not None:
            return wording.told(summary.problem.why)
        if summary.state == "failed" and summary.failed is not None:
            return wording.told(summary.failed.problem.what)
        parts = []
        if summary.finished is not None and summary.finished.adapter:
            parts.append(judge(summary.finished.verdict).short)
        if summary.loss_last is not None:
            parts.append(self.tr("loss {loss}").format(loss=loss_words(summary.loss_last)))
        return ", ".join(parts)


def wrapped(words: str, metrics: QFontMetrics, width: int) -> list[str]:
    """Lines that fit, broken between words; a single word is shortened where it is wider than the line."""
    lines: list[str] = []
    for word in words.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        # asked as it is shortened below: an advance is rounded
        if lines and metrics.elidedText(longer, Qt.TextElideMode.ElideRight, width) == longer:
            lines[-1] = longer
        else:
            lines.append(word)
    return [metrics.elidedText(line, Qt.TextElideMode.ElideRight, width) for line in lines] or [""]


class _RunDelegate(QStyledItemDelegate):
    """Paints what is said of a run; each of the four lines is broken where it does not fit."""

    def __init__(self, view: QListView) -> None:
        super().__init__(view)
        self._view = view

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        count = len(self.lines(option.font, index))
        return QSize(200, count * option.fontMetrics.lineSpacing() + 2 * GRID)

    def lines(self, font: QFont, index: _Index) -> list[tuple[str, bool]]:
        """What is painted, line by line, and whether it belongs to the name."""
        model = index.model()
        if not isinstance(model, RunListModel):
            return []
        width = self._view.viewport().width() - _BESIDE
        named = QFontMetrics(theme.strong_font()), QFontMetrics(font)
        return [
            (line, number == 0)
            for number, text in enumerate(model.lines(index.data(_SUMMARY)))
            for line in wrapped(text, named[min(number, 1)], width)
        ]

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        summary: RunSummary = index.data(_SUMMARY)
        colors = theme.tokens()
        painter.save()
        area = option.rect.adjusted(2, 2, -2, -2)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        if chosen or option.state & QStyle.StateFlag.State_MouseOver:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setBrush(colors.color("accent_soft" if chosen else "hover"))
            focused = option.state & QStyle.StateFlag.State_HasFocus
            painter.setPen(colors.color("accent") if focused else Qt.PenStyle.NoPen)
            painter.drawRoundedRect(area, 6, 6)
        icon, token = LOOKS[summary.state]
        line = option.fontMetrics.lineSpacing()
        icons.icon(icon, token).paint(painter, QRect(area.left() + GRID, area.top() + GRID, 18, 18))
        left = area.left() + GRID + 18 + GRID
        words = QRect(left, area.top() + GRID - 2, area.right() - left - 4, line)
        for shown, is_name in self.lines(option.font, index):
            painter.setFont(theme.strong_font() if is_name else option.font)
            painter.setPen(colors.color("text" if is_name else "muted"))
            painter.drawText(words, Qt.AlignmentFlag.AlignVCenter, shown)
            words.translate(0, line)
        painter.restore()


class RunList(QListView):
    """Runs to choose from, one or several.

    Attributes:
        chosen: The selection changed (list of RunSummary, in the order of the list).
        delete_pressed: The Del key.
    """

    chosen = Signal(object)
    delete_pressed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.runs = RunListModel()
        self.setModel(self.runs)
        self.setItemDelegate(_RunDelegate(self))
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setResizeMode(QListView.ResizeMode.Adjust)  # another width breaks lines elsewhere
        self.setMouseTracking(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(self.tr("Runs"))
        self.selectionModel().selectionChanged.connect(lambda *_: self.chosen.emit(self.selected()))

    def selected(self) -> list[RunSummary]:
        """The chosen runs, newest first."""
        rows = sorted(index.row() for index in self.selectionModel().selectedIndexes())
        return [self.runs.summaries[row] for row in rows]

    def take(self, summaries: Sequence[RunSummary]) -> None:
        """Show these; what was chosen stays chosen where it is still there."""
        before = [summary.folder for summary in self.selected()]
        self.blockSignals(True)
        self.runs.take(summaries)
        self.select(before)
        self.blockSignals(False)
        if [summary.folder for summary in self.selected()] != before:
            self.chosen.emit(self.selected())

    def select(self, folders: Sequence[Path]) -> None:
        """Choose these runs, and the newest where none of them is there."""
        rows = [row for row, summary in enumerate(self.runs.summaries) if summary.folder in folders]
        model = self.selectionModel()
        model.clear()
        for row in rows or ([0] if self.runs.summaries else []):
            model.select(self.runs.index(row), model.SelectionFlag.Select)
        if rows or self.runs.summaries:
            first = self.runs.index(rows[0] if rows else 0)
            model.setCurrentIndex(first, model.SelectionFlag.NoUpdate)
            self.scrollTo(first)
