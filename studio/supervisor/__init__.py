"""The window's side of the worker: QtCore only."""
