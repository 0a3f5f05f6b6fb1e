"""A mapping tried on the first rows of a file, by the very code that the import uses."""

from studio.contract.errors import Problem, StudioError
from studio.contract.job import Mapping
from studio.contract.records import Record
from studio.data.json_text import JsonFault, decode
from studio.data.mapping import check, rows_of, to_record
from studio.data.turn_order import MendTally
from studio.data.turn_rows import conversations

MOST = 8


def tried(sample: str, mapping: Mapping, columns: tuple[str, ...], mend_turns: bool = False) -> list[Record | Problem]:
    """How the first rows would read.

    Args:
        sample: `Inspected.sample`.
        mapping: What is chosen.
        columns: Of the file.
        mend_turns: See `ImportJob`.

    Returns:
        A record for each row (for each of its instances), or why it would be left out; at most MOST. One problem alone
        where the mapping itself does not fit.
    """
    try:
        check(mapping, columns)
        rows = decode(sample or "[]")
    except StudioError as error:
        return [error.problem]
    except JsonFault:
        return []
    read: list[Record | Problem] = []
    mended = MendTally() if mend_turns else None
    for number, row in conversations(enumerate(rows if isinstance(rows, list) else (), 1), mapping):
        try:
            read += [to_record(piece, mapping, number, mended) for piece in rows_of(row, mapping, number)]
        except StudioError as error:
            read.append(error.problem)
    return read[:MOST]
