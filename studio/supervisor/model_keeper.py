"""The models of one window: those that are known, and the one that is taught."""

from collections.abc import Callable

import msgspec
from PySide6.QtCore import QObject, Signal

from studio.contract import events, job
from studio.contract.errors import StudioError
from studio.contract.run_folder import starter_folder
from studio.data import model_library
from studio.supervisor.worker_thread import TrainerThread


class ModelKeeper(QObject):
    """What the pages know of models. Adding them and taking them away is the work of `ModelShelf`.

    Signals:
        picked: `ModelChecked` or None: another model is the one that is taught, or more is known of it.
        changed: The list is another now.
        failed: A `Problem`: the built-in model could not be checked, or the list not be changed.
    """

    picked = Signal(object)
    changed = Signal()
    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.chosen: events.ModelChecked | None = None

    def open(self, start_task: Callable[[job.Job], TrainerThread]) -> None:
        """The built-in model is the first that is taught; a worker checks it where nothing is known of it.

        All others come by the `ModelShelf`, which notes their files.
        """
        starter = str(starter_folder())
        known = next((model for model in self.all() if model.path == starter), None)
        if known is not None:
            self.choose(known)
        else:
            start_task(job.CheckModelJob(path=starter)).event_received.connect(self._on_event)

    def all(self) -> list[events.ModelChecked]:
        """All known models, the built-in one first."""
        return model_library.list_models()

    def choose(self, model: events.ModelChecked | None) -> None:
        """Make a model the one that is taught."""
        self.chosen = model
        self.picked.emit(model)

    def look(self) -> None:
        """See whether the chosen model has gone with its stick, or come back with it."""
        now = model_library.as_it_is(self.chosen) if self.chosen is not None else None
        if self.chosen is not None and model_library.is_away(self.chosen):
            now = next((known for known in self.all() if known.path == self.chosen.path), now)
        if now != self.chosen:
            self.choose(now)

    def take(self, model: events.ModelChecked) -> None:
        """Put what was found of a folder on the list; the first usable model is chosen at once."""
        try:
            model_library.put_model(model)
        except StudioError as error:
            self.failed.emit(error.problem)
            return
        self.changed.emit()
        if self.chosen is None and model.usable:
            self.choose(model)
        elif self.chosen is not None and self.chosen.path == model.path:
            self.choose(next((known for known in self.all() if known.path == model.path), model))

    def remove(self, model: events.ModelChecked) -> events.ModelChecked:
        """Forget a model; its files stay. Gives back what was known of it.

        Raises:
            StudioError: The list cannot be changed.
        """
        known = model_library.remove_model(model.path) or model
        if self.chosen is not None and self.chosen.path == model.path:
            self.choose(next((other for other in self.all() if other.usable), None))
        self.changed.emit()
        return known

    def choose_general(self, path: str) -> None:
        """General rows (a JSONL file of chats, or "" for none) that are mixed in when the chosen model learns."""
        if self.chosen is None:
            return
        model = msgspec.structs.replace(self.chosen, general=path)
        try:
            model_library.put_model(model)
        except StudioError as error:
            self.failed.emit(error.problem)
            return
        self.chosen = model
        self.changed.emit()
        self.picked.emit(model)

    def _on_event(self, event: object) -> None:
        if isinstance(event, events.ModelChecked):
            self.take(event)
        elif isinstance(event, events.Failed):
            self.failed.emit(event.problem)
