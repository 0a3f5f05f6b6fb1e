"""The plan of an epoch, and rows as tensors."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.engine.batches import Feed, Plan, Rows, collate

CPU = torch.device("cpu")


def rows_of(lengths: list[int], seed: int = 0) -> Rows:
    dice = np.random.default_rng(seed)
    made = []
    for length in lengths:
        ids = dice.integers(3, 90, length)
        made.append((ids, np.where(np.arange(length) >= length // 2, ids, -100)))
    return Rows(made)


def test_rows_keep_ids_and_learned_marks_and_never_learn_a_first_token() -> None:
    rows = Rows([([5, 6, 7], [5, -100, 7]), ([8], [8]), ([9, 10], [-100, 10])])
    assert len(rows) == 3
    assert rows.lengths.tolist() == [3, 1, 2]
    assert rows.learned_counts.tolist() == [1, 0, 1]
    ids, learned = rows.row(0)
    assert ids.tolist() == [5, 6, 7]
    assert learned.tolist() == [False, False, True]


@settings(max_examples=60, deadline=None)
@given(
    train=st.integers(1, 70),
    general=st.integers(0, 40),
    share=st.floats(0, 0.9),
    batch=st.integers(1, 9),
    seed=st.integers(0, 5),
)
def test_every_epoch_reads_each_training_row_once_and_the_wanted_share_of_general_rows(
    train: int, general: int, share: float, batch: int, seed: int
) -> None:
    lengths = np.random.default_rng(seed).integers(1, 50, train + general)
    plan = Plan(lengths, train, share, batch, seed)
    for number in range(2):
        batches = plan.epoch(number)
        assert len(batches) == plan.steps_per_epoch
        read = np.concatenate(batches)
        assert sorted(read[read < train].tolist()) == list(range(train))
        drawn = read[read >= train]
        assert len(drawn) == (round(train * share / (1 - share)) if general else 0)
        if len(drawn):
            counts = np.bincount(drawn - train, minlength=general)
            assert counts.max() - counts.min() <= 1
        assert sum(len(b) != batch for b in batches) <= 1
        for rows in batches:  # no step is of general rows alone, none goes without
            wanted = len(rows) * len(drawn) / len(read)
            assert abs(int((rows >= train).sum()) - wanted) < 1 + 1e-9


def test_the_order_follows_from_the_seed_and_differs_between_epochs() -> None:
    lengths = np.arange(1, 101)
    one, same, other = (Plan(lengths, 100, 0, 8, seed) for seed in (1, 1, 2))
    assert [b.tolist() for b in one.epoch(0)] == [b.tolist() for b in same.epoch(0)]
    assert [b.tolist() for b in one.epoch(0)] != [b.tolist() for b in one.epoch(1)]
    assert [b.tolist() for b in one.epoch(0)] != [b.tolist() for b in other.epoch(0)]


def test_rows_of_similar_length_share_a_batch() -> None:
    lengths = np.random.default_rng(0).integers(1, 500, 640)
    plan = Plan(lengths, 640, 0, 8, 0)
    bucketed = sum(int(lengths[b].max()) * len(b) for b in plan.epoch(0))
    shuffled = np.random.default_rng(1).permutation(640).reshape(-1, 8)
    assert bucketed < 0.75 * sum(int(lengths[b].max()) * 8 for b in shuffled)


def test_a_feed_taken_up_anywhere_goes_on_with_the_very_rows_that_would_have_come() -> None:
    plan = Plan(np.arange(1, 24), 20, 0.2, 4, 3)
    whole = Feed(plan)
    steps = [whole.next_step().tolist() for _ in range(25)]
    for done in range(25):
        feed = Feed(plan)
        for _ in range(done):
            feed.next_step()
        taken_up = Feed(plan, *feed.place)
        assert [taken_up.next_step().tolist() for _ in range(25 - done)] == steps[done:]


def test_a_run_that_is_interrupted_five_times_reads_each_row_once_an_epoch() -> None:
    plan = Plan(np.arange(1, 48), 47, 0, 4, 9)
    seen: list[int] = []
    place = (0, 0)
    for cut in (1, 3, 2, 4, 1, 1):
        feed = Feed(plan, *place)
        for _ in range(cut):
            seen += feed.next_step().tolist()
        place = feed.place
    assert sorted(seen) == list(range(47))


@pytest.mark.parametrize("packed", [False, True])
def test_a_batch_points_at_every_learned_token_and_its_row(packed: bool) -> None:
    rows = rows_of([5, 3, 9])
    batch = collate(rows, [2, 0, 1], 0, CPU, packed=packed)
    assert batch.ids.shape == ((1, 17) if packed else (3, 9))
    assert batch.tokens == 17
    assert batch.learned_tokens == rows.learned_counts.sum()
    line, place = batch.learned
    wanted = np.concatenate([ids[learned] for ids, learned in map(rows.row, (2, 0, 1))])
    assert batch.ids[line, place].tolist() == wanted.tolist()
    assert torch.bincount(batch.row_of_learned).tolist() == rows.learned_counts[[2, 0, 1]].tolist()
    assert (
        batch.row_lengths[line, place].tolist()
        == rows.lengths[[2, 0, 1]].repeat(rows.learned_counts[[2, 0, 1]]).tolist()
    )


def test_packed_positions_restart_at_each_row() -> None:
    batch = collate(rows_of([2, 3]), [0, 1], 0, CPU, packed=True)
    assert batch.positions is not None
    assert batch.positions.tolist() == [[0, 1, 0, 1, 2]]
