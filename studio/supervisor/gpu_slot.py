"""Who has the graphics processor: a training run that uses it leaves no room for a chat."""

from PySide6.QtCore import QObject, Signal

from studio.contract import events
from studio.supervisor.workplace import Workplace


class GpuSlot(QObject):
    """Follows the active run. `changed` tells that `taken_by` is another now."""

    changed = Signal()

    def __init__(self, workplace: Workplace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workplace = workplace
        self.taken_by = ""
        workplace.run_started.connect(self._on_run_started)
        workplace.run_event.connect(self._on_run_event)
        workplace.run_ended.connect(self._on_run_ended)
        self._on_run_started()

    def _on_run_started(self) -> None:
        work, report = self._workplace.active_job, self._workplace.device
        if work is None:
            self._set("")
            return
        device = work.settings.device
        has_gpu = report is not None and any(gpu.device for gpu in report.gpus)
        takes = device.startswith("cuda") or (device == "auto" and has_gpu)
        self._set(work.name if takes else "")

    def _on_run_event(self, event: object) -> None:
        work = self._workplace.active_job
        if isinstance(event, events.Started) and work is not None:
            self._set(work.name if event.device.startswith("cuda") else "")

    def _on_run_ended(self) -> None:
        self._set("")

    def _set(self, name: str) -> None:
        if name != self.taken_by:
            self.taken_by = name
            self.changed.emit()
