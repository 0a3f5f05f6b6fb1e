"""Few rows, and none of them held back: there would be nothing to test with."""

from collections.abc import Iterator

from studio.data.doctor.check import Check as Base
from studio.data.doctor.check import Found
from studio.data.holding_back import seed_that_holds_back

_WHY = "A fair test needs rows that are not learned from."
_NO_WAY = {
    "hash": "All rows are the same, and equal rows stay on one side. Add rows that differ.",
    "group": "All rows are of one group, and a group stays on one side. Split the rows by chance.",
    "time": "The newest rows are more than this share. Hold back a larger share (Train), or split the rows by chance.",
}


class Check(Base):
    """Looks at the two sides of the dataset."""

    def findings(self) -> Iterator[Found]:
        context, dataset = self.context, self.context.dataset
        rows, share = len(context.held), context.settings.held_back_share
        if context.held.any() or rows < 2 or not share or dataset.info.kind in ("preference", "label"):
            return
        other = seed_that_holds_back(dataset, share)
        by_chance = dataset.info.split.by == "hash"
        yield self.found(
            "none_held_back",
            "warning",
            "No row is held back for testing, so nothing would show whether the model learns or only repeats.",
            (),
            why=_WHY + (f" Chance decides for each row; of {rows:,} at {100 * share:g} % it took none." * by_chance),
            fix="hold_back" if other else "",
            fix_rows=other[1] if other else 0,
            advice=f"Other rows are drawn then (seed {other[0]}), and stay the ones that are held back."
            if other
            else _NO_WAY[dataset.info.split.by],
            count=rows,
        )
