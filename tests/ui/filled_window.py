"""A window whose every page has something to show: the starter, the sample, runs, and a chat side by side."""

from pathlib import Path

import msgspec

from studio.contract import events, job
from studio.contract.control import Going
from studio.contract.run_folder import RunFolder, datasets_folder, sample_folder, starter_folder
from studio.contract.sample import SAMPLE, SAMPLE_NAME
from studio.data import model_library
from studio.data.dataset import DatasetInfo, read_info
from studio.data.doctor.diagnosing import diagnose
from studio.data.importing import import_dataset
from studio.supervisor import chats
from studio.supervisor.chats import BASE, Chat, Exchange, Reply
from studio.ui.main_window import MainWindow
from tests.ui import run_stream


def import_rows(name: str, rows: int, question: str = "How do I reset {n}?") -> DatasetInfo:
    """A dataset of questions and answers, imported the way the worker does."""
    source = datasets_folder().parent / f"{name}.jsonl"
    lines = [
        msgspec.json.encode({"question": question.replace("{n}", str(n)), "answer": f"Open number {n}."})
        for n in range(rows)
    ]
    source.write_bytes(b"\n".join(lines))
    folder = datasets_folder() / name
    work = job.ImportJob(source=str(source), destination=str(folder), name=source.name)
    import_dataset(work, lambda event: None, Going())
    return read_info(folder)


def import_sample() -> DatasetInfo:
    """The built-in sample with its own test file."""
    folder = datasets_folder() / SAMPLE
    work = job.ImportJob(
        source=str(sample_folder() / "sample.jsonl"),
        destination=str(folder),
        name=SAMPLE_NAME,
        held_back=str(sample_folder() / "held_back.jsonl"),
    )
    import_dataset(work, lambda event: None, Going())
    return read_info(folder)


def starter() -> events.ModelChecked:
    """What the check says of the built-in model."""
    folder = starter_folder()
    return events.ModelChecked(
        path=str(folder), name="Starter", architecture="LlamaForCausalLM", model_type="llama", parameters=3_740_000,
        file_bytes=7_500_000, context=512, vocabulary=2048, licence="apache-2.0", has_template=True, usable=True,
        general=str(folder / "general.jsonl"), probes=str(folder / "probes.jsonl"),
    )  # fmt: skip


def write_runs(dataset: DatasetInfo) -> list[RunFolder]:
    """A run that ended well, one that failed and one that was interrupted, oldest first; all on this dataset."""
    stream = list(run_stream.run())
    failed = [*stream[:60], events.Failed(at=1500.0, problem=run_stream.PROBLEM)]
    folders = [
        run_stream.write_run("run-3", stream, seed=3),
        run_stream.write_run("run-2", failed, seed=2),
        run_stream.write_run("run-1", stream[:80], seed=1),
    ]
    for folder in folders:
        work = job.load(folder.job)
        assert isinstance(work, job.TrainJob)
        job.save(
            msgspec.structs.replace(
                work, model=str(starter_folder()), dataset=str(dataset.folder), dataset_name=dataset.name
            ),
            folder.job,
        )
    return folders[::-1]


def chat_of(run: RunFolder) -> Chat:
    """A saved chat with answers of base and adapter, one of them long."""
    made = Chat(
        id=chats.new_id(),
        model=str(starter_folder()),
        model_name="Starter",
        adapters=(job.AdapterRef(run.id, str(run.adapter), "run-3"),),
        run=run.id,
        sides=(BASE, run.id),
    )
    wanted = "Marta Quill keeps them."
    for number, text in enumerate((wanted, "Nobody knows where the keys of the workshop are kept. " * 8)):
        made.exchanges.append(
            Exchange(
                question=f"Who keeps the keys number {number}?",
                replies=(
                    Reply(side=BASE, name="Starter", text="I do not know that.", tokens=6, seconds=0.2, ended="length"),
                    Reply(side=run.id, name="run-3", text=text, tokens=40, seconds=0.9, ended="end_token"),
                ),
                sampling=made.sampling,
                expected=wanted,
                fresh=bool(number),
            )
        )
    chats.save(made)
    return made


def device() -> events.DeviceReport:
    """A computer with a card that cannot be used, so that there is a sentence about it."""
    return events.DeviceReport(
        cpu="Some Processor With A Long Name 9000", cores=8, memory_bytes=16 << 30, free_memory_bytes=9 << 30,
        disk_free_bytes=80_000_000_000, torch="2.13.0", problems=(run_stream.PROBLEM,),
        gpus=(events.Gpu(name="Radeon X", vendor="amd", problem=run_stream.PROBLEM),),
    )  # fmt: skip


def check_dataset(info: DatasetInfo) -> None:
    """What the doctor says of a dataset, kept as if he had counted the starter's tokens: nothing is checked unasked."""
    found = diagnose(job.DoctorJob(dataset=info.folder), lambda event: None, Going())
    path = Path(info.folder) / "doctor" / "diagnosis.json"
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(found, model=str(starter_folder()))))


def fill(window: MainWindow) -> None:
    """Give every page something to show."""
    workplace = window.workplace
    model_library.put_model(starter())
    model_library.put_model(
        msgspec.structs.replace(
            starter(), path=str(Path.home()), name="Broken", usable=False, problems=(run_stream.PROBLEM,), licence=""
        )
    )
    dataset = import_sample()
    check_dataset(dataset)
    check_dataset(import_rows("faq", 40))
    *_, run = write_runs(dataset)
    chat_of(run)
    workplace.models.choose(starter())
    workplace.choose_dataset(dataset)
    workplace.device = device()
    workplace.device_reported.emit(workplace.device)
    workplace.datasets_changed.emit()
    workplace.runs_changed.emit()
