"""The Models page: which base model is taught. Models come from folders, sticks, caches, the hub."""

from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from studio.contract.errors import Problem, StudioError
from studio.contract.events import ModelChecked, ModelsFound, Progress
from studio.contract.job import FindModelsJob
from studio.data import model_library
from studio.data.model_search import hugging_face_cache
from studio.supervisor.model_shelf import ModelShelf, Removed
from studio.supervisor.short_job import ShortJob
from studio.supervisor.workplace import Workplace
from studio.ui.pages.page import Page
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.download_dialog import DownloadDialog
from studio.ui.widgets.empty import EmptyState
from studio.ui.widgets.labels import label
from studio.ui.widgets.larger_models import LargerModels
from studio.ui.widgets.message import MessageBar
from studio.ui.widgets.model_card import ModelCard
from studio.ui.widgets.model_source import AddingProgress, ModelSource
from studio.ui.widgets.search_field import SearchField
from studio.ui.widgets.section import ScrollColumn, row


class ModelsPage(Page):
    """A list of cards, the starter first."""

    def __init__(self, workplace: Workplace, parent: QWidget | None = None) -> None:
        super().__init__(workplace, parent)
        self.cards: list[ModelCard] = []
        self.shelf = ModelShelf(workplace, self)
        self.search = SearchField(self.tr("Search models"))
        self.search.setMaximumWidth(360)
        self.search.textChanged.connect(self._filter)
        self.add_button = buttons.primary(self.tr("Add from folder or USB stick…"), self._browse, "plus")
        self.cache_button = buttons.secondary(self.tr("Hugging Face cache…"), self._look_in_cache, "search")
        self.cache_button.setToolTip(self.tr("Models that other programs have downloaded to this computer"))
        self.hub_button = buttons.secondary(self.tr("Download from Hugging Face…"), self.ask_download, "download")
        self.hub_button.setToolTip(self.tr("Connects to the internet, after asking"))
        self.source = ModelSource()
        self.source.add_wanted.connect(self.shelf.add)
        self.adding = AddingProgress()
        self.adding.cancel_wanted.connect(self.shelf.stop)
        self.search_job = ShortJob(workplace, self)
        self.looking = AddingProgress()
        self.looking.cancel.setAccessibleName(self.tr("Look no further"))
        self.looking.bar.setAccessibleName(self.tr("A folder is looked through"))
        self.looking.cancel_wanted.connect(self._look_no_further)
        self.message = MessageBar()
        self.nothing_found = label(self.tr("No model matches the search."), "muted")
        self.empty = EmptyState(
            self.tr("No model yet."),
            self.tr("Add from folder…"),
            self.tr("A model is a folder with a config.json, safetensors files and a tokenizer."),
            "models",
        )
        self.empty.action_wanted.connect(self._browse)
        self.list = ScrollColumn(margin=0)
        self.larger = LargerModels()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, 0)
        outer.setSpacing(GRID + 4)
        head = row(self.search, 1, self.add_button)
        head.setStretch(0, 9)  # all of the room, up to its widest
        outer.addLayout(head)
        outer.addLayout(row(1, self.cache_button, self.hub_button))
        outer.addWidget(self.message)
        outer.addWidget(self.looking)
        outer.addWidget(self.source)
        outer.addWidget(self.adding)
        outer.addWidget(self.nothing_found)
        outer.addWidget(self.empty, 1)
        outer.addWidget(self.list, 1)
        workplace.models_changed.connect(self._fill)
        workplace.model_chosen.connect(self._fill)
        workplace.device_reported.connect(self.larger.show_report)
        workplace.device_reported.connect(self._fill)
        self.shelf.changed.connect(
            lambda: self.adding.show_adding(self.shelf.adding, self.shelf.waiting, self.shelf.connected_to)
        )
        self.search_job.progressed.connect(self._on_looked)
        self.search_job.done.connect(self._on_found)
        self.search_job.failed.connect(self._on_failed)
        self.search_job.changed.connect(lambda: self._on_looked(None))
        self.shelf.progressed.connect(self._on_progressed)
        self.shelf.failed.connect(self._on_failed)
        if workplace.device is not None:
            self.larger.show_report(workplace.device)
        self._fill()

    # --- the page's own doors ---------------------------------------------------------------------------

    def on_shown(self) -> None:
        """Folders may be gone since."""
        self._fill()
        damaged = model_library.mend()
        if damaged is not None:
            self.message.show_problem(damaged, kind="warning")

    def open_search(self) -> bool:
        """Ctrl+F."""
        self.search.setFocus()
        self.search.selectAll()
        return True

    def escape(self) -> bool:
        """Esc: close the message, then what was found, else clear the search."""
        if not self.message.isHidden():
            self.message.clear()
            return True
        if not self.source.isHidden():
            self.source.hide()
            return True
        if self.search.text():
            self.search.clear()
            return True
        return False

    def panes(self) -> list[QWidget]:
        """Search, then the list."""
        return [self.search, self.list]

    def offer(self, place: Path) -> None:
        """Look for models in a folder, in a worker, and let the user choose of what is found."""
        self.message.clear()
        self.source.hide()
        self.search_job.start(FindModelsJob(place=str(place)))

    def ask_download(self) -> None:
        """Say what a download connects to, and fetch what is named then."""
        dialog = DownloadDialog(self.window())
        dialog.accepted.connect(lambda: self.shelf.download(dialog.repository(), dialog.revision()))
        dialog.finished.connect(dialog.deleteLater)
        self.message.clear()
        dialog.open()

    # --- inside -----------------------------------------------------------------------------------------

    def _browse(self) -> None:
        words = self.tr("Choose a model's folder, or one that holds models")
        chosen = QFileDialog.getExistingDirectory(self.window(), words)
        if chosen:
            self.offer(Path(chosen))

    def _look_in_cache(self) -> None:
        self.offer(hugging_face_cache())

    def _on_progressed(self, progress: Progress) -> None:
        name, host = self.shelf.adding, self.shelf.connected_to
        words = self.tr("{name} from {host}").format(name=name, host=host) if host else name
        self.adding.show_progress(words, progress)

    def _place(self) -> Path | None:
        """The folder that is looked through just now."""
        work = self.search_job.work if self.search_job.going else None
        return Path(work.place) if isinstance(work, FindModelsJob) else None

    def _look_no_further(self) -> None:
        self.search_job.cancel()  # a drive that hangs keeps its worker waiting, not the window

    def _on_looked(self, progress: Progress | None) -> None:
        place = self._place()
        name = (place.name or str(place)) if place is not None else ""
        self.looking.show_looking(name, progress.done if progress is not None else 0)

    def _on_found(self, seen: ModelsFound) -> None:
        if seen.models:
            self.source.offer(seen)
            return
        if seen.holds_parts:
            self.shelf.add([Path(seen.place)], copy=False)  # its card says what is missing
            return
        self.message.show_text(
            "info",
            self.tr("There is no model in {folder}.").format(folder=Path(seen.place).name or seen.place),
            self.tr("A model is a folder with a config.json, safetensors files and a tokenizer."),
            self.tr("Choose the folder that holds it."),
            [(self.tr("Choose another folder…"), self._browse)],
        )

    def _on_failed(self, problem: Problem) -> None:
        self.message.show_problem(problem, kind="info" if problem.code == "model.add_stopped" else "error")

    def _fill(self) -> None:
        while (item := self.list.body.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None and widget is not self.larger:
                widget.hide()
                widget.deleteLater()
        chosen = self.workplace.model.path if self.workplace.model is not None else ""
        self.cards = []
        for model in self.workplace.models.all():
            card = ModelCard(model, model.path == chosen and model.usable, self.shelf.fit(model))
            card.use_wanted.connect(self._on_use_wanted)
            card.remove_wanted.connect(self._on_remove_wanted)
            card.check_wanted.connect(self._on_check_wanted)
            self.cards.append(card)
            self.list.body.addWidget(card)
        self.list.body.addWidget(self.larger)
        self.list.body.addStretch(1)
        self._filter()

    def _filter(self) -> None:
        shown = 0
        for card in self.cards:
            fits = card.matches(self.search.text())
            card.setVisible(fits)
            shown += fits
        self.empty.setVisible(not self.cards)
        self.list.setVisible(bool(self.cards))
        self.larger.setVisible(not self.search.text())
        self.nothing_found.setVisible(bool(self.cards) and not shown)

    def _on_use_wanted(self, model: ModelChecked) -> None:
        self.workplace.models.choose(model)
        self.workplace.next_run_wanted.emit()
        self.workplace.told.emit(self.tr("{model} will be taught.").format(model=model.name))

    def _on_check_wanted(self, model: ModelChecked) -> None:
        self.message.clear()
        if model_library.is_away(model):
            self.workplace.models.look()
            self.workplace.models_changed.emit()
            if any(known.path == model.path and model_library.is_away(known) for known in self.workplace.models.all()):
                self.workplace.told.emit(self.tr("{model} is not there yet.").format(model=model.name))
            return
        self.shelf.add([Path(model.path)], copy=False)  # once it can be used, its files are noted, too

    def _on_remove_wanted(self, model: ModelChecked) -> None:
        try:
            removed = self.shelf.remove(model)
        except StudioError as error:
            self.message.show_problem(error.problem)
            return
        words = self.tr("{model} was removed from the list; its files are untouched.")
        if model_library.is_away(model):
            words = self.tr("{model} was removed from the list.")
        elif model.copied:
            words = self.tr("The copy of {model} is in the trash.")
        said = words.format(model=model.name)
        toasts = getattr(self.window(), "toasts", None)  # a page that stands alone has none
        if toasts is None or (model.copied and removed.trashed is None and not model_library.is_away(model)):
            self.workplace.told.emit(said)
        else:
            toasts.say(said, self.tr("Undo"), lambda: self.take_back(removed))

    def take_back(self, removed: Removed) -> None:
        """Undo a removal."""
        try:
            self.shelf.take_back(removed)
        except StudioError as error:
            self.message.show_problem(error.problem)
