"""Kernels that take all rows together compute what is computed row by row."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.contract.methods import LoraSettings
from studio.engine import attention, row_kernels
from tests.engine.ground import make_model
from tests.engine.test_fused_lora import ARCHITECTURES, adapted, gradients

# Dynamo asks states for their gradient, which torch warns of.
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
CPU = torch.device("cpu")
ROWS = ((5,), (1, 1, 1), (130, 3, 128, 1), (256, 128), (7, 300, 40, 61))


@pytest.fixture(autouse=True)
def _as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not compiled, FlexAttention is slow and says so; its backward pass works on a CPU, although refused there."""
    module = pytest.importorskip("torch.nn.attention.flex_attention")
    monkeypatch.setattr(module, "_WARNINGS_SHOWN", {"flex_attention_performance"})
    monkeypatch.setattr(module, "_validate_device", lambda *states: None)


def truth(rows: tuple[int, ...], window: int | None) -> torch.Tensor:
    """Which token sees which, (tokens, tokens), by the words of the definition."""
    row = torch.repeat_interleave(torch.arange(len(rows)), torch.tensor(rows))
    place = torch.arange(sum(rows))
    seen = (row[:, None] == row[None]) & (place[None] <= place[:, None])
    return seen if window is None else seen & (place[:, None] - place[None] < window)


