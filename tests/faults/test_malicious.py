"""Artefacts that were made to harm do none, whichever door opens them."""

import json
import os
import subprocess
import sys

import pytest

from tests.helpers.shared_data import PROJECT


@pytest.mark.skipif(os.name != "posix", reason="the artefacts are made for POSIX")
def test_thirty_malicious_artefacts_create_no_file_and_connect_nowhere() -> None:
    command = [sys.executable, "-m", "tests.faults.malicious", "--json"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=PROJECT, check=False)
    result = json.loads(done.stdout)
    assert result["faults"] == [], done.stderr
    assert (result["artefacts"], result["created"], result["connected"]) == (30, 0, 0)
    assert result["armed"] >= 20  # the harm is real: a careless program does it
    assert done.returncode == 0
