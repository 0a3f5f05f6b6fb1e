"""The room on the disk that is told before a run beside the room that its checkpoints take (promise P7).

    python -m tests.faults.room_told [--n 12] [--json]

Real runs with every optimiser, with and without the best weights kept, and with other ways of tuning. Their adapters
are larger than a tiny model's layers, so that they outweigh what every checkpoint has.
"""

import sys
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec

from studio.engine import checkpoint, method_fit, room, train
from tests.engine.ground import Person, make_dataset, make_job, make_model, new_run, sums
from tests.faults import report

ALLOWED = 0.1
LARGE: dict[str, Any] = {"method__rank": 256, "max_steps": 2, "save_every_minutes": 1e-9, "schedule": "constant"}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    f"{optimiser}{', best kept' if patience else ''}": {
        "optimiser": optimiser, "early_stopping": patience, "evaluations": patience,
    }
    for optimiser in ("adamw", "adamw_8bit", "adafactor", "lion", "schedule_free")
    for patience in (0, 2)
} | {
    "DoRA": {"method__dora": True},
    "smaller rank, best kept": {"method__rank": 96, "early_stopping": 2, "evaluations": 2},
}  # fmt: skip


class Result(msgspec.Struct, kw_only=True):
    """How far off the estimates were.

    Attributes:
        configurations: Tried.
        within: Of them, those whose checkpoint was told to within a tenth.
        most_off: The largest error, in percent of what was written.
    """

    configurations: int = 0
    within: int = 0
    most_off: float = 0.0
    faults: list[str] = msgspec.field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether all were near enough."""
        return not self.faults and self.configurations == self.within > 0


def size_of(folder: Path) -> int:
    """Bytes of all files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def compare(count: int, home: Path) -> Result:
    """See the module's text."""
    result = Result()
    model, dataset = make_model(home / "model"), make_dataset(home / "data", sums(16)[:12], sums(16)[12:])
    for name, values in list(CONFIGURATIONS.items())[:count]:
        told: list[int] = []
        real = room.checkpoint_bytes

        def tell(*given: Any, told: list[int] = told, real: Any = real) -> int:
            told.append(real(*given))
            return told[-1]

        folder, person = new_run(home), Person()
        with (
            mock.patch.object(room, "checkpoint_bytes", tell),
            mock.patch.object(method_fit, "unfitting", side_effect=lambda *_, **__: iter(())),
        ):
            train.train(make_job(model, dataset, **(LARGE | values)), folder, person, person)
        written = size_of(checkpoint.found(folder.checkpoints)[0])
        off = abs(told[0] - written) / written
        result.configurations += 1
        result.within += off <= ALLOWED
        result.most_off = max(result.most_off, round(100 * off, 1))
        if off > ALLOWED:
            result.faults.append(f"{name}: {told[0]} bytes were told, {written} written")
    return result


if __name__ == "__main__":
    sys.exit(report.prove(sys.argv[1:], __doc__, 12, compare))
