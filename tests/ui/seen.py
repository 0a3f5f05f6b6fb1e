"""The words that a person reads, and the buttons that can be pressed."""

from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QWidget

from studio.ui.widgets.labels import ElidedLabel


def seen_words(root: QWidget) -> str:
    """All text of labels that can be seen, one a line."""
    QApplication.processEvents()  # what was put into a layout is shown from there
    labels = [*root.findChildren(QLabel), *root.findChildren(ElidedLabel)]
    return "\n".join(label.text() for label in labels if label.isVisible() and label.text())


def seen_button(root: QWidget, words: str) -> QAbstractButton:
    """The button with these words that can be pressed now."""
    found = [
        button
        for button in root.findChildren(QAbstractButton)
        if button.text().replace("&", "") == words and button.isVisible() and button.isEnabled()
    ]
    assert found, f"no button says {words!r}"
    return found[0]
