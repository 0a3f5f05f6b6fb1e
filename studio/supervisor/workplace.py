"""The one object that pages get: what is chosen, what runs, and how to start things. Knows no widget."""

from pathlib import Path
from typing import Literal

import msgspec
from PySide6.QtCore import QObject, QTimer, Signal

from studio.contract import commands, events, job
from studio.contract.errors import Problem, StudioError
from studio.contract.presets import load_preset
from studio.contract.run_folder import RunFolder, jobs_folder, runs_folder, starter_folder
from studio.contract.sample import SAMPLE, SAMPLE_NAME, sample_files, sample_job
from studio.contract.settings import TrainSettings
from studio.data import dataset, run_history
from studio.data.file_lock import FileLock
from studio.supervisor.failed_runs import FailedRuns
from studio.supervisor.import_jobs import clear_old_jobs, delete_ours, new_import
from studio.supervisor.model_keeper import ModelKeeper
from studio.supervisor.new_job import new_job
from studio.supervisor.queue_keeper import QueueKeeper
from studio.supervisor.worker_thread import SILENCE_SECONDS, TrainerThread


class Workplace(QObject):
    """State of the window without the window.

    Signals are facts; pages connect to them and call the methods below. Training runs go through `start_training` and
    are reported by `run_started`, `run_event`, `run_silent`, `run_ended`; every other job is a task: `start_task` gives
    a `TrainerThread` whose `event_received` the caller connects.
    """

    dataset_chosen = Signal(object)  # DatasetInfo | None
    datasets_changed = Signal()
    model_chosen = Signal(object)  # ModelChecked | None
    models_changed = Signal()
    connected = Signal(str)  # host that a download connects to; empty: offline again
    task_started = Signal(object, object)  # TrainerThread, Job: beside everything else
    device_reported = Signal(object)  # DeviceReport
    run_started = Signal(object)  # RunFolder: a run became the active one (also when taken up again)
    run_event = Signal(object)  # event of the active run
    run_silent = Signal(int)  # seconds without a sign of life, from SILENCE_SECONDS on, each second
    run_queued = Signal(object)  # TrainJob: it waits in line until the device is free
    run_ended = Signal(object)  # RunFolder; its final event came before as run_event
    runs_changed = Signal()
    next_run_wanted = Signal()  # the user goes on to the next run with what is chosen now
    chat_requested = Signal(object)  # RunFolder: show this run's adapter in the chat
    import_started = Signal(object)  # ImportJob
    export_run_chosen = Signal(object)  # RunFolder: the export page shows this run
    import_progressed = Signal(object)  # Progress, Inspected
    import_ended = Signal(object)  # Imported or Failed
    settings_changed = Signal(object)  # TrainSettings: what the train page would start with now
    problem_raised = Signal(object)  # Problem: shown inline above the page
    told = Signal(str)  # one sentence for a toast

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.dataset: dataset.DatasetInfo | None = None
        self.device: events.DeviceReport | None = None
        self.active: TrainerThread | None = None
        self.active_job: job.TrainJob | None = None
        self.preset = "balanced"
        self.when_window_closes: Literal["go_on", "stop_at_checkpoint"] = "go_on"  # given to each new run
        self.settings: TrainSettings | None = None  # None: nobody has touched the preset's
        self.import_work: job.ImportJob | None = None  # the last import that was started, until it succeeds
        self.export_run: RunFolder | None = None
        self.refusals: dict[tuple[str, str], Problem] = {}  # dataset, model -> why it cannot read these rows
        self.by_queue = False  # while run_started tells of a run that nobody started just now
        self.failed_runs = FailedRuns(self, self.run_started, self.run_event, self.runs_changed)
        self.queue = QueueKeeper(self)
        self.queue.is_free = lambda: self.active is None
        self.queue.head_ready.connect(self._on_head_ready)
        self.queue.queued.connect(self.run_queued)
        self.queue.failed.connect(self.problem_raised)
        self.models = ModelKeeper(self)
        self.models.picked.connect(self.model_chosen)
        self.models.changed.connect(self.models_changed)
        self.models.failed.connect(self.problem_raised)
        self._importing: TrainerThread | None = None
        self._tasks: set[TrainerThread] = set()
        self._after_import: job.TrainJob | None = None
        self._silence = QTimer(self)
        self._silence.setInterval(1000)
        self._silence.timeout.connect(self._watch_silence)

    def open(self) -> None:
        """What happens once the window stands: look at the machine and the starter, take up a run that goes on."""
        clear_old_jobs()
        for summary in run_history.list_runs():
            if summary.state == "running":
                self._follow(RunFolder(summary.folder), summary.job, attach=True)
                break
        self.queue.open()
        self.models.open(self.start_task)
        self.start_task(job.DeviceJob()).event_received.connect(self._on_device_event)

    # --- tasks ------------------------------------------------------------------------------------------

    def start_task(self, work: job.Job) -> TrainerThread:
        """Run a job beside everything else. The thread is kept until it ends; services are ended with `.close()`."""
        thread = TrainerThread(RunFolder.create(jobs_folder(), "job"), work, parent=self)
        self._tasks.add(thread)
        thread.finished.connect(self._on_task_finished)
        self.task_started.emit(thread, work)
        thread.start()
        return thread

    def _on_task_finished(self) -> None:
        thread = self.sender()
        if isinstance(thread, TrainerThread):
            self._tasks.discard(thread)
            delete_ours(thread.folder.path)

    def _on_device_event(self, event: object) -> None:
        if isinstance(event, events.DeviceReport):
            self.device = event
            self.device_reported.emit(event)
        elif isinstance(event, events.Failed):
            self.problem_raised.emit(event.problem)

    # --- data -------------------------------------------------------------------------------------------

    def datasets(self) -> list[dataset.DatasetInfo]:
        """All imported datasets."""
        return dataset.list_datasets()

    def choose_dataset(self, info: dataset.DatasetInfo | None) -> None:
        """Make a dataset the one that is trained on."""
        self.dataset = info
        self.dataset_chosen.emit(info)

    def import_dataset(
        self,
        source: Path,
        mapping: job.Mapping | None = None,
        held_back: str = "",
        name: str = "",
        into: str = "",
        skip_damaged: bool = False,
        more: tuple[Path, ...] = (),
    ) -> None:
        """Import files in a worker; reported by import_started, import_progressed and import_ended.

        A complete dataset is chosen at once. The arguments are those of `new_import`.
        """
        self.start_import(new_import(source, mapping, held_back, name, into, skip_damaged, more))

    def start_import(self, work: job.ImportJob) -> None:
        """Start an import; one that is going on is cancelled. Likewise reported."""
        self.cancel_import()
        self.import_work = work
        self._importing = self.start_task(work)
        self._importing.event_received.connect(self._on_import_event)
        self.import_started.emit(work)

    def import_sample(self) -> None:
        """Import the built-in sample."""
        rows, held_back = sample_files()
        self.import_dataset(Path(rows), held_back=held_back, name=SAMPLE_NAME, into=SAMPLE)

    def cancel_import(self) -> None:
        """End an import that is going on; nothing of it stays."""
        if self._importing is not None:
            self._importing.event_received.disconnect(self._on_import_event)
            if self._importing.isRunning():
                self._importing.send(commands.Stop(save=False))
            self._importing = None
            self._after_import = None

    @property
    def importing(self) -> bool:
        """Whether an import is going on."""
        return self._importing is not None

    def _on_import_event(self, event: object) -> None:
        if isinstance(event, events.Progress | events.Inspected):
            self.import_progressed.emit(event)
            return
        if not isinstance(event, events.Imported | events.Failed):
            return
        self._importing = None
        if isinstance(event, events.Failed):
            self._after_import = None  # on success it stays set until it starts: pages show it as waiting
        if isinstance(event, events.Imported):
            self.import_work = None
            self.choose_dataset(dataset.read_info(Path(event.folder)))  # opening it would import pyarrow here
            self.datasets_changed.emit()
        self.import_ended.emit(event)
        waiting, self._after_import = self._after_import, None
        if isinstance(event, events.Imported) and waiting is not None:
            self.start_training(waiting)

    def delete_dataset(self, info: dataset.DatasetInfo) -> None:
        """Delete an imported copy; the original file is untouched."""
        dataset.delete(info)
        if self.dataset is not None and self.dataset.id == info.id:
            self.choose_dataset(None)
        self.datasets_changed.emit()

    # --- models -----------------------------------------------------------------------------------------

    @property
    def model(self) -> events.ModelChecked | None:
        """The model that is taught."""
        return self.models.chosen

    # --- training ---------------------------------------------------------------------------------------

    def choose_settings(self, settings: TrainSettings) -> None:
        """What the next run will be trained with; the mask preview shows its rows by these."""
        if settings != self.settings:
            self.settings = settings
            self.settings_changed.emit(settings)

    def settings_for(self, info: dataset.DatasetInfo | None) -> TrainSettings:
        """What a run on a dataset would be started with now."""
        if self.settings is not None:
            return self.settings
        starter = self.model is not None and self.model.path == str(starter_folder())
        sample = info is not None and info.id == SAMPLE and starter
        return load_preset("sample" if sample else self.preset).settings()

    def runs(self) -> list[run_history.RunSummary]:
        """All runs, newest first."""
        return run_history.list_runs()

    def next_run_name(self) -> str:
        """Such as run-12: one more than the highest number in use."""
        names = [run.job.name for run in self.runs()] + [one.work.name for one in self.queue.waiting()]
        taken = [name.removeprefix("run-") for name in names]
        return f"run-{1 + max((int(name) for name in taken if name.isdecimal()), default=0)}"

    def training_job(self, settings: TrainSettings, name: str = "", start_from: str = "") -> job.TrainJob:
        """The job that "Start training" would start now; `start_from` is an adapter folder to go on from.

        Raises:
            StudioError: Dataset or model is missing, or the model is not usable.
        """
        self.models.look()
        return new_job(
            self.model,
            self.dataset,
            settings,
            name=name or self.next_run_name(),
            start_from=start_from,
            when_window_closes=self.when_window_closes,
        )

    def start_training(self, work: job.TrainJob) -> RunFolder | None:
        """Start a run; while the device is busy, here or in another window, it is put in line (None, and run_queued).

        Raises:
            StudioError: Its folder cannot be made, or the line not be changed.
            OSError: The disk refuses.
        """
        lock = self.queue.claim_or_wait(work)
        if lock is None:
            return None
        try:
            folder = RunFolder.create(runs_folder(), "run")
            job.save(work, folder.job)
        except (StudioError, OSError):
            lock.release()
            raise
        self._follow(folder, work, lock=lock)
        return folder

    def resume_run(self, folder: RunFolder) -> None:
        """Go on from a run's newest checkpoint, or put it in line, or follow it; raises as `start_training` does."""
        work = job.load(folder.job)
        if not isinstance(work, job.TrainJob):
            return
        if run_history.living_worker(folder) is not None:
            if self.active is None:
                self._follow(folder, work, attach=True)
            return
        lock = self.queue.claim_or_wait(work, folder.id)
        if lock is not None:
            self._follow(folder, work, lock=lock)

    def _on_head_ready(self, folder: RunFolder, work: job.TrainJob, lock: FileLock) -> None:
        self.by_queue = True
        self._follow(folder, work, lock=lock)
        self.by_queue = False

    def start_sample(self) -> None:
        """Start the "Try it now" run: the sample on the starter, imported first where needed."""
        work = sample_job(self.next_run_name(), load_preset("sample").settings())
        work = msgspec.structs.replace(work, when_window_closes=self.when_window_closes)
        known = next((info for info in self.datasets() if info.id == SAMPLE), None)
        if known is not None:
            self.choose_dataset(known)
            self.start_training(work)
            return
        self.import_sample()
        self._after_import = work

    @property
    def run_waiting(self) -> job.TrainJob | None:
        """A run that starts as soon as its data is imported."""
        return self._after_import

    def pause(self) -> None:
        """Hold the active run after its step."""
        self._command(commands.Pause())

    def resume(self) -> None:
        """Let the active run go on."""
        self._command(commands.Resume())

    def stop(self, save: bool = True) -> None:
        """End the active run after its step."""
        self._command(commands.Stop(save=save))

    def force_stop(self) -> None:
        """Kill the active run's process tree."""
        if self.active is not None:
            self.active.force_stop()

    def open_chat(self, folder: RunFolder) -> None:
        """Ask for the chat page with this run's adapter."""
        self.chat_requested.emit(folder)

    def choose_export(self, folder: RunFolder) -> None:
        """Make a run the one that the export page shows."""
        self.export_run = folder
        self.export_run_chosen.emit(folder)

    def _command(self, command: commands.Command) -> None:
        if self.active is not None:
            self.active.send(command)

    def _follow(
        self, folder: RunFolder, work: job.TrainJob, attach: bool = False, lock: FileLock | None = None
    ) -> None:
        self.active = TrainerThread(folder, attach=attach, parent=self)
        if lock is not None:
            self.active.on_started = lock.release
        self.active_job = work
        self.active.event_received.connect(self.run_event)
        self.active.finished.connect(self._on_run_finished)
        self.run_started.emit(folder)
        self.runs_changed.emit()
        self.active.start()
        self._silence.start()

    def _on_run_finished(self) -> None:
        thread, self.active, self.active_job = self.active, None, None
        self._silence.stop()
        if thread is not None:
            self.run_ended.emit(thread.folder)
            self.runs_changed.emit()
            thread.deleteLater()

    def _watch_silence(self) -> None:
        if self.active is not None and self.active.silent_seconds >= SILENCE_SECONDS:
            self.run_silent.emit(int(self.active.silent_seconds))

    def close(self) -> None:
        """Let a training run go on by itself; end all else. Stop the run first where that is wanted."""
        self.queue.close()
        if self.active is not None:
            self.active.let_go()
            self.active.wait()
        for thread in list(self._tasks):
            thread.close()
