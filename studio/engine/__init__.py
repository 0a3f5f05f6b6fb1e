"""Torch lives here only. Importing this package alone imports nothing heavy."""

import os

# Before torch loads its OpenMP runtime (GNU's), whose idle threads spin for long by default. Where another process
# wants the same cores (the window, say) they starve each other: a step of the starter then took more than 6 s; with a
# short spin 1.4 s, with none 1.3 s. On two free cores a short spin is the faster one: 0.2 s against 0.3 s.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
