"""Base models: which processor and number format, loading from a folder, adapters beside them for chat."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec
import torch

from studio.contract.compatibility import meant
from studio.contract.errors import Problem, StudioError
from studio.contract.settings import TrainSettings
from studio.engine import adapted, attention, fingerprint, model_config
from studio.engine.memory import has_bf16

# The order in which NVML lists the cards; CUDA's own would put the fastest first, and "cuda:1" would be another card.
os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """What "auto" became on this machine.

    Attributes:
        device: "cpu" or "cuda:N".
        quantisation: "nf4" and "fp4" are 4-bit with double quantisation (QLoRA), "int8" is LLM.int8 (arXiv 2208.07339).
        precision: Of the base's weights and of autocast.
        notices: Why it is not what one would hope for (no usable GPU); risky but allowed.
    """

    device: str
    quantisation: Literal["none", "nf4", "fp4", "int8"]
    precision: Literal["fp32", "bf16"]
    notices: tuple[Problem, ...] = ()


def resolve(settings: TrainSettings) -> Placement:
    """Decide device, quantisation and precision.

    Raises:
        StudioError: A GPU was chosen that is not there or cannot be used.
    """
    device, notices = _choose_device(settings.device)
    on_gpu = device != "cpu"
    bf16 = on_gpu and has_bf16(device)
    if settings.precision == "bf16" and on_gpu and not bf16:
        raise StudioError(
            "device.no_bf16",
            f"{torch.cuda.get_device_name(device)} cannot calculate with bf16.",
            "Its generation knows only fp16 and fp32; bf16 came with NVIDIA's Ampere.",
            "Set the number format to automatic or fp32.",
            where="precision",
        )
    return Placement(
        device=device,
        quantisation=meant(settings, "quantisation", on_gpu),
        precision=meant(settings, "precision", on_gpu, bf16),
        notices=notices,
    )


def _choose_device(wanted: str) -> tuple[str, tuple[Problem, ...]]:
    if wanted == "cpu":
        return "cpu", ()
    usable = torch.version.cuda is not None and torch.cuda.is_available()
    count = torch.cuda.device_count() if usable else 0
    device = "cuda:0" if wanted == "auto" else wanted
    if int(device.partition(":")[2]) < count:
        try:
            torch.zeros(1, device=device)
        except RuntimeError as error:
            why = f"It is there, but cannot be used: {str(error).splitlines()[0]}"
        else:
            return device, ()
    elif torch.version.cuda is None:
        why = "The installed torch is built without CUDA."
    else:
        why = f"torch sees {count} usable NVIDIA GPU(s)."
    if wanted != "auto":
        raise StudioError(
            "device.absent",
            f"The chosen processor {wanted} cannot be used.",
            why,
            "Choose automatic or cpu; the Home page and 'apprentice doctor' say what was found.",
            where="device",
        )
    if not _looks_like_nvidia():
        return "cpu", ()
    return "cpu", (
        Problem(
            code="device.gpu_unused",
            where="device",
            what="The CPU is used, although there seems to be an NVIDIA GPU.",
            why=why,
            fix="The Home page and 'apprentice doctor' say what is missing.",
        ),
    )


def _looks_like_nvidia() -> bool:
    return torch.version.cuda is not None or Path("/proc/driver/nvidia/version").exists()


def load(folder: Path, placement: Placement) -> Any:
    """Load a base model in evaluation mode, from safetensors in its folder alone.

    Call `model_folder.require_usable(folder)` before.

    Args:
        folder: Model folder.
        placement: From `resolve`.

    Returns:
        A `transformers.PreTrainedModel` on the placement's device; SDPA attention (eager for models with capped
        attention scores, which SDPA would leave uncapped).

    Raises:
        StudioError: Weights are missing, superfluous, of the wrong shape or not finite, or the memory is too small.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    attention.register()
    logging.disable_progress_bar()
    options: dict[str, Any] = {}
    if placement.quantisation != "none":
        options["quantization_config"] = _quantised(placement)
    try:
        config = model_config.read(folder)
        capped = getattr(config, "attn_logit_softcapping", None)
        model, told = AutoModelForCausalLM.from_pretrained(
            str(folder),
            config=config,
            local_files_only=True,
            use_safetensors=True,
            dtype=DTYPES[placement.precision],
            attn_implementation=attention.CAPPED if capped else attention.SDPA,
            device_map={"": placement.device},
            output_loading_info=True,
            **options,
        )
    except torch.OutOfMemoryError:
        raise
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise StudioError(
            "model.load_failed",
            f"The model {folder.name} cannot be loaded.",
            f"{type(error).__name__}: {str(error)[:800]}",
            "Get the model's files again, or choose another model.",
            where=folder.name,
        ) from error
    _require_whole(told, folder)
    model.eval()
    _keep_4_bit_layout(model)
    _require_finite(model, folder)
    model.__dict__["studio_folder"] = folder
    return model


