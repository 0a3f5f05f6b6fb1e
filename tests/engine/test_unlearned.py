"""An answer of weight 0 is read and not learned: by the encoder, in the preview, in training and its tests."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from studio.contract import job as jobs
from studio.contract.errors import StudioError
from studio.contract.records import Message, Record
from studio.data.dataset import open_dataset
from studio.engine import tokens
from studio.engine.chat_template import Traced
from studio.engine.examples import read_examples
from studio.engine.tokens import NOTHING, Encoded, Rules
from studio.worker import doctor
from studio.worker.preview import RowReader
from tests.engine.ground import Person, make_dataset, make_job, make_model
from tests.engine.test_tokens import NAMES, load
from tests.helpers.conversations import learned, talk

TALK = talk([("system", "Be brief."), ("user", "A colour?"), ("assistant", "Blue."), ("user", "More?")])
ANSWER = Message("assistant", "Red, I think.")
CALL = Message(
    "assistant", "", tool_calls=json.dumps([{"id": "call00001", "name": "look", "arguments": {"at": "sky"}}])
)
RESULT = Message("tool", "It is grey.", name="look", call_id="call00001")


def unlearned(message: Message) -> Message:
    return msgspec.structs.replace(message, weight="0")


def marked(*places: int) -> list[Message]:
    return [unlearned(turn) if place in places else turn for place, turn in enumerate([*TALK, ANSWER])]


def places(encoded: Encoded) -> set[int]:
    return {place for place, label in enumerate(encoded.labels) if label != NOTHING}


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_of_weight_nought_is_read_as_ever_and_not_learned(name: str) -> None:
    tokenizer = load(name)
    whole, last = (tokens.encode(marked(), tokenizer, rules) for rules in (Rules(), Rules(learned_turns="last")))
    first_passed, last_passed = (tokens.encode(marked(place), tokenizer, Rules()) for place in (2, 4))
    assert first_passed.ids == last_passed.ids == whole.ids
    assert first_passed.labels == last.labels
    assert places(last_passed) == places(whole) - places(last)
    assert "Red" not in "".join(learned(last_passed, tokenizer))
    assert tokens.encode(marked(2, 4), tokenizer, Rules()).fate == "nothing_to_learn"
    assert tokens.encode(marked(4), tokenizer, Rules(learned_turns="last")).fate == "nothing_to_learn"


@pytest.mark.parametrize("name", NAMES)
def test_where_questions_are_learned_too_such_an_answer_still_is_not(name: str) -> None:
    tokenizer = load(name)
    everything, last = Rules(learn_answers_only=False), Rules(learned_turns="last")
    passed = tokens.encode(marked(4), tokenizer, everything)
    assert places(passed) == set(range(len(passed.ids))) - places(tokens.encode(marked(), tokenizer, last))


def test_a_call_of_weight_nought_is_not_learned_either() -> None:
    tokenizer = load("qwen3")
    turns = [*TALK[1:], CALL, RESULT, ANSWER]
    whole = tokens.encode(Record(messages=tuple(turns)), tokenizer, Rules())
    turns[3] = unlearned(CALL)
    passed = tokens.encode(Record(messages=tuple(turns)), tokenizer, Rules())
    assert passed.ids == whole.ids
    assert "sky" in "".join(learned(whole, tokenizer))
    assert "sky" not in "".join(learned(passed, tokenizer))
    assert "Red, I think." in "".join(learned(passed, tokenizer))


def test_where_answers_cannot_be_told_apart_the_row_is_refused_and_not_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = load("qwen3")
    real = tokenizer.chat.trace

    def joined(turns: Any, **how: Any) -> Traced:
        traced: Traced = real(turns, **how)
        return msgspec.structs.replace(traced, answers=traced.answers[:1])

    monkeypatch.setattr(tokenizer.chat, "trace", joined)
    assert tokens.encode(marked(), tokenizer, Rules()).fate == "kept"
    for rules in (Rules(), Rules(learn_answers_only=False)):
        with pytest.raises(StudioError) as caught:
            tokens.encode(marked(2), tokenizer, rules)
        assert caught.value.problem.code == "model.template_untraceable"


# --- the way through a dataset -------------------------------------------------------------------------------------


def rows() -> list[dict[str, Any]]:
    """Of every 4 rows: one as ever, one whose first answer is not learned, one whose last, one without any."""
    made = []
    for number in range(40):
        turns: list[dict[str, Any]] = [
            {"role": "user", "content": f"What is {number}?"},
            {"role": "assistant", "content": f"It is {number}."},
            {"role": "user", "content": "And then?"},
            {"role": "assistant", "content": f"Then comes {number + 1}."},
        ]
        for place in ((), (1,), (3,), (1, 3))[number % 4]:
            turns[place]["weight"] = 0
        made.append({"messages": turns})
    return made


def test_the_preview_shows_such_answers_as_read_only(tmp_path: Path) -> None:
    model, dataset = make_model(tmp_path / "model"), make_dataset(tmp_path / "data", rows())
    settings = make_job(model, dataset).settings
    job = jobs.PreviewJob(dataset=str(dataset), model=str(model), settings=settings)
    shown = RowReader(job, open_dataset(dataset)).read((0, 1, 2, 3))
    words = ["".join(p for p, known in zip(row.pieces, row.learned, strict=True) if known) for row in shown]
    assert ["It is" in text for text in words] == [True, False, True, False]
    assert ["Then comes" in text for text in words] == [True, True, False, False]
    assert [row.fate for row in shown] == ["kept", "kept", "kept", "nothing_to_learn"]


def test_training_passes_them_over_and_tells_of_rows_with_nothing_to_learn(tmp_path: Path) -> None:
    model, dataset = make_model(tmp_path / "model"), make_dataset(tmp_path / "data", rows(), rows()[:8])
    job, person = make_job(model, dataset), Person()
    examples = read_examples(job, tokens.load_tokenizer(model), person, person)
    assert (examples.report.nothing_to_learn, examples.train_rows) == (10, 30)
    assert examples.report.end_token_learned  # an answer that is not learned teaches no end, and need not
    codes = [notice.code for notice in examples.notices]
    assert "train.rows_nothing_to_learn" in codes
    assert "train.end_not_learned" not in codes
    assert examples.asked
    assert all(not held.record.messages[-1].weight for held in examples.asked)


def test_a_dataset_of_nothing_but_such_answers_is_refused_with_the_cause(tmp_path: Path) -> None:
    every = [row for number, row in enumerate(rows()) if number % 4 == 3]
    model, dataset = make_model(tmp_path / "model"), make_dataset(tmp_path / "data", every)
    job, person = make_job(model, dataset), Person()
    with pytest.raises(StudioError) as caught:
        read_examples(job, tokens.load_tokenizer(model), person, person)
    assert caught.value.problem.code == "train.nothing_to_learn"
    assert "weight 0" in caught.value.problem.sentence()


@pytest.mark.parametrize(
    "values",
    [{}, {"learned_turns": "last"}, {"learn_answers_only": False}, {"max_tokens": 64, "too_long": "cut_end"}],
    ids=["as ever", "last turns", "questions too", "cut"],
)
def test_the_doctor_counts_the_rows_that_training_passes_over(tmp_path: Path, values: dict[str, Any]) -> None:
    def said(n: int) -> list[dict[str, Any]]:
        question = {"role": "user", "content": f"What is {n}?" + " Really?" * (60 * (n % 5 == 4))}
        answer = {"role": "assistant", "content": f"It is {n}."}
        return [question, answer | ({"weight": 0} if n % 3 == 0 else {})]

    rows = [{"messages": said(n) + (said(n + 1) if n % 2 else [])} for n in range(40)]
    dataset = make_dataset(tmp_path / "data", rows)
    job = make_job(make_model(tmp_path / "model"), dataset, held_back_share=0.0, **values)
    person = Person()
    report = read_examples(job, tokens.load_tokenizer(Path(job.model)), person, person).report
    for model in (job.model, ""):
        work = jobs.DoctorJob(dataset=job.dataset, model=model, settings=job.settings)
        diagnosed = doctor.run(work, person, person)  # type: ignore[arg-type]
        told = sum(one.count for one in diagnosed.findings if one.code == "doctor.nothing_to_learn")
        if model or "max_tokens" not in values:  # what is cut away is known with a model alone
            assert told == report.nothing_to_learn
            assert (told == 0) == ("learn_answers_only" in values)
        assert diagnosed.usable <= len(rows) - told
