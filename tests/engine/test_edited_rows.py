"""What a person changed in a dataset is what is trained on, shown, diagnosed and held back."""

from pathlib import Path
from typing import Any

import pytest

from studio.contract import job
from studio.contract.control import Going
from studio.contract.diagnosis import Diagnosed
from studio.contract.settings import TrainSettings
from studio.contract.splits import Split
from studio.data.dataset import open_dataset
from studio.data.edits import Cell, EditLog, Exclude, Replace
from studio.data.importing import import_dataset
from studio.data.row_split import change_split
from studio.engine import examples, tokens, train
from studio.engine.batches import Rows
from studio.worker import doctor
from studio.worker.preview import RowReader
from tests.data.files import write_jsonl
from tests.engine.ground import Person, make_job, new_run

NEW = "the answer was changed"


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    """60 rows; row 3 rewritten, rows 10 to 14 left out."""
    rows = [{"question": f"number {n}?", "answer": f"it is {n}", "who": n // 6} for n in range(60)]
    source = write_jsonl(tmp_path / "rows.jsonl", rows)
    work = job.ImportJob(source=str(source), destination=str(tmp_path / "set"), name="set", group="who")
    import_dataset(work, lambda event: None, Going())
    log = EditLog(tmp_path / "set", 60)
    log.apply(Replace((Cell(3, 1, NEW),)))
    log.apply(Exclude((10, 11, 12, 13, 14)))
    return tmp_path / "set"


def read(model: Path, dataset: Path, **settings: Any) -> examples.Examples:
    person = Person()
    tokenizer = tokens.load_tokenizer(model)
    return examples.read_examples(make_job(model, dataset, **settings), tokenizer, person, person)


def test_the_trainer_learns_the_edited_rows_and_not_those_left_out(llama: Path, edited: Path) -> None:
    found = read(llama, edited, held_back_share=0.0)
    tokenizer = tokens.load_tokenizer(llama)
    rules = tokens.Rules.of(make_job(llama, edited).settings)
    expected = [tokens.encode(record.messages, tokenizer, rules) for record in open_dataset(edited).records()]
    assert found.train_rows == len(expected) == 55
    assert found.rows.digest() == Rows((row.ids, row.labels) for row in expected).digest()
    starts = found.rows.starts
    texts = [tokenizer.decode(found.rows.ids[starts[number] : starts[number + 1]].tolist()) for number in range(55)]
    assert [NEW in text for text in texts] == [number == 3 for number in range(55)]
    assert not any(f"number {n}?" in text for text in texts for n in range(10, 15))


def test_a_run_on_edited_rows_is_another_run(llama: Path, edited: Path, tmp_path: Path) -> None:
    before = read(llama, edited).fingerprint
    EditLog(edited, 60).apply(Replace((Cell(3, 1, None),)))
    assert read(llama, edited).fingerprint != before
    person = Person()
    assert train.train(make_job(llama, edited, max_steps=1), new_run(tmp_path), person, person).steps == 1


@pytest.mark.parametrize("split", [Split(), Split(seed=3), Split(by="group", column="who")])
def test_every_reader_sees_each_row_on_the_same_side(llama: Path, edited: Path, split: Split) -> None:
    change_split(edited, split)
    dataset = open_dataset(edited)
    sides = dataset.sides(0.3)
    settings = make_job(llama, edited, held_back_share=0.3).settings
    shown = RowReader(job.PreviewJob(dataset=str(edited), model=str(llama), settings=settings), dataset)
    assert [row.held_back for row in shown.read(tuple(range(55)))] == sides
    found = read(llama, edited, held_back_share=0.3)
    assert (found.train_rows, len(found.held)) == (sides.count(False), sides.count(True))
    held = {record.messages for record, side in zip(dataset.records(), sides, strict=True) if side}
    assert {row.record.messages for row in found.held} == held


def test_the_preview_shows_the_edited_row(llama: Path, edited: Path) -> None:
    work = job.PreviewJob(dataset=str(edited), model=str(llama), settings=TrainSettings())
    rows = RowReader(work, open_dataset(edited)).read((3, 10, 54, 55))
    assert len(rows) == 3
    assert NEW in "".join(rows[0].pieces)
    assert "number 15?" in "".join(rows[1].pieces)


def diagnosed(model: Path, dataset: Path, **settings: Any) -> Diagnosed:
    work = job.DoctorJob(dataset=str(dataset), model=str(model), settings=make_job(model, dataset, **settings).settings)
    return doctor.run(work, lambda event: None, Going())


@pytest.mark.parametrize("too_long", ["leave_out", "cut_end"])
def test_the_doctor_counts_what_the_trainer_will_cut(llama: Path, edited: Path, too_long: str) -> None:
    tokenizer = tokens.load_tokenizer(llama)
    settings = {"max_tokens": 32, "too_long": too_long}
    rules = tokens.Rules.of(make_job(llama, edited, **settings).settings)
    EditLog(edited, 60).apply(Replace((Cell(5, 1, "a very long answer " * 20),)))
    encoded = [tokens.encode(record.messages, tokenizer, rules) for record in open_dataset(edited).records()]
    leaves_out = too_long == "leave_out"
    expected = [row for row in encoded if (row.fate == "left_out" if leaves_out else row.cut_answer_tokens)]
    code = "doctor.left_out_as_too_long" if leaves_out else "doctor.answers_cut"
    said = diagnosed(llama, edited, **settings)
    one = next(one for one in said.findings if one.code == code)
    assert one.count == len(expected) > 0
    assert one.examples[0].row == 5
    assert said.lengths is not None
    assert said.lengths.unit == "tokens"
    assert said.lengths.longest == max(len(row.ids) + row.cut_tokens for row in encoded)
    assert "32 tokens" in said.verdict


def test_the_preview_sees_edits_that_were_made_meanwhile_and_says_which_limit_holds(llama: Path, edited: Path) -> None:
    settings = TrainSettings(max_tokens=100_000)
    reader = RowReader(job.PreviewJob(dataset=str(edited), model=str(llama), settings=settings), open_dataset(edited))
    (before,) = reader.read_stored((20,))
    context = tokens.load_tokenizer(llama).context
    assert (before.row, before.limit, before.excluded) == (20, context, False)
    log = EditLog(edited, 60)
    log.apply(Replace((Cell(20, 1, "Changed meanwhile."),)))
    log.apply(Exclude((20,)))
    (after,) = reader.read_stored((20,))
    assert "Changed meanwhile." in "".join(after.pieces)
    assert after.excluded


def test_only_the_models_own_control_tokens_are_called_so(llama: Path, edited: Path) -> None:
    EditLog(edited, 60).apply(Replace((Cell(20, 1, "She typed <|end|> here."),)))
    work = job.PreviewJob(dataset=str(edited), model=str(llama), settings=TrainSettings())
    (shown,) = RowReader(work, open_dataset(edited)).read_stored((20,))
    controls = [number for number, is_control in zip(shown.ids, shown.control, strict=True) if is_control]
    assert set(controls) <= tokens.load_tokenizer(llama).control_ids
    answer = "".join(piece for piece, is_control in zip(shown.pieces, shown.control, strict=True) if not is_control)
    assert "She typed <|end|> here." in answer
