"""A field for the number of a row, as the file counts its rows; its value is the stored row."""

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QValidator
from PySide6.QtWidgets import QSpinBox, QWidget

from studio.data.dataset import Dataset
from studio.ui import wording
from studio.ui.widgets.number_box import indent


class RowNumberBox(QSpinBox):
    """Shows and takes the file's numbers. A number that the dataset lacks leads to the next one that it has."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._numbers: NDArray[np.int64] = np.ones(1, np.int64)
        indent(self)
        self.setKeyboardTracking(False)

    def show_dataset(self, dataset: Dataset | None) -> None:
        """Take the rows of a dataset and stand on its first; tells nobody."""
        self.blockSignals(True)
        if dataset is not None and dataset.table.num_rows:
            self._numbers = dataset.table.column("source_row").to_numpy()
        else:
            self._numbers = np.ones(1, np.int64)
        self.setRange(0, len(self._numbers) - 1)
        self.setValue(0)
        self.blockSignals(False)

    def number(self) -> int:
        """What the file calls the row."""
        return int(self._numbers[self.value()])

    # Qt's own names.

    def textFromValue(self, value: int) -> str:
        return wording.number(int(self._numbers[value])) if 0 <= value < len(self._numbers) else ""

    def valueFromText(self, text: str) -> int:
        wanted = int(_digits(text) or 0)
        exact = np.flatnonzero(self._numbers == wanted)
        if len(exact):
            return int(exact[0])
        later = np.flatnonzero(self._numbers > wanted)
        return int(later[0]) if len(later) else len(self._numbers) - 1

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        state = QValidator.State
        plain = "".join(char for char in text if not char.isspace() and char not in ",.'\u2019")
        if not plain:
            return state.Intermediate, text, position
        good = plain.isdecimal() and len(plain) < 13
        return (state.Acceptable if good else state.Invalid), text, position


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdecimal())
