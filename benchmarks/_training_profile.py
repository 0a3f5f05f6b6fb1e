"""Where the time of a training step goes: matrix products, attention, loss, the rest, and Python between them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PRODUCTS = {"aten::mm", "aten::addmm", "aten::addmm_", "aten::bmm", "aten::baddbmm"}
LOSS = "output layer and loss"
ROWS = (
    "matrix products of the layers",
    "matrix products of the output layer",
    "attention",
    "softmax and the rest of the loss",
    "elementwise work, copies",
    "Python, the graph, the profiler itself",
)


class Profile:
    """Watches some steps of ours with torch's profiler.

    Attributes:
        table: Once `last` steps are over.
    """

    def __init__(self, first: int, last: int) -> None:
        """Steps from `first` to `last` are watched, counted from 1."""
        from torch.profiler import ProfilerActivity, profile

        self._first, self._last, self._ended = first, last, 0
        self._profiler = profile(activities=[ProfilerActivity.CPU])
        self._began = 0.0
        self.table = ""
        name_loss()

    def step_ended(self) -> None:
        """To be called at the end of each step."""
        self._ended += 1
        if self._ended == self._first - 1:
            self._profiler.__enter__()
            self._began = time.perf_counter()
        elif self._ended == self._last:
            seconds = time.perf_counter() - self._began
            self._profiler.__exit__(None, None, None)
            self.table = shares(self._profiler.events(), seconds, self._last - self._first + 1)


def name_loss() -> None:
    """Let the profiler see what belongs to the output layer."""
    from torch.profiler import record_function

    from studio.engine import loss

    def named(make: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            with record_function(LOSS):
                return make(*given)

        return call

    vars(loss)["gradient_in_place"] = named(loss.gradient_in_place)
    vars(loss)["gradient_by_graph"] = named(loss.gradient_by_graph)


def shares(events: Any, seconds: float, steps: int) -> str:
    """A table of the time of some steps by the clock, which is the one the profiler has."""
    spent = dict.fromkeys(ROWS, 0.0)
    for event in events:
        if event.name.startswith("aten::"):
            spent[_kind(event)] += event.self_cpu_time_total / 1e6
    spent[ROWS[-1]] = max(0.0, seconds - sum(spent.values()))
    lines = ["| of a step | ms | share |", "| --- | ---: | ---: |"]
    lines += [f"| {row} | {1000 * spent[row] / steps:,.0f} | {spent[row] / seconds:.0%} |" for row in ROWS]
    return "\n".join([*lines, f"| together | {1000 * seconds / steps:,.0f} | |"])


def _kind(event: Any) -> str:
    in_loss, parent = False, event.cpu_parent
    while parent is not None and not in_loss:
        in_loss, parent = parent.name == LOSS, parent.cpu_parent
    if event.name in PRODUCTS:
        return ROWS[1] if in_loss else ROWS[0]
    if "scaled_dot_product" in event.name:
        return ROWS[2]
    return ROWS[3] if in_loss else ROWS[4]
