"""One look through a dataset with every check."""

import importlib
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from studio.contract.control import Control, Emit
from studio.contract.diagnosis import Diagnosed, Finding
from studio.contract.errors import StudioError
from studio.contract.events import Progress
from studio.contract.job import DoctorJob
from studio.data.dataset import Dataset, open_dataset
from studio.data.doctor import CHECKS, general_rows
from studio.data.doctor.batch import ASKED, Batch, batches
from studio.data.doctor.check import Check, Context, Found, Measure
from studio.data.doctor.checks.lengths import percent
from studio.data.doctor.foreign_rows import ForeignRows
from studio.data.doctor.found import save
from studio.data.doctor.similar import Similar, common_runs
from studio.data.remarks import found_again, is_remark

PROGRESS_SECONDS = 0.1
SAMPLED_BATCHES, SAMPLED_ROWS = 20, 200
"""Batches, spread over the dataset, and the rows of each from which it is told what stands in so many rows that it says
nothing."""

_ORDER = {"error": 0, "warning": 1, "hint": 2}


def diagnose(
    work: DoctorJob, emit: Emit, control: Control, measure: Measure | None = None, limit: int = 0
) -> Diagnosed:
    """Look for what is wrong with a dataset, and keep what was found in its folder.

    Args:
        work: Which dataset, and what is meant to be done with it.
        emit: Gets `Progress` in rows, at most ten a second.
        control: Asked meanwhile; any wish to end ends it, and what was found before stays.
        measure: Counts the tokens of a row as the trainer will; None: characters are counted.
        limit: Longest text in tokens where the model reads no longer ones; 0: as the settings say.

    Returns:
        The final event; the caller emits it.

    Raises:
        StudioError: The dataset or the test file cannot be read; the folder cannot be written; `doctor.cancelled`.
    """
    began = time.monotonic()
    dataset = open_dataset(Path(work.dataset))
    pace = _Pace(emit, control)
    context = Context(
        dataset=dataset,
        held=np.array(dataset.sides(work.settings.held_back_share), bool),
        similar=Similar(common_runs(_sample(dataset))),
        asked=Similar(common_runs(_sample(dataset), ASKED), ASKED) if work.test else None,
        measure=measure,
        limit=limit or work.settings.max_tokens,
        is_models_limit=limit > 0,
        settings=work.settings,
        tick=pace.tick,
    )
    checks = make_checks(context)
    # Before all else: what cannot be a test file is told at once; a fault far down in it only when it is read.
    test = ForeignRows(work.test, dataset.info.kind == "text") if work.test else None
    look(context, checks)
    tested = _add_test_rows(context, test) if test is not None else 0
    found: list[Found] = []
    for number, check in enumerate(checks):
        pace.tick("Weighing what was found", number, len(checks))
        found += check.findings()
    found.sort(key=lambda one: _ORDER[one.finding.level])
    figures: dict[str, Any] = {}
    for check in checks:
        figures |= check.figures()
    figures |= general_rows.figures(work, context)
    figures["test_rows"] = tested
    figures["test_unread"] = test.unread if test is not None else 0
    diagnosed = _diagnosed(work, context, found, figures, time.monotonic() - began)
    save(diagnosed, found, dataset.edits)
    return diagnosed


def make_checks(context: Context, names: Iterable[str] = CHECKS) -> list[Check]:
    """One of each check."""
    modules = [importlib.import_module(f"studio.data.doctor.checks.{name}") for name in names]
    return [module.Check(context) for module in modules]


def look(context: Context, checks: Iterable[Check]) -> None:
    """Show all rows to all checks, and sign them."""
    total = len(context.held)
    for batch in batches(context.dataset.batches()):
        context.tick("Looking at the rows", batch.first, total)
        context.sign(batch)
        for check in checks:
            check.look(batch)
    context.close()


