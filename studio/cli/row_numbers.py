"""What rows are called on the command line: `preview --row` takes the numbers that the doctor tells."""

from studio.contract.errors import StudioError
from studio.data import dataset
from studio.data.made_from import file_of


def stored_row(opened: dataset.Dataset, number: int) -> int:
    """Where a row lies that the file, the table and the doctor call by this number; of several files: its place.

    Raises:
        StudioError: `preview.no_row`.
    """
    if _of_several(opened):
        return number - 1
    numbers = opened.table.column("source_row").to_pylist()
    if number not in numbers:
        raise no_row(opened, number)
    return numbers.index(number)


def number_of(opened: dataset.Dataset, stored: int) -> int:
    """The number, from 1, that leads to a stored row: the way back from `stored_row`."""
    return stored + 1 if _of_several(opened) else _number_in_file(opened, stored)


def name_of(opened: dataset.Dataset, stored: int) -> str:
    """What a stored row is called: "row 8", and of several files "row 13 (row 3 of b.csv)"."""
    number, in_file = number_of(opened, stored), _number_in_file(opened, stored)
    file = file_of(opened.info, stored)
    return f"row {number} (row {in_file} of {file})" if file and number != in_file else f"row {number}"


def no_row(opened: dataset.Dataset, number: int) -> StudioError:
    """The error of a number that no row has."""
    last = len(opened) if _of_several(opened) else opened.table.column("source_row").to_pylist()[-1]
    left_out = "It was left out when the file was imported." if 0 < number < last else f"The last one is {last}."
    return StudioError("preview.no_row", f"There is no row {number}.", left_out, "Choose another row.")


def _of_several(opened: dataset.Dataset) -> bool:
    return len(opened.info.sources) > 1


def _number_in_file(opened: dataset.Dataset, stored: int) -> int:
    return int(opened.table.column("source_row")[stored].as_py())
