"""Commands that must be refused, and a small file of rows."""

import json
from pathlib import Path

import pytest

from studio.cli import main

GOOD = "".join(json.dumps({"prompt": f"What is {n}?", "completion": f"It is {n}."}) + "\n" for n in range(6))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text(GOOD)
    return path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, str]:
    """Run a command that must be refused, twice: for a person and as JSON; gives the problem."""
    assert main(list(arguments)) == 2
    plain = capsys.readouterr()
    assert plain.out == ""
    assert plain.err.count("apprentice: ") == 1  # after what was told of the progress
    assert "Traceback" not in plain.err
    assert main([*arguments, "--json"]) == 2
    as_json = capsys.readouterr()
    assert as_json.err == ""
    problem = json.loads(as_json.out)["error"]
    assert isinstance(problem, dict)
    assert problem["what"] in plain.err
    return problem
