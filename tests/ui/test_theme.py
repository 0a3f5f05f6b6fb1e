"""Contrast of every token, measured; themes and text size take effect at once."""

import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.contract.run_folder import resources_folder
from studio.ui import icons, theme
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import IconLabel


def _luminance(color: str) -> float:
    parts = [QColor(color).redF(), QColor(color).greenF(), QColor(color).blueF()]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    """WCAG 2.1, 1.4.3."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_measure_knows_black_on_white() -> None:
    assert _contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("tokens", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_text_is_readable_on_every_ground_it_stands_on(tokens: theme.Tokens) -> None:
    pairs = [
        (name, ground)
        for name in ("text", "muted", "accent", "error", "warning", "success", "learned")
        for ground in ("surface", "raised")
    ]
    pairs += [("text", ground) for ground in ("hover", "accent_soft", "error_soft", "warning_soft", "success_soft")]
    pairs += [("accent_text", "accent"), ("accent_text", "accent_hover"), ("accent", "accent_soft")]
    pairs += [("learned", "learned_soft"), ("text", "learned_soft"), ("error", "error_soft")]
    pairs += [("warning", "warning_soft"), ("success", "success_soft")]
    weak = {
        f"{name} on {ground}": round(_contrast(getattr(tokens, name), getattr(tokens, ground)), 2)
        for name, ground in pairs
        if _contrast(getattr(tokens, name), getattr(tokens, ground)) < 4.5
    }
    assert not weak


@pytest.mark.parametrize("tokens", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_edges_of_controls_and_lines_of_runs_can_be_seen(tokens: theme.Tokens) -> None:
    for ground in (tokens.surface, tokens.raised):
        assert _contrast(tokens.border, ground) >= 3
        assert _contrast(tokens.accent, ground) >= 3
        for run in tokens.runs:
            assert _contrast(run, ground) >= (4.5 if ground == tokens.surface else 3)


def test_runs_differ_by_dash_too() -> None:
    assert len(set(theme.RUN_DASHES)) == len(theme.LIGHT.runs) == len(set(theme.LIGHT.runs))


def test_a_theme_changes_palette_tokens_and_tells_it(qapp: QApplication, qtbot: QtBot) -> None:
    with qtbot.waitSignal(theme.changes().theme_changed) as told:
        theme.apply(qapp, "dark")
    assert told.args == [theme.DARK]
    assert theme.tokens() is theme.DARK
    assert qapp.palette().color(QPalette.ColorRole.Window).name() == theme.DARK.surface
    assert theme.DARK.text in qapp.styleSheet()


def test_text_size_is_a_share_of_the_ordinary_size(qapp: QApplication) -> None:
    theme.apply(qapp, "light", 100)
    ordinary = qapp.font().pointSizeF()
    theme.apply(qapp, "light", 150)
    theme.apply(qapp, "light", 150)  # and does not pile up
    assert qapp.font().pointSizeF() == pytest.approx(1.5 * ordinary)
    theme.apply(qapp, "light", 100)
    assert qapp.font().pointSizeF() == pytest.approx(ordinary)


def test_the_style_sheet_is_understood_by_qt(qapp: QApplication, qtbot: QtBot) -> None:
    # Qt prints "Could not parse" for a bad sheet, which fails a test here; images are named by path.
    for name in ("light", "dark"):
        for arrow in ("up", "down", "check", "dot"):
            assert (resources_folder() / "styles" / name / f"{arrow}.svg").is_file()
    assert "$" not in qapp.styleSheet()


def test_icons_are_recoloured_by_the_theme(qapp: QApplication) -> None:
    icon = icons.icon("stop")
    assert _main_color(icon) == theme.LIGHT.text
    theme.apply(qapp, "dark")
    assert _main_color(icon) == theme.DARK.text


def test_icons_are_drawn_at_the_scale_of_the_screen(qapp: QApplication) -> None:
    assert icons.icon("home").pixmap(QSize(20, 20), 2.0).size() == QSize(40, 40)


def test_a_missing_icon_is_told_where_it_is_asked_for(qapp: QApplication) -> None:
    with pytest.raises(FileNotFoundError):
        icons.icon("no-such-icon")


def _main_color(icon: object) -> str:
    from PySide6.QtGui import QIcon

    assert isinstance(icon, QIcon)
    image = icon.pixmap(QSize(64, 64), 1.0).toImage()
    solid = [
        image.pixelColor(x, y).name()
        for x in range(image.width())
        for y in range(image.height())
        if image.pixelColor(x, y).alpha() == 255
    ]
    return max(set(solid), key=solid.count)


def test_icons_of_buttons_grow_with_the_text_and_keep_their_distance_from_it(qtbot: QtBot, qapp: QApplication) -> None:
    worded, bare = buttons.primary("Start training", icon="play"), buttons.icon_button("more", "More")
    for button in (worded, bare):
        qtbot.addWidget(button)
    assert (worded.iconSize(), bare.iconSize()) == (QSize(18, 18), QSize(18, 18))
    theme.apply(qapp, "light", 150)
    assert (worded.iconSize(), bare.iconSize()) == (QSize(28, 24), QSize(24, 24))
    icons.fit(bare, 14)  # the last size holds
    assert bare.iconSize() == QSize(19, 19)
    later = buttons.primary("Start training", icon="play")
    qtbot.addWidget(later)
    assert later.iconSize() == worded.iconSize()
    theme.apply(qapp, "light", 100)
    assert (later.iconSize(), bare.iconSize()) == (QSize(18, 18), QSize(14, 14))


def test_icons_beside_sentences_grow_with_the_text(qtbot: QtBot, qapp: QApplication) -> None:
    mark = IconLabel("check", "success", 16)
    qtbot.addWidget(mark)
    assert mark.size() == QSize(16, 16)
    theme.apply(qapp, "light", 150)
    assert mark.size() == QSize(21, 21)
    theme.apply(qapp, "light", 100)
    assert mark.size() == QSize(16, 16)
