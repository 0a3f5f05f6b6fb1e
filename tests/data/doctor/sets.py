"""Datasets for the doctor, written in one line, with just the fault that is wanted."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from studio.contract.control import Going
from studio.contract.diagnosis import Diagnosed, Finding
from studio.contract.job import DoctorJob, Mapping
from studio.contract.records import Message, Record
from studio.contract.run_folder import make_folder
from studio.contract.settings import TrainSettings
from studio.data.arrow_file import RowWriter
from studio.data.dataset import ROWS_FILE, Dataset, DatasetInfo, open_dataset, write_info
from studio.data.doctor.check import Measure
from studio.data.doctor.diagnosing import diagnose

WORDS = [
    f"{a}{b}"
    for a in ("ka", "lo", "mi", "nu", "pe", "ri", "so", "tu")
    for b in ("ban", "del", "fir", "gom", "hus", "jat", "vil")
]

Pair = tuple[str, str] | tuple[str, str, str]


def sentence(number: int, words: int = 30) -> str:
    """Words that no other number has in this order."""
    generator = random.Random(number)
    return " ".join(generator.choices(WORDS, k=words)).capitalize() + "."


def sound(rows: int = 30, start: int = 0) -> list[Pair]:
    """Rows in which nothing is wrong."""
    return [(sentence(2 * n, 10), sentence(2 * n + 1)) for n in range(start, start + rows)]


def write_set(folder: Path, rows: Sequence[Pair | Record], /, **info: Any) -> Dataset:
    """A dataset of (question, answer) or (question, answer, side), whatever an import would say to them."""
    make_folder(folder)
    with RowWriter(folder / ROWS_FILE) as writer:
        for number, row in enumerate(rows, 1):
            record = row if isinstance(row, Record) else _record(row, number)
            writer.add(record, record.key)
    given: dict[str, Any] = {
        "rows": len(rows), "usable": len(rows), "held_back_rows": 0, "mapping": Mapping(shape="chat"), "columns": (),
        "sources": (), "name": "Mine", "id": folder.name,
    }  # fmt: skip
    write_info(folder, DatasetInfo(**(given | info)))
    return open_dataset(folder)


def _record(row: Pair, number: int) -> Record:
    question, answer, *side = row
    messages = (Message("user", question), Message("assistant", answer))
    return Record(messages=messages, source_row=number, side=side[0] if side else "")  # type: ignore[arg-type]


def examine(dataset: Dataset, measure: Measure | None = None, test: str = "", **settings: Any) -> Diagnosed:
    """What the doctor says."""
    work = DoctorJob(dataset=str(dataset.folder), settings=TrainSettings(**settings), test=test)
    return diagnose(work, lambda event: None, Going(), measure)


def finding(diagnosed: Diagnosed, code: str) -> Finding | None:
    """The finding of this code, if there is one."""
    return next((one for one in diagnosed.findings if one.code == f"doctor.{code}"), None)


def found(diagnosed: Diagnosed, code: str) -> Finding:
    """The finding of this code; its rows are in its examples."""
    one = finding(diagnosed, code)
    assert one is not None, [one.code for one in diagnosed.findings]
    assert one.title
    assert one.why
    assert one.fix or one.advice or one.level == "hint"
    return one


def rows_of(one: Finding) -> list[int]:
    """Stored rows of the examples."""
    return [example.row for example in one.examples]
