"""As what something is exported: every form with what it is for, or why it cannot be, and its number format."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QCheckBox, QLabel, QRadioButton, QWidget

from studio.contract.compatibility import export_problem
from studio.contract.exports import EXPORTS, K_QUANTS
from studio.data.run_history import RunSummary
from studio.ui import wording
from studio.ui.widgets.combo_box import ComboBox
from studio.ui.widgets.labels import label, plain_tip, set_role
from studio.ui.widgets.section import Section


class ExportForms(Section):
    """A radio button for each row of EXPORTS. `changed`: form or number format is another one."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(self.tr("As what"), parent=parent)
        self.buttons = QButtonGroup(self)
        self._about: dict[str, QLabel] = {}
        self._k_quants = False
        for name, form in EXPORTS.items():
            button = QRadioButton(wording.told(form.label))
            button.setProperty("export", name)
            button.setChecked(not self.buttons.buttons())
            button.setAccessibleDescription(wording.told(form.help))
            button.setToolTip(plain_tip(wording.told(form.help)))
            self.buttons.addButton(button)
            self._about[name] = label(wording.told(form.help), "muted", wrap=True)
            self.add(button)
            self.add(self._about[name])
        self.numbers_combo = ComboBox()
        self.numbers_combo.setSizeAdjustPolicy(ComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.numbers_combo.setMinimumContentsLength(14)
        self.numbers_combo.setAccessibleName(self.tr("Number format of the weights"))
        self._numbers_title = label(self.tr("Number format of the weights"))
        self._numbers_title.setBuddy(self.numbers_combo)
        self.check = QCheckBox(self.tr("Compare the result with the adapter"))
        self.check.setChecked(True)
        self.check.setToolTip(
            self.tr("The same prompts go through both; takes some time and memory for both models after another.")
        )
        self.add(self._numbers_title)
        self.add(self.numbers_combo)
        self.add(self.check)
        self.buttons.buttonToggled.connect(self._on_toggled)
        self.numbers_combo.currentIndexChanged.connect(self.changed)
        self._show_numbers()

    def form(self) -> str:
        """Key of EXPORTS."""
        return str(self._chosen().property("export"))

    def numbers(self) -> str:
        """Key of the form's number formats; "" where it has none."""
        return str(self.numbers_combo.currentData() or "")

    def offer_k_quants(self, are_there: bool) -> None:
        """Offer the number formats of llama.cpp's own, where its package is installed."""
        if are_there != self._k_quants:
            chosen = self.numbers()
            self._k_quants = are_there
            self._show_numbers()
            self.numbers_combo.setCurrentIndex(max(0, self.numbers_combo.findData(chosen)))

    def wants_check(self) -> bool:
        """Whether the result is to be compared."""
        return self.check.isChecked()

    def choose(self, name: str) -> None:
        """Take a form by its key."""
        next(button for button in self.buttons.buttons() if button.property("export") == name).setChecked(True)

    def show_run(self, run: RunSummary) -> None:
        """Offer what this run can leave as, and say why it cannot leave as the rest."""
        for button in self.buttons.buttons():
            name = str(button.property("export"))
            problem = export_problem(name, run.job.settings.method)
            button.setEnabled(problem is None)
            about = self._about[name]
            text = wording.told(EXPORTS[name].help)
            if problem is not None:
                said = wording.told_problem(problem)
                text = f"{said.what} {said.why}"
            about.setText(text)
            set_role(about, "muted" if problem is None else "warning")
            button.setAccessibleDescription(text)
            button.setToolTip(plain_tip(text))
        if not self._chosen().isEnabled():
            self.choose("adapter")
        self._show_about()

    def _chosen(self) -> QAbstractButton:
        chosen = self.buttons.checkedButton()
        assert chosen is not None, "one of them is always chosen"
        return chosen

    def _on_toggled(self, _button: object, checked: bool) -> None:
        if checked:
            self._show_numbers()
            self.changed.emit()

    def _show_numbers(self) -> None:
        form = EXPORTS[self.form()]
        self.numbers_combo.blockSignals(True)
        self.numbers_combo.clear()
        for name, words in form.numbers.items():
            if self._k_quants or name not in K_QUANTS:
                self.numbers_combo.addItem(wording.told(words), name)
        self.numbers_combo.blockSignals(False)
        self._show_about()
        for widget in (self._numbers_title, self.numbers_combo):
            widget.setVisible(bool(form.numbers))

    def _show_about(self) -> None:
        """What the chosen one is for, and why others cannot be; of the rest the tooltip tells."""
        for button in self.buttons.buttons():
            name = str(button.property("export"))
            self._about[name].setVisible(button.isChecked() or self._about[name].property("role") == "warning")
