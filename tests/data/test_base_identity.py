"""A fingerprint tells models apart; a header that is no table of tensors is told as such, and nothing crashes."""

import json
from pathlib import Path

import pytest

from studio.data.base_identity import fingerprint


def model_with(folder: Path, header: object, data: bytes = bytes(8)) -> Path:
    folder.mkdir()
    told = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(told).to_bytes(8, "little") + told + data)
    return folder


def test_other_numbers_give_another_fingerprint_and_the_same_ones_the_same(tmp_path: Path) -> None:
    header = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    one, same = (fingerprint(model_with(tmp_path / name, header)) for name in ("one", "same"))
    assert one == same != fingerprint(model_with(tmp_path / "other", header, b"\1" * 8))


@pytest.mark.parametrize("header", [[1], {"w": 5}, {"w": {}}, {"w": {"dtype": "F32", "shape": [], "data_offsets": 3}}])
def test_a_header_that_is_no_table_of_tensors_is_told(tmp_path: Path, header: object) -> None:
    with pytest.raises(ValueError, match="damaged header"):
        fingerprint(model_with(tmp_path / "model", header))
