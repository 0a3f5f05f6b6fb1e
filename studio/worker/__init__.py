"""The other process: takes one job, emits events, follows commands."""
