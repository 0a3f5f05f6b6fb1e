"""liger-kernel's kernels compute what ours do; without a GPU they run, slowly, in Triton's interpreter."""

import importlib.util
import os
import subprocess
import sys

import pytest

from tests.helpers.shared_data import PROJECT

pytestmark = pytest.mark.skipif(
    not (importlib.util.find_spec("triton") and importlib.util.find_spec("liger_kernel")),
    reason="triton and liger-kernel are not installed here (extra cuda)",
)

CHECK = """
from types import SimpleNamespace
import torch
from transformers.models.gemma2.modeling_gemma2 import Gemma2RMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from studio.engine import fused_gate, fused_norm, liger, loss
from studio.engine.kernel_trial import _compared, numbers, passes

# The interpreter hands numbers over as Python's; the compiler makes fp32 of them, which the kernels count on.
import numpy as np
import triton.language as tl
from triton.runtime import interpreter
own = interpreter._implicit_cvt
def converted(arg):
    if isinstance(arg, float):
        return tl.tensor(interpreter.TensorHandle(np.array([arg], dtype=np.float32), tl.float32), tl.float32)
    return own(arg)
interpreter._implicit_cvt = converted
# And it has no functions of the card's own library.
import importlib
for name in ("rms_norm", "geglu", "cross_entropy"):
    kernels = importlib.import_module(f"liger_kernel.ops.{name}")
    kernels.rsqrt = lambda x: 1 / tl.sqrt(x)
    kernels.tanh = lambda x: 2 * tl.sigmoid(2 * x) - 1

CPU, F32, F64 = torch.device("cpu"), torch.float32, torch.float64

def agree(name, ours, theirs, *shapes, backward=True):
    truth, mine, other = (
        passes(way, [numbers(*shape, dtype=dtype, device=CPU, seed=place) for place, shape in enumerate(shapes)])()
        for way, dtype in ((ours, F64), (ours, F32), (theirs, F32))
    )
    right, why = _compared(truth, mine, other)
    assert right, f"{name}: {why}"
    print(name)

for kind in (LlamaRMSNorm, Gemma2RMSNorm):
    norm = kind(48).requires_grad_(False)
    norm.weight.copy_(numbers(48, dtype=F32, device=CPU))
    theirs = lambda x: liger.norm(x, norm.weight, fused_norm.epsilon(norm), fused_norm.is_gemma(norm))
    agree(kind.__name__, lambda x: kind.forward(norm, x), theirs, (2, 7, 48))
for kind in ("SiLUActivation", "GELUTanh"):
    agree(kind, lambda g, u: fused_gate.gated(g, u, kind), lambda g, u: liger.gated(g, u, kind), (9, 40), (9, 40))
from transformers.models.phi3.modeling_phi3 import apply_rotary_pos_emb
angles = numbers(1, 6, 4, dtype=F64, device=CPU).repeat(1, 1, 2)
def turned(function):
    return lambda q, k: torch.cat(function(q, k, angles.cos().to(q.dtype), angles.sin().to(q.dtype)), dim=1)
agree("rotations", turned(apply_rotary_pos_emb), turned(liger.rotated), (1, 4, 6, 12), (1, 2, 6, 12))
weight, states, labels = (numbers(50, 16, dtype=F32, device=CPU), numbers(11, 16, dtype=F32, device=CPU) * 3,
                          torch.arange(11) * 4)
for cap in (None, 5.0):
    def made(way, dtype):
        layer = torch.nn.Linear(16, 50, bias=False).requires_grad_(False).to(dtype)
        layer.weight.copy_(weight)
        config = SimpleNamespace(final_logit_softcapping=cap)
        return way(loss._Loss(SimpleNamespace(get_output_embeddings=lambda: layer, config=config)),
                   states.to(dtype), labels)
    right, why = _compared(
        made(loss.gradient_by_graph, F64), made(loss.gradient_by_graph, F32), made(loss.gradient_by_liger, F32)
    )
    assert right, f"loss {cap}: {why}"
    print("loss", cap)
"""


def test_norms_rotations_gates_and_losses_are_ours_in_values_and_gradients() -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", CHECK], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(done.stdout.splitlines()) == 7
