"""A worker that is killed at any moment: small here, in full by `python3 packaging/dev.py faults --full`."""

import json
import os
import subprocess
import sys

from tests.helpers.shared_data import PROJECT


def test_killed_runs_are_taken_up_and_end_bit_for_bit_the_same() -> None:
    command = [sys.executable, "-m", "tests.faults.kills", "--kills", "4", "--json"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=PROJECT, check=False)
    result = json.loads(done.stdout)["ours"]
    assert result["faults"] == [], done.stderr
    assert result["kills"] == result["resumed"] == result["identical"] >= 4
    assert result["during_save"] >= 2
