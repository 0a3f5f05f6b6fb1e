"""The window: rail, header, messages, one page, run bar. It wires; what is shown lives in the pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QApplication, QFileDialog, QHBoxLayout, QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from studio.contract import events
from studio.contract.errors import Problem
from studio.contract.job import TrainJob
from studio.contract.run_folder import RunFolder
from studio.contract.sample import SAMPLE
from studio.data.run_history import summarise
from studio.supervisor.workplace import Workplace
from studio.ui import drop_routing, icons, panes, theme
from studio.ui import preferences as window_preferences
from studio.ui.autopilot import Autopilot
from studio.ui.closing import Closing
from studio.ui.command_palette import Command, CommandPalette
from studio.ui.data_import import file_filters
from studio.ui.drafts import Drafts
from studio.ui.drop_overlay import DropOverlay
from studio.ui.focus_ring import FocusRing
from studio.ui.header import Header
from studio.ui.notifications import Notifications
from studio.ui.pages import PAGES
from studio.ui.pages.page import Page
from studio.ui.preferences import Preferences
from studio.ui.rail import Rail
from studio.ui.run_bar import RunBar
from studio.ui.shortcuts import SHORTCUTS
from studio.ui.widgets.drop_zone import dropped_paths
from studio.ui.widgets.message import Action, MessageBar
from studio.ui.widgets.toast import Toasts
from studio.ui.widgets.verdict_words import ending_words

if TYPE_CHECKING:
    from studio.ui.help import HelpWindow


class MainWindow(QMainWindow):
    """Holds the pages of PAGES; a page is made when it is first shown.

    Attributes:
        toasts: Short news at the lower right.
        preferences: What the user chose about the window.
        message: The message above the page.
    """

    def __init__(self, workplace: Workplace, preferences: Preferences | None = None) -> None:
        super().__init__()
        self.workplace = workplace
        self.preferences = preferences or window_preferences.shared()
        self._pages: dict[str, Page] = {}
        self._current = ""
        self._help: HelpWindow | None = None
        self.setWindowTitle(self.tr("Apprentice Studio"))
        self.setWindowIcon(icons.program_icon())
        self.setMinimumSize(1100, 700)
        self.setAcceptDrops(True)
        self._build()
        self._connect()
        self._bind_shortcuts()
        if self.preferences.geometry.isEmpty() or not self.restoreGeometry(self.preferences.geometry):
            self.resize(QSize(1280, 800))
        self.show_page("home")

    def _build(self) -> None:
        self.rail = Rail()
        self.header = Header(self.workplace)
        self.message = MessageBar()
        self._stack = QStackedWidget()
        self.run_bar = RunBar(self.workplace)
        message_row = QHBoxLayout()
        message_row.setContentsMargins(3 * theme.GRID, theme.GRID, 3 * theme.GRID, 0)
        message_row.addWidget(self.message)
        right = QVBoxLayout()
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(0)
        right.addWidget(self.header)
        right.addLayout(message_row)
        right.addWidget(self._stack, 1)
        across = QHBoxLayout()
        across.setContentsMargins(0, 0, 0, 0)
        across.setSpacing(0)
        across.addWidget(self.rail)
        across.addLayout(right, 1)
        centre = QWidget()
        outer = QVBoxLayout(centre)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addLayout(across, 1)
        outer.addWidget(self.run_bar)
        self.setCentralWidget(centre)
        self.toasts = Toasts(centre, lift=self.run_bar.minimumHeight())
        self._overlay = DropOverlay(centre)
        self._ring = FocusRing(self)
        self._notifications = Notifications(self)
        self.drafts = Drafts(self)
        self.autopilot = Autopilot(self.workplace, self.preferences, self)
        self.closing = Closing(self, self.workplace, self.preferences)
        self.closing.saving_began.connect(self._on_saving_began)

    def _connect(self) -> None:
        self.rail.page_wanted.connect(self.show_page)
        self.header.palette_wanted.connect(self.open_palette)
        self.header.help_wanted.connect(self.open_help)
        self.header.privacy_wanted.connect(lambda: self.show_settings("privacy"))
        self.run_bar.opened.connect(self._watch_run)
        workplace = self.workplace
        workplace.problem_raised.connect(self.show_problem)
        workplace.told.connect(self.toasts.say)
        workplace.chat_requested.connect(self._on_chat_requested)
        workplace.run_event.connect(self._on_run_event)
        workplace.run_queued.connect(self._on_run_queued)
        self.preferences.changed.connect(self._on_preference_changed)
        self._on_preference_changed("on_close")

    # --- pages ------------------------------------------------------------------------------------------

    @property
    def current_page(self) -> str:
        """Name of the page that is shown."""
        return self._current

    def page(self, name: str) -> Page:
        """A page, made now if it was not yet."""
        if name not in self._pages:
            made = PAGES[name].load(self.workplace, self._stack)
            made.page_wanted.connect(self.show_page)
            made.run_wanted.connect(self.show_run)
            made.route_wanted.connect(self.take)
            made.setAccessibleName(PAGES[name].text)
            self._pages[name] = made
            self._stack.addWidget(made)
        return self._pages[name]

    def show_page(self, name: str) -> None:
        """Bring a page to the front."""
        if name == "train" and self.workplace.failed_runs.tell(self.message.problem):
            self.message.clear()  # it is told there
        self.workplace.models.look()
        page = self.page(name)
        self._current = name
        self.rail.choose(name)
        self.header.set_page(PAGES[name].text)
        self._stack.setCurrentWidget(page)
        page.on_shown()
        self.drafts.take_in(name, page)

    def show_settings(self, section: str) -> None:
        """Show a section of the Settings page."""
        self.show_page("settings")
        self._ask("settings", "show_section", section)

    def show_run(self, folder: RunFolder) -> None:
        """Show one run on the Runs page."""
        self.show_page("runs")
        self._ask("runs", "show_run", folder)

    def _on_chat_requested(self, folder: RunFolder) -> None:
        self.show_page("chat")
        # Own data: the first held-back question asks itself. The sample's are for the newcomer to click.
        own = (run := summarise(folder)) is not None and Path(run.job.dataset).name != SAMPLE
        self._ask("chat", "show_run", folder, own)

    def _ask(self, page: str, method: str, *arguments: object) -> None:
        getattr(self.page(page), method)(*arguments)

    # --- messages ---------------------------------------------------------------------------------------

    def show_problem(self, problem: Problem) -> None:
        """Say it above the page, with the button that helps."""
        self.message.show_problem(problem, self._ways_out(problem))

    def _ways_out(self, problem: Problem) -> list[Action]:
        match problem.code:
            case "train.no_model":
                return [(self.tr("Choose a model"), lambda: self.show_page("models"))]
            case "train.no_dataset":
                return [(self.tr("Choose data"), lambda: self.show_page("data"))]
            case code if code.startswith("model."):
                return [(self.tr("Show models"), lambda: self.show_page("models"))]
            case code if code.startswith("data."):
                return [(self.tr("Show data"), lambda: self.show_page("data"))]
        return []

    def _watch_run(self) -> None:
        self.show_page("train")
        self._ask("train", "watch")

    def _on_run_queued(self, work: TrainJob) -> None:
        words = self.tr("{name} waits in line: it starts when the run that goes on has ended.").format(name=work.name)
        self.toasts.say(words, self.tr("Show the line"), lambda: self.show_page("runs"))

    def _on_run_event(self, event: object) -> None:
        active = self.workplace.active
        if active is None or not isinstance(event, events.Finished | events.Failed):
            return
        folder = active.folder
        name = self.workplace.active_job.name if self.workplace.active_job is not None else folder.id
        self._notifications.run_ended(name, event)
        told = self._current == "train" and (isinstance(event, events.Failed) or self.page("train").shows(folder))
        if told or self.closing.saving:
            return  # the page itself tells it
        if isinstance(event, events.Failed):
            failed = self.workplace.failed_runs.newest_first()[0]
            self.message.show_problem(failed.problem, [(self.tr("Show the run"), lambda: self.show_run(folder))])
        elif event.went_back:
            self.toasts.say(f"{name}: {ending_words(event)}")
        elif event.adapter:
            self.toasts.say(
                self.tr("{name} is done.").format(name=name),
                self.tr("Compare"),
                lambda: self.workplace.open_chat(folder),
            )

    # --- shortcuts --------------------------------------------------------------------------------------

    def _bind_shortcuts(self) -> None:
        actions: dict[str, Callable[[], object]] = {
            "import": self.choose_dataset_file,
            "start": lambda: self.page(self._current).start(),
            "pause": self.run_bar.toggle_pause,
            "stop": self.run_bar.ask_stop,
            "find": self.open_search,
            "palette": self.open_palette,
            "help": self.open_help,
            "next_pane": lambda: self._move_pane(1),
            "previous_pane": lambda: self._move_pane(-1),
            "escape": self.escape,
            "quit": self.close,
        }
        for shortcut in SHORTCUTS:
            bound = QShortcut(self)
            bound.setKeys([QKeySequence(keys) for keys in shortcut.keys])
            bound.activated.connect(actions[shortcut.name])
        for name, row in PAGES.items():
            QShortcut(QKeySequence(row.shortcut), self).activated.connect(lambda name=name: self.show_page(name))
        self._actions = actions

    def open_search(self) -> None:
        """Search the page; where it has nothing to search, the settings on the Train page."""
        if not self.page(self._current).open_search():
            self.show_page("train")
            self.page("train").open_search()

    def escape(self) -> None:
        """Close the topmost thing that can be closed."""
        if self.page(self._current).escape():
            return
        if not self.message.isHidden():
            self.message.dismiss()

    def open_palette(self) -> None:
        """Every command under one search field."""
        commands = [
            Command(self.tr("Show {page}").format(page=row.text), self._shower(name), row.shortcut)
            for name, row in PAGES.items()
        ]
        enabled = {"pause": lambda: self.run_bar.can_pause, "stop": lambda: self.run_bar.can_stop}
        commands += [
            Command(shortcut.text, self._actions[shortcut.name], shortcut.shown, enabled.get(shortcut.name, _always))
            for shortcut in SHORTCUTS
            if shortcut.name not in ("palette", "escape", "next_pane", "previous_pane")
        ]
        commands += [
            Command(self.tr("Light theme"), lambda: self._set_appearance("light")),
            Command(self.tr("Dark theme"), lambda: self._set_appearance("dark")),
            Command(self.tr("Theme of the system"), lambda: self._set_appearance("system")),
        ]
        CommandPalette(commands, self).show()

    def _shower(self, name: str) -> Callable[[], None]:
        return lambda: self.show_page(name)

    @property
    def help_window(self) -> HelpWindow | None:
        """The help, once it was opened."""
        return self._help

    def open_help(self) -> None:
        """Help for what has the focus, else for the page."""
        from studio.ui.help import HelpWindow, topic_of

        if self._help is None:
            self._help = HelpWindow(self)
        self._help.show_topic(topic_of(QApplication.focusWidget(), self._current))

    def focusNextPrevChild(self, forward: bool) -> bool:
        """Tab: from here on the focus is shown."""
        self._ring.keyboard_moves()
        return super().focusNextPrevChild(forward)

    def _move_pane(self, step: int) -> None:
        self._ring.keyboard_moves()
        found = [self.rail.buttons[self._current], *self.page(self._current).panes(), self.run_bar]
        if not self.message.isHidden():
            found.insert(1, self.message)
        panes.move(found, step)

    # --- importing and dropping -------------------------------------------------------------------------

    def choose_dataset_file(self) -> None:
        """Ask for a dataset file and import it."""
        chosen, _ = QFileDialog.getOpenFileNames(self, self.tr("Import a dataset"), "", file_filters())
        if chosen:
            self.take(drop_routing.route_all([Path(path) for path in chosen]))

    def take(self, route: drop_routing.Route) -> None:
        """Do what a dropped path is for, or say why not."""
        if route.kind == "none":
            self.message.show_text("warning", route.sentence)
            return
        if route.kind == "run":
            show = self.workplace.open_chat if route.page == "chat" else self.show_run
            show(RunFolder(route.path))
            return
        self.show_page(route.page)
        if route.kind == "dataset":
            self.workplace.import_dataset(route.path, more=route.more)
        elif route.kind == "update":
            self._ask("settings", "check_update", route.path)
        else:
            self._ask("models", "offer", route.path)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Says what a release would do, or why it would do nothing."""
        paths = dropped_paths(event)
        if not paths:
            if event.mimeData().hasUrls():
                self._overlay.show_route(False, self.tr("Drop files or a folder of this computer."))
                event.accept()
            return
        route = drop_routing.route_all(paths)
        self._overlay.show_route(route.kind != "none", route.sentence)
        event.acceptProposedAction()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Nothing is held over the window any more."""
        self._overlay.hide()

    def dropEvent(self, event: QDropEvent) -> None:
        """Takes it to the page it belongs to."""
        self._overlay.hide()
        paths = dropped_paths(event)
        if paths:
            event.acceptProposedAction()
            self.take(drop_routing.route_all(paths))

    # --- end --------------------------------------------------------------------------------------------

    def closeEvent(self, event: QCloseEvent) -> None:
        """Asks where a run goes on; otherwise ends everything that is the window's own."""
        if not self.closing.may_close():
            event.ignore()
            return
        self.preferences.geometry = self.saveGeometry()
        self._notifications.hide()
        if self._help is not None:
            self._help.close()
        self.drafts.close()
        for page in self._pages.values():
            page.close_services()
        self.workplace.close()
        event.accept()

    def close_without_asking(self) -> None:
        """A run goes on in the background (Ctrl+C in the terminal, the end of the session)."""
        self.closing.close_now()

    def _on_saving_began(self) -> None:
        self.run_bar.stop(save=True)
        self.message.show_text(
            "info",
            self.tr("The run is being saved; then the window closes."),
            actions=[(self.tr("Keep the window open"), self.closing.stay_open)],
        )

    # --- preferences ------------------------------------------------------------------------------------

    def _set_appearance(self, mode: theme.Mode) -> None:
        self.preferences.appearance = mode

    def _on_preference_changed(self, name: str) -> None:
        application = QApplication.instance()
        if name in ("appearance", "text_percent") and isinstance(application, QApplication):
            theme.apply(application, self.preferences.appearance, self.preferences.text_percent)
        elif name == "on_close":
            stops = self.preferences.on_close == "stop"
            self.workplace.when_window_closes = "stop_at_checkpoint" if stops else "go_on"


def _always() -> bool:
    return True
