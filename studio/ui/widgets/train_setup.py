"""What will be trained on what, and how: everything before [Start training]."""

from collections.abc import Sequence
from typing import NamedTuple

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from studio.contract.presets import load_preset
from studio.contract.sample import SAMPLE
from studio.ui import icons, wording
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.advice_panel import AdvicePanel
from studio.ui.widgets.combo_box import ComboBox
from studio.ui.widgets.labels import label, plain_tip
from studio.ui.widgets.memory_panel import MemoryPanel
from studio.ui.widgets.section import ScrollColumn, Section, row
from studio.ui.widgets.settings_form import SettingsForm
from studio.ui.widgets.unused_advice import UnusedAdvice


class Choice(NamedTuple):
    """An entry of a combo box: `reason` says why it cannot be chosen, or is empty."""

    key: str
    text: str
    reason: str = ""


class ChoiceBox(ComboBox):
    """A combo box of things that come from elsewhere; entries that cannot be used say why."""

    picked = Signal(str)

    def __init__(self, name: str, placeholder: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setPlaceholderText(placeholder)
        self.setSizeAdjustPolicy(ComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(24)
        self.activated.connect(lambda index: self.picked.emit(self.itemData(index)))

    def fill(self, choices: Sequence[Choice], chosen: str) -> None:
        """Show these; `chosen` is a key, or "" for none."""
        self.blockSignals(True)
        self.clear()
        for choice in choices:
            self.addItem(choice.text, choice.key)
            index = self.count() - 1
            if choice.reason:
                self.setItemData(index, plain_tip(choice.reason), Qt.ItemDataRole.ToolTipRole)
                self.setItemData(index, 0, Qt.ItemDataRole.UserRole - 1)  # Qt's own flags role: not selectable
        self.setCurrentIndex(self.findData(chosen) if chosen else -1)
        self.blockSignals(False)


class TrainSetup(QWidget):
    """The page before a run. Knows no workplace: the page hands things down and listens.

    Attributes:
        start_clicked: [Start training], or the button that says what is missing.
        form: All settings.
        memory, advice: Whether it fits, and what is suggested.
        unused: Beside the start: that a suggestion which matters is not used.
    """

    model_picked = Signal(str)  # path
    dataset_picked = Signal(str)  # id
    page_wanted = Signal(str)
    start_picked = Signal(str)  # id of a run, or "" for the model as it is
    general_wanted = Signal()
    general_removed = Signal()
    start_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model_box = ChoiceBox(self.tr("Model"), self.tr("Choose a model"))
        self.data_box = ChoiceBox(self.tr("Data"), self.tr("Choose a dataset"))
        self.name_edit = QLineEdit()
        self.name_edit.setMaxLength(80)
        self.name_edit.setAccessibleName(self.tr("Name of the run"))
        self.start_box = ChoiceBox(self.tr("Begin with"), self.tr("The model as it is"))
        self.start_box.picked.connect(self.start_picked)
        self.model_box.picked.connect(self.model_picked)
        self.data_box.picked.connect(self.dataset_picked)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        scroll = ScrollColumn(widest=1120)
        outer.addWidget(scroll, 1)
        scroll.body.addWidget(self._what())
        self.memory, self.advice = MemoryPanel(), AdvicePanel()
        for panel in (self.memory, self.advice):
            panel.hide()  # until there is something to say
            panel.grew.connect(lambda panel=panel: scroll.show_top_of(panel))
            scroll.body.addWidget(panel)
        # From the outside in: Qt styles a whole subtree anew each time that it gets another parent, and the form of
        # all settings is a large one.
        how = Section(self.tr("How it learns"))
        scroll.body.addWidget(how)
        scroll.body.addStretch(1)
        self.form = SettingsForm(how)
        self._fill_how(how)
        outer.addWidget(self._start_bar())

    def _what(self) -> Section:
        card = Section(self.tr("What is trained on what"))
        grid = QGridLayout()
        grid.setHorizontalSpacing(GRID)
        grid.setVerticalSpacing(GRID)
        grid.setColumnStretch(1, 1)
        self.add_model = buttons.flat(self.tr("Other models…"), lambda: self.page_wanted.emit("models"))
        self.add_data = buttons.flat(self.tr("Other data…"), lambda: self.page_wanted.emit("data"))
        lines = (
            (self.tr("Model"), self.model_box, self.add_model),
            (self.tr("Data"), self.data_box, self.add_data),
            (self.tr("Begin with"), self.start_box, None),
            (self.tr("Name"), self.name_edit, None),
        )
        for index, (words, widget, button) in enumerate(lines):
            name = label(words, "muted")
            name.setBuddy(widget)
            grid.addWidget(name, index, 0)
            grid.addWidget(widget, index, 1)
            if button is not None:
                grid.addWidget(button, index, 2, Qt.AlignmentFlag.AlignLeft)
            if widget is self.start_box:
                self._start_name = name
        card.add(grid)
        self.show_starts([], "")
        return card

    def _fill_how(self, card: Section) -> None:
        self.sample_words = label("", "muted", wrap=True)
        self.general_words = label("", "muted", wrap=True)
        self.general_choose = buttons.flat(self.tr("Choose a file…"), self.general_wanted.emit)
        self.general_choose.setAccessibleName(self.tr("Choose a file of general examples"))
        self.general_remove = buttons.flat(self.tr("Remove"), self.general_removed.emit)
        self.general_remove.setAccessibleName(self.tr("Use no general examples"))
        general = row(self.general_words, self.general_choose, self.general_remove)
        general.setStretch(0, 1)
        card.add(self.sample_words)
        card.add(self.form)
        card.add(general)

    def _start_bar(self) -> QFrame:
        bar = QFrame()
        bar.setProperty("role", "bar")
        self.summary = label("", wrap=True)  # large text in a small window: two lines rather than half of one
        self.start_button = buttons.primary(self.tr("Start training"), self.start_clicked.emit, "play")
        self.start_button.setToolTip(plain_tip(self.tr("Ctrl+Enter")))
        self.unused = UnusedAdvice()
        said = QVBoxLayout()
        said.setSpacing(GRID // 2)
        said.addWidget(self.unused)
        said.addWidget(self.summary)
        layout = QHBoxLayout(bar)
        layout.setContentsMargins(3 * GRID, GRID, 3 * GRID, GRID)
        layout.setSpacing(2 * GRID)
        layout.addLayout(said, 1)
        layout.addWidget(self.start_button)
        return bar

    # --- data goes down -----------------------------------------------------------------------------------

    def show_start(self, button: str, summary: str, starts: bool) -> None:
        """What the button says (what is missing, or that it starts), and the line beside it."""
        self.start_button.setIcon(icons.icon("play", "accent_text") if starts else QIcon())
        self.start_button.setText(button)
        self.start_button.setAccessibleName(button)
        self.summary.setText(summary)

    def show_starts(self, runs: Sequence[Choice], chosen: str) -> None:
        """Offer what earlier runs have learned from this model; without any there is nothing to choose."""
        self.start_box.fill([Choice("", self.tr("The model as it is")), *runs], chosen)
        if not chosen:
            self.start_box.setCurrentIndex(0)
        for widget in (self.start_box, self._start_name):
            widget.setVisible(bool(runs))

    def show_sample(self, offered: bool, used: bool) -> None:
        """The sample on the starter has a preset of its own: offer it, and say so while another one is used."""
        self.form.presets.offer_sample(offered)
        self.sample_words.setVisible(offered and not used)
        words = self.tr("The sample on the starter model has settings of its own: choose “{name}” for them.")
        self.sample_words.setText(words.format(name=wording.told(load_preset(SAMPLE).label)))

    def show_general(self, path: str, own: bool, model: str) -> None:
        """Say whether “Keep what it knew” has anything to work with.

        Args:
            path: File of general rows, or "".
            own: The model brought it.
            model: Its shown name, or "".
        """
        share = self.form.rows["replay_share"].value()  # as it stands, whatever else may be wrong
        self.general_remove.setVisible(bool(path))
        self.general_choose.setVisible(bool(model))
        if not model or not isinstance(share, float | int) or not 0 <= share < 1:
            share, words = 0, ""
        elif not path:
            words = self.tr(
                "Keep what it knew: there are no general examples for {model}, so nothing is mixed in; it may forget."
            )
        elif share == 0:
            words = self.tr("Keep what it knew: off. There are general examples for {model}.")
        elif own:
            words = self.tr(
                "Keep what it knew: {share} of what it reads are general examples that {model} brings along."
            )
        else:
            words = self.tr("Keep what it knew: {share} of what it reads are general examples from {file}.")
        file = path.replace("\\", "/").rsplit("/", 1)[-1]
        self.general_words.setText(words.format(model=model, share=wording.percent(share), file=file))
