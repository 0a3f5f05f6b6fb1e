"""What one engine of `bench training` is told, and the marks that are taken of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil


@dataclass
class Order:
    """What one process is told to do.

    Attributes:
        engine: One of ENGINES.
        folder: Holds `model/` and `work.npz`.
        steps: How many.
        quantisation: "none" or "nf4".
        device: "cpu" or "cuda".
        test: Whether to measure the held-back rows at the end.
        profile: Whether to print where the time of the counted steps goes (ours only).
    """

    engine: str
    folder: str
    steps: int
    quantisation: str = "none"
    device: str = "cpu"
    test: bool = False
    profile: bool = False


@dataclass
class Watch:
    """Marks of one process.

    Attributes:
        cpu: CPU seconds since the process began, at the end of each step.
        wall: Seconds by the clock since it began, likewise.
        losses: Of each step.
        peak: Most memory in bytes: resident, or allocated on the GPU.
        held_back: Mean loss of the held-back rows at the end.
        kernels: What ours tried on a GPU before step 1, and how many layers it computes twice, in words.
    """

    device: str
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    peak: int = 0
    held_back: float | None = None
    kernels: list[str] = field(default_factory=list)
    on_step: Callable[[], None] = lambda: None

    def step_ended(self, loss: float | None, memory: int = 0) -> None:
        """Take the time; the loss may come later."""
        if self.device == "cuda":
            import torch

            torch.cuda.synchronize()
            memory = max(memory, torch.cuda.max_memory_allocated())
        self.cpu.append(time.process_time())
        self.wall.append(time.time() - psutil.Process().create_time())
        if loss is not None:
            self.losses.append(loss)
        self.peak = max(self.peak, memory if self.device == "cuda" else peak_resident())
        self.on_step()


def peak_resident() -> int:
    """Most resident memory of this process so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return int(psutil.Process().memory_info().rss)
