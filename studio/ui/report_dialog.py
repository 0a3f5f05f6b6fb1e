"""The report for support: every file of it can be read here before it is saved; it is sent nowhere."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QDir, QStandardPaths, Signal
from PySide6.QtWidgets import QDialog, QFileDialog, QListWidget, QPlainTextEdit, QVBoxLayout, QWidget

from studio.contract.errors import StudioError
from studio.data import support_report
from studio.data.support_report import Piece
from studio.ui import theme, wording
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import label
from studio.ui.widgets.section import row


class ReportDialog(QDialog):
    """Lists what is in the report, shows each part, and saves it where the user wants.

    Attributes:
        saved: Path of the ZIP.
    """

    saved = Signal(object)

    def __init__(self, report: Sequence[Piece], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._report = tuple(report)
        self.setWindowTitle(self.tr("A report for support"))
        self.list = QListWidget()
        self.list.setAccessibleName(self.tr("What is in the report"))
        for piece in self._report:
            self.list.addItem(piece.name)
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setFont(theme.mono_font())
        self.text.setAccessibleName(self.tr("Text of this part"))
        self.purpose = label("", "muted", wrap=True)
        self.list.currentRowChanged.connect(self._on_chosen)
        self.problem = label("", "error", wrap=True)
        self.problem.hide()
        self.save = buttons.primary(self.tr("Save as ZIP…"), self._on_save, "save")
        self.close_button = buttons.secondary(self.tr("Close"), self.reject)
        words = self.tr(
            "Everything that the report holds can be read here; it is saved as a file, and sent nowhere. The program "
            "writes no rows of your data into it, and replaces what looks like a secret. What libraries print may "
            "still quote a piece of a row or a name: read the logs before you give it away."
        )
        outer = QVBoxLayout(self)
        outer.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        outer.setSpacing(GRID)
        outer.addWidget(label(words, wrap=True))
        middle = row()
        middle.addWidget(self.list, 2)
        right = QVBoxLayout()
        right.addWidget(self.purpose)
        right.addWidget(self.text, 1)
        middle.addLayout(right, 3)
        outer.addLayout(middle, 1)
        outer.addWidget(self.problem)
        outer.addLayout(row(1, self.close_button, self.save))
        self.resize(880, 560)
        self.list.setCurrentRow(0)
        self.list.setFocus()

    def save_to(self, path: Path) -> None:
        """Write the report; told by `saved`. What goes wrong is said in the dialog, which stays."""
        try:
            support_report.write(path, self._report)
        except StudioError as error:
            said = wording.told_problem(error.problem)
            self.problem.setText(" ".join(part for part in (said.what, said.why, said.fix) if part))
            self.problem.show()
            return
        self.saved.emit(path)
        self.accept()

    def _on_chosen(self, index: int) -> None:
        if 0 <= index < len(self._report):
            piece = self._report[index]
            self.purpose.setText(f"{piece.name}: {wording.told(piece.purpose)}")
            self.text.setPlainText(piece.text)

    def _on_save(self) -> None:
        folder = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation) or QDir.homePath()
        chosen, _ = QFileDialog.getSaveFileName(
            self,
            self.tr("Save the report"),
            str(Path(folder) / "apprentice-report.zip"),
            self.tr("ZIP archives (*.zip)"),
        )
        if chosen:
            self.save_to(Path(chosen))
