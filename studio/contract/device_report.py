"""What a computer offers for training."""

import msgspec

from studio.contract.errors import Problem
from studio.contract.event import Event


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One graphics processor that the machine reports. `device` is "cuda:0" where it can train, else ""."""

    name: str
    vendor: str
    device: str = ""
    memory_bytes: int = 0
    free_bytes: int = 0
    problem: Problem | None = None


class DeviceReport(Event, frozen=True, kw_only=True, tag="device_report"):
    """What this computer offers. `problems`: what is missing for GPU training, and what to do.

    `k_quants`: whether llama-cpp-python is installed, which exports in number formats of llama.cpp's own need.
    """

    cpu: str
    cores: int
    memory_bytes: int
    free_memory_bytes: int
    disk_free_bytes: int
    gpus: tuple[Gpu, ...]
    torch: str
    driver: str = ""
    k_quants: bool = False
    problems: tuple[Problem, ...] = ()
