"""When the memory runs out: the user is asked, or the run goes on by itself with what needs less."""

from PySide6.QtCore import QObject, QTimer

from studio.contract import events
from studio.contract.errors import StudioError
from studio.contract.run_folder import RunFolder
from studio.data.run_history import living_worker
from studio.supervisor import relief_of_run
from studio.supervisor.workplace import Workplace
from studio.ui import failures
from studio.ui.preferences import Preferences

_AGAIN_MS = 200
_MOST_TRIES = 50
"""A worker that has said its last word ends at once; a run that another window started may take a moment."""


class Autopilot(QObject):
    """Changes settings and goes on where the user asked for it once and for all."""

    def __init__(self, workplace: Workplace, preferences: Preferences, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workplace, self._preferences = workplace, preferences
        self._folder: RunFolder | None = None
        self._tries = 0
        self._told_to_stop = False
        self._later = QTimer(self)  # after everyone has heard that the run ended
        self._later.setSingleShot(True)
        self._later.timeout.connect(self._go_on)
        workplace.run_started.connect(self._on_run_started)
        workplace.run_event.connect(self._on_run_event)
        workplace.run_ended.connect(self._on_run_ended)

    def _on_run_started(self, _: RunFolder) -> None:
        self._told_to_stop = False

    def _on_run_event(self, event: object) -> None:
        if isinstance(event, events.Stopping):
            self._told_to_stop = True  # whoever stopped it does not want it to go on

    def _on_run_ended(self, folder: RunFolder) -> None:
        if self._preferences.when_memory_ends == "go_on" and not self._told_to_stop:
            self._folder, self._tries = folder, 0
            self._later.start(0)

    def _go_on(self) -> None:
        folder, workplace = self._folder, self._workplace
        if folder is None or workplace.active is not None:
            return
        if living_worker(folder) is not None and self._tries < _MOST_TRIES:
            self._tries += 1
            self._later.start(_AGAIN_MS)
            return
        found = relief_of_run.relief_of(folder, workplace.device)
        changes = [one for one in found.changes if one.kind in found.suggested] if found is not None else []
        if not changes:
            return
        try:
            relief_of_run.take(folder, changes)
            workplace.resume_run(folder)
        except (StudioError, OSError) as error:
            workplace.problem_raised.emit(failures.problem_of(error))
            return
        workplace.told.emit(self.tr("The memory ran out; the run goes on with settings that need less."))
