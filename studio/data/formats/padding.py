"""Arrow gives all objects of a column one form, and fills up with null what an object has not: that is taken away."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from studio.data.source import Source
from studio.data.tool_calls import ARGUMENTS

_Row = dict[str, object]


def unpadded(schema: Any, source: Source) -> Callable[[_Row], _Row]:
    """What takes the null members of objects out of a row, as the same row in JSON would have it.

    Args:
        schema: Of the file. Only columns of objects are touched.
        source: Is told, once, where the arguments of a call or the parameters of a tool had null members: one that is
            meant cannot be told from the others.
    """
    names = [field.name for field in schema if _may_be_padded(field.type)]
    told: list[bool] = []

    def tell() -> None:
        if not told:
            told.append(True)
            source.note(
                "nulls_left_out",
                "Values that are null were left out of tool calls and declared tools: files of this format hold all "
                "calls in one form, and fill up with null what a call has not.",
                "If a null is meant somewhere, write the rows as JSONL and import that.",
            )

    def clean(row: _Row) -> _Row:
        for name in names:
            row[name] = _without_nulls(row[name], False, tell)
        return row

    return clean if names else lambda row: row


def _without_nulls(value: object, in_call: bool, tell: Callable[[], None]) -> object:
    if isinstance(value, list):
        return [_without_nulls(item, in_call, tell) for item in value]
    if not isinstance(value, dict):
        return value
    is_call = value.get("name") is not None
    kept = {
        name: _without_nulls(member, in_call or (is_call and name in ARGUMENTS), tell)
        for name, member in value.items()
        if member is not None
    }
    if in_call and len(kept) < len(value):
        tell()
    return kept


def _may_be_padded(kind: Any) -> bool:
    """Whether a type holds objects that need not all have the same members; turns of two texts have."""
    if pa.types.is_struct(kind):
        texts = all(pa.types.is_string(field.type) or pa.types.is_large_string(field.type) for field in kind)
        return not (texts and kind.num_fields == 2)
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return is_list and _may_be_padded(kind.value_type)
