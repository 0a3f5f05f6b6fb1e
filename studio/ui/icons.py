"""Icons of our own: one SVG each in resources/icons, drawn in the theme's colour at whatever size is asked for."""

from functools import cache

from PySide6.QtCore import QByteArray, QObject, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QIconEngine, QImage, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractButton

from studio.contract.run_folder import resources_folder
from studio.ui import theme


@cache
def _source(name: str) -> bytes:
    return (resources_folder() / "icons" / f"{name}.svg").read_bytes()


@cache
def _renderer(name: str, color: str) -> QSvgRenderer:
    return QSvgRenderer(QByteArray(_source(name).replace(b"currentColor", color.encode())))


class _Engine(QIconEngine):
    """Asks for the colour when it paints, so a change of theme recolours every icon by itself."""

    def __init__(self, name: str, token: str) -> None:
        super().__init__()
        self._name = name
        self._token = token

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        token = self._token
        if mode == QIcon.Mode.Disabled:
            token = "border"
        elif state == QIcon.State.On and token == "text":
            token = "accent"
        draw(painter, rect, self._name, token)

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        if size.isEmpty():
            return QPixmap()
        image = QImage(size, QImage.Format.Format_ARGB32_Premultiplied)
        image.fill(Qt.GlobalColor.transparent)
        painter = QPainter(image)
        self.paint(painter, QRect(QPoint(0, 0), size), mode, state)
        painter.end()
        return QPixmap.fromImage(image)

    def clone(self) -> "_Engine":
        return _Engine(self._name, self._token)


def icon(name: str, token: str = "text") -> QIcon:
    """An icon by the name of its file, in the colour of a token (recoloured when the theme changes)."""
    _source(name)  # a wrong name is told here, not at some later paint
    return QIcon(_Engine(name, token))


def fit(button: QAbstractButton, size: int) -> None:
    """Let a button's icon grow with its text, now and whenever that changes; the last size asked for holds.

    Args:
        button: With the words that it will have.
        size: Of the icon at 100 %, in pixels.
    """
    for earlier in button.children():
        if isinstance(earlier, _Fit):
            earlier.set_size(size)
            return
    _Fit(button, size)


class _Fit(QObject):
    """Ends with its button."""

    def __init__(self, button: QAbstractButton, size: int) -> None:
        super().__init__(button)
        self._button = button
        self.set_size(size)
        theme.changes().theme_changed.connect(self._suit)

    def set_size(self, size: int) -> None:
        """At 100 %, in pixels."""
        self._size = size
        self._suit()

    def _suit(self) -> None:
        size = theme.icon_size(self._size)
        # Qt leaves 4 pixels between icon and words at any text size: the rest of the gap is part of the icon's place.
        beside = max(0, round((size - self._size) * 2 / 3)) if self._button.text() else 0
        self._button.setIconSize(QSize(size + beside, size))


def draw(painter: QPainter, rect: QRect, name: str, token: str) -> None:
    """Draw an icon in the middle of a rectangle, in today's colour of a token."""
    side = min(rect.width(), rect.height())
    square = QRectF(0, 0, side, side)
    square.moveCenter(QRectF(rect).center())
    _renderer(name, getattr(theme.tokens(), token)).render(painter, square)


def pixmap(name: str, token: str, size: int, ratio: float) -> QPixmap:
    """An icon as picture of `size` device-independent pixels, for labels; made anew when the theme changes."""
    image = icon(name, token).pixmap(QSize(size, size), ratio)
    return image


def program_icon() -> QIcon:
    """The program's own icon, in its own colours."""
    made = QIcon()
    renderer = QSvgRenderer(QByteArray(_source("apprentice")))
    for side in (16, 24, 32, 48, 64, 128, 256):
        image = QImage(side, side, QImage.Format.Format_ARGB32_Premultiplied)
        image.fill(Qt.GlobalColor.transparent)
        painter = QPainter(image)
        renderer.render(painter)
        painter.end()
        made.addPixmap(QPixmap.fromImage(image))
    return made
