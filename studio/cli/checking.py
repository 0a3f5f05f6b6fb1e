"""`apprentice data doctor`: what is wrong with a dataset, with examples and the command that mends it."""

import argparse
import shlex
from pathlib import Path
from typing import Any

import msgspec

from studio.cli import data_contents, output, places, row_numbers
from studio.contract import diagnosis, job
from studio.contract.control import Going
from studio.contract.errors import StudioError
from studio.contract.fields import build
from studio.contract.settings import TrainSettings
from studio.data import dataset
from studio.data.holding_back import seed_that_holds_back
from studio.data.row_split import change_split
from studio.data.turn_order import is_offered
from studio.data.wording import count, shown

_SHOWN_EXAMPLES = 3
_WIDTH = 100
"""Characters of a line with an example."""
_DOES: dict[str, str] = {"hold_back": "hold {rows} back", "repair_encoding": "repair {rows}"}
"""Fix -> what its command does; all others leave rows out."""


def data_doctor(arguments: argparse.Namespace) -> int:
    """What is wrong with a dataset, and what a click in the window would mend.

    Raises:
        StudioError: There is no such dataset or model.
    """
    from studio.worker import doctor

    with output.Reporter(arguments.json) as reporter:
        info = places.find_dataset(arguments.data, show=reporter.show)
    if arguments.fix and Path(arguments.data).expanduser().exists():
        raise StudioError(
            "doctor.fix_of_file",
            "A file is never changed.",
            "--fix leaves rows out of an imported dataset, or repairs them there.",
            f"Import it (`apprentice data import {arguments.data}`) and give the dataset's name.",
        )
    values = {} if arguments.max_tokens is None else {"max_tokens": arguments.max_tokens}
    settings = build(TrainSettings, values)
    work = job.DoctorJob(
        dataset=info.folder,
        model=str(places.find_model(arguments.model)) if arguments.model else "",
        settings=settings,
        test=str(Path(arguments.test).expanduser().resolve()) if arguments.test else "",
    )
    if work.model and settings.replay_share > 0:
        work = msgspec.structs.replace(work, general=places.beside_model(Path(work.model), "general.jsonl"))
    with output.Reporter(arguments.json) as reporter:
        found = doctor.run(work, reporter.show, Going())
        if arguments.fix:
            _mend(arguments.fix, found, Path(info.folder))
            found = doctor.run(work, reporter.show, Going())
    opened = dataset.open_dataset(Path(info.folder))
    if arguments.json:
        output.print_json(_told(found, opened))
        return 0
    output.say(found.verdict)
    for line in data_contents.lines(found):
        output.say(line)
    for finding in found.findings:
        _say(finding, opened, arguments.test)
    return 0


def _told(found: diagnosis.Diagnosed, opened: dataset.Dataset) -> Any:
    """The diagnosis with rows called by the numbers that `preview --row` takes; see `RowExample`."""
    findings = tuple(
        msgspec.structs.replace(
            finding,
            examples=tuple(
                msgspec.structs.replace(example, row=row_numbers.number_of(opened, example.row))
                for example in finding.examples
                if example.row >= 0
            ),
        )
        for finding in found.findings
    )
    return msgspec.structs.replace(found, findings=findings)


def _say(finding: diagnosis.Finding, opened: dataset.Dataset, test: str) -> None:
    """A finding: what it is, why it matters, what to do about it, and rows that show it."""
    output.say(f"- {finding.title}")
    for text in (finding.why, finding.advice):
        if text:
            output.say(f"    {text}")
    name = shlex.quote(_word_for(opened.info))
    if is_offered(finding.advice):
        output.say("    `apprentice data import FILE --mend-turns` does so.")
    if finding.fix:
        compared = f" --test {shlex.quote(test)}" if finding.fix == "drop_test_overlap" else ""
        does = _DOES.get(finding.fix, "leave {rows} out").format(rows=count(finding.fix_rows, "row"))
        output.say(f"    To {does}: apprentice data doctor {name}{compared} --fix {finding.fix}")
        output.say(f"    The way back: apprentice data restore {name}")
    for example in finding.examples[:_SHOWN_EXAMPLES]:
        if example.row >= 0:
            output.say(shown(f"    {row_numbers.name_of(opened, example.row)}: {example.excerpt}", _WIDTH))


def _word_for(info: dataset.DatasetInfo) -> str:
    """What a command takes for this dataset and nothing else: its name, or its id where a file or another has that."""
    alike = sum(one.name == info.name for one in dataset.list_datasets())
    return info.id if alike > 1 or Path(info.name).exists() else info.name


def _mend(wanted: list[str], found: diagnosis.Diagnosed, folder: Path) -> None:
    from studio.data.doctor.fixes import operation
    from studio.data.edits import EditLog

    offered = {finding.fix: finding for finding in found.findings if finding.fix}
    for fix in wanted:
        if fix not in offered:
            raise StudioError(
                "doctor.no_fix",
                f"There is nothing here that {fix} would mend.",
                fix=f"Offered: {', '.join(offered) or 'none'}.",
            )
        opened = dataset.open_dataset(folder)
        if fix == "hold_back":
            other = seed_that_holds_back(opened, TrainSettings().held_back_share)
            if other is not None:
                change_split(opened.info, msgspec.structs.replace(opened.info.split, seed=other[0]))
            continue
        EditLog(folder, opened.table.num_rows).apply(operation(opened, offered[fix]))
