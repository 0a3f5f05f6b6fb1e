"""Preference rows whose rejected answer is the chosen one."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from studio.data.doctor.batch import Batch
from studio.data.doctor.check import Check as Base
from studio.data.doctor.check import Context, Found, Rows
from studio.data.wording import count


class Check(Base):
    """Compares the last turns, without the space around them."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._rows = Rows()

    def look(self, batch: Batch) -> None:
        rejected = batch.columns.get("rejected")
        if rejected is None:
            return
        lengths = pc.fill_null(pc.list_value_length(rejected), 0).to_numpy(zero_copy_only=False).astype(np.int64)
        rows = np.flatnonzero((lengths > 0) & (batch.answers >= 0))
        if not len(rows):
            return
        last = pa.array(np.cumsum(lengths)[rows] - 1)
        theirs = pc.struct_field(rejected.flatten(), "content").take(last)
        ours = batch.contents.take(pa.array(batch.answers[rows]))
        said = pc.utf8_trim_whitespace(ours)
        equal = pc.and_(pc.equal(said, pc.utf8_trim_whitespace(theirs)), pc.greater(pc.binary_length(said), 0))
        self._rows.add(batch.rows[rows[pc.fill_null(equal, False).to_numpy(zero_copy_only=False)]])

    def findings(self) -> Iterator[Found]:
        rows = self._rows.joined()
        if len(rows):
            yield self.found(
                "equal_pairs",
                "error",
                f"In {count(len(rows), 'row')} the rejected answer is the same as the chosen one.",
                rows,
                why="Nothing can be learned from a choice between equals.",
                fix="drop_equal_pairs",
            )
