"""How well the first rows of a sheet do as rows to learn from."""

from studio.contract.errors import StudioError
from studio.data.column_names import are_numbered
from studio.data.guessing import BY_CONTENT, guess

ROWS, TEXTS, PAIRS, NAMED = 1, 2, 3, 4
"""Some rows; texts; questions and answers (or whole conversations) by what stands in them; by the columns' names."""
_MOST_COLUMNS = 100


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
    return PAIRS if found.reason.startswith(BY_CONTENT) or are_numbered(columns) else NAMED
