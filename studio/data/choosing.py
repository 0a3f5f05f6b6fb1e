"""Which columns of an import hold what: the user's word, an earlier choice for such columns, or a guess."""

from pathlib import Path

import msgspec

from studio.contract.control import Emit
from studio.contract.errors import Problem, StudioError
from studio.contract.events import Inspected
from studio.contract.job import COLUMN_FIELDS, ImportJob, Mapping, Reading
from studio.contract.records import Kind
from studio.data import column_names, known_mappings
from studio.data import mapping as mappings
from studio.data.guessing import is_by_length
from studio.data.inspecting import Look
from studio.data.no_mapping import CUT_ADVICE
from studio.data.wording import listed, shown

KINDS: dict[Kind, str] = {
    "chat": "conversations",
    "prompt_completion": "questions with answers",
    "text": "plain texts",
    "preference": "better and worse answers",
    "label": "rated answers",
}
"""What rows of a kind are, in words."""
_MOST_RATINGS = 10
"""More different values are no rating."""


def choose_mapping(job: ImportJob, seen: Look, splits: tuple[str, ...], emit: Emit, is_whole: bool = False) -> Mapping:
    """The job's mapping, or the user's own for such columns, or a guess; emits `Inspected` in any case.

    Args:
        job: What is asked for.
        seen: Of the first file.
        splits: That can be chosen.
        emit: Gets the event.
        is_whole: All columns of the file are known, and not only those of its first rows.

    Raises:
        StudioError: None can be guessed, or the one given does not fit the columns.
    """

    def inspected(mapping: Mapping | None) -> Inspected:
        return Inspected(
            columns=tuple(shown(name, 200) for name in seen.columns),
            rows_seen=len(seen.rows),
            mapping=mapping,
            first_rows=seen.first_rows(),
            reading=_fit_for_the_wire(seen.reading),
            sheets=tuple(shown(name, 200) for name in seen.sheets),
            splits=tuple(shown(name, 200) for name in splits),
            sample=seen.sample(),
        )

    given = job.mapping or recalled(seen)
    if given is not None:
        emit(inspected(given))
        mappings.check(given, seen.columns, seen.is_open and not is_whole)
        return given
    try:
        mapping = mappings.guess(seen.columns, seen.rows)
    except StudioError as error:
        emit(inspected(None))
        raise _of_sheet(_placed(error, shown(Path(job.source).name, 120)), seen) from error
    emit(inspected(mapping))
    return mapping


def unread_rating(mapping: Mapping, seen: Look) -> list[Problem]:
    """A note on a column that seems to rate the answers and is not used: bad answers would be learned, too."""
    if mapping.kind not in ("chat", "prompt_completion"):
        return []
    used = {getattr(mapping, field) for field in COLUMN_FIELDS}
    for name in seen.columns:
        values = {str(value) for row in seen.rows if (value := row.get(name)) not in (None, "")}
        if name not in used and 1 < len(values) <= _MOST_RATINGS and _may_rate(name, values):
            return [
                Problem(
                    code="data.rating_unread",
                    what=f'The column "{shown(name)}" was not used; it may say how good an answer is.',
                    why=f"It holds {listed(sorted(values), 5)}. If it rates the answers, bad ones are learned, too.",
                    fix="Leave the rows with bad answers out, or write good or bad there and import the file again.",
                )
            ]
    return []


def _may_rate(name: str, values: set[str]) -> bool:
    """Whether a column may say how good an answer is, by its name or by what it holds."""
    said = {column_names.plain(value) for value in values}
    names = (*column_names.LABELS, *column_names.JUDGEMENTS)
    is_named = column_names.plain(name) in map(column_names.plain, names)
    return is_named or any(said & good and said & bad and said <= good | bad for good, bad in column_names.JUDGED)


def guessed_by_length(mapping: Mapping) -> list[Problem]:
    """A warning where nothing but their length told question and answer apart: a summary would be read backwards."""
    if not is_by_length(mapping):
        return []
    return [
        Problem(
            code="data.guessed_by_length",
            what=f'Only their length tells that "{shown(mapping.prompt)}" is the question and '
            f'"{shown(mapping.completion)}" the answer.',
            why="The longer column was taken for the answer; with summaries or titles it is the other way round.",
            fix="Look at the first rows; if they read the wrong way round, swap the two columns.",
        )
    ]


def recalled(seen: Look) -> Mapping | None:
    """The user's own choice for an earlier file of the same columns, where it still fits."""
    known = known_mappings.recall(seen.columns)
    try:
        if known is not None:
            mappings.check(known, seen.columns)
    except StudioError:  # a version that knew other shapes wrote it
        return None
    return known


def keep_choice(job: ImportJob, seen: Look) -> list[Problem]:
    """Remember a mapping that the user chose against the guess, for files of the same columns; forget it if not."""
    if job.mapping is None or not job.remember:
        return []
    try:
        guessed = mappings.guess(seen.columns, seen.rows)
        by_hand = not job.mapping.same_columns(guessed)
    except StudioError:
        by_hand = True
    try:
        if by_hand:
            known_mappings.remember(seen.columns, job.mapping, Path(job.source).name)
        else:
            known_mappings.forget(seen.columns)
    except (OSError, StudioError, UnicodeEncodeError) as error:  # the dataset is whole; only the comfort is lost
        return [
            Problem(
                code="data.choice_not_kept",
                what="The choice of columns could not be kept for the next file.",
                why=str(error),
                fix="Choose the columns again when you import such a file.",
            )
        ]
    return []


def _fit_for_the_wire(reading: Reading) -> Reading:
    return msgspec.structs.replace(reading, sheet=shown(reading.sheet, 200))


def for_further_file(mapping: Mapping, seen: Look, name: str) -> Mapping:
    """The mapping of a further file of a dataset: the first one's, or, where that does not fit its columns, its own.

    Raises:
        StudioError: Neither fits; the file is named.
    """
    try:
        mappings.check(mapping, seen.columns)
    except StudioError as error:
        try:
            own = recalled(seen) or mappings.guess(seen.columns, seen.rows)
        except StudioError:
            raise _placed(error, name) from error
        if own.kind != mapping.kind:
            raise _other_kind(mapping, own, error.problem, name) from error
        return own
    return mapping


def _other_kind(mapping: Mapping, own: Mapping, missing: Problem, name: str) -> StudioError:
    return StudioError(
        "data.other_kind",
        f"This file holds {KINDS[own.kind]}, the first one {KINDS[mapping.kind]}.",
        f"All files of a dataset are of one kind. {own.reason} {missing.what}",
        "Import it as a dataset of its own, or bring the files into one form.",
        where=name,
    )


def _of_sheet(error: StudioError, seen: Look) -> StudioError:
    """The error with the sheets that might be chosen instead, where it is about a sheet."""
    if seen.format != "xlsx":
        return error
    problem = error.problem
    fix, why = problem.fix.replace(CUT_ADVICE, ""), problem.why
    others = [sheet for sheet in seen.sheets if sheet != seen.reading.sheet]
    if others:
        why = f"{why} This is the sheet {listed([seen.reading.sheet])}; there is also {listed(others)}.".strip()
        fix = f"{fix} Or choose another sheet."
    return StudioError(problem.code, problem.what, why, fix, problem.where, problem.details)


def _placed(error: StudioError, name: str) -> StudioError:
    problem = error.problem
    return StudioError(problem.code, problem.what, problem.why, problem.fix, name, problem.details)
