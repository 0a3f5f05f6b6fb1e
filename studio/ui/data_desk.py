"""The dataset that lies open on the Data page: its rows, what is changed in it, and what the doctor says of it."""

from pathlib import Path

import msgspec
from PySide6.QtCore import QObject, QTimer, Signal

from studio.contract import events, job
from studio.contract.diagnosis import Finding
from studio.contract.errors import Problem, StudioError
from studio.contract.settings import TrainSettings
from studio.contract.splits import Split
from studio.data.compared import compared
from studio.data.dataset import Dataset, DatasetInfo, open_dataset
from studio.data.doctor.fixes import operation, spared
from studio.data.edits import Replace
from studio.data.holding_back import seed_that_holds_back
from studio.data.made_from import Origin, file_of, origin_of
from studio.data.remarks import first_of_all, found_again, is_remark
from studio.data.row_split import change_split
from studio.supervisor.checkup import Checkup, kept_diagnosis, longest_text, up_to_date
from studio.supervisor.workplace import Workplace
from studio.ui import wording
from studio.ui.edit_history import EditHistory

MOST_CHECKED_UNASKED = 20_000
"""Larger datasets are checked after an import and on request; smaller ones after every change, too."""
SEEN_ROWS = 100
"""First rows, which are shown at once: whether they are damaged is told before. Of others, when they come into view."""
_CALM_MS = 600
"""Changes that follow each other so closely are checked once."""


