"""A model that is added is checked and hashed, copied where that is wished, and never half there."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from studio.contract import events
from studio.contract.control import Wish
from studio.contract.errors import StudioError
from studio.contract.job import AddModelJob
from studio.contract.memory_plan import Machine
from studio.contract.run_folder import MARKER, models_folder
from studio.data import base_identity, model_library
from studio.data.model_fit import fit_of
from studio.data.model_search import find_models, hugging_face_cache, look_through
from studio.engine import model_adding, model_files, model_folder
from tests.engine.ground import Person
from tests.helpers.tiny_models import tiny_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    made = tiny_model(tmp_path / "stick" / "Tiny One")
    (made / "LICENSE").write_text("MIT License")
    (made / "run.py").write_text("print('never')")
    return made


def add(model: Path, copy: bool, person: Person | None = None) -> events.ModelChecked:
    person = person or Person()
    return model_adding.add(AddModelJob(path=str(model), copy=copy), person, person)


def test_a_model_that_stays_where_it_is_is_hashed_file_by_file(model: Path) -> None:
    person = Person()
    added = add(model, False, person)
    assert (added.path, added.copied) == (str(model), False)
    assert added.sha256["model.safetensors"] == hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()
    assert {"config.json", "tokenizer.json", "tokenizer_config.json", "LICENSE"} <= added.sha256.keys()
    assert "run.py" not in added.sha256
    assert added.fingerprint == base_identity.fingerprint(model)
    last = person.all(events.Progress)[-1]
    assert last.done == last.total == sum((model / name).stat().st_size for name in added.sha256)


def test_a_copy_lies_among_the_programs_own_models_without_what_is_not_used(model: Path) -> None:
    added = add(model, True)
    place = Path(added.path)
    assert place.parent == models_folder()
    assert added.copied
    assert added.usable
    assert {path.name for path in place.iterdir()} == {*added.sha256, MARKER}
    assert added.fingerprint == base_identity.fingerprint(model)
    assert add(model, True).path == f"{place}-2"
    assert model_adding.changed_files(Path(added.path), added.sha256) == []


def test_a_copy_that_was_taken_off_the_list_is_a_copy_of_that_name_when_it_is_added_again(
    model: Path, tmp_path: Path
) -> None:
    snapshot = model.rename(tmp_path / "stick" / "moved")
    (tmp_path / "models--org--tiny" / "snapshots").mkdir(parents=True)
    snapshot = snapshot.rename(tmp_path / "models--org--tiny" / "snapshots" / "abc")
    copy = add(snapshot, True)
    assert (copy.name, Path(copy.path).name) == ("org/tiny", "org-tiny")
    assert add(Path(copy.path), False) == copy
    assert add(Path(copy.path), True) == copy
    shutil.move(copy.path, tmp_path / "elsewhere")
    assert not add(tmp_path / "elsewhere", False).copied


def test_a_copy_of_before_names_were_noted_keeps_its_name_when_it_is_checked_again(model: Path, tmp_path: Path) -> None:
    cached = tmp_path / "models--org--tiny" / "snapshots" / "abc"
    cached.parent.mkdir(parents=True)
    copy = add(model.rename(cached), True)
    model_library.put_model(copy)
    (Path(copy.path) / MARKER).write_bytes(b"")  # as earlier builds left it
    again = add(Path(copy.path), False)
    assert again.copied
    assert model_library.put_model(again) == copy
    assert model_library.list_models() == [copy]
    assert model_folder.check(Path(copy.path)).name == "org/tiny"


def test_files_that_change_later_are_named(model: Path) -> None:
    added = add(model, False)
    (model / "config.json").write_text((model / "config.json").read_text() + " ")
    (model / "LICENSE").unlink()
    assert model_adding.changed_files(Path(added.path), added.sha256) == ["LICENSE is gone", "config.json was changed"]


@pytest.mark.skipif(os.name != "posix", reason="links need a right of their own on Windows")
@pytest.mark.parametrize("name", ["LICENSE", "README.md", "NOTICE.txt", "general.jsonl", "probes.jsonl"])
@pytest.mark.parametrize("copy", [True, False])
def test_what_a_link_leads_to_elsewhere_is_neither_copied_nor_hashed_nor_passed_on(
    name: str, copy: bool, model: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the key of the house")
    (model / name).unlink(missing_ok=True)
    (model / name).symlink_to(secret)
    added = add(model, copy)
    assert name not in added.sha256
    assert not any(b"the key" in path.read_bytes() for path in models_folder().rglob("*") if path.is_file())
    assert (added.general, added.probes) == ("", "")
    warned = [told for told in model_folder.check(model).warnings if told.code == "model.leads_elsewhere"]
    assert [name in told.what for told in warned] == [True]
    carried = tmp_path / "export"
    carried.mkdir()
    model_files.carry(model, carried)
    assert name not in {path.name for path in carried.iterdir()}


def test_a_file_that_became_a_link_later_is_not_read(model: Path, tmp_path: Path) -> None:
    added = add(model, False)
    (model / "LICENSE").rename(tmp_path / "elsewhere")
    (model / "LICENSE").symlink_to(tmp_path / "elsewhere")
    assert model_adding.changed_files(Path(added.path), added.sha256) == ["LICENSE leads elsewhere"]


def test_an_unusable_folder_is_told_about_and_not_copied(model: Path) -> None:
    (model / "tokenizer.json").unlink()
    added = add(model, True)
    assert not added.usable
    assert added.problems[0].code == "model.no_tokenizer"
    assert list(models_folder().iterdir()) == []


def test_adding_can_be_stopped_and_leaves_nothing(model: Path) -> None:
    def stop(event: object) -> Wish | None:
        return "stop" if isinstance(event, events.Progress) and event.stage.startswith("Copying") else None

    with pytest.raises(StudioError) as caught:
        add(model, True, Person(stop))
    assert caught.value.problem.code == "model.add_stopped"
    assert list(models_folder().iterdir()) == []


def test_a_disk_without_room_is_told_before_anything_is_copied(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_adding.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 0, 1000))
    with pytest.raises(StudioError) as caught:
        add(model, True)
    assert caught.value.problem.code == "model.no_room"
    assert list(models_folder().iterdir()) == []


def test_a_disk_that_fills_up_in_the_middle_leaves_nothing(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model_adding.os, "fsync", full)
    with pytest.raises(StudioError) as caught:
        add(model, True)
    assert caught.value.problem.code == "model.add_failed"
    assert caught.value.problem.why == "The disk is full."
    assert list(models_folder().iterdir()) == []


def test_the_leavings_of_a_killed_copy_are_swept_away(model: Path) -> None:
    left = models_folder() / ".partial-999999999-ab"
    left.mkdir()
    (left / MARKER).touch()
    add(model, True)
    assert not left.exists()


# --- looking for models ---------------------------------------------------------------------------------------------


def test_models_are_found_on_a_stick_and_links_are_not_followed(model: Path, tmp_path: Path) -> None:
    tiny_model(tmp_path / "stick" / "deeper" / "down" / "Two")
    (tmp_path / "stick" / "loop").symlink_to(tmp_path / "stick")
    adapter = tmp_path / "stick" / "adapter"
    adapter.mkdir()
    for name in ("config.json", "adapter_config.json"):
        (adapter / name).write_text("{}")
    assert [path.name for path in find_models(tmp_path / "stick")] == ["Two", "Tiny One"]
    assert find_models(model) == [model]


def test_looking_at_what_was_found_can_be_stopped(model: Path, tmp_path: Path) -> None:
    for name in ("b", "c"):
        tiny_model(tmp_path / "stick" / name)
    looked: list[Path] = []
    person = Person()

    def first_look(path: Path) -> None:
        looked.append(path)
        person.wish = "stop"

    with pytest.raises(StudioError) as caught:
        look_through(tmp_path / "stick", first_look, person, person)
    assert caught.value.problem.code == "model.look_stopped"
    assert len(looked) == 1


def test_snapshots_of_the_hugging_face_cache_are_found_checked_and_copied_whole(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "hub"
    snapshot, blobs = cache / "models--maker--tiny" / "snapshots" / "abc", cache / "models--maker--tiny" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number, path in enumerate(sorted(path for path in model.iterdir() if path.suffix != ".py")):
        shutil.copyfile(path, blobs / str(number))
        (snapshot / path.name).symlink_to(Path("../../blobs") / str(number))
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    assert hugging_face_cache() == cache
    (found,) = find_models(hugging_face_cache())
    added = add(found, True)
    assert added.name == "maker/tiny"
    assert Path(added.path).name == "maker-tiny"
    assert not any(path.is_symlink() for path in Path(added.path).iterdir())
    assert added.fingerprint == base_identity.fingerprint(model)


# --- whether it fits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("free", "chat", "training"),
    [(64 << 30, "fits", "fits"), (460 << 20, "tight", "too_large"), (1 << 20, "too_large", "too_large")],
)
def test_a_model_fits_by_the_planners_formula(free: int, chat: str, training: str, model: Path) -> None:
    fit = fit_of(model, Machine(device="cpu", total_bytes=64 << 30, free_bytes=free))
    assert fit is not None
    assert (fit.chat.how, fit.training.how) == (chat, training)
    assert 430 << 20 < fit.chat.needed_bytes < fit.training.needed_bytes


def test_a_folder_without_sizes_has_no_fit(tmp_path: Path) -> None:
    assert fit_of(tmp_path, Machine(device="cpu", total_bytes=1, free_bytes=1)) is None
