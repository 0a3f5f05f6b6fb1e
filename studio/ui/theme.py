"""How the window looks: two palettes of our own on the Fusion style, a small style sheet, and one signal.

Colours are taken from `tokens()` when something is painted, so a change of theme needs no restart. The values were
chosen for contrast (text at least 4.5:1, controls at least 3:1); tests/ui/test_theme.py measures them.
"""

from dataclasses import dataclass
from string import Template
from typing import Literal

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPalette
from PySide6.QtWidgets import QApplication

from studio.contract.run_folder import resources_folder

Mode = Literal["system", "light", "dark"]

GRID = 8
"""Every distance is a multiple of half of this, in pixels."""


@dataclass(frozen=True)
class Tokens:
    """The colours of one theme, as "#rrggbb".

    Attributes:
        surface: Ground of a page. raised: ground of cards, rail and bars.
        line: Hairline between areas. border: edge of a control (at least 3:1).
        text, muted: On surface and raised alike.
        accent: The one accent; accent_text stands on it.
        accent_soft: Ground of what is chosen.
        learned: Text and underline of learned tokens; learned_soft their ground.
        runs: Colours of up to four runs in a plot (with a dash of their own, see RUN_DASHES).
    """

    dark: bool
    surface: str
    raised: str
    hover: str
    line: str
    border: str
    text: str
    muted: str
    accent: str
    accent_hover: str
    accent_soft: str
    accent_text: str
    error: str
    error_soft: str
    warning: str
    warning_soft: str
    success: str
    success_soft: str
    learned: str
    learned_soft: str
    runs: tuple[str, str, str, str]

    def color(self, name: str) -> QColor:
        """A token as QColor."""
        return QColor(getattr(self, name))


LIGHT = Tokens(
    dark=False,
    surface="#ffffff",
    raised="#f4f5f7",
    hover="#e8eaee",
    line="#dcdfe4",
    border="#80858e",
    text="#1b1c1f",
    muted="#565b64",
    accent="#1d5fd1",
    accent_hover="#174fb0",
    accent_soft="#e1ebfb",
    accent_text="#ffffff",
    error="#b3261e",
    error_soft="#fce9e7",
    warning="#855300",
    warning_soft="#fdf1dc",
    success="#1c6b38",
    success_soft="#e2f4e7",
    learned="#17612f",
    learned_soft="#d9f1e0",
    runs=("#0072b2", "#b35900", "#00785a", "#a3457c"),
)
DARK = Tokens(
    dark=True,
    surface="#17181b",
    raised="#202226",
    hover="#2c2f35",
    line="#33363c",
    border="#7b808a",
    text="#e8eaed",
    muted="#a9aeb8",
    accent="#6aa5ff",
    accent_hover="#8cbaff",
    accent_soft="#22344f",
    accent_text="#0d1726",
    error="#ff7b72",
    error_soft="#3c2221",
    warning="#f0b64a",
    warning_soft="#39301d",
    success="#5fce87",
    success_soft="#1d3526",
    learned="#8be0a8",
    learned_soft="#1d3a28",
    runs=("#56b4e9", "#e69f00", "#00b98a", "#cc79a7"),
)

RUN_DASHES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine, Qt.PenStyle.DashDotLine)
"""Runs differ by colour and by dash."""


class Changes(QObject):
    """Tells that colours or text size are others now."""

    theme_changed = Signal(object)  # Tokens


class _State:
    tokens = LIGHT
    mode: Mode = "system"
    text_percent = 100
    base_points = 0.0
    changes: Changes | None = None


def tokens() -> Tokens:
    """The colours in use."""
    return _State.tokens


def changes() -> Changes:
    """Whose `theme_changed` tells of a new theme or text size."""
    if _State.changes is None:
        _State.changes = Changes()
    return _State.changes