class DataDesk(QObject):
    """Opens one dataset at a time.

    Attributes:
        history: Its edits, with undo.
        checkup: The doctor.
        test: A file of test rows that must not be among its own, or "".
        edited: Its rows read otherwise now.
        found_changed: The doctor said something, or what he said is out of date now.
        failed: `Problem`.
        gave_up: The dataset was closed, for it turned out to be damaged; `failed` says so.
    """

    edited = Signal()
    found_changed = Signal()
    failed = Signal(object)
    gave_up = Signal()

    def __init__(self, workplace: Workplace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workplace = workplace
        self.dataset: Dataset | None = None
        self.origin: Origin | None = None
        self.found: events.Diagnosed | None = None
        self.test = ""
        self.history = EditHistory(self)
        self.checkup = Checkup(workplace, self)
        self._calm = QTimer(self)
        self._calm.setSingleShot(True)
        self._calm.setInterval(_CALM_MS)
        self._calm.timeout.connect(self.check_unasked)
        self.history.edited.connect(self._on_edited)
        self.history.failed.connect(self.failed)
        self.checkup.diagnosed.connect(self._on_diagnosed)
        self.checkup.failed.connect(self._on_check_failed)
        workplace.model_chosen.connect(self._on_asked_otherwise)
        workplace.settings_changed.connect(self._on_asked_otherwise)

    def open(self, info: DatasetInfo | None) -> None:
        """Take another dataset, or none; one that cannot be opened is told by `failed`."""
        self.checkup.cancel()
        self._calm.stop()
        before = self.dataset.info if self.dataset is not None else None
        is_same = before is not None and info is not None and _same_rows(before, info)
        self.dataset = self.origin = self.found = None
        self.test = ""
        if not is_same:
            self.history.open(None)
        if info is None:
            return
        try:
            dataset = open_dataset(Path(info.folder))
            dataset.table.check(0, SEEN_ROWS)
            dataset.table.column("source_row")  # rows are called by it, wherever they are
            (self.history.reopen if is_same else self.history.open)(dataset)
        except StudioError as error:
            self.failed.emit(error.problem)
            return
        self.dataset, self.origin = dataset, origin_of(info)
        self.found = kept_diagnosis(dataset)
        self.test = self.found.test if self.found is not None else ""
        for note in dataset.edits.notes:
            self.failed.emit(note)

    def give_up(self, problem: Problem) -> None:
        """Close a dataset whose rows cannot be read."""
        if self.dataset is None:
            return
        self.open(None)
        self.gave_up.emit()
        self.failed.emit(problem)

    def close(self) -> None:
        """End the doctor."""
        self._calm.stop()
        self.checkup.cancel()

    def name_of(self, stored: int) -> str:
        """What a stored row is called: by its number in its file, and by the file where there are several."""
        if self.dataset is None:
            return ""
        number = int(self.dataset.table.column("source_row")[stored].as_py())
        return wording.row(number, file_of(self.dataset.info, stored))

    # --- the doctor -------------------------------------------------------------------------------------

    def work(self) -> job.DoctorJob | None:
        """What the doctor would be asked now."""
        if self.dataset is None:
            return None
        model = self._workplace.model
        settings = self._workplace.settings_for(self.dataset.info)
        counted = model if model is not None and model.usable else None
        return job.DoctorJob(
            dataset=str(self.dataset.folder),
            model=counted.path if counted is not None else "",
            settings=settings,
            test=self.test,
            general=counted.general if counted is not None and settings.replay_share > 0 else "",
        )

    def compare_with(self, test: str) -> None:
        """Let the doctor look again, also for rows that a test file holds; "" for none any more."""
        self.test = test
        self.check()

    def check(self) -> None:
        """Let the doctor look."""
        work = self.work()
        if work is not None:
            self.checkup.start(work)

    def check_unasked(self) -> None:
        """Let the doctor look where nobody has to wait for it, or it never did."""
        if self.dataset is None or self._workplace.importing or self._workplace.active is not None:
            return
        if self.stale and (self.found is None or self.dataset.table.num_rows <= MOST_CHECKED_UNASKED):
            self.check()

    @property
    def stale(self) -> bool:
        """Whether nothing is known about the dataset as it reads now, or for the model and settings chosen now."""
        work, dataset, found = self.work(), self.dataset, self.found
        if work is None or dataset is None:
            return False
        if found is None:
            return True
        if self.refused is not None:  # he looked at all that needs no model
            work = msgspec.structs.replace(work, model="")
        if self.checkup.done is not None and self.checkup.done.dataset == work.dataset:
            settings = self.checkup.done.settings
            if _rules(settings) != _rules(work.settings):
                return True
        if found.test != work.test:
            return True
        return not up_to_date(dataset, found, work, longest_text(work.settings, self._workplace.model))

    @property
    def refused(self) -> Problem | None:
        """Why the chosen model cannot read these rows, where the doctor has found that."""
        work = self.work()
        return self._workplace.refusals.get((work.dataset, work.model)) if work is not None else None

    def verdict(self) -> tuple[str, str]:
        """The state of the dataset in a sentence or two, and "good", "warning" or "error"."""
        dataset = self.dataset
        if dataset is None:
            return "", "good"
        usable, rows = len(dataset), dataset.info.rows
        if self.found is not None and not self.stale:
            sentence, usable = self.found.verdict, self.found.usable
        elif usable == rows:
            sentence = self.tr("All {rows} rows are usable.").format(rows=wording.number(rows))
        else:
            words = self.tr("{usable} of {rows} rows are usable.")
            sentence = words.format(usable=wording.number(usable), rows=wording.number(rows))
        problem = compared(dataset.info)
        if problem is not None:
            return f"{sentence} {problem.what}", "warning"
        if self.refused is not None:
            told = wording.told_problem(self.refused)
            return f"{sentence} {told.what} {told.fix}", "warning"
        misread = first_of_all(dataset.info.problems)
        if misread is not None and usable:
            return f"{sentence} {misread.what}", "warning"
        findings = self.found.findings if self.found is not None else ()
        bad = usable < rows or any(finding.level != "hint" for finding in findings)
        return sentence, "error" if not usable else "warning" if bad else "good"

    @property
    def untested(self) -> Finding | None:
        """That no row is held back and a click would change it; None where that is not so, or not known any more."""
        findings = self.found.findings if self.found is not None and not self.stale else ()
        return next((finding for finding in findings if finding.fix == "hold_back"), None)

    def problem_count(self) -> int:
        """How many things the tab "Problems" has to tell that are no mere remarks."""
        dataset = self.dataset
        if dataset is None:
            return 0
        findings = len(self.found.findings) if self.found is not None else 0
        told = [one for one in dataset.info.problems if not is_remark(one)]
        if self.found is not None:
            told = [one for one in told if not found_again(one)]
        return findings + len(told) + (compared(dataset.info) is not None)

    def _on_diagnosed(self, found: events.Diagnosed) -> None:
        if self.dataset is not None and found.dataset == str(self.dataset.folder):
            self.found = found
            self.found_changed.emit()

    def _on_check_failed(self, problem: Problem) -> None:
        if problem.code.startswith("model."):  # the verdict says it; the doctor looks once more, without the model
            self.found_changed.emit()
            return
        if problem.code == "data.damaged" and self.dataset is not None and problem.where == self.dataset.folder.name:
            self.give_up(problem)
            return
        self.test = self.found.test if self.found is not None and self.test != self.found.test else ""
        self.failed.emit(problem)

    # --- changes ----------------------------------------------------------------------------------------

    def fix(self, finding: Finding) -> str:
        """Mend what was found, as one step that can be undone; gives what there is to tell about it."""
        if self.dataset is None:
            return ""
        if finding.fix == "hold_back":
            return self._hold_back()
        try:
            step, stay = operation(self.dataset, finding), spared(self.dataset, finding)
        except StudioError as error:
            self.failed.emit(error.problem)
            return ""
        count = len({cell.row for cell in step.cells} if isinstance(step, Replace) else step.rows)
        told = self._told_spared(stay)
        if not count:
            return told or self.tr("Nothing is left to mend there.")
        one = self.tr("repair one row") if isinstance(step, Replace) else self.tr("leave out one row")
        many = self.tr("repair {count} rows") if isinstance(step, Replace) else self.tr("leave out {count} rows")
        words = one if count == 1 else many.format(count=wording.number(count))
        done = self.tr("Done: {words}.").format(words=words)
        return f"{done} {told}".rstrip() if self.history.do(step, words) else ""

    def _told_spared(self, count: int) -> str:
        """That rows were not left out because they read otherwise than when the doctor looked; "" where none is."""
        if not count:
            return ""
        one = self.tr("One row stays, because it was changed since: check the rows again.")
        many = self.tr("{count} rows stay, because they were changed since: check the rows again.")
        return one if count == 1 else many.format(count=wording.number(count))

    def _hold_back(self) -> str:
        """Hold back other rows, where chance took none."""
        assert self.dataset is not None
        before, share = self.dataset.info.split, self._workplace.settings_for(self.dataset.info).held_back_share
        try:
            other = seed_that_holds_back(self.dataset, share) if not any(self.dataset.sides(share)) else None
        except StudioError as error:
            self.give_up(error.problem)
            return ""
        if other is None:
            return self.tr("Nothing is left to mend there.")
        after = msgspec.structs.replace(before, seed=other[0])
        words = self.tr("hold one row back") if other[1] == 1 else self.tr("hold {count} rows back")
        words = words.format(count=wording.number(other[1]))
        done = self.history.do_other(lambda: self.split(after), lambda: self.split(before), words)
        return self.tr("Done: {words}.").format(words=words) if done else ""

    def split(self, split: Split) -> bool:
        """Hold back other rows of the open dataset from now on; gives whether that was done."""
        if self.dataset is None:
            return False
        try:
            info = change_split(self.dataset.info, split)
        except StudioError as error:
            self.failed.emit(error.problem)
            return False
        self._workplace.choose_dataset(info)
        return True

    def _on_edited(self) -> None:
        self.edited.emit()
        self.found_changed.emit()
        self._calm.start()

    def _on_asked_otherwise(self, _: object) -> None:
        if self.dataset is not None:
            self.found_changed.emit()

    def words_on_deleting(self) -> str:
        """What goes with the open dataset and what stays."""
        edits = self.dataset.edits if self.dataset is not None else None
        out, texts = (len(edits.excluded), len(edits.texts)) if edits is not None else (0, 0)
        if not out and not texts:
            return self.tr("Only the imported copy goes. The original file and the adapters trained with it stay.")
        parts = []
        if texts:
            words = self.tr("1 row that you changed") if texts == 1 else self.tr("{count} rows that you changed")
            parts.append(words.format(count=wording.number(texts)))
        if out:
            words = self.tr("1 row that you left out") if out == 1 else self.tr("{count} rows that you left out")
            parts.append(words.format(count=wording.number(out)))
        return self.tr(
            "The imported copy goes, and your changes with it: {changes}. Export the rows first to keep them. "
            "The original file and the adapters trained with it stay."
        ).format(changes=", ".join(parts))

    def export(self, path: Path) -> None:
        """Write the rows as they read now as JSONL, in a worker."""
        if self.dataset is None:
            return
        thread = self._workplace.start_task(job.ExportRowsJob(dataset=str(self.dataset.folder), path=str(path)))
        thread.event_received.connect(self._on_export_event)

    def _on_export_event(self, event: object) -> None:
        if isinstance(event, events.RowsExported):
            words = self.tr("{count} rows were written to {name}.")
            name = Path(event.path).name
            self._workplace.told.emit(words.format(count=wording.number(event.rows), name=name))
        elif isinstance(event, events.Failed):
            self.failed.emit(event.problem)


def _rules(settings: TrainSettings) -> tuple[object, ...]:
    """What of the settings the doctor goes by, beside the longest text."""
    return settings.too_long, settings.learn_answers_only, settings.learned_turns, settings.held_back_share


def _same_rows(one: DatasetInfo, other: DatasetInfo) -> bool:
    """Whether two descriptions are of one import: only how its rows are split may differ."""
    return (one.folder, one.created, one.rows) == (other.folder, other.created, other.rows)


def compared_problem(desk: DataDesk) -> Problem | None:
    """Why the open dataset cannot be trained on yet."""
    return compared(desk.dataset.info) if desk.dataset is not None else None