class _Pace:
    """Reports progress and listens to the user."""

    def __init__(self, emit: Emit, control: Control) -> None:
        self._emit, self._control = emit, control
        self._next_time = 0.0

    def tick(self, stage: str, done: int, total: int) -> None:
        """To be called often.

        Raises:
            StudioError: `doctor.cancelled`.
        """
        now = time.monotonic()
        if now < self._next_time:
            return
        self._next_time = now + PROGRESS_SECONDS
        self._emit(Progress(stage=stage, done=done, total=total, unit="rows"))
        while (wish := self._control.poll()) == "pause":
            self._control.wait(0.5)
        if wish != "go":
            raise StudioError("doctor.cancelled", "The check of the data was ended before it was done.")


def _sample(dataset: Dataset) -> Iterator[Batch]:
    """Some batches, spread evenly, as they read now."""
    step = max(1, len(dataset) // (1000 * SAMPLED_BATCHES))
    few = SAMPLED_ROWS if len(dataset) > 1000 * SAMPLED_BATCHES else 1000
    stored = ((rows[:few], arrow.slice(0, few)) for n, (rows, arrow) in enumerate(dataset.batches()) if n % step == 0)
    return batches(stored)


def _add_test_rows(context: Context, test: ForeignRows) -> int:
    """Sign the test rows, behind the dataset's own; gives how many they are."""
    before = len(context.similar.orders)
    done = 0
    for batch in test:
        context.tick("Reading the test rows", done, 0)
        context.sign(batch)
        done += len(batch)
    context.close()
    return len(context.similar.orders) - before


def _diagnosed(
    work: DoctorJob, context: Context, found: list[Found], figures: dict[str, Any], seconds: float
) -> Diagnosed:
    bad = {int(row) for one in found if one.finding.level == "error" or _leaves_out(one) for row in one.rows}
    dataset = context.dataset
    beyond = sum(one.finding.count - len(one.rows) for one in found if _leaves_out(one))  # where some were measured
    usable = max(0, len(dataset) - len(bad) - beyond)
    findings = tuple(one.finding for one in found)
    return Diagnosed(
        dataset=str(dataset.folder),
        rows=dataset.info.rows,
        usable=usable,
        verdict=verdict(usable, dataset.info.rows, findings, context.limit, len(dataset), _import_tells(dataset)),
        findings=findings,
        edits=dataset.edits.digest,
        split=dataset.info.split,
        model=work.model,
        test=work.test,
        seconds=seconds,
        **figures,
    )


def _leaves_out(found: Found) -> bool:
    """Whether its rows are not learned from, although nothing is wrong with them."""
    return found.finding.code in ("doctor.left_out_as_too_long", "doctor.nothing_to_learn")


def _import_tells(dataset: Dataset) -> bool:
    """Whether the import found something wrong that no check of rows finds again."""
    return any(not (is_remark(one) or found_again(one)) for one in dataset.info.problems)


def verdict(
    usable: int, rows: int, findings: tuple[Finding, ...], max_tokens: int, kept: int, more: bool = False
) -> str:
    """The state of a dataset in one or two sentences; `more`: something else is told about it, elsewhere."""
    head = f"{usable:,} of {rows:,} rows are usable." if usable < rows else f"All {rows:,} rows are usable."
    untested = next((one for one in findings if one.code == "doctor.none_held_back"), None)
    if untested is not None:
        others = tuple(one for one in findings if one is not untested)
        return f"{verdict(usable, rows, others, max_tokens, kept) if others else head} {untested.title}"
    limit = f"{max_tokens:,} tokens"
    by_code: dict[str, Callable[[str], str]] = {
        "doctor.answers_cut": lambda share: f"{share} lose part of their answer at {limit}.",
        "doctor.left_out_as_too_long": lambda share: f"{share} are longer than {limit} and left out.",
    }
    for finding in findings:
        if finding.code in by_code:
            share = percent(finding.count, kept)
            return f"{head} {by_code[finding.code](share[0].upper() + share[1:])}"
    worst = next((one for one in findings if one.level == "warning" and "left_out" not in one.code), None)
    if worst is not None:
        return f"{head} {worst.title}"
    return head if findings or more else f"{head} Nothing else was found."