def icon_size(size: int) -> int:
    """Pixels of an icon that has `size` at 100 %: it grows two thirds as fast as the text does."""
    return round(size * (1 + (_State.text_percent - 100) / 150))


def apply(application: QApplication, mode: Mode = "system", text_percent: int = 100) -> None:
    """Put a theme and a text size on the whole application; may be called again at any time.

    Args:
        application: Gets the Fusion style, palette, font and style sheet.
        mode: "system" follows the desktop where it says what it wants, else light.
        text_percent: Size of all text, 90 to 150.
    """
    if _State.base_points <= 0:
        application.setStyle("Fusion")
        _State.base_points = max(10.0, application.font().pointSizeF())
        application.styleHints().colorSchemeChanged.connect(lambda: _follow_system(application))
    _State.mode, _State.text_percent = mode, text_percent
    _State.tokens = DARK if _wants_dark(application, mode) else LIGHT
    font = QFont(application.font())
    font.setPointSizeF(_State.base_points * text_percent / 100)
    application.setFont(font)
    application.setPalette(_palette(_State.tokens))
    application.setStyleSheet(_style_sheet(_State.tokens))
    changes().theme_changed.emit(_State.tokens)


def title_font() -> QFont:
    """The larger of the two type sizes of a page."""
    font = QFont(QApplication.font())
    font.setPointSizeF(font.pointSizeF() * 1.45)
    font.setWeight(QFont.Weight.DemiBold)
    return font


def strong_font() -> QFont:
    """The smaller size, heavier: headings of cards."""
    font = QFont(QApplication.font())
    font.setWeight(QFont.Weight.DemiBold)
    return font


def mono_font() -> QFont:
    """For commands, logs and token ids."""
    font = QFont("monospace")
    font.setStyleHint(QFont.StyleHint.Monospace)
    font.setPointSizeF(QApplication.font().pointSizeF() * 0.95)
    return font


def _follow_system(application: QApplication) -> None:
    if _State.mode == "system":
        apply(application, _State.mode, _State.text_percent)


def _wants_dark(application: QApplication, mode: Mode) -> bool:
    if mode != "system":
        return mode == "dark"
    return application.styleHints().colorScheme() == Qt.ColorScheme.Dark


def _palette(colors: Tokens) -> QPalette:
    palette = QPalette()
    role = QPalette.ColorRole
    table = {
        role.Window: colors.surface,
        role.WindowText: colors.text,
        role.Base: colors.surface,
        role.AlternateBase: colors.raised,
        role.Text: colors.text,
        role.PlaceholderText: colors.muted,
        role.Button: colors.raised,
        role.ButtonText: colors.text,
        role.BrightText: colors.error,
        role.ToolTipBase: colors.raised,
        role.ToolTipText: colors.text,
        role.Highlight: colors.accent,
        role.HighlightedText: colors.accent_text,
        role.Accent: colors.accent,
        role.Link: colors.accent,
        role.LinkVisited: colors.accent,
        role.Light: colors.hover,
        role.Midlight: colors.line,
        role.Mid: colors.border,
        role.Dark: colors.border,
        role.Shadow: colors.line,
    }
    for key, value in table.items():
        palette.setColor(key, QColor(value))
    for key in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, key, QColor(colors.border))
    palette.setColor(QPalette.ColorGroup.Disabled, role.Highlight, QColor(colors.line))
    return palette


def _style_sheet(colors: Tokens) -> str:
    styles = resources_folder() / "styles"
    names = {name: value for name, value in vars(colors).items() if isinstance(value, str)}
    # A height in the sheet wins over what the text needs, so it grows with the text.
    text_px = QFontMetrics(QApplication.font()).height()
    names |= {"line_px": str(max(20, text_px)), "inner_px": str(max(18, text_px)), "compact_px": str(max(16, text_px))}
    names["arrows"] = (styles / ("dark" if colors.dark else "light")).as_posix()
    return Template((styles / "window.qss").read_text(encoding="utf-8")).substitute(names)
