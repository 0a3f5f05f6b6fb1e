"""Tests of a model: right answers, held-back losses, what was learned and what was kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.contract import events
from studio.contract.control import Going
from studio.contract.errors import StudioError
from studio.contract.metrics import METRICS
from studio.contract.records import Message
from studio.contract.settings import TrainSettings
from studio.contract.verdict import has_settled
from studio.engine import base_model, generate, metrics, verdict
from studio.engine.batches import Rows, collate
from studio.engine.loss import row_losses
from studio.engine.metrics import exact_match, held_back_loss, knowledge_kept
from studio.engine.verdict import Measured, compare, require_finite
from tests.engine.ground import Person

CPU = torch.device("cpu")


def test_every_row_of_the_metrics_table_has_its_module() -> None:
    folder = Path(metrics.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == set(METRICS)


def test_the_held_back_loss_is_the_mean_over_all_learned_tokens(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = base_model.load(llama, base_model.resolve(TrainSettings(device="cpu"))).train()
    dice = np.random.default_rng(0)
    rows = Rows(
        (ids, np.where(np.arange(len(ids)) > 3, ids, -100))
        for ids in (dice.integers(5, 300, n) for n in (9, 40, 5, 22))
    )
    monkeypatch.setattr(held_back_loss, "BATCH_TOKENS", 50)
    losses = held_back_loss.measure(model, rows, 0, CPU, Going())
    assert losses is not None
    assert model.training, "left as it was"
    alone = [row_losses(model.eval(), collate(rows, [i], 0, CPU)) for i in range(4)]
    assert losses.sums.tolist() == pytest.approx([float(s) for s, _ in alone], rel=1e-5)
    assert losses.mean == pytest.approx(sum(float(s) for s, _ in alone) / sum(int(c) for _, c in alone), rel=1e-5)
    assert losses.row_means == pytest.approx([float(s) / int(c) for s, c in alone], rel=1e-5)


def test_a_test_ends_when_the_user_ends_the_run(llama: Path) -> None:
    model = base_model.load(llama, base_model.resolve(TrainSettings(device="cpu")))
    person = Person()
    person.wish = "stop"
    assert held_back_loss.measure(model, Rows([([5, 6], [-100, 6])]), 0, CPU, person) is None


class Answers:
    """Stands for a model's greedy answers."""

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known
        self.asked: list[str] = []

    def __call__(self, model: Any, tokenizer: Any, talks: Sequence[Sequence[Message]], *rest: Any) -> list[str]:
        self.asked += [talk[-1].content for talk in talks]
        return [self.known.get(talk[-1].content, "I do not know that.") for talk in talks]


def questions(count: int) -> list[exact_match.Question]:
    return [((Message("user", f"q{i}"),), f"The answer is {i}.") for i in range(count)]


def test_an_answer_is_right_only_when_it_is_the_same_word_for_word(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {
        "q0": "The answer is 0.",
        "q1": " The  answer is\n1. ",
        "q2": "The answer is 2. Surely.",
        "q3": "the answer is 3.",
    }
    answers = Answers(known)
    monkeypatch.setattr(generate, "answers", answers)
    person = Person()
    right = exact_match.ask(torch.nn.Linear(1, 1), None, questions(100), 8, "Asking", person, person)
    assert right == [True, True] + [False] * 98
    assert answers.asked == [f"q{i}" for i in range(100)]
    assert person.all(events.Progress)[0] == events.Progress(stage="Asking", done=0, total=100, unit="questions")


def test_a_slow_machine_is_asked_fewer_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "answers", Answers({}))
    monkeypatch.setattr(exact_match, "PATIENCE_SECONDS", -1.0)
    asked = exact_match.ask(torch.nn.Linear(1, 1), None, questions(100), 8, "Asking", Person(), Person())
    assert len(asked) == exact_match.FIRST_BATCH


def test_answers_that_were_cut_by_the_user_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    person = Person()
    monkeypatch.setattr(generate, "answers", Answers({}))
    person.wish = "discard"
    assert exact_match.ask(torch.nn.Linear(1, 1), None, questions(9), 8, "Asking", person, person) == []


def test_kept_counts_only_what_was_known_before() -> None:
    assert knowledge_kept.kept([True, True, False, False], [True, False, True, False]) == (4, 2, 1)
    assert knowledge_kept.kept([True, True, True], [True]) == (1, 1, 1), "only what was asked both times"


def test_the_verdict_compares_what_was_measured_both_times() -> None:
    before = Measured(loss=2.0, row_losses=[1.0, 3.0], right=[False, True, False], known=[True, True])
    after = Measured(loss=1.0, row_losses=[0.5, 3.5], right=[True, True], known=[True, False])
    assert compare(before, after) == events.Verdict(
        asked=2,
        right_before=1,
        right_after=2,
        rows=2,
        rows_better=1,
        loss_base=2.0,
        loss_tuned=1.0,
        probes=2,
        known_before=2,
        known_after=1,
    )
    assert compare(Measured(), Measured()) == events.Verdict(), "nothing is made up"


def test_the_verdict_names_the_questions_that_became_right() -> None:
    before, after = Measured(right=[True, False, False]), Measured(right=[True, True, False])
    assert compare(before, after, ["known", "learned", "missed"]).newly_right == ("learned",)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_base_model_that_computes_nonsense_is_refused(loss: float) -> None:
    with pytest.raises(StudioError, match="not a number"):
        require_finite(Measured(loss=loss))
    require_finite(Measured(loss=3.0))
    assert verdict.compare(Measured(loss=3.0), Measured(loss=1.0)).loss_tuned == 1.0


@pytest.mark.parametrize(
    ("losses", "steps", "settled"),
    [
        ({0: 9.48, 25: 2.0, 50: 0.93, 100: 0.92, 150: 0.91}, 150, True),
        ({0: 3.0, 50: 1.0, 100: 1.4}, 100, True),  # it rose again
        ({0: 3.0, 50: 2.5, 100: 2.0}, 100, False),
        ({0: 3.0, 50: 2.2, 100: 2.1}, 100, False),
        ({0: 3.0, 100: 2.0}, 100, None),  # one test says nothing of the way
        ({50: 2.5, 100: 2.0}, 100, None),
        ({0: 1.0, 50: 1.5, 100: 2.0}, 100, None),  # nothing fell
        ({}, 100, None),
    ],
)
def test_a_loss_has_settled_where_the_second_half_brought_hardly_any_of_its_fall(
    losses: dict[int, float], steps: int, settled: bool | None
) -> None:
    assert has_settled(losses, steps) is settled
