"""packaging/starter is a folder of scripts, not a package: its tests put it on the path as its command does."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "packaging" / "starter"))
