"""The one-click fixes: each makes one operation on the dataset's edits, so that one undo takes it back."""

from studio.contract.diagnosis import Finding
from studio.contract.errors import StudioError
from studio.data.dataset import Dataset
from studio.data.doctor.found import changed_since, found_rows
from studio.data.edits import TURN_PARTS, Cell, Exclude, Operation, Part, Replace

_OF_JSON = ("calls", "rejected_calls", "tools")


def operation(dataset: Dataset, finding: Finding) -> Operation:
    """What mends a finding; apply it with `EditLog.apply`, which gives the way back.

    A row stays in where the other row that made it superfluous has been left out meanwhile: the last copy is never
    dropped. Nor is a row that was rewritten since it was found, or whose other row was: see `spared`.

    Args:
        dataset: As it reads now.
        finding: Of its last diagnosis.

    Raises:
        StudioError: `doctor.no_fix`, `doctor.no_finding`.
    """
    if not finding.fix:
        raise StudioError("doctor.no_fix", "There is no safe fix for this.", fix=finding.advice)
    rows, because = found_rows(dataset.folder, finding.code)
    excluded, stored = dataset.edits.excluded, dataset.table.num_rows
    pairs = [(row, other) for row, other in zip(rows.tolist(), because.tolist(), strict=True) if row < stored]
    if finding.fix == "repair_encoding":
        return Replace(tuple(cell for row, _ in pairs if row not in excluded for cell in _repairs(dataset, row)))
    gone = excluded | changed_since(dataset)
    return Exclude(tuple(row for row, other in pairs if row not in gone and other not in gone))


def spared(dataset: Dataset, finding: Finding) -> int:
    """How many rows that its fix would leave out stay because they, or what they repeat, were rewritten meanwhile.

    Raises:
        StudioError: `doctor.no_finding`.
    """
    if finding.fix in ("", "hold_back", "repair_encoding"):
        return 0
    changed, excluded = changed_since(dataset), dataset.edits.excluded
    pairs = zip(*(numbers.tolist() for numbers in found_rows(dataset.folder, finding.code)), strict=True)
    return sum(row not in excluded and (row in changed or other in changed) for row, other in pairs)


def _repairs(dataset: Dataset, row: int) -> list[Cell]:
    """What puts all texts of a row right that the check of the encoding looks at."""
    from studio.data.doctor.mojibake import repaired, repaired_json

    record = dataset.stored_record(row)
    places: list[tuple[Part, int, str]] = [("text", 0, record.text), ("tools", 0, record.tools)]
    for part, (which, field) in TURN_PARTS.items():
        places += [(part, number, getattr(turn, field)) for number, turn in enumerate(getattr(record, which))]
    cells = []
    for part, number, text in places:
        mended = text and (repaired_json if part in _OF_JSON else repaired)(text)
        if mended != text:
            cells.append(Cell(row, number, mended, part))
    return cells