@pytest.mark.parametrize(("rows", "window"), list(itertools.product(ROWS, (None, 1, 16, 128, 1000))))
def test_the_blocks_of_a_mask_are_exactly_those_that_are_seen(rows: tuple[int, ...], window: int | None) -> None:
    mask, seen = row_kernels.block_mask(rows, window, CPU), truth(rows, window)
    tokens = sum(rows)
    place = torch.arange(tokens)
    assert torch.equal(mask.mask_mod(None, None, place[:, None], place[None]), seen)
    size, count = row_kernels.BLOCK, -(-tokens // row_kernels.BLOCK)
    for mine, other in itertools.product(range(count), range(count)):
        part = seen[mine * size : (mine + 1) * size, other * size : (other + 1) * size]
        partly = other in mask.kv_indices[0, 0, mine, : mask.kv_num_blocks[0, 0, mine]]
        wholly = other in mask.full_kv_indices[0, 0, mine, : mask.full_kv_num_blocks[0, 0, mine]]
        assert partly + wholly == bool(part.any()), (mine, other)
        # Blocks on the diagonal are looked at closely, although one token alone may see all of it.
        assert wholly == (bool(part.all()) and other < mine), (mine, other)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_flex_attention_has_the_losses_and_gradients_of_row_by_row_in_float64(
    tmp_path: Path, architecture: str
) -> None:
    model = adapted(make_model(tmp_path / "model", architecture), LoraSettings(rank=4), double=True)
    capped = architecture == "gemma2"
    base = model.get_base_model()
    assert base.config._attn_implementation == (attention.CAPPED if capped else attention.SDPA)
    alone, wanted = gradients(model)
    base.set_attn_implementation(attention.kernels(capped)[-1])
    together, found = gradients(model)
    finest = 1e-6 if capped else 1e-12  # gemma2's own code takes shares in fp32
    assert float(together) == pytest.approx(float(alone), rel=finest)
    for name, gradient in wanted.items():
        apart = float((found[name] - gradient).abs().max() / gradient.abs().max())
        assert apart < 100 * finest, (name, apart)


class FakeKernel:
    """In place of torch's variable-length kernel: looks at what it is given, and computes it slowly."""

    def __init__(self) -> None:
        self.windows: list[tuple[int, int]] = []
        self.rows: list[list[int]] = []

    def __call__(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        cu_seq_q: torch.Tensor,
        cu_seq_k: torch.Tensor,
        max_q: int,
        max_k: int,
        *,
        scale: float | None,
        window_size: tuple[int, int],
        enable_gqa: bool,
    ) -> torch.Tensor:
        assert {x.dtype for x in (query, key, value)} == {torch.bfloat16}
        assert all(x.dim() == 3 and x.stride(-1) == 1 for x in (query, key, value))
        assert cu_seq_q is cu_seq_k
        assert cu_seq_q.dtype == torch.int32
        assert cu_seq_q.is_contiguous()
        rows = cu_seq_q.diff().tolist()
        assert cu_seq_q[0] == 0
        assert sum(rows) == len(query) == len(key) == len(value)
        assert max(rows) == max_q == max_k
        assert enable_gqa == (query.shape[1] != key.shape[1])
        self.windows.append(window_size)
        self.rows.append(rows)
        left, right = window_size
        assert right == 0
        mask = truth(tuple(rows), None if left < 0 else left + 1)  # as FlashAttention counts
        one, two, three = (x.transpose(0, 1)[None].double() for x in (query, key, value))
        out = torch.nn.functional.scaled_dot_product_attention(
            one, two, three, attn_mask=mask, scale=scale, enable_gqa=enable_gqa
        )
        return out[0].transpose(0, 1).to(query.dtype)


def states(heads: int, fewer: int, tokens: int, width: int) -> list[torch.Tensor]:
    torch.manual_seed(3)
    return [
        torch.randn(1, count, tokens, width, dtype=torch.bfloat16, requires_grad=True)
        for count in (heads, fewer, fewer)
    ]


class Layer(torch.nn.Module):
    """What an attention function reads of a layer."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.num_key_value_groups = groups
        self.is_causal = True


def attend(name: str, given: list[torch.Tensor], rows: tuple[int, ...], **options: Any) -> torch.Tensor:
    from transformers import AttentionInterface

    attention.register()
    layer = Layer(given[0].shape[1] // given[1].shape[1])
    out, _ = AttentionInterface()[name](layer, *given, None, row_lengths=rows, **options)
    return out


@pytest.mark.parametrize(("window", "told"), [(None, (-1, 0)), (16, (15, 0)), (61, (-1, 0)), (60, (59, 0))])
@pytest.mark.parametrize(("heads", "fewer"), [(4, 4), (4, 2)])
def test_the_variable_length_kernel_is_told_rows_window_and_scale(
    monkeypatch: pytest.MonkeyPatch, window: int | None, told: tuple[int, int], heads: int, fewer: int
) -> None:
    kernel = FakeKernel()
    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", kernel)
    rows = (7, 40, 40, 61)
    given = states(heads, fewer, sum(rows), 24)
    options: dict[str, Any] = {"scaling": 0.3, "sliding_window": window, "dropout": 0.0}
    out = attend(attention.VARLEN, given, rows, **options)
    assert kernel.rows == [list(rows)]
    assert kernel.windows == [told]
    out.float().square().sum().backward()
    found = [x.grad.clone() for x in given]
    again = [x.detach().clone().requires_grad_() for x in given]
    alone = attend(attention.SDPA, again, rows, **options)
    assert out.shape == alone.shape
    assert torch.allclose(out, alone, rtol=2e-2, atol=2e-2)
    alone.float().square().sum().backward()
    for mine, other in zip(found, again, strict=True):
        assert float((mine - other.grad).norm()) < 0.02 * float(other.grad.norm())


def test_autocast_brings_fp32_into_the_kernels_format(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = FakeKernel()
    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", kernel)
    given = [x.detach().float() for x in states(4, 2, 12, 16)]
    with torch.autocast("cpu", torch.bfloat16):
        out = attend(attention.VARLEN, given, (5, 7), scaling=0.25)
    assert out.dtype == torch.bfloat16
    assert kernel.rows == [[5, 7]]


@pytest.mark.parametrize(("width", "dtype", "dropout"), [(20, torch.bfloat16, 0), (16, torch.float32, 0)])
def test_what_the_variable_length_kernel_does_not_know_goes_row_by_row(
    monkeypatch: pytest.MonkeyPatch, width: int, dtype: torch.dtype, dropout: float
) -> None:
    kernel = FakeKernel()
    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", kernel)
    given = [x.detach().to(dtype) for x in states(4, 2, 12, width)]
    options: dict[str, Any] = {"scaling": 0.25, "dropout": dropout, "sliding_window": 4}
    together, alone = (attend(name, given, (5, 7), **options) for name in (attention.VARLEN, attention.SDPA))
    assert kernel.rows == []
    assert torch.equal(together, alone)


def test_dropout_of_scores_goes_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = FakeKernel()
    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", kernel)
    attend(attention.VARLEN, states(4, 2, 12, 16), (5, 7), scaling=0.25, dropout=0.5)
    assert kernel.rows == []


@pytest.mark.parametrize("name", [attention.VARLEN, attention.FLEX, attention.CAPPED_FLEX])
def test_without_rows_a_model_answers_as_ever(tmp_path: Path, name: str) -> None:
    architecture = "gemma2" if name == attention.CAPPED_FLEX else "llama"
    model = adapted(make_model(tmp_path / "model", architecture), LoraSettings(rank=4)).eval()
    ids = torch.arange(5, 60)[None]
    with torch.no_grad():
        before = model(input_ids=ids).logits
        model.get_base_model().set_attn_implementation(name)
        assert torch.equal(model(input_ids=ids).logits, before)


def test_lines_of_many_lengths_are_traced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._dynamo.testing import CompileCounterWithBackend
    from torch.nn.attention.flex_attention import flex_attention

    torch._dynamo.reset()
    counter = CompileCounterWithBackend("eager")
    compiled = torch.compile(flex_attention, dynamic=True, backend=counter)
    monkeypatch.setattr(row_kernels, "_flex_attention", lambda device: compiled)
    for tokens in (300, 517, 1024, 77, 640, 900, 411, 333, 720, 1001):
        rows = (tokens // 3, tokens - tokens // 3)
        given = [x.detach().float() for x in states(4, 2, tokens, 16)]
        out = attend(attention.FLEX, given, rows, scaling=0.25, sliding_window=50)
        alone = attend(attention.SDPA, given, rows, scaling=0.25, sliding_window=50)
        assert torch.allclose(out, alone, atol=1e-5)
    torch._dynamo.reset()
    assert counter.frame_count <= 3
