"""A run that goes on does so with the very model it was begun with, wherever that lies by now, or not at all."""

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from safetensors.torch import load_file, save_file

from studio.contract import events
from studio.contract import job as jobs
from studio.contract.errors import Problem, StudioError
from studio.contract.job import TrainJob
from studio.contract.run_folder import RunFolder
from studio.data import base_identity, model_library
from studio.engine import checkpoint, model_folder, resuming, train
from tests.engine.ground import Person, make_job
from tests.engine.test_resume import same_weights, told, whole_run
from tests.engine.test_resume_changed import killed_at
from tests.helpers.tiny_models import tiny_model

VALUES: dict[str, Any] = {"max_steps": 5, "batch_size": 2, "evaluations": 0, "save_every_minutes": 1e-9}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "model")


def killed(model: Path, sums: Path, parent: Path, **values: Any) -> tuple[RunFolder, TrainJob]:
    job = make_job(model, sums, **VALUES | values)
    folder = killed_at(3, job, parent)
    jobs.save(job, folder.job)
    return folder, job


def go_on(folder: RunFolder) -> Person:
    job, person = jobs.load(folder.job), Person()
    assert isinstance(job, TrainJob)
    train.train(job, folder, person, person)
    return person


def refused(folder: RunFolder) -> Problem:
    """Why the run does not go on; nothing of it may be touched."""
    files = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    with pytest.raises(StudioError) as caught:
        go_on(folder)
    assert {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()} == files
    return caught.value.problem


def turn_signs(model: Path) -> None:
    """Another model of the same names and shapes."""
    path = model / "model.safetensors"
    save_file({name: -tensor for name, tensor in load_file(path).items()}, path, metadata={"format": "pt"})


def set_config(model: Path, **values: object) -> None:
    path = model / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values), encoding="utf-8")


def test_another_model_in_the_place_of_the_base_is_refused_and_no_checkpoint_is_lost(
    model: Path, sums: Path, tmp_path: Path
) -> None:
    folder, _ = killed(model, sums, tmp_path)
    was = base_identity.recall(folder)
    assert was is not None
    turn_signs(model)
    problem = refused(folder)
    assert problem.code == "train.other_base"
    assert was.sha256[:16] in problem.why
    assert "Bring back the model tiny" in problem.fix


def test_a_base_whose_config_was_changed_is_refused_and_the_change_is_named(
    model: Path, sums: Path, tmp_path: Path
) -> None:
    folder, _ = killed(model, sums, tmp_path)
    before = json.loads((model / "config.json").read_text())["rms_norm_eps"]
    set_config(model, rms_norm_eps=0.5)
    problem = refused(folder)
    assert problem.code == "train.other_base"
    assert f"rms_norm_eps is 0.5 and was {before}" in problem.why
    set_config(model, rms_norm_eps=before)
    assert go_on(folder).all(events.Started)[0].first_step == 4


def test_what_a_library_notes_in_the_config_does_not_matter(model: Path, sums: Path, tmp_path: Path) -> None:
    folder, _ = killed(model, sums, tmp_path)
    set_config(model, transformers_version="99.0", _name_or_path="elsewhere", use_cache=False)
    assert go_on(folder).all(events.Started)[0].first_step == 4


def test_a_model_that_moved_and_was_added_is_found_and_the_run_ends_bit_for_bit_the_same(
    model: Path, sums: Path, tmp_path: Path
) -> None:
    whole = whole_run(make_job(model, sums, **VALUES), tmp_path)
    folder, _ = killed(model, sums, tmp_path)
    moved = model.rename(tmp_path / "elsewhere")
    problem = refused(folder)
    assert problem.code == "train.base_missing"
    assert "Bring back the model tiny, fingerprint " in problem.fix
    model_library.put_model(model_folder.check(moved))
    tiny_model(model, seed=5)  # another model has taken its place
    second = go_on(folder)
    assert [notice.problem.where for notice in second.all(events.Notice)] == [str(moved)]
    assert told(second) == told(whole[1], 3)
    assert same_weights(folder, whole[0])
    kept = jobs.load(folder.job)
    assert isinstance(kept, TrainJob)
    assert kept.model == str(moved)
    assert json.loads((folder.adapter / "adapter_config.json").read_text())["base_model_name_or_path"] == str(moved)


