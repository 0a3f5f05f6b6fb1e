"""Moved to studio.data.run_history (import it from there); this file goes away at integration."""

from studio.data.run_history import *  # noqa: F403
from studio.data.run_history import RunSummary, list_runs, read_events, summarise  # noqa: F401
