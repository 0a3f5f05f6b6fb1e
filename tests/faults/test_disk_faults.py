"""A disk that fails while a run writes: small here, in full by `python3 packaging/dev.py faults --full`."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.helpers.shared_data import PROJECT


@pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("gcc"), reason="needs Linux and a C compiler to make the disk fail"
)
def test_a_run_on_a_full_disk_pauses_says_why_and_ends_as_if_nothing_had_been() -> None:
    command = [sys.executable, "-m", "tests.faults.disk_faults", "--every", "40", "--errors", "ENOSPC", "--json"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=PROJECT, check=False)
    result = json.loads(done.stdout)
    assert result["faults"] == [], done.stderr
    assert result["tried"] == result["intact"] == result["identical"] >= 3
    assert result["paused"] >= 1
