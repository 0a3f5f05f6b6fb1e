"""The loss at the learned positions is the model's own, padded or packed, for every architecture."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.contract.errors import StudioError
from studio.contract.methods import LoraSettings
from studio.contract.settings import TrainSettings
from studio.engine import base_model, loss, method_fit
from studio.engine.batches import Rows, collate
from studio.engine.methods import lora
from studio.engine.noise import EmbeddingNoise
from tests.engine.ground import make_model

CPU = torch.device("cpu")
SLIDING = ("mistral", "gemma2", "gemma3_text", "phi3")
ARCHITECTURES = ["llama", "qwen2", "qwen3", "mistral", "gemma2", "gemma3_text", "phi3"]


def some_rows(lengths: tuple[int, ...] = (5, 60, 17, 2, 43), seed: int = 0) -> Rows:
    dice = np.random.default_rng(seed)
    made = []
    for length in lengths:
        ids = dice.integers(5, 300, length)
        made.append((ids, np.where(np.arange(length) >= length // 3, ids, -100)))
    return Rows(made)


def load(folder: Path) -> Any:
    """The model with weights large enough that attention matters."""
    model = base_model.load(folder, base_model.resolve(TrainSettings(device="cpu")))
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 and "embed" not in name and "lm_head" not in name:
                parameter.normal_(std=0.15)
    return model.eval()


@pytest.fixture(scope="module", params=ARCHITECTURES)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = make_model(tmp_path_factory.mktemp("loss") / "model", request.param)
    if request.param in SLIDING:
        config = folder / "config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"sliding_window": 16}))
    return load(folder)


def own_losses(model: Any, rows: Rows) -> list[float]:
    """Each row alone through transformers' own loss, summed over its learned tokens."""
    found = []
    for index in range(len(rows)):
        ids, learned = rows.row(index)
        tensor = torch.from_numpy(ids.astype(np.int64))[None]
        labels = torch.where(torch.from_numpy(learned)[None], tensor, -100)
        with torch.no_grad():
            found.append(float(model(input_ids=tensor, labels=labels).loss) * int(learned.sum()))
    return found


@pytest.mark.parametrize("packed", [False, True])
def test_each_row_has_the_loss_it_has_alone(model: Any, packed: bool) -> None:
    rows = some_rows()
    sums, counts = loss.row_losses(model, collate(rows, range(5), 0, CPU, packed=packed))
    assert counts.tolist() == rows.learned_counts.tolist()
    assert sums.tolist() == pytest.approx(own_losses(model, rows), rel=1e-5)


ROPES: dict[str, dict[str, Any]] = {
    "phi3": {
        "original_max_position_embeddings": 48,
        "rope_scaling": {"type": "longrope", "short_factor": [1.0] * 8, "long_factor": [1.0, 2, 3, 4, 5, 6, 7, 8]},
    },
    "llama": {"max_position_embeddings": 48, "rope_scaling": {"type": "dynamic", "factor": 4.0}},
}


@pytest.mark.parametrize("kind", ROPES)
def test_rows_as_long_as_the_model_was_made_for_are_read_as_alone_and_longer_ones_refused(
    kind: str, tmp_path: Path
) -> None:
    folder = make_model(tmp_path / "model", kind)
    config = folder / "config.json"
    told = json.loads(config.read_text())
    told.pop("rope_parameters", None)
    config.write_text(json.dumps(told | ROPES[kind]))
    model, settings = load(folder), TrainSettings()
    with pytest.raises(StudioError) as refused:
        method_fit.foresee(folder, settings, 60)
    assert refused.value.problem.sets == {"max_tokens": 48}
    with pytest.raises(StudioError):
        method_fit.require(model, settings, 60)
    method_fit.foresee(folder, settings, 48)
    method_fit.require(model, settings, 48)
    for packed in (True, False):
        rows = some_rows((5, 48, 17, 2, 43))
        sums, _ = loss.row_losses(model, collate(rows, range(5), 0, CPU, packed=packed))
        assert sums.tolist() == pytest.approx(own_losses(model, rows), rel=1e-5)
    longer = some_rows()  # one of 60
    sums, _ = loss.row_losses(model, collate(longer, range(5), 0, CPU, packed=True))
    assert sums.tolist() != pytest.approx(own_losses(model, longer), rel=1e-4), "there is no need to refuse any more"


def test_the_window_of_sliding_attention_is_shorter_than_the_rows_here(model: Any) -> None:
    window = getattr(model.config, "sliding_window", None)
    if model.config.model_type in SLIDING:
        assert window is not None
        assert window < max(some_rows().lengths), "else the test above would show nothing about it"


