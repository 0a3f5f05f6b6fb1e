"""`apprentice chat` with an adapter of another program: the doubt is told beside the answer, never in it."""

import json
from pathlib import Path

import pytest

from studio.cli import main
from studio.contract.run_folder import starter_folder
from tests.engine.exported_run import learned_run


def test_an_adapter_of_unknown_origin_is_used_with_a_note(
    tmp_path: Path, own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = learned_run(tmp_path, starter_folder()).adapter
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": "meta-llama/Llama-2-7b-hf"}))
    ask = ["chat", "--adapter", str(adapter), "--prompt", "Hi", "--max-new-tokens", "2", "--device", "cpu"]
    for words in (ask, [*ask, "--json"]):
        assert main(words) == 0
        said = capsys.readouterr()
        assert "Note: It cannot be verified that the adapter in adapter belongs to the model Starter." in said.err
        assert "trained on meta-llama/Llama-2-7b-hf" in said.err
        assert words[-1] == "--json" or "verified" not in said.out
    told = json.loads(said.out)
    assert told["reply"]
    assert [note["code"] for note in told["notes"]] == ["adapter.unverified"]
