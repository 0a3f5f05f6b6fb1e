"""How fast this machine is at this hour: virtual machines share their processors with others, and figures move with it.

A figure stands beside the rate of plain matrix products of the same minute, so that hours can be told from programs.
"""

from __future__ import annotations

import statistics
import time

SHAPE = (656, 256, 512)
"""Tokens of a step of the sample, and the sizes of the starter's layers."""


def gemm_rate(seconds: float = 2.0) -> float:
    """Median rate of fp32 matrix products with all cores, in GFLOP/s."""
    import torch

    tokens, width, inner = SHAPE
    a, b = torch.randn(tokens, width), torch.randn(inner, width)
    rates = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        for _ in range(20):
            a @ b.T
        rates.append(20 * 2 * tokens * width * inner / (time.perf_counter() - began) / 1e9)
    return statistics.median(rates)