def test_a_row_cannot_see_its_neighbours_in_a_pack(model: Any) -> None:
    one, strange = some_rows(), some_rows(seed=9)
    other = Rows((ids, np.where(known, ids, -100)) for ids, known in (one.row(i) for i in (0,)))
    for index in (1, 2, 3, 4):
        ids, known = (strange if index == 1 else one).row(index)
        other.append(ids.tolist(), np.where(known, ids, -100).tolist())
    first, _ = loss.row_losses(model, collate(one, range(5), 0, CPU, packed=True))
    second, _ = loss.row_losses(model, collate(other, range(5), 0, CPU, packed=True))
    assert first[1] != second[1]
    assert torch.equal(first[[0, 2, 3, 4]], second[[0, 2, 3, 4]])


def test_gradients_are_those_of_the_models_own_loss(model: Any) -> None:
    rows = some_rows()
    batch = collate(rows, range(5), 0, CPU)
    adapted = lora.attach(copy.deepcopy(model), LoraSettings(rank=4), 0)
    loss.summed_loss(adapted, batch)[0].backward()
    ours = [p.grad.clone() for p in adapted.parameters() if p.requires_grad]
    adapted.zero_grad()
    labels = torch.full_like(batch.ids, -100)
    labels[batch.learned] = batch.ids[batch.learned]
    places = torch.arange(batch.ids.shape[1])[None]
    mask = (places < torch.from_numpy(rows.lengths)[:, None]).long()
    own = adapted(input_ids=batch.ids, attention_mask=mask, labels=labels).loss * batch.learned_tokens
    own.backward()
    theirs = [p.grad for p in adapted.parameters() if p.requires_grad]
    for mine, its in zip(ours, theirs, strict=True):
        assert torch.allclose(mine, its, rtol=1e-4, atol=1e-4 * float(its.abs().max()) + 1e-7)


