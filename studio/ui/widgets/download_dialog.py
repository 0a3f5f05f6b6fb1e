"""Asks which model is fetched from the internet, and says before that this connects, and to which computer."""

from PySide6.QtWidgets import QDialog, QGridLayout, QLineEdit, QVBoxLayout, QWidget

from studio.contract import online
from studio.contract.errors import StudioError
from studio.ui import wording
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import label
from studio.ui.widgets.section import row


class DownloadDialog(QDialog):
    """`repository()` and `revision()` are what was asked for. Nothing connects before it is accepted."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Download from Hugging Face"))
        self.name = QLineEdit()
        self.name.setMaxLength(online.LONGEST_NAME)
        self.name.setPlaceholderText(self.tr("OWNER/NAME"))
        self.name.setAccessibleName(self.tr("Name of the model"))
        self.change = QLineEdit("main")
        self.change.setMaxLength(online.LONGEST_NAME)
        self.change.setAccessibleName(self.tr("Revision"))
        self.about = label(self._words(), wrap=True)
        self.state = label("", "warning", wrap=True)
        self.connect_button = buttons.primary(self.tr("Connect and download"), self.accept)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(GRID + 4)
        column.addWidget(self.about)
        column.addLayout(self._build_values())
        hint = self.tr("The name stands at the top of the model's page. A revision is a branch, a tag or a change.")
        column.addWidget(label(hint, "muted", wrap=True))
        column.addWidget(self.state)
        column.addStretch(1)
        column.addLayout(row(1, buttons.secondary(self.tr("Cancel"), self.reject), self.connect_button))
        for editor in (self.name, self.change):
            editor.textChanged.connect(self._show_state)
        self.resize(34 * self.fontMetrics().lineSpacing(), 1)
        self._show_state()

    def _build_values(self) -> QGridLayout:
        values = QGridLayout()
        values.setHorizontalSpacing(2 * GRID)
        values.setVerticalSpacing(GRID)
        values.setColumnStretch(1, 1)
        for number, editor in enumerate((self.name, self.change)):
            title = label(editor.accessibleName())
            title.setBuddy(editor)
            values.addWidget(title, number, 0)
            values.addWidget(editor, number, 1)
        return values

    def _words(self) -> str:
        try:
            host = online.host()
        except StudioError:
            return self.tr("This connects to the internet.")  # why it cannot stands below
        words = self.tr(
            "This connects to the internet: to {host} and to its own file stores, and to nowhere else. The model's "
            "safetensors, tokenizer and terms of use are fetched; files that could run code never are. Nothing of "
            "yours is sent, no account is used, and everything else stays offline."
        )
        return words.format(host=host)

    def repository(self) -> str:
        """The model's name on the hub."""
        return self.name.text().strip()

    def revision(self) -> str:
        """Which state of it."""
        return self.change.text().strip()

    def _show_state(self) -> None:
        said, usable = "", bool(self.repository())
        try:
            online.host()
            if usable:
                online.require_name(self.repository(), self.revision())
        except StudioError as error:
            told, usable = wording.told_problem(error.problem), False
            said = f"{told.what} {told.fix}"
        self.state.setText(said)
        self.connect_button.setEnabled(usable)
        self._fit()

    def _fit(self) -> None:
        """As high as the words need, and never lower than it was."""
        layout = self.layout()
        if layout is not None:
            layout.invalidate()
            needed = layout.totalHeightForWidth(self.width())
            self.resize(self.width(), max(self.height(), needed))
