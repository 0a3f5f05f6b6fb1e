"""The row above the plot: axis, smoothing, log scale, [Fit] and the menu."""

import math

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QMenu, QSlider, QWidget

from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.combo_box import ComboBox
from studio.ui.widgets.labels import label, plain_tip
from studio.ui.widgets.section import Folding, held, row

DEFAULT_SMOOTHING = 60


def figure(name: str, value: float) -> str:
    """A curve's value in a few digits."""
    if not math.isfinite(value):
        return "NaN"
    if name == "memory":
        return f"{value / 2**30:.2f}"
    if name == "speed":
        return f"{value:,.0f}"
    if name in ("learning_rate", "grad_norm"):
        return f"{value:.2g}".replace("e-0", "e-")
    return f"{value:.2e}" if value and abs(value) < 1e-3 else f"{value:.3g}"


class PlotControls(QWidget):
    """What the user may change about the plot."""

    axis_changed = Signal()
    smoothing_changed = Signal()
    fit_wanted = Signal()

    def __init__(self, menu: QMenu) -> None:
        super().__init__()
        self.axis = ComboBox()
        self.axis.addItems([self.tr("Step"), self.tr("Time")])
        self.axis.setAccessibleName(self.tr("Horizontal axis"))
        self.axis.currentIndexChanged.connect(self.axis_changed)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, 99)
        self.slider.setValue(DEFAULT_SMOOTHING)
        self.slider.setMinimumWidth(80)
        self.slider.setMaximumWidth(140)
        self.slider.setAccessibleName(self.tr("Smoothing of the loss"))
        self.slider.setToolTip(plain_tip(self.tr("0 shows every step as it is; the faint line always does.")))
        self.slider.valueChanged.connect(self._on_slid)
        self._smoothing_words = label(f"{self.smoothing:.2f}", "muted")
        self.log_box = QCheckBox(self.tr("Log scale"))
        self.log_box.toggled.connect(self.axis_changed)
        self.fit_button = buttons.secondary(self.tr("Fit"), self.fit_wanted.emit, "fit")
        self.fit_button.setProperty("compact", "true")
        self.fit_button.setToolTip(plain_tip(self.tr("Shows the whole run and follows it again")))
        self.menu_button = buttons.icon_button("more", self.tr("Table, picture and data of this plot"))
        self.menu_button.setMenu(menu)
        self.menu_button.setPopupMode(self.menu_button.ToolButtonPopupMode.InstantPopup)
        smoothing = row(self.axis, label(self.tr("Smoothing"), "muted"), self.slider, self._smoothing_words)
        rest = row(self.log_box, 1, self.fit_button, self.menu_button)
        smoothing.setStretch(2, 1)
        smoothing.insertSpacing(1, GRID)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(Folding(held(smoothing), held(rest), spacing=2 * GRID, stretch=(1, 1)))
        self.set_following(True)

    @property
    def shows_time(self) -> bool:
        """The x axis is time."""
        return self.axis.currentIndex() == 1

    @property
    def smoothing(self) -> float:
        """Weight of the past in the moving average, 0 to 0.99."""
        return self.slider.value() / 100

    @property
    def log(self) -> bool:
        """The loss's axis is logarithmic."""
        return self.log_box.isChecked()

    def set_following(self, following: bool) -> None:
        """[Fit] does something only when the view was moved."""
        self.fit_button.setEnabled(not following)

    def _on_slid(self) -> None:
        self._smoothing_words.setText(f"{self.smoothing:.2f}")
        self.smoothing_changed.emit()