def test_scores_made_in_slices_change_nothing(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapted = lora.attach(load(llama), LoraSettings(rank=4), 0)
    batch = collate(some_rows(), range(5), 0, CPU)

    def gradients() -> tuple[float, list[torch.Tensor]]:
        adapted.zero_grad()
        total, each = loss.summed_loss(adapted, batch)
        assert float(each.sum()) == pytest.approx(float(total.detach()), rel=1e-6)
        total.backward()
        return float(total.detach()), [p.grad.clone() for p in adapted.parameters() if p.requires_grad]

    whole = gradients()
    largest: list[int] = []
    real = torch.nn.functional.cross_entropy

    def watch(scores: torch.Tensor, *rest: Any, **more: Any) -> torch.Tensor:
        largest.append(scores.numel())
        return real(scores, *rest, **more)

    monkeypatch.setattr(loss, "SLICE_SCORES", 7 * 320)
    monkeypatch.setattr(torch.nn.functional, "cross_entropy", watch)
    monkeypatch.setattr(loss, "gradient_in_place", loss.gradient_by_graph)
    sliced = gradients()
    assert max(largest) <= 7 * 320
    assert len(largest) > 10
    assert sliced[0] == pytest.approx(whole[0], rel=1e-6)
    for one, other in zip(whole[1], sliced[1], strict=True):
        # By the largest of each matrix: sums in another order leave single numbers near zero with few right digits.
        assert float((one - other).abs().max()) <= 1e-5 * float(one.abs().max())


def test_scores_that_become_their_gradient_in_place_are_those_of_the_graph_in_float64(model: Any) -> None:
    head = loss._Loss(copy.deepcopy(model).double())
    assert head.is_plain
    dice = torch.Generator().manual_seed(3)
    states = (
        torch.randn(40, model.config.hidden_size, dtype=torch.float64, generator=dice) * 20
    )  # some scores far apart
    labels = torch.randint(0, model.config.vocab_size, (40,), generator=dice)
    gradient, each = loss.gradient_in_place(head, states, labels)
    wanted, losses = loss.gradient_by_graph(head, states, labels)
    assert torch.allclose(each, losses, rtol=1e-12, atol=1e-12)
    assert torch.allclose(gradient, wanted, rtol=1e-10, atol=1e-12 * float(wanted.abs().max()))


@pytest.mark.parametrize("plain", [True, False])
def test_an_output_layer_that_learns_gets_the_gradients_of_the_graph_slice_by_slice(
    model: Any, plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = loss._Loss(copy.deepcopy(model).double())
    monkeypatch.setattr(loss._Loss, "is_plain", plain)
    learning = [one.requires_grad_() for one in head.head.parameters()]
    dice = torch.Generator().manual_seed(4)
    states = torch.randn(40, model.config.hidden_size, dtype=torch.float64, generator=dice).requires_grad_()
    labels = torch.randint(0, model.config.vocab_size, (40,), generator=dice)
    every = head.scores_loss(states, labels)
    truth = torch.autograd.grad(2.5 * every.sum(), [states, *learning])
    held: list[int] = []
    slices = head.slices
    monkeypatch.setattr(head, "slices", lambda *given: [held.append(len(y)) or (s, y) for s, y in slices(*given)])
    monkeypatch.setattr(loss, "SLICE_SCORES", 7 * model.config.vocab_size)
    total, each = head(states, labels)
    assert torch.allclose(each, every, rtol=1e-12, atol=1e-12)
    for mine, its in zip(torch.autograd.grad(2.5 * total, [states, *learning]), truth, strict=True):
        assert torch.allclose(mine, its, rtol=1e-10, atol=1e-12 * float(its.abs().max()))
    assert max(held) <= 7


def test_losses_of_tests_are_those_of_the_graph_in_float64(model: Any) -> None:
    head = loss._Loss(copy.deepcopy(model).double())
    dice = torch.Generator().manual_seed(5)
    states = torch.randn(40, model.config.hidden_size, dtype=torch.float64, generator=dice) * 20
    labels = torch.randint(0, model.config.vocab_size, (40,), generator=dice)
    with torch.no_grad():
        each = loss._losses_in_place(head, states, labels)
        assert torch.allclose(each, head.scores_loss(states, labels), rtol=1e-12, atol=1e-12)


CHILD = """
import re, sys, types
from pathlib import Path
import torch
from studio.data.allocator import keep_freed_memory
from studio.engine import loss
keep_freed_memory()
torch.manual_seed(0)
learns = sys.argv[1] == "learns"
head = torch.nn.Linear(64, 32_000, bias=False).requires_grad_(learns)
whole = loss._Loss(types.SimpleNamespace(get_output_embeddings=lambda: head, config=types.SimpleNamespace()))
states, labels = torch.randn(4_000, 64).requires_grad_(), torch.randint(0, 32_000, (4_000,))
def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
before = resident()
for _ in range(2):
    if sys.argv[1] == "tested":
        with torch.no_grad():
            [loss._losses_in_place(whole, s, y) for s, y in whole.slices(states, labels)]
    else:
        whole(states, labels)[0].backward()
print(resident() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read as Linux tells it")
@pytest.mark.parametrize("way", ["frozen", "learns", "tested"])
def test_scores_of_a_large_vocabulary_take_no_more_than_a_slice(way: str) -> None:
    done = subprocess.run([sys.executable, "-c", CHILD, way], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 200, "all scores would be 512 MB, a slice is 64"


@pytest.mark.parametrize("packed", [False, True])
def test_noise_is_scaled_by_each_rows_own_length_as_in_the_paper(llama: Path, packed: bool) -> None:
    model = load(llama).train()
    noise = EmbeddingNoise(model, 5.0)
    embed = model.get_input_embeddings()
    batch = collate(some_rows((400, 25)), [0, 1], 0, CPU, packed=packed)
    noise.row_lengths = None
    quiet = embed(batch.ids)
    noise.row_lengths = batch.row_lengths
    difference = (embed(batch.ids) - quiet).abs()
    width = quiet.shape[-1]
    for length in (400, 25):
        largest = difference[batch.row_lengths == length].max()
        bound = 5.0 / (length * width) ** 0.5
        assert 0.95 * bound < largest <= bound * 1.001
    noise.remove()
    assert torch.equal(embed(batch.ids), quiet)


def test_a_steps_loss_is_told_apart_for_own_and_general_rows() -> None:
    losses = loss.StepLosses(CPU)
    losses.add(torch.tensor([1.0, 3.0, 8.0]), np.array([True, False]), torch.tensor([0, 0, 1]))
    losses.add(torch.tensor([2.0]), np.array([True]), torch.tensor([0]))
    losses.close()
    assert (losses.own, losses.general, losses.all) == (2.0, 8.0, 3.5)


def test_a_step_without_general_rows_has_one_loss() -> None:
    losses = loss.StepLosses(CPU)
    losses.add(torch.tensor([1.0, 3.0]), np.array([True]), torch.tensor([0, 0]))
    losses.close()
    assert (losses.own, losses.general, losses.all) == (2.0, None, 2.0)
