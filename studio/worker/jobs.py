"""Which room does which job. Rooms that need torch are imported only for the jobs that need it."""

from pathlib import Path

from studio.contract import job
from studio.contract.control import Emit
from studio.contract.events import Event, Finished, RowsExported
from studio.contract.run_folder import RunFolder
from studio.worker.awake import kept_awake
from studio.worker.commands import CommandReader
from studio.worker.fault_hook import with_fault


def run_job(work: job.Job, folder: RunFolder, emit: Emit, control: CommandReader) -> Event | None:
    """Do a job to its end.

    Returns:
        Its final event; None for a service (chat, preview) that was told to end.

    Raises:
        StudioError: The job cannot be done; the reason is in words.
    """
    match work:
        case job.ImportJob():
            from studio.data import importing

            return importing.import_dataset(work, emit, control)
        case job.DoctorJob():
            from studio.worker import doctor

            return doctor.run(work, emit, control)
        case job.ExportRowsJob():
            from studio.data import dataset, exporting_rows

            rows = exporting_rows.export(dataset.open_dataset(Path(work.dataset)), Path(work.path))
            return RowsExported(path=work.path, rows=rows)
        case job.CheckModelJob():
            from studio.engine import model_folder

            return model_folder.check(Path(work.path))
        case job.AddModelJob():
            from studio.engine import model_adding

            with kept_awake():
                return model_adding.add(work, emit, control)
        case job.DownloadModelJob():
            from studio.engine import model_download

            with kept_awake():
                return model_download.download(work, emit, control)
        case job.FindModelsJob():
            from studio.data import model_search
            from studio.engine import model_folder

            return model_search.look_through(Path(work.place), model_folder.first_look, emit, control)
        case job.DeviceJob():
            from studio.engine import device

            return device.report()
        case job.ExportJob():
            from studio.worker import exporting

            with kept_awake():
                return exporting.export(work, emit, control)
        case job.CombineJob():
            from studio.engine import combining

            return combining.combine(work, emit, control)
        case job.PreviewJob():
            from studio.worker import preview

            preview.serve(work, emit, control)
        case job.ChatJob():
            from studio.worker import chat

            chat.serve(work, emit, control)
        case job.TrainJob():
            from studio.engine import train

            with kept_awake():
                return train.train(work, folder, with_fault(emit), control)
        case job.PlanJob():
            from studio.engine import trial

            return trial.plan(work, folder, emit, control)
        case job.RangeTestJob():
            from studio.engine import range_test

            return range_test.run_test(work, folder, emit, control)
    return None


def is_recorded(folder: RunFolder, final: Event) -> None:
    """The final event of a job lies in its record: what was kept in case it did not can go."""
    if isinstance(final, Finished):
        from studio.engine import earlier_parts

        earlier_parts.forget(folder, final)


def needs_torch(work: job.Job) -> bool:
    """Whether a job loads a model (and so is worth lowering the process's priority)."""
    return isinstance(work, job.TrainJob | job.PlanJob | job.RangeTestJob | job.ChatJob)