def test_rows_that_lay_in_the_models_folder_are_found_beside_it_again(model: Path, sums: Path, tmp_path: Path) -> None:
    general = model / "general.jsonl"
    row = {"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Anna."}]}
    general.write_text("\n".join([json.dumps(row)] * 5), encoding="utf-8")
    folder, _ = killed(model, sums, tmp_path, general=str(general), replay_share=0.3)
    moved = model.rename(tmp_path / "elsewhere")
    model_library.put_model(model_folder.check(moved))
    assert go_on(folder).all(events.Started)[0].first_step == 4
    assert jobs.load(folder.job).general == str(moved / "general.jsonl")  # type: ignore[union-attr]


def test_a_name_that_was_changed_meanwhile_stays_when_the_model_is_found_elsewhere(
    model: Path, sums: Path, tmp_path: Path
) -> None:
    folder, job = killed(model, sums, tmp_path)
    moved = model.rename(tmp_path / "elsewhere")
    model_library.put_model(model_folder.check(moved))
    jobs.save(msgspec.structs.replace(job, name="renamed"), folder.job)
    person = Person()
    train.train(job, folder, person, person)
    kept = jobs.load(folder.job)
    assert isinstance(kept, TrainJob)
    assert (kept.name, kept.model) == ("renamed", str(moved))


def as_before(folder: RunFolder, job: TrainJob) -> None:
    """Make the checkpoints those of the version before, which knew the base by its path alone."""
    for path in checkpoint.found(folder.checkpoints):
        snapshot = checkpoint.load(path)
        examples, person = Person(), Person()
        read = train.read_examples(job, train.tokens.load_tokenizer(Path(job.model)), examples, person)
        rows, settings = read.fingerprint, resuming.lasting(job.settings)
        any_length = msgspec.structs.replace(settings, max_tokens=resuming.TrainSettings().max_tokens)
        snapshot.state.fingerprint = resuming._digest(job, job.model, rows, settings)
        snapshot.state.source = resuming._digest(job, job.model, resuming._rows_digest(job), any_length)
        shutil.rmtree(path)
        checkpoint.save(folder.checkpoints, snapshot)


def test_a_run_of_the_version_before_goes_on_also_where_its_model_moved(
    model: Path, sums: Path, tmp_path: Path
) -> None:
    folder, job = killed(model, sums, tmp_path)
    as_before(folder, job)
    identity = base_identity.recall(folder)
    assert identity is not None
    base_identity.remember(folder, msgspec.structs.replace(identity, config=""))
    moved = model.rename(tmp_path / "elsewhere")
    model_library.put_model(model_folder.check(moved))
    person = Person(lambda event: "stop" if isinstance(event, events.Step) and event.step == 4 else None)
    kept = jobs.load(folder.job)
    assert isinstance(kept, TrainJob)
    train.train(kept, folder, person, person)
    assert go_on(folder).all(events.Started)[0].first_step == 5


def test_a_run_of_before_base_json_goes_on_from_where_its_model_lies(model: Path, sums: Path, tmp_path: Path) -> None:
    folder, job = killed(model, sums, tmp_path)
    as_before(folder, job)
    (folder.path / base_identity.FILE).unlink()
    assert go_on(folder).all(events.Started)[0].first_step == 4
    assert base_identity.recall(folder) == base_identity.identify(model, "tiny")


def test_a_lost_note_of_the_base_does_not_let_another_model_in(model: Path, sums: Path, tmp_path: Path) -> None:
    folder, _ = killed(model, sums, tmp_path)
    (folder.path / base_identity.FILE).unlink()
    turn_signs(model)
    assert refused(folder).code == "checkpoint.other_job"


def test_a_run_that_has_saved_nothing_yet_begins_with_the_model_that_is_there(
    model: Path, sums: Path, tmp_path: Path
) -> None:
    folder, _ = killed(model, sums, tmp_path)
    shutil.rmtree(folder.checkpoints)
    turn_signs(model)
    assert go_on(folder).all(events.Started)[0].first_step == 1
    assert base_identity.recall(folder) == base_identity.identify(model, "tiny")
