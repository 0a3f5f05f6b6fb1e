"""The line above each page: where one is, what is chosen, and that nothing leaves this computer."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton

from studio.data.model_library import is_away
from studio.supervisor.workplace import Workplace
from studio.ui import icons
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import ElidedLabel, label, plain_tip, set_role

OFFLINE_SENTENCE = (
    "Nothing is sent: the window and the trainer open no network connection. Models and data come from your disk and "
    "stay there. Only a model that you name yourself is fetched, by a process of its own."
)


class Header(QFrame):
    """Page name, the chosen model and dataset, offline badge, palette and help."""

    privacy_wanted = Signal()
    palette_wanted = Signal()
    help_wanted = Signal()

    def __init__(self, workplace: Workplace) -> None:
        super().__init__()
        self._workplace = workplace
        self.setProperty("role", "header")
        self.title = label("", "title")
        self.chosen = ElidedLabel(role="muted")
        self.badge = QPushButton()  # not a tool button, which puts all spare room at the right
        self.badge.setProperty("role", "badge")
        self.badge.setAutoDefault(False)
        self._show_connected("")
        icons.fit(self.badge, 16)
        self.badge.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.badge.clicked.connect(self.privacy_wanted)
        outer = QHBoxLayout(self)
        outer.setContentsMargins(3 * GRID, GRID, 2 * GRID, GRID)
        outer.setSpacing(GRID)
        outer.addWidget(self.title)
        outer.addSpacing(GRID)
        outer.addWidget(self.chosen, 1)
        outer.addWidget(self.badge)
        outer.addWidget(buttons.icon_button("search", self.tr("Find a command"), self.palette_wanted.emit, "Ctrl+K"))
        outer.addWidget(buttons.icon_button("help", self.tr("Help"), self.help_wanted.emit, "F1"))
        workplace.connected.connect(self._show_connected)
        workplace.dataset_chosen.connect(self._show_chosen)
        workplace.model_chosen.connect(self._show_chosen)
        self._show_chosen()

    def set_page(self, text: str) -> None:
        """Show another page's name."""
        self.title.setText(text)

    def _show_connected(self, host: str) -> None:
        """Offline, or (while a model is fetched) the name of the computer that one process is connected to."""
        sentence = self.tr(OFFLINE_SENTENCE)
        name = self.tr("Offline: what this means")
        if host:
            words = self.tr("A model is being fetched from {host}, as you asked. Everything else stays offline.")
            sentence, name = words.format(host=host), self.tr("Connected: what this means")
        set_role(self.badge, "yes" if host else "no", "connected")
        self.badge.setText(self.tr("Connected") if host else self.tr("Offline"))
        self.badge.setIcon(icons.icon("download", "warning") if host else icons.icon("offline", "success"))
        self.badge.setToolTip(plain_tip(sentence))
        self.badge.setAccessibleName(name)
        self.badge.setAccessibleDescription(sentence)

    def _show_chosen(self, *_: object) -> None:
        parts = []
        model = self._workplace.model
        if model is not None:
            words = self.tr("Model: {name} (not there now)") if is_away(model) else self.tr("Model: {name}")
            parts.append(words.format(name=model.name))
        if self._workplace.dataset is not None:
            parts.append(self.tr("Data: {name}").format(name=self._workplace.dataset.name))
        self.chosen.set_text("  ·  ".join(parts))
