"""What every way of tuning exports is loaded by the programs that its card names, and says the same there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import save_file

from studio.contract import job as jobs
from studio.contract.methods import METHODS
from studio.engine import base_model
from studio.engine.exports import adapter
from studio.engine.train import train
from tests.engine.ground import Person, make_dataset, new_run, sums
from tests.engine.ways import logits, way_job
from tests.helpers.shared_data import PROJECT

FOLLOW = """
import sys
from pathlib import Path
import torch
from safetensors.torch import load_file
for card in sorted(Path(sys.argv[1]).glob("*.py")):
    names = {}
    exec(compile(card.read_text(encoding="utf-8"), card.name, "exec"), names)
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        said = names["model"].eval()(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[:, -20:]
    wanted = load_file(card.with_suffix(".safetensors"))["logits"]
    assert torch.allclose(said, wanted, atol=1e-4), card.name
    print(card.stem)
"""


def test_who_follows_the_card_has_the_same_model(llama: Path, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", sums(24), sums(3))
    cards = tmp_path / "cards"
    cards.mkdir()
    for name in METHODS:
        run, person = new_run(tmp_path), Person()
        work = way_job(name, llama, dataset, max_steps=4)
        jobs.save(work, run.job)
        train(work, run, person, person)
        made = Path(adapter.write(run.path, tmp_path / name).path)
        card = (made / "README.md").read_text(encoding="utf-8")
        found = re.search(r"```python\n(.*?)```", card, re.DOTALL)
        if name == "bottleneck":
            assert found is None
            assert "apprentice chat" in card
            continue
        assert found is not None
        if name == "qlora":
            continue  # LoRA's
        base = base_model.load(llama, base_model.resolve(work.settings))
        base_model.load_adapter(base, made, "a")
        with base_model.using_adapter(base, "a") as answering:
            save_file({"logits": logits(answering)}, cards / f"{name}.safetensors")
        told = found[1].replace('"FOLDER"', repr(str(llama))).replace("folder of this adapter", made.as_posix())
        (cards / f"{name}.py").write_text(told, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", FOLLOW, str(cards)], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split() == sorted(name for name in METHODS if name not in ("bottleneck", "qlora"))


@pytest.mark.parametrize("name", ["bottleneck", "full", "ia3"])
def test_a_card_names_the_way_and_its_settings(name: str, llama: Path, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", sums(8), sums(2))
    run, person = new_run(tmp_path), Person()
    work = way_job(name, llama, dataset, max_steps=1)
    jobs.save(work, run.job)
    train(work, run, person, person)
    card = (Path(adapter.write(run.path, tmp_path / "export").path) / "README.md").read_text(encoding="utf-8")
    assert METHODS[name].label in card
    assert "LoRA adapter for" not in card
