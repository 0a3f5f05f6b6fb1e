"""A fingerprint tells models apart; a header that is no table of tensors is told as such, and nothing crashes."""

import json
from pathlib import Path

import pytest

from studio.data.base_identity import BaseIdentity, differences, fingerprint, identify


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


def test_a_config_is_told_apart_by_what_it_says_and_not_by_how_it_is_written(tmp_path: Path) -> None:
    header = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    model = model_with(tmp_path / "model", header)
    config = model / "config.json"
    config.write_text('{"hidden_size": 4, "rope_theta": 10000, "transformers_version": "4"}', encoding="utf-8")
    identity = identify(model, "m")
    config.write_text('{\n"transformers_version": "5", "rope_theta": 10000.0,\n"hidden_size": 4}', encoding="utf-8")
    assert differences(model, identity) == []
    config.write_text('{"hidden_size": 5, "rope_theta": 10000}', encoding="utf-8")
    assert differences(model, identity) == ["Its config.json was changed: hidden_size is 5 and was 4."]
    config.write_text("no JSON", encoding="utf-8")
    assert differences(model, identity) == ["Its config.json cannot be read."]


def test_a_base_that_was_noted_before_configs_were_is_known_by_its_weights(tmp_path: Path) -> None:
    header = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    model = model_with(tmp_path / "model", header)
    identity = BaseIdentity(name="m", path="/m", sha256=fingerprint(model))
    (model / "config.json").write_text('{"hidden_size": 5}', encoding="utf-8")
    assert differences(model, identity) == []


def test_a_strangers_config_cannot_steer_what_reads_the_difference(tmp_path: Path) -> None:
    header = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    model = model_with(tmp_path / "model", header)
    (model / "config.json").write_text("{}", encoding="utf-8")
    identity = identify(model, "m")
    odd = {"a\nb\u202e\x1b[2J" + "x" * 500: "y" * 500} | {f"k{number}": number for number in range(9)}
    (model / "config.json").write_text(json.dumps(odd), encoding="utf-8")
    (told,) = differences(model, identity)
    assert "\n" not in told
    assert "\x1b" not in told
    assert len(told) < 500
    assert "and 5 more" in told
