"""Events about what a run will need and which settings suit it."""

from studio.contract.event import Event
from studio.contract.memory_plan import MemoryPlan
from studio.contract.range_test import RangeResult


class MemoryPlanned(Event, frozen=True, kw_only=True, tag="memory_planned"):
    """A run's memory before step 1: by its dry step, or by the formula alone (`estimate.measured`)."""

    plan: MemoryPlan


class Planned(Event, frozen=True, kw_only=True, tag="planned"):
    """The end of a plan job."""

    plan: MemoryPlan


class RangeTested(Event, frozen=True, kw_only=True, tag="range_tested"):
    """The end of a range test."""

    result: RangeResult
