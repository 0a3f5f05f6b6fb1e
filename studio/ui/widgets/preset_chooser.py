"""Quick, Balanced, Thorough side by side, what the chosen one changes, and "Custom" once something was edited."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from studio.contract.presets import PRESETS, load_preset
from studio.contract.settings import TrainSettings
from studio.ui.setting_words import differences, value_words
from studio.ui.theme import GRID
from studio.ui.widgets.labels import label, plain_tip


class PresetChooser(QWidget):
    """Emits `chosen` with the name of a preset when the user picks one."""

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._presets = {name: load_preset(name) for name in PRESETS}
        self._group = QButtonGroup(self)
        self.buttons: dict[str, QPushButton] = {}
        buttons_row = QHBoxLayout()
        buttons_row.setSpacing(GRID)
        for name, preset in self._presets.items():
            button = QPushButton(preset.label)
            button.setCheckable(True)
            button.setAccessibleName(self.tr("Preset {name}").format(name=preset.label))
            button.setAccessibleDescription(preset.help)
            button.setToolTip(plain_tip(preset.help))
            button.clicked.connect(lambda _=False, name=name: self.chosen.emit(name))
            self._group.addButton(button)
            self.buttons[name] = button
            buttons_row.addWidget(button)
        self.custom = label(self.tr("Custom"), "accent")
        self.custom.hide()
        buttons_row.addWidget(self.custom)
        buttons_row.addStretch(1)
        self.words = label("", "muted", wrap=True)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(GRID)
        outer.addLayout(buttons_row)
        outer.addWidget(self.words)

    def show_preset(self, name: str, changed: int) -> None:
        """Mark a preset; with changed settings it is "Custom", made from that preset."""
        self._group.setExclusive(False)
        for key, button in self.buttons.items():
            button.setChecked(key == name and not changed)
        self._group.setExclusive(True)
        self.custom.setVisible(bool(changed))
        preset = self._presets[name]
        self.custom.setText(self.tr("Custom (from {name})").format(name=preset.label))
        table = differences(preset.settings(), TrainSettings())
        listed = ", ".join(f"{field.title.lower()} {value_words(field, value)}" for field, value in table)
        sets = self.tr("Sets {settings}.").format(settings=listed) if listed else ""
        self.words.setText(f"{preset.help} {sets}".strip())
