"""What a computer offers for training."""

import msgspec

from studio.contract.errors import Problem
from studio.contract.event import Event


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One graphics processor that the machine reports.

    Attributes:
        device: "cuda:0" where it can train, else "".
        has_bf16: Whether it calculates with bf16.
    """

    name: str
    vendor: str
    device: str = ""
    memory_bytes: int = 0
    free_bytes: int = 0
    has_bf16: bool = True
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
