"""How well the first rows of a sheet do as rows to learn from."""

from studio.contract.errors import StudioError
from studio.data.column_names import TEXTS as TEXT_NAMES
from studio.data.column_names import are_numbered, plain
from studio.data.guessing import BY_CONTENT, guess

ROWS, TEXTS, PAIRS, NAMED = 1, 2, 3, 4
"""Some rows; texts; questions and answers (or whole conversations) by what stands in them; by the columns' names."""
_MOST_COLUMNS = 100
_COVER_ROWS = 6
"""A sheet of so few rows may be a cover, a legend or an example."""
_FAR_MORE = 5


def fit(rows: list[dict[str, object]]) -> int:
    """One of the above; 0 without rows."""
    if not rows:
        return 0
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if len(columns) > _MOST_COLUMNS:
        return ROWS
    try:
        found = guess(columns, rows)
    except StudioError:
        return ROWS
    if found.shape == "text":
        return TEXTS
    by_content = found.reason.startswith(BY_CONTENT) or are_numbered(columns)
    is_classed = plain(found.prompt) in TEXT_NAMES  # a legend of texts and their classes names its columns, too
    return PAIRS if by_content or is_classed else NAMED


def is_better(fits: int, height: int, than: int, its_height: int) -> bool:
    """Whether a sheet is to be read instead of an earlier one.

    Known names count with more rows behind them, or where the earlier sheet is as short as a cover.

    Args:
        fits: Of the later sheet, by `fit`.
        height: Its rows.
        than: Of the earlier one.
        its_height: Its rows.
    """
    if min(fits, than) >= PAIRS:
        if its_height <= _COVER_ROWS:
            return height > _FAR_MORE * its_height or (fits, height) > (than, its_height)
        return fits == NAMED and height > its_height
    return fits > than
