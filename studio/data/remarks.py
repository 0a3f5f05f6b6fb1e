"""What an import says about good files and good rows: choices it made, nothing that is wrong."""

from studio.contract.errors import Problem

_REMARKS = frozenset(
    f"data.{name}"
    for name in (
        "answers_unlearned",
        "byte_order_mark", "files_left_out", "header_row", "json_columns", "json_inside", "json_list_in_jsonl",
        "json_named_rows", "json_pairs", "merged_cells",
        "names_guessed", "no_header", "nulls_left_out", "number_as_text", "own_columns", "read_again", "read_as_cp1252",
        "read_as_text", "read_as_utf16", "read_sheet", "read_split", "table_as_text", "turns_in_order", "turns_mended",
        "weighted",
    )
)  # fmt: skip


_FIRST_OF_ALL = ("data.guessed_by_length", "data.sheets_alike")


def first_of_all(problems: tuple[Problem, ...]) -> Problem | None:
    """What a person has to see before the rows are used: all of them may have been read in the wrong way."""
    return next((problem for problem in problems if problem.code in _FIRST_OF_ALL), None)


def is_remark(problem: Problem) -> bool:
    """Whether nothing is wrong: a person need not do anything about it."""
    return problem.code in _REMARKS


_FOUND_AGAIN = ("data.duplicates", "data.overlap", "data.markers")


def found_again(problem: Problem) -> bool:
    """Whether the doctor tells of it himself, by the rows as they read now: once he has looked, his word counts."""
    return problem.code.startswith("row.") or problem.code in _FOUND_AGAIN


def in_order(problems: tuple[Problem, ...]) -> list[Problem]:
    """What is wrong first, remarks behind it."""
    return sorted(problems, key=is_remark)
