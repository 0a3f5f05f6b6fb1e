"""AdaLoRA (arXiv 2303.10512) with PEFT: sizes move to where they help; saved as ordinary LoRA.

PEFT adds the regulariser to the loss that its own forward computes. Ours is computed from hidden states, so the
regulariser is added here, once for each correction, and the sizes are dealt out after it, as PEFT's guide asks for.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from studio.contract.methods import AdaLoraSettings
from studio.engine import peft_models
from studio.engine.companion import Companion
from studio.engine.peft_models import target_modules


def attach(model: Any, settings: AdaLoraSettings, seed: int) -> Any:
    """Freeze a base model and put adapters of three parts beside its linear layers; at first they change nothing.

    Raises:
        StudioError: No layer of the model bears a wanted name.
    """

    def config() -> Any:
        from peft import AdaLoraConfig

        return AdaLoraConfig(
            task_type="CAUSAL_LM",
            init_r=settings.initial_rank,
            target_r=settings.target_rank,
            lora_alpha=settings.alpha,  # type: ignore[arg-type]
            lora_dropout=settings.dropout,
            target_modules=target_modules(model, settings.target_modules),
            orth_reg_weight=settings.orthogonality,
            total_step=1_000_000,  # the companion knows better before the first step
        )

    return peft_models.wrap(model, config, seed)


def companion(model: Any, settings: AdaLoraSettings, total_steps: int) -> Companion:
    """The regulariser, and the dealing out of sizes."""
    return _Allocation(model, settings, total_steps)


class _Allocation(Companion):
    def __init__(self, model: Any, settings: AdaLoraSettings, total_steps: int) -> None:
        self._tuner = model.base_model
        self._config = model.peft_config["default"]
        self._settings = settings
        self._plan(total_steps)

    def _plan(self, total_steps: int) -> None:
        """Warm-up, shrinking and rest for a run of this length; a short run must still shrink once."""
        config = self._config
        config.total_step = total_steps
        config.tfinal = max(1, round(self._settings.final_part * total_steps))
        config.tinit = min(round(self._settings.warmup_part * total_steps), max(0, total_steps - config.tfinal - 1))
        config.deltaT = max(1, (total_steps - config.tfinal - config.tinit) // 20)

    def add_gradients(self) -> None:
        """Those of the mean distance of A A' and B' B from the identity."""
        weight = self._settings.orthogonality
        factors = [p for n, p in self._tuner.named_parameters() if "lora_A." in n or "lora_B." in n]
        if not weight or not factors:
            return
        total: Any = 0.0
        for factor in factors:
            small = factor if factor.shape[0] < factor.shape[1] else factor.T  # (rank, width)
            product = small @ small.T
            total = total + torch.linalg.matrix_norm(product - torch.eye(len(product), device=product.device))
        (weight * total / len(factors)).backward()

    def after_step(self, step: int, total_steps: int) -> None:
        if total_steps != self._config.total_step:
            self._plan(total_steps)
        settles_at = total_steps - self._config.tfinal
        if step > settles_at and self._config.rank_pattern is None:
            step = settles_at  # a time box has cut the run: what matters most by now is kept
        if step < settles_at or self._config.rank_pattern is not None or self._tuner.rankallocator.ipt:
            self._tuner.update_and_allocate(step)

    def tensors(self) -> dict[str, torch.Tensor]:
        allocator = self._tuner.rankallocator
        found = {
            f"{kind}/{name}": value
            for kind in ("ipt", "exp_avg_ipt", "exp_avg_unc")
            for name, value in getattr(allocator, kind).items()
        }
        for name, kept in (self._config.rank_pattern or {}).items():
            found[f"rank_pattern/{name}"] = torch.tensor(kept, dtype=torch.bool)
        return found

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        allocator = self._tuner.rankallocator
        device = next(iter(self._tuner.parameters())).device
        for key, value in tensors.items():
            kind, _, name = key.partition("/")
            if kind == "rank_pattern":
                self._config.rank_pattern = {**(self._config.rank_pattern or {}), name: value.tolist()}
            else:
                getattr(allocator, kind)[name] = value.to(device)


@torch.no_grad()
def save(model: Any, folder: Path, base: str) -> None:
    """Write the adapter as ordinary LoRA: E A and scaled B, of each layer the directions that were kept."""
    config = model.peft_config["default"]
    weights: dict[str, torch.Tensor] = {}
    ranks: dict[str, int] = {}
    targets: set[str] = set()
    for name, layer in model.named_modules():
        if "lora_E" not in dict(layer.named_children()):
            continue
        strength = layer.lora_E["default"]  # (rank, 1)
        kept = (strength != 0).flatten()
        kept[0] |= ~kept.any()  # a layer of size 0 cannot be told; one direction of nought is the same
        scale = layer.scaling["default"] / (layer.ranknum["default"] + 1e-5)
        weights[f"{name}.lora_A.weight"] = (layer.lora_A["default"] * strength)[kept].cpu().contiguous()
        weights[f"{name}.lora_B.weight"] = (layer.lora_B["default"] * scale)[:, kept].cpu().contiguous()
        ranks[name.removeprefix("base_model.model.")] = int(kept.sum())
        targets.add(name.rpartition(".")[2])
    most = max(ranks.values())
    told = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "inference_mode": True,
        "r": most,
        "lora_alpha": most,
        "lora_dropout": 0.0,
        "target_modules": sorted(targets) if not isinstance(config.target_modules, str) else config.target_modules,
        "rank_pattern": ranks,
        "alpha_pattern": ranks,
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    (folder / "adapter_config.json").write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", encoding="utf-8")
