"""The form of all hyperparameters, made from their declarations in the contract."""

from collections.abc import Callable
from typing import Any

import msgspec
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMenu, QPushButton, QScrollArea, QToolButton, QVBoxLayout, QWidget

from studio.contract.errors import Problem, SettingsError
from studio.contract.events import DeviceReport
from studio.contract.fields import GROUPS, build, check_values, fields, flatten
from studio.contract.method_choice import changed_to, name_of
from studio.contract.methods import METHODS, tag_of
from studio.contract.presets import PRESETS, load_preset
from studio.contract.sample import SAMPLE
from studio.contract.setting_facts import idle_because_of
from studio.contract.settings import TrainSettings
from studio.contract.together import check_together
from studio.ui import icons, setting_words, wording
from studio.ui import preferences as window_preferences
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import label
from studio.ui.widgets.method_row import MethodRow
from studio.ui.widgets.preset_chooser import PresetChooser
from studio.ui.widgets.search_field import SearchField
from studio.ui.widgets.section import ScrollColumn, row
from studio.ui.widgets.setting_group import SettingGroup
from studio.ui.widgets.setting_row import SettingRow

Unfitting = Callable[[TrainSettings], tuple[Problem, ...]]


class SettingsForm(QWidget):
    """Edits a `TrainSettings`.

    At the Simple level it shows the settings a newcomer needs, and any other that is changed or wrong. A search looks
    through all of them, whatever the level, and opens closed groups.

    Signals:
        settings_changed: TrainSettings after each valid edit.
        problems_changed: All problems (tuple of Problem), empty when the settings can be used.
    """

    settings_changed = Signal(object)
    problems_changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._preferences = window_preferences.shared()
        self._has_cuda = False
        self._problems: tuple[Problem, ...] = ()
        self._model = self._data = self._start = ""
        self.preset = "balanced"
        self._method = "lora"
        self._architecture = ""
        self._unfitting: Unfitting = lambda settings: ()
        self._replaced: dict[str, Any] = {}  # what the last preset took the place of
        self.rows: dict[str, SettingRow] = {
            field.path: MethodRow() if field.path == "method" else SettingRow(field) for field in fields(TrainSettings)
        }
        self.groups = {
            name: SettingGroup(wording.told(title), [r for r in self.rows.values() if r.field.group == name])
            for name, title in GROUPS.items()
        }
        self._build()
        for path, setting in self.rows.items():
            setting.edited.connect(self._on_method_chosen if path == "method" else self._on_edited)
            setting.fix_wanted.connect(self._put_right)
        self._preferences.changed.connect(self._on_preference_changed)
        self.set_preset(self.preset)

    def _build(self) -> None:
        self.presets = PresetChooser()
        self.presets.chosen.connect(self._on_preset_chosen)
        self.search = SearchField(self.tr("Search all settings"))
        self.search.textChanged.connect(self._on_searched)
        self.level_button = QPushButton()
        self.level_button.clicked.connect(self._toggle_level)
        self.changed_label = label("", "muted")
        self.reset_button = buttons.flat(self.tr("Reset"), self.reset)
        self.reset_button.setAccessibleName(self.tr("Reset all changed settings"))
        self.none_found = label(self.tr("No setting has these words."), "muted")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(GRID + 4)
        outer.addWidget(self.presets)
        tools = row(self.search, self.level_button, self.changed_label, self.reset_button, self._copy_button())
        tools.setStretch(0, 1)
        outer.addLayout(tools)
        outer.addWidget(self.none_found)
        for group in self.groups.values():
            outer.addWidget(group)

    def _copy_button(self) -> QToolButton:
        made = QToolButton()
        made.setIcon(icons.icon("copy"))
        icons.fit(made, 18)
        made.setAccessibleName(self.tr("Copy these settings"))
        made.setToolTip(self.tr("Copy these settings as a command or a file"))
        made.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        menu = QMenu(made)
        menu.addAction(self.tr("Copy as command"), lambda: self._copy(setting_words.as_command))
        menu.addAction(self.tr("Copy as file (TOML)"), lambda: self._copy(setting_words.as_file))
        made.setMenu(menu)
        self.copy_button = made
        return made

    # --- what the page uses -----------------------------------------------------------------------------

    def set_settings(self, settings: TrainSettings) -> None:
        """Show these values; they are measured against the preset they equal, else against the present one."""
        for name in (*PRESETS, SAMPLE):
            if load_preset(name).settings() == settings:
                self.preset = name
        self._fill(settings)
        self._check(tell=True)

    def values(self) -> dict[str, Any]:
        """What stands in the rows, right or wrong."""
        return {path: setting.value() for path, setting in self.rows.items()}

    def show_values(self, values: dict[str, Any], preset: str) -> None:
        """Show what `values` gave, measured against a preset; what is no plain value is left out."""
        plain = {path: value for path, value in values.items() if isinstance(value, str | int | float)}
        if plain.get("method") not in METHODS or preset not in (*PRESETS, SAMPLE):
            return
        self.preset = preset
        self._show_method(str(plain["method"]))
        self._take(plain)
        self._check(tell=True)

    def settings(self) -> TrainSettings | None:
        """The settings as they stand, or None while something is wrong with them."""
        return None if self._problems else self._built

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything that is wrong now."""
        return self._problems

    def set_preset(self, name: str) -> None:
        """Take a preset's values."""
        self.preset = name
        self._fill(load_preset(name).settings())
        self._check(tell=True)

    def set_device(self, report: DeviceReport) -> None:
        """What this computer has decides which choices there are and which go together."""
        self._has_cuda = any(gpu.device.startswith("cuda") for gpu in report.gpus)
        self.rows["device"].offer_devices(report)
        self._check(tell=False)

    def set_sources(self, model: str, data: str, architecture: str = "", start: str = "") -> None:
        """Model folder, dataset and run to go on from, for the copied command; model and data decide what fits."""
        before = self._model, self._data, self._architecture
        self._model, self._data, self._architecture, self._start = model, data, architecture, start
        if (model, data, architecture) != before:
            self._check(tell=False)

    def ask_limits(self, unfitting: Unfitting) -> None:
        """Have another give the problems that only the chosen model and data make."""
        self._unfitting = unfitting
        self._check(tell=False)

    def reset(self) -> None:
        """Back to the preset's values."""
        self._replace_all(self.preset, self.tr("Your settings were reset to {name}."))

    def focus_search(self) -> None:
        """Put the cursor into the search field."""
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search.selectAll()
        QTimer.singleShot(0, self.search, lambda: _bring_to_top(self.search))

    def show_setting(self, path: str) -> None:
        """Bring one setting into view, whatever the level, and put the cursor there."""
        setting = self.rows[path]
        if setting.isHidden():
            self._preferences.level = "full"
        self.search.clear()
        self.groups[setting.field.group].set_open(True)
        setting.editor.setFocus(Qt.FocusReason.ShortcutFocusReason)
        QTimer.singleShot(0, setting, lambda: _bring_into_view(setting))  # once rows that came up have their places

    @property
    def changed_count(self) -> int:
        """How many settings differ from the preset."""
        return sum(setting.changed for setting in self.rows.values())

    # --- inside -----------------------------------------------------------------------------------------

    def _fill(self, settings: TrainSettings) -> None:
        self._show_method(name_of(settings))
        self._take({**flatten(settings), "method": name_of(settings)})

    def _take(self, values: dict[str, Any]) -> None:
        """Show these values, measured against the preset's."""
        preset = load_preset(self.preset).settings()
        base = {**flatten(preset), "method": name_of(preset)}
        same = type(preset.method) is METHODS[self._method].settings
        for path, setting in self.rows.items():
            own = path.startswith("method.") and not same  # the preset says nothing about it
            setting.set_value(values.get(path, setting.field.default))
            setting.set_base(setting.field.default if own else base[path])

    def _show_method(self, name: str) -> None:
        """Have the rows of a way of tuning in the form."""
        kind = METHODS[name].settings
        if kind is not METHODS[self._method].settings:
            settings = msgspec.structs.replace(TrainSettings(), method=kind())  # type: ignore[arg-type]
            fresh = {field.path: SettingRow(field) for field in fields(settings) if field.path.startswith("method.")}
            kept = {path: row for path, row in self.rows.items() if not path.startswith("method.")}
            self.rows = {"method": kept.pop("method"), **fresh, **kept}
            self.groups["adapter"].replace_rows([r for r in self.rows.values() if r.field.group == "adapter"])
            for setting in fresh.values():
                setting.edited.connect(self._on_edited)
                setting.fix_wanted.connect(self._put_right)
        self._method = name

    def _on_method_chosen(self) -> None:
        before, name = self._method, self.rows["method"].value()
        now = {path: setting.value() for path, setting in self.rows.items()}
        values = changed_to(name, now, before, load_preset(self.preset).settings())
        self._show_method(name)
        self._take({**values, "method": name})
        self._check(tell=True)

    def _on_preset_chosen(self, name: str) -> None:
        self._replace_all(name, self.tr("Preset {name}: your settings were replaced."))

    def _replace_all(self, name: str, said: str) -> None:
        """Take a preset's values; whoever had others gets the way back to them."""
        had_own, before, values = bool(self.changed_count), self.preset, self.values()
        self.set_preset(name)
        toasts = getattr(self.window(), "toasts", None)  # a form that stands alone has none
        if had_own and toasts is not None:
            words = said.format(name=wording.told(load_preset(name).label))
            self._replaced, start = values, self._start
            toasts.say(words, self.tr("Undo"), lambda: self._take_back(values, before, start))

    def _take_back(self, values: dict[str, Any], preset: str, start: str) -> None:
        """Undo of a preset; what was set since, or is begun with since, is not lost for it."""
        if self._replaced is values and self._start == start and not self.changed_count:
            self.show_values(values, preset)
        else:
            said = self.tr("Settings were changed since, so nothing was undone.")
            self.window().toasts.say(said)  # type: ignore[attr-defined] # its Undo was clicked there

    def _on_edited(self) -> None:
        self._check(tell=True)

    def _put_right(self, sets: dict[str, Any]) -> None:
        for path, value in sets.items():
            self.rows[path].set_value(value)
        self._check(tell=True)

    def _check(self, tell: bool) -> None:
        values: dict[str, Any] = {path: setting.value() for path, setting in self.rows.items()}
        values["method"] = tag_of(METHODS[values["method"]].settings)
        problems = check_values(TrainSettings, values)
        before = self._problems
        if not problems:
            try:
                self._built = build(TrainSettings, values)
                problems = check_together(self._built, self._uses_cuda(), self._architecture)
                problems += self._unfitting(self._built)
                self._method = name_of(self._built)  # 4-bit loading makes QLoRA of LoRA, however it was chosen
                self.rows["method"].set_value(self._method)
            except SettingsError as error:
                problems = error.problems
        self._problems = problems
        table = {path: setting.field for path, setting in self.rows.items()}
        by_path = {problem.where: problem for problem in reversed(problems)}
        for path, setting in self.rows.items():
            problem = by_path.get(path)
            setting.show_problem(problem, setting_words.fix_words(problem, table) if problem is not None else "")
            setting.show_idle(self._idle_words(path, values))
        self._show_counts()
        self._show_rows()
        if problems != before or tell:
            self.problems_changed.emit(problems)
        if tell and not problems:
            self.settings_changed.emit(self._built)

    def _idle_words(self, path: str, values: dict[str, Any]) -> str:
        other = self.rows.get(idle_because_of(path, values))
        if other is None:
            return ""
        value = setting_words.value_words(other.field, values[other.field.path])
        return self.tr("Changes nothing while “{name}” is “{value}”.").format(name=other.field.title, value=value)

    def _uses_cuda(self) -> bool:
        return self._has_cuda and self._built.device != "cpu"

    def _on_searched(self, words: str) -> None:
        self._show_rows()
        if words:  # what was found stands below the field: both are to be seen
            QTimer.singleShot(0, self.search, lambda: _bring_to_top(self.search))

    def _show_counts(self) -> None:
        changed = self.changed_count
        for group in self.groups.values():
            group.update_count()
        self.changed_label.setText(self.tr("{count} changed").format(count=changed))
        self.reset_button.setEnabled(bool(changed))
        self.presets.show_preset(self.preset, changed)

    def _show_rows(self) -> None:
        words = self.search.text().lower().split()
        simple = self._preferences.level == "simple"
        wrong = {problem.where for problem in self._problems}
        visible = set()
        for path, setting in self.rows.items():
            wanted = not simple or setting.field.simple or setting.changed or path in wrong
            # An editor that is being typed into must not vanish because its value became ordinary again.
            wanted = wanted or setting.editor.hasFocus()
            if setting.matches(words) if words else wanted:
                visible.add(path)
            setting.show_help(simple or bool(words))
        for group in self.groups.values():
            group.show_rows(visible, forced_open=bool(words))
        self.none_found.setVisible(not visible)
        self.level_button.setText(self.tr("Show all settings") if simple else self.tr("Show fewer settings"))

    def _toggle_level(self) -> None:
        self._preferences.level = "full" if self._preferences.level == "simple" else "simple"

    def _on_preference_changed(self, name: str) -> None:
        if name == "level":
            self._show_rows()

    def _copy(self, write: Any) -> None:
        settings = self.settings()
        if settings is not None:
            QGuiApplication.clipboard().setText(write(settings, self.preset, self._model, self._data, self._start))


def _bring_to_top(widget: QWidget) -> None:
    """Scroll whatever holds the form so that a widget stands at the top, with as much below it as has room."""
    parent = widget.parentWidget()
    while parent is not None:
        if isinstance(parent, ScrollColumn):
            parent.show_top_of(widget)
        parent = parent.parentWidget()


def _bring_into_view(setting: QWidget) -> None:
    """Scroll whatever holds the form so that the whole row can be read."""
    parent = setting.parentWidget()
    while parent is not None:
        if isinstance(parent, QScrollArea):
            parent.ensureWidgetVisible(setting, 0, 4 * GRID)
        parent = parent.parentWidget()
