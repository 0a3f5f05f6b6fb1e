"""Foreign text made fit for a sentence, and counts in words."""

_FEW = 3


def shown(text: str, limit: int = 60) -> str:
    """Foreign text on one line, shortened, without control characters and lone surrogates.

    The wire cannot carry lone surrogates, and a file name or a role from a stranger's file may hold them.

    Args:
        text: Anything.
        limit: Largest number of characters in the result.
    """
    cut = text[: limit + 1].encode("utf-8", "replace").decode("utf-8")
    line = "".join(char if char.isprintable() else " " for char in cut)
    return line if len(text) <= limit else line[: limit - 1] + "…"


def count(number: int, thing: str, things: str = "") -> str:
    """`1 row`, `1,234 rows`."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def listed(names: list[str], most: int = 12) -> str:
    """`"a", "b" and 3 more`."""
    parts = [f'"{shown(name)}"' for name in names[:most]]
    rest = len(names) - len(parts)
    return ", ".join(parts) + (f" and {rest} more" if rest > 0 else "")


def row_numbers(examples: list[int], total: int, most: int = _FEW) -> str:
    """`row 3`, `rows 3, 7, 9 and 40 more`; `examples` are the first few of `total`, of which `most` are named."""
    some = examples[:most]
    text = ("row " if total == 1 else "rows ") + ", ".join(str(number) for number in some)
    return text + (f" and {total - len(some):,} more" if total > len(some) else "")
