"""A damaged list of models is told once and kept aside; what can be read of it stays."""

from pathlib import Path

import pytest

from studio.contract.events import ModelChecked
from studio.data import model_library


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
