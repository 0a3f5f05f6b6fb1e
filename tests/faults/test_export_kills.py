"""An export that is killed at any moment: small here, in full by `python3 packaging/dev.py faults --full`."""

import json
import os
import subprocess
import sys

from tests.helpers.shared_data import PROJECT


def test_a_killed_export_leaves_nothing_broken_under_its_name() -> None:
    command = [sys.executable, "-m", "tests.faults.export_kills", "--kills", "4", "--json"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=PROJECT, check=False)
    result = json.loads(done.stdout)
    assert result["faults"] == [], done.stderr
    assert result["absent"] + result["whole"] == result["exported_after"] == 4
    assert result["half_written"] >= 1
