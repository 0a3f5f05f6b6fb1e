"""Memory that a run takes."""

import psutil
import torch


def memory_bytes(device: torch.device) -> int:
    """GPU memory at its peak since the last call, or the process's resident memory."""
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        return int(peak)
    return int(psutil.Process().memory_info().rss)
