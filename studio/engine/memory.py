"""Memory that a run takes: now, and at its peak."""

import torch

from studio.contract.memory_plan import Machine
from studio.data import host_memory
from studio.engine.device import BF16

_highest: dict[str, int] = {}
"""Peak of each device in this process, as far as its own counter was started anew since."""


def memory_bytes(device: torch.device) -> int:
    """GPU memory at its peak since the last call, or the process's resident memory."""
    if device.type == "cuda":
        peak = int(torch.cuda.max_memory_allocated(device))
        restart_peak(device)
        return peak
    return host_memory.resident_bytes()


def settled_bytes(device: torch.device) -> int:
    """What is taken at this moment."""
    return int(torch.cuda.memory_allocated(device)) if device.type == "cuda" else host_memory.resident_bytes()


def peak_bytes(device: torch.device) -> int:
    """Largest memory since this process began: allocated on a GPU, of the process on a CPU."""
    return max(_highest.get(str(device), 0), recent_peak_bytes(device))


def recent_peak_bytes(device: torch.device) -> int:
    """Largest memory since `restart_peak` (or the beginning)."""
    return int(torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else host_memory.peak_bytes()


def restart_peak(device: torch.device) -> None:
    """Begin to look for the recent peak anew; `peak_bytes` forgets nothing."""
    _highest[str(device)] = peak_bytes(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        host_memory.restart_peak()


def machine(device: torch.device) -> Machine:
    """The memory that a run in this process can have."""
    if device.type != "cuda":
        total, free = host_memory.host_memory(own_bytes=host_memory.resident_bytes())
        return Machine(device="cpu", total_bytes=total, free_bytes=free)
    free, total = torch.cuda.mem_get_info(device)
    free += torch.cuda.memory_reserved(device)
    return Machine(device=str(device), total_bytes=int(total), free_bytes=int(free), has_bf16=has_bf16(str(device)))


def has_bf16(device: str) -> bool:
    """Whether a GPU calculates with bf16: NVIDIA's since Ampere."""
    return torch.cuda.get_device_capability(device) >= BF16
