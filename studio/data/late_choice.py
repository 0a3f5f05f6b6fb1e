"""What is done about columns that begin below the rows that were looked at: read once more, told, or refused."""

import msgspec

from studio.contract.control import Emit
from studio.contract.errors import Problem, StudioError
from studio.contract.job import COLUMN_FIELDS, ImportJob, Mapping
from studio.data import mapping as mappings
from studio.data.choosing import KINDS, choose_mapping, for_further_file, recalled
from studio.data.inspecting import Look
from studio.data.intake import ChosenFile
from studio.data.late_columns import LateColumns
from studio.data.wording import listed, shown

_HOLDS = {
    "system": "the system prompt",
    "context": "further input",
    "history": "what was said before",
    "tools": "the tools that may be called",
    "label": "whether the answer is good",
    "rejected": "a worse answer",
}


def mappings_for(job: ImportJob, files: list[ChosenFile], splits: tuple[str, ...], emit: Emit) -> list[Mapping]:
    """Which columns of each file hold what, by its first rows; emits `Inspected`.

    Raises:
        StudioError: None can be guessed, or what was chosen does not fit.
    """
    chosen = choose_mapping(job, files[0].seen, splits, emit)
    return [chosen, *(for_further_file(chosen, file.seen, file.name) for file in files[1:])]


def reconsidered(
    job: ImportJob,
    files: list[ChosenFile],
    before: list[Mapping],
    late: list[LateColumns],
    splits: tuple[str, ...],
    emit: Emit,
) -> tuple[list[ChosenFile], list[Mapping]]:
    """The files with all of their columns, and the mappings that they ask for; emits `Inspected` where there are more.

    Args:
        job: What is asked for.
        files: As their first rows show them.
        before: The mappings that they were read with.
        late: What the reading found, of each file.
        splits: That can be chosen.
        emit: Gets the event.

    Raises:
        StudioError: A chosen column is nowhere in the first file; or one that begins late would make other rows of it
            than those before it are.
    """
    if not any(one.first for one in late):
        if job.mapping is not None:
            mappings.check(job.mapping, files[0].seen.columns)
        return files, before
    whole = [
        msgspec.structs.replace(file, seen=file.seen.with_late(one)) if one.first else file
        for file, one in zip(files, late, strict=True)
    ]
    seen = whole[0].seen
    chosen = job.mapping or recalled(seen) or (before[0] if recalled(files[0].seen) is not None else None)
    guessed = None if chosen is not None else _guess(seen)
    if guessed is not None and _keeps(guessed, before[0]):
        chosen = guessed if guessed.kind == before[0].kind else None
    else:
        chosen, guessed = chosen or before[0], None
    choose_mapping(msgspec.structs.replace(job, mapping=chosen or before[0]), seen, splits, emit, is_whole=True)
    if chosen is None:
        assert guessed is not None
        raise _other_rows(before[0], guessed, late[0], files[0].name)
    return whole, [chosen, *(for_further_file(chosen, file.seen, file.name) for file in whole[1:])]


def read_again(
    files: list[ChosenFile], before: list[Mapping], now: list[Mapping], late: list[LateColumns]
) -> list[Problem]:
    """Remarks on the columns for which files were read once more."""
    return [
        Problem(
            code="data.read_again",
            what=f'The column "{shown(name)}" first says something in row {one.first[name]:,}: the file was read once '
            "more, with it.",
            where=file.name,
        )
        for file, old, new, one in zip(files, before, now, late, strict=True)
        for name in one.first
        if name in _used(new) - _used(old)
    ]


def unread(files: list[ChosenFile], used: list[Mapping], late: list[LateColumns]) -> list[Problem]:
    """Warnings of columns that a guess would use and that are not used: they begin late, or the first file has none."""
    told: list[Problem] = []
    for at, (file, mapping, one) in enumerate(zip(files, used, late, strict=True)):
        own = set() if at == 0 else set(file.seen.columns).difference(files[0].seen.columns)
        guessed = _guess(file.seen) if own or one.first else None
        if guessed is None:
            continue
        for field in COLUMN_FIELDS:
            name = getattr(guessed, field)
            if name and name not in _used(mapping) and (name in one.first or name in own):
                told.append(_unread(name, field, one.first.get(name, 0), file.name))
    return told


def _unread(name: str, field: str, row: int, file: str) -> Problem:
    begins = f"it first says something in row {row:,}" if row else "the first file has none"
    return Problem(
        code="data.late_column",
        what=f'The column "{shown(name)}" was not used; {begins}.',
        why=f"It seems to hold {_HOLDS[field]}." if field in _HOLDS else "It is named like what is learned.",
        fix="If it belongs to the examples, choose it among the columns and import the file again.",
        where=file,
    )


def _other_rows(before: Mapping, guessed: Mapping, late: LateColumns, file: str) -> StudioError:
    names = sorted((_used(guessed) - _used(before)) & set(late.first), key=late.first.__getitem__)
    if not names:  # what they hold, and not that they are there, makes others of the rows
        names = sorted(late.first, key=late.first.__getitem__)
    row = late.first[names[0]]
    return StudioError(
        "data.mapping_late",
        f"{listed(names)} first {'says' if len(names) == 1 else 'say'} something in row {row:,}; the rows from there "
        f"on are {KINDS[guessed.kind]}, those before are {KINDS[before.kind]}.",
        "One dataset holds one kind of rows, so which of them are meant has to be told.",
        f"Choose the columns yourself: with {listed(names)}, rows without are left out; without, it is not read. "
        "Or divide the file.",
        where=file,
    )


def _guess(seen: Look) -> Mapping | None:
    try:
        return mappings.guess(seen.columns, seen.rows)
    except StudioError:
        return None


def _used(mapping: Mapping) -> set[str]:
    return {column for field in COLUMN_FIELDS if (column := getattr(mapping, field))}


def _keeps(new: Mapping, old: Mapping) -> bool:
    """Whether all columns of the old mapping are what they were."""
    return all(getattr(old, field) in ("", getattr(new, field)) for field in COLUMN_FIELDS)
