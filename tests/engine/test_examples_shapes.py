"""What a run learns from, for texts and tools; compared and rated answers are refused before it starts."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from studio.contract import job as jobs
from studio.contract.errors import StudioError
from studio.contract.job import Mapping
from studio.contract.records import Message
from studio.data.dataset import ROWS_FILE, open_dataset, read_info, write_info
from studio.engine import tokens, train
from studio.engine.examples import Examples, read_examples
from studio.worker import doctor
from studio.worker.preview import RowReader
from tests.engine.ground import Person, make_dataset, make_job, make_model, new_run
from tests.helpers.conversations import edit_tokenizer
from tests.helpers.shared_data import shared_data

TEXTS = [{"text": f"Chapter {n}. " + "Once upon a time there was a number. " * (n % 7)} for n in range(40)]
COMPARED = [{"prompt": f"What is {n}?", "chosen": f"It is {n}.", "rejected": "No idea."} for n in range(30)]
RATED = [{"prompt": f"What is {n}?", "completion": f"It is {n}.", "label": bool(n % 2)} for n in range(30)]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "model")


def read(job: jobs.TrainJob) -> Examples:
    person = Person()
    return read_examples(job, tokens.load_tokenizer(Path(job.model)), person, person)


def test_texts_are_learned_whole_and_long_ones_in_stretches(model: Path, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", TEXTS)
    examples = read(make_job(model, dataset, max_tokens=64))
    # What begins a stretch is read and not predicted.
    assert examples.report.learned_tokens == examples.report.tokens - examples.train_rows
    assert examples.report.longest <= 64
    assert examples.report.end_token_learned
    assert (examples.report.left_out, examples.report.cut) == (0, 0)
    assert examples.train_rows > examples.report.kept  # some in several stretches
    assert examples.asked == ()
    assert all(held.question == () for held in examples.held)


def test_a_run_over_texts_learns_and_ends(model: Path, tmp_path: Path) -> None:
    job = make_job(model, make_dataset(tmp_path / "data", TEXTS), max_tokens=64, evaluations=2)
    person = Person()
    finished = train.train(job, new_run(tmp_path), person, person)
    assert finished.reason == "done"
    assert finished.verdict is not None


@pytest.mark.parametrize(
    ("rows", "code", "way_on"),
    [
        (COMPARED, "train.compared_rows", "question = prompt, answer = chosen"),
        (RATED, "train.rated_rows", "good answers"),
    ],
)
def test_compared_and_rated_rows_are_refused_before_the_start_with_a_way_on(
    model: Path, tmp_path: Path, rows: list[dict[str, Any]], code: str, way_on: str
) -> None:
    dataset = make_dataset(tmp_path / "data", rows)
    person = Person()
    with pytest.raises(StudioError) as caught:
        train.train(make_job(model, dataset), new_run(tmp_path), person, person)
    assert caught.value.problem.code == code
    assert way_on in caught.value.problem.fix
    assert "worse answers" in caught.value.problem.why or "bad answers" in caught.value.problem.why


def test_a_dataset_of_an_older_version_is_learned_from(model: Path, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", COMPARED[:2])
    old = Path(__file__).resolve().parents[1] / "samples" / "datasets" / "rows_0_1.arrow"
    (dataset / ROWS_FILE).write_bytes(old.read_bytes())
    (dataset / "rows.sums").unlink()
    info = read_info(dataset)
    chat = Mapping(shape="chat", messages="messages")
    write_info(dataset, msgspec.structs.replace(info, mapping=chat, usable=2))
    examples = read(make_job(model, dataset))
    assert (examples.train_rows, len(examples.held)) == (1, 1)
    assert examples.held[0].question[-1] == Message("user", "Was ist 2 + 2?")


def test_damaged_rows_are_refused_before_the_engines_library_maps_them(model: Path, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", [{"question": f"Is it {n}?", "answer": f"It is {n}."} for n in range(30)])
    rows = dataset / ROWS_FILE
    content = rows.read_bytes()
    rows.unlink()
    rows.write_bytes(content.replace(b"It is 7.", b"It is 8."))
    with pytest.raises(StudioError) as caught:
        read(make_job(model, dataset))
    assert caught.value.problem.code == "data.damaged"


def test_held_back_questions_that_need_tools_or_reasoning_are_tested_by_loss_and_never_asked(
    model: Path, tmp_path: Path
) -> None:
    template = (
        "{% if tools %}{{ tools | tojson }}{% endif %}"
        "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}"
        "{% for call in m['tool_calls'] or [] %}{{ call['function'] | tojson }}{% endfor %}<|end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
    )
    edit_tokenizer(model, chat_template=template)
    call = {"id": "a", "type": "function", "function": {"name": "add", "arguments": {"to": 1}}}
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"What is {n} plus one?"},
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "a", "content": f"{n + 1}"},
                {"role": "assistant", "content": f"It is {n + 1}."},
            ],
            "tools": [{"name": "add", "parameters": {}}],
        }
        for n in range(40)
    ]
    dataset = make_dataset(tmp_path / "data", rows)
    examples = read(make_job(model, dataset))
    assert examples.report.held_back_rows == len(examples.held) > 0
    assert examples.asked == ()
    person = Person()
    finished = train.train(make_job(model, dataset, evaluations=1), new_run(tmp_path), person, person)
    assert finished.reason == "done"


def reader(model: Path, dataset: Path) -> RowReader:
    settings = make_job(model, dataset).settings
    return RowReader(jobs.PreviewJob(dataset=str(dataset), model=str(model), settings=settings), open_dataset(dataset))


def test_the_preview_shows_the_better_answer_learned_and_the_worse_one_beside_it(model: Path, tmp_path: Path) -> None:
    (row,) = reader(model, make_dataset(tmp_path / "data", COMPARED)).read((0,))
    shown = "".join(piece for piece, learned in zip(row.pieces, row.learned, strict=True) if learned)
    assert shown.startswith("It is 0.")
    assert row.rejected is not None
    assert "No idea." in "".join(row.rejected.pieces)
    assert not any(row.rejected.learned)
    assert msgspec.json.decode(msgspec.json.encode(row), type=type(row)) == row


def test_the_preview_shows_a_text_with_everything_learned(model: Path, tmp_path: Path) -> None:
    (row,) = reader(model, make_dataset(tmp_path / "data", TEXTS)).read((6,))
    assert all(row.learned)
    assert row.rejected is None
    assert row.fate == "kept"


def test_the_better_answers_of_real_pairs_are_learned_on_request(model: Path, tmp_path: Path) -> None:
    from studio.contract.control import Going
    from studio.data.importing import import_dataset

    better = Mapping(shape="prompt_completion", prompt="conversations", completion="chosen")
    job = jobs.ImportJob(
        source=str(shared_data("dpo_en_demo.json")), destination=str(tmp_path / "dpo"), name="dpo", mapping=better
    )
    import_dataset(job, lambda event: None, Going())
    examples = read(make_job(model, tmp_path / "dpo", max_tokens=4096))
    assert examples.report.kept > 0
    assert int(np.sum(examples.rows.learned_counts)) > 0


@pytest.mark.parametrize(("chosen", "advice"), [(64, "Choose a model"), (65, "Choose a model"), (63, "Raise the")])
def test_a_longer_text_is_advised_only_where_the_model_could_read_it(
    model: Path, tmp_path: Path, chosen: int, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "It is the number that you said. "
    rows = [{"prompt": f"What is {n}?", "completion": long * (1 + 9 * (n % 2))} for n in range(40)]
    job = make_job(model, make_dataset(tmp_path / "data", rows), max_tokens=chosen)
    tokenizer = tokens.load_tokenizer(model)
    tokenizer.context = 64
    person = Person()
    (told,) = [one for one in read_examples(job, tokenizer, person, person).notices if one.where == "max_tokens"]
    assert told.fix.startswith(advice)
    monkeypatch.setattr(tokens, "load_tokenizer", lambda _: tokenizer)
    _, limit = doctor.measure(model, job.settings)
    assert limit == (0 if chosen < 64 else 64)
