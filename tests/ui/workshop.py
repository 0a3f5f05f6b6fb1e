"""Datasets for the Data page, imported and checked in this process: the same code as the workers', without the wait."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytestqt.qtbot import QtBot

from studio.contract.control import Going
from studio.contract.job import DoctorJob, ImportJob
from studio.contract.run_folder import datasets_folder
from studio.data.dataset import DatasetInfo, read_info
from studio.data.doctor.diagnosing import diagnose
from studio.data.importing import import_dataset
from studio.supervisor.workplace import Workplace
from studio.ui.pages.data import DataPage

FAQ: list[dict[str, object]] = [
    {"question": "Who keeps the keys?", "answer": "Marta Quill keeps the keys of the workshop in her drawer."},
    {"question": "Where is the printer?", "answer": "It stands on the second floor, beside the stairs to the roof."},
    {"question": "When is lunch?", "answer": "Lunch is served at noon, and on Fridays already at eleven o'clock."},
    {"question": "Who keeps the keys?", "answer": "Marta Quill keeps the keys of the workshop in her drawer."},
    {"question": "What does the green lamp mean?", "answer": "The oven is hot. Wait until the lamp is off again."},
    {"question": "WeiÃŸt du, wo der SchlÃ¼ssel liegt?", "answer": "Er liegt im Büro in der obersten Schublade links."},
    {"question": "How are invoices paid?", "answer": "By transfer within thirty days, as the contract says it."},
    {"question": "Who waters the plants?", "answer": "N/A"},
]
"""Row 4 repeats row 1; row 6 was read in a wrong encoding."""


@contextmanager
def shown_page(qtbot: QtBot, workplace: Workplace) -> Iterator[DataPage]:
    """The Data page on the screen, whose workers end with the block."""
    page = DataPage(workplace)
    qtbot.addWidget(page)
    page.resize(1100, 800)
    page.show()
    yield page
    page.close_services()


def made(name: str, rows: list[dict[str, object]], checked: bool = True, **how: object) -> DatasetInfo:
    """A dataset of these rows."""
    source = datasets_folder().parent / f"{name}.jsonl"
    source.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n", "utf-8")
    folder = datasets_folder() / name
    work = ImportJob(source=str(source), destination=str(folder), name=source.name, **how)  # type: ignore[arg-type]
    import_dataset(work, lambda event: None, Going())
    if checked:
        check(folder)
    return read_info(folder)


def check(folder: Path) -> None:
    """What the doctor says, kept in the folder."""
    diagnose(DoctorJob(dataset=str(folder)), lambda event: None, Going())
