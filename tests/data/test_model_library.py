"""A damaged list of models is told once and kept aside; what can be read of it stays."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from studio.contract.events import ModelChecked
from studio.data import model_library
from studio.data.file_lock import FileLock
from tests.data.files import refused
from tests.helpers.shared_data import PROJECT


def model(folder: Path) -> ModelChecked:
    folder.mkdir()
    return ModelChecked(
        path=str(folder), name=folder.name, architecture="", model_type="", parameters=1, file_bytes=1, context=1,
        vocabulary=1, licence="", has_template=True, usable=True,
    )  # fmt: skip


@pytest.mark.parametrize("by_writing", [False, True])
def test_a_damaged_list_is_told_once_and_kept_aside(by_writing: bool, own_home: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        model_library.put_model(model(tmp_path / name))
    file = own_home / "models.json"
    broken = file.read_bytes().replace(b'"two"', b'"tw\xff', 1)
    file.write_bytes(broken)
    left = ["one"]
    assert [found.name for found in model_library.list_models()] == left
    if by_writing:
        model_library.put_model(model(tmp_path / "three"))
        left.append("three")
    problem = model_library.mend()
    assert problem is not None
    assert "could be read of it: 1;" in problem.why
    assert model_library.mend() is None
    assert [found.name for found in model_library.list_models()] == sorted(left)
    assert [path.read_bytes() for path in own_home.glob("models.json.*.aside")] == [broken]


def test_a_model_whose_folder_is_away_is_marked_for_as_long(own_home: Path, tmp_path: Path) -> None:
    there = model(tmp_path / "stick")
    model_library.put_model(there)
    (tmp_path / "stick").rename(tmp_path / "pulled")
    (away,) = model_library.list_models()
    assert model_library.is_away(away)
    assert not away.usable
    model_library.put_model(msgspec.structs.replace(away, general="rows.jsonl"))  # such as a choice made meanwhile
    (tmp_path / "pulled").rename(tmp_path / "stick")
    assert model_library.list_models() == [msgspec.structs.replace(there, general="rows.jsonl")]


def test_the_built_in_model_of_a_program_that_lay_elsewhere_is_no_model_that_is_away(own_home: Path) -> None:
    former = own_home / "mounted" / "resources" / "starter"
    former.parent.mkdir(parents=True)
    model_library.put_model(model(former))
    former.rmdir()
    assert model_library.list_models() == []


ADDER = """
import sys
from pathlib import Path
import msgspec
from studio.contract.events import ModelChecked
from studio.data import model_library

first = msgspec.json.decode(sys.argv[1], type=ModelChecked)
print("ready", flush=True)
sys.stdin.readline()
for number in range(15):
    folder = Path(f"{first.path}-{sys.argv[2]}-{number}")
    folder.mkdir()
    model_library.put_model(msgspec.structs.replace(first, path=str(folder), name=folder.name))
"""


def test_two_processes_that_add_models_lose_none(own_home: Path, tmp_path: Path) -> None:
    first = msgspec.json.encode(model(tmp_path / "model")).decode()
    adders = [
        subprocess.Popen(
            [sys.executable, "-c", ADDER, first, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PROJECT
        )
        for name in ("one", "two")
    ]
    for adder in adders:
        assert adder.stdout is not None
        assert adder.stdout.readline().strip() == b"ready"
    for adder in adders:
        assert adder.stdin is not None
        adder.stdin.write(b"go\n")
        adder.stdin.flush()
    for adder in adders:
        adder.communicate()
        assert adder.returncode == 0
    assert len(model_library.list_models()) == 30


@pytest.mark.skipif(os.name != "posix", reason="a folder in the file's place is refused in another way there")
def test_a_list_that_cannot_be_read_is_not_written_over(own_home: Path, tmp_path: Path) -> None:
    model_library.put_model(model(tmp_path / "one"))
    file = own_home / "models.json"
    kept = file.read_bytes()
    file.unlink()
    file.mkdir()  # reading it is an OSError, for root, too
    problem = refused(lambda: model_library.put_model(model(tmp_path / "two")))
    assert problem.code == "model.list_unchanged"
    assert model_library.list_models() == []
    file.rmdir()
    file.write_bytes(kept)
    assert [found.name for found in model_library.list_models()] == ["one"]


def test_a_list_that_another_window_holds_is_left_alone(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_library, "WAIT_SECONDS", 0.05)
    model_library.put_model(model(tmp_path / "one"))
    other = FileLock(own_home / "models.lock")
    assert other.take()
    problem = refused(lambda: model_library.remove_model(str(tmp_path / "one")))
    assert "busy" in problem.why
    other.release()
    model_library.remove_model(str(tmp_path / "one"))
    assert model_library.list_models() == []
