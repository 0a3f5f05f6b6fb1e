"""LoRA: where the adapter sits, what it changes, and what it costs to import."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.contract.errors import StudioError
from studio.contract.methods import METHODS, LoraSettings
from studio.contract.settings import TrainSettings
from studio.engine import base_model, methods
from studio.engine.methods import lora
from tests.engine.ground import make_model
from tests.helpers.shared_data import PROJECT


def load(folder: Path, **values: Any) -> Any:
    return base_model.load(folder, base_model.resolve(TrainSettings(device="cpu", **values)))


def adapted_layers(model: Any) -> set[str]:
    return {name.split(".lora_A")[0].rsplit(".", 1)[-1] for name, _ in model.named_parameters() if ".lora_A" in name}


def test_every_method_of_the_table_has_its_module() -> None:
    folder = Path(methods.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == {row.module for row in METHODS.values()}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("all-linear", {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}),
        ("attention", {"q_proj", "k_proj", "v_proj", "o_proj"}),
        ("feed-forward", {"gate_proj", "up_proj", "down_proj"}),
        ("q_proj, down_proj", {"q_proj", "down_proj"}),
    ],
)
def test_the_adapter_sits_where_it_was_asked_for(llama: Path, wanted: str, expected: set[str]) -> None:
    assert adapted_layers(lora.attach(load(llama), LoraSettings(target_modules=wanted), 0)) == expected


def test_joined_layers_are_found_too(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "phi3", "phi3")
    assert adapted_layers(lora.attach(load(folder), LoraSettings(target_modules="attention"), 0)) == {
        "qkv_proj",
        "o_proj",
    }


def test_a_name_that_fits_nothing_is_refused_with_those_there_are(llama: Path) -> None:
    with pytest.raises(StudioError, match="q_proj") as caught:
        lora.attach(load(llama), LoraSettings(target_modules="q_proj, nothing"), 0)
    assert caught.value.problem.where == "method.target_modules"


@pytest.mark.parametrize("quantisation", ["none", "nf4"])
@pytest.mark.parametrize("dora", [False, True])
def test_a_new_adapter_changes_nothing_and_only_it_is_trained(llama: Path, quantisation: str, dora: bool) -> None:
    base = load(llama, quantisation=quantisation)
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        before = base(input_ids=ids).logits
        model = lora.attach(base, LoraSettings(rank=4, dora=dora), 0).eval()
        after = model(input_ids=ids).logits
    assert torch.allclose(before, after, atol=1e-4)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert trained
    assert all("lora_" in name and p.dtype == torch.float32 for name, p in trained.items())


def test_the_seed_decides_the_adapters_first_weights(llama: Path) -> None:
    def first(seed: int) -> torch.Tensor:
        model = lora.attach(load(llama), LoraSettings(rank=4), seed)
        return next(p for n, p in model.named_parameters() if ".lora_A" in n).detach().clone()

    assert torch.equal(first(1), first(1))
    assert not torch.equal(first(1), first(2))


@pytest.mark.parametrize(("rslora", "scale"), [(False, 32 / 16), (True, 32 / 16**0.5)])
def test_rslora_scales_by_the_root_of_the_rank(llama: Path, rslora: bool, scale: float) -> None:
    model = lora.attach(load(llama), LoraSettings(rank=16, alpha=32.0, rslora=rslora), 0)
    layer = model.get_base_model().model.layers[0].self_attn.q_proj
    assert layer.scaling["default"] == pytest.approx(scale)


def test_the_saved_adapter_is_bound_to_its_base_and_holds_nothing_else(llama: Path, tmp_path: Path) -> None:
    lora.save(lora.attach(load(llama), LoraSettings(rank=4), 0), tmp_path / "adapter", "/models/base")
    files = {path.name for path in (tmp_path / "adapter").iterdir()}
    assert files == {"adapter_config.json", "adapter_model.safetensors"}
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "/models/base"
    assert config["inference_mode"] is True


LIGHT = """
import sys
from pathlib import Path
from studio.contract.methods import LoraSettings
from studio.contract.settings import TrainSettings
from studio.engine import base_model
from studio.engine.methods import lora
def attach(quantisation):
    settings = TrainSettings(device="cpu", quantisation=quantisation)
    return lora.attach(base_model.load(Path(sys.argv[1]), base_model.resolve(settings)), LoraSettings(rank=4), 0)
attach("none")
assert "bitsandbytes" not in sys.modules, "a run without 4-bit weights must not wait for it"
layer = attach("nf4").get_base_model().model.layers[0].self_attn.q_proj
assert type(layer).__name__ == "Linear4bit", type(layer)
"""


def test_bitsandbytes_is_imported_only_for_4_bit_weights_and_then_works(llama: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, str(llama)], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