def _quantised(placement: Placement) -> Any:
    from transformers import BitsAndBytesConfig

    if placement.quantisation == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=placement.quantisation,
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=DTYPES[placement.precision],
        bnb_4bit_quant_storage=torch.uint8,
    )


def _keep_4_bit_layout(model: Any) -> None:
    """Keep 4-bit weights as they were packed.

    On CPUs with bf16 units bitsandbytes 0.50 packs them anew, in place, in the first forward pass without gradients
    (`Linear4bit.forward`); its functions for training then read them as if they had not been packed.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def _require_whole(told: dict[str, Any], folder: Path) -> None:
    # Older Llama files hold a buffer that is computed now.
    unexpected = [key for key in told.get("unexpected_keys") or () if not key.endswith("rotary_emb.inv_freq")]
    for keys, what in (
        (told.get("missing_keys") or (), "lacks"),
        (unexpected, "has weights that its architecture does not know:"),
        ([str(key) for key in told.get("mismatched_keys") or ()], "has weights of the wrong shape:"),
    ):
        if keys:
            names = sorted(keys)
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise StudioError(
                "model.weights_incomplete",
                f"The model {folder.name} {what} {', '.join(names[:3])}{more}.",
                "Loaded like this it would answer nonsense.",
                "Get the model's files again, all of one version.",
                where=folder.name,
            )


def _require_finite(model: Any, folder: Path) -> None:
    for name, parameter in model.named_parameters():
        values = parameter
        if not parameter.is_floating_point():
            # Of 4-bit weights the blocks' scales tell (doubly quantised ones share an offset), of int8 the rows'.
            state = getattr(parameter, "quant_state", None)
            values = getattr(state, "offset", None) if state is not None else getattr(parameter, "SCB", None)
        if values is not None and not bool(torch.isfinite(values).all()):
            raise StudioError(
                "model.not_finite",
                f"The weights {name} hold numbers that are not finite.",
                "Everything computed with them would be nothing (NaN).",
                "Get the model's files again.",
                where=folder.name,
            )


def parameter_count(model: Any) -> int:
    """Numbers in a model; packed 4-bit weights count what they stand for, adapters count too."""
    return sum(_size(parameter) for parameter in model.parameters())


def _size(parameter: Any) -> int:
    state = getattr(parameter, "quant_state", None)
    return int(state.shape.numel()) if state is not None else int(parameter.numel())


def load_adapter(model: Any, folder: Path, name: str) -> Any:
    """Put a trained adapter of any kind beside a base model, without loading the base again.

    Args:
        model: From `load`; stays as it is, and goes on being usable if this fails.
        folder: In PEFT's layout, weights as safetensors.
        name: By which `using_adapter` finds it.

    Returns:
        The model itself.

    Raises:
        StudioError: The folder is no adapter, has only pickled weights, asks for what is not supported, or does not
            fit this base model.
    """
    if "studio_folder" in model.__dict__:
        fingerprint.require_same(folder, model.__dict__["studio_folder"])
    beside = model.__dict__.setdefault("studio_adapters", {})
    beside[name] = adapted.put_on(adapted.shell(model), folder)
    return model


@contextmanager
def using_adapter(model: Any, name: str) -> Iterator[Any]:
    """The model that answers with this adapter; "" is the base alone.

    Raises:
        KeyError: No adapter of that name was loaded.
    """
    yield model.__dict__["studio_adapters"][name] if name else model
