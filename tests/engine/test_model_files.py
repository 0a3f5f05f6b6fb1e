"""What is written beside a model's weights: no stranger's key or file goes along."""

import json
from pathlib import Path

import pytest

from studio.engine.model_files import write_generation_config
from studio.engine.weights_file import Damaged


@pytest.fixture
def base(tmp_path: Path) -> Path:
    made = tmp_path / "base"
    made.mkdir()
    return made


def written(base: Path, to: Path) -> dict[str, object]:
    to.mkdir()
    write_generation_config(base, to, [3, 5], 7)
    return dict(json.loads((to / "generation_config.json").read_bytes()))


def test_how_a_model_answers_is_taken_over_without_what_could_name_code(base: Path, tmp_path: Path) -> None:
    told = {"temperature": 0.6, "top_k": 20, "do_sample": True, "eos_token_id": 1, "_from_model_config": True}
    told |= {"custom_generate": "stranger/repo", "trust_remote_code": True, "cache_implementation": "x", "top_p": "y"}
    (base / "generation_config.json").write_text(json.dumps(told | {"min_p": {"auto_map": "a.B"}}))
    wanted = {"temperature": 0.6, "top_k": 20, "do_sample": True, "eos_token_id": [3, 5], "pad_token_id": 7}
    assert written(base, tmp_path / "out") == wanted


def test_a_model_without_the_file_gets_one_with_its_ends(base: Path, tmp_path: Path) -> None:
    assert written(base, tmp_path / "out") == {"eos_token_id": [3, 5], "pad_token_id": 7}


def test_a_link_that_leads_out_is_not_followed(base: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text('{"temperature": 0.25}')
    (base / "generation_config.json").symlink_to(tmp_path / "secret.json")
    with pytest.raises(Damaged):
        written(base, tmp_path / "out")
