"""Boxes for numbers: their text begins as far from the edge as in other fields."""

from PySide6.QtWidgets import QAbstractSpinBox

_INDENT = 6


def indent(field: QAbstractSpinBox) -> None:
    """Move the text in from the left: the style sheet's padding does not reach the line edit inside."""
    field.lineEdit().setTextMargins(_INDENT, 0, 0, 0)
