"""Energy that a graphics card takes during a run, by the card's own counter (NVML); None where there is none."""

from typing import Any

import torch

JOULES_A_WATT_HOUR = 3600.0


def count(device: torch.device) -> float | None:
    """What the card has taken since its driver was loaded, in joules; of every program that uses it.

    None on a processor, on cards without a counter (older than Volta) and where NVML is silent.
    """
    if device.type != "cuda":
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(_handle(device, pynvml))) / 1000
    except pynvml.NVMLError:
        return None
    finally:
        pynvml.nvmlShutdown()


def _handle(device: torch.device, nvml: Any) -> Any:
    """The card that torch means, by its own mark: numbers of cards can be exchanged by the environment."""
    told = str(torch.cuda.get_device_properties(device).uuid)
    return nvml.nvmlDeviceGetHandleByUUID(told if told.startswith("GPU-") else f"GPU-{told}")


def taken(before: float | None, after: float | None) -> float | None:
    """Watt hours between two looks at the counter."""
    if before is None or after is None or after < before:
        return None
    return (after - before) / JOULES_A_WATT_HOUR
