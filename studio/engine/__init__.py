"""Torch lives here only. Importing this package alone imports nothing heavy."""

import os

# Before torch loads its OpenMP runtime, which by default keeps idle threads spinning: where another process wants the
# same cores (the window, say), a step of the starter then took more than 6 s instead of 1.3 s (two busy cores).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
