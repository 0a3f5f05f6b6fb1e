"""Work that ends with the window and would be lost: a row for each kind of job, and what of it goes on now."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from PySide6.QtCore import QCoreApplication, QObject, Signal

from studio.contract import events, job
from studio.supervisor.worker_thread import TrainerThread
from studio.supervisor.workplace import Workplace
from studio.ui import wording
from studio.ui.pages import PAGES


def _tr(text: str) -> str:
    return QCoreApplication.translate("unfinished", text)


class Loss(msgspec.Struct, frozen=True):
    """A row of the table.

    Attributes:
        what: Names a job of this kind, in words that go before "is done".
        page: Name of the page that tells how it ended.
        counted: Whether its progress counts all of the work, not one step of several.
        resumed: Whether it can be gone on with later.
    """

    what: Callable[[Any], str]
    page: str
    counted: bool = True
    resumed: bool = False


def _exporting(work: job.ExportJob) -> str:
    return _tr("Exporting {name}").format(name=Path(work.destination).name)


def _combining(work: job.CombineJob) -> str:
    return _tr("Combining adapters")


def _writing_rows(work: job.ExportRowsJob) -> str:
    return _tr("Writing the rows to {name}").format(name=Path(work.path).name)


def _adding(work: job.AddModelJob) -> str:
    words = _tr("Copying model {name}") if work.copy else _tr("Adding model {name}")
    return words.format(name=Path(work.path).name)


def _downloading(work: job.DownloadModelJob) -> str:
    return _tr("Downloading {name}").format(name=work.repository)


def _importing(work: job.ImportJob) -> str:
    return _tr("Importing {name}").format(name=work.name)


LOST: dict[type[msgspec.Struct], Loss] = {
    job.ExportJob: Loss(_exporting, "export", counted=False),
    job.CombineJob: Loss(_combining, "export", counted=False),
    job.ExportRowsJob: Loss(_writing_rows, "data"),
    job.AddModelJob: Loss(_adding, "models"),
    job.DownloadModelJob: Loss(_downloading, "models", resumed=True),
    job.ImportJob: Loss(_importing, "data"),
}
"""Training goes on without the window, and all other jobs leave nothing that anybody waits for."""


class Going(msgspec.Struct):
    """Work that goes on now.

    Attributes:
        loss: Its row of the table.
        what: Its name, from there.
        share: How much of it is done; None where nobody knows.
        ended: It has said how it ended; its worker has still to go.
    """

    loss: Loss
    what: str
    share: float | None = None
    ended: bool = False

    def sentence(self) -> str:
        """What would be lost: "Copying model X, 40 % done."."""
        if self.share is None:
            return _tr("{what} is not finished.").format(what=self.what)
        return _tr("{what}, {share} done.").format(what=self.what, share=wording.percent(self.share))


class Unfinished(QObject):
    """Keeps what of LOST goes on.

    Signals:
        changed: Something began or went on, or its worker is gone: whoever adds one model after the other has begun
            the next by then.
        ended: Something ended by itself: a sentence that says how.
    """

    changed = Signal()
    ended = Signal(str)

    def __init__(self, workplace: Workplace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._going: dict[TrainerThread, Going] = {}
        workplace.task_started.connect(self._on_started)

    def going(self) -> list[Going]:
        """What would be lost now, oldest first; nothing that somebody has stopped already."""
        return [going for thread, going in self._going.items() if not going.ended and not thread.told_to_stop]

    @property
    def all_gone(self) -> bool:
        """Whether no worker is left."""
        return not self._going

    def _on_started(self, thread: TrainerThread, work: job.Job) -> None:
        loss = LOST.get(type(work))
        if loss is None:
            return
        self._going[thread] = Going(loss, loss.what(work))
        thread.event_received.connect(self._on_event)
        thread.finished.connect(self._on_finished)
        self.changed.emit()

    def _on_event(self, event: object) -> None:
        thread = self.sender()
        if not isinstance(thread, TrainerThread) or thread not in self._going:
            return
        going = self._going[thread]
        if isinstance(event, events.FINAL):
            going.ended = True
            if not thread.told_to_stop:
                words = _tr("{what} did not succeed: the page {page} says why.")
                if not _failed(event):
                    words = _tr("{what} is done.")
                self.ended.emit(words.format(what=going.what, page=PAGES[going.loss.page].text))
        elif isinstance(event, events.Progress) and event.total and going.loss.counted:
            going.share = event.done / event.total
            self.changed.emit()

    def _on_finished(self) -> None:
        thread = self.sender()
        if isinstance(thread, TrainerThread):
            self._going.pop(thread, None)
            self.changed.emit()


def _failed(event: object) -> bool:
    return isinstance(event, events.Failed) or (isinstance(event, events.ModelChecked) and not event.usable)
