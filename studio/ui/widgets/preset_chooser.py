"""Quick, Balanced, Thorough side by side, what the chosen one sets, and "Custom" once something was edited."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from studio.contract.presets import PRESETS, load_preset
from studio.contract.sample import SAMPLE
from studio.ui.setting_words import preset_words
from studio.ui.theme import GRID
from studio.ui.widgets.labels import label, plain_tip
from studio.ui.wording import told


class PresetChooser(QWidget):
    """Emits `chosen` with the name of a preset when the user picks one; that of the sample is there where it fits."""

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._presets = {name: load_preset(name) for name in (*PRESETS, SAMPLE)}
        self._sample_offered = False
        self._shown = ""
        # No button group: it would keep Tab from the chosen one wherever another one was reached first.
        self.buttons: dict[str, QPushButton] = {}
        buttons_row = QHBoxLayout()
        buttons_row.setSpacing(GRID)
        for name, preset in self._presets.items():
            button = QPushButton(told(preset.label))
            button.setCheckable(True)
            button.setAccessibleName(self.tr("Preset {name}").format(name=told(preset.label)))
            button.setAccessibleDescription(told(preset.help))
            button.setToolTip(plain_tip(told(preset.help)))
            button.clicked.connect(lambda _=False, name=name: self.chosen.emit(name))
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

    def offer_sample(self, offered: bool) -> None:
        """The sample's own settings suit the sample on the starter model, and nothing else."""
        self._sample_offered = offered
        self._show_sample()

    def _show_sample(self) -> None:
        self.buttons[SAMPLE].setVisible(self._sample_offered or self._shown == SAMPLE)

    def show_preset(self, name: str, changed: int) -> None:
        """Mark a preset; with changed settings it is "Custom", made from that preset."""
        self._shown = name
        self._show_sample()
        for key, button in self.buttons.items():
            button.setChecked(key == name and not changed)
        self.custom.setVisible(bool(changed))
        preset = self._presets[name]
        self.custom.setText(self.tr("Custom (from {name})").format(name=told(preset.label)))
        self.words.setText(f"{told(preset.help)}\n{preset_words(preset)}")
