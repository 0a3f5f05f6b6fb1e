"""An exported adapter is whole, tells what was measured, and holds no path of this computer."""

import errno
import importlib
import json
import os
import shutil
from pathlib import Path

import msgspec
import pytest
from safetensors.torch import load_file

from studio.contract import events, job
from studio.contract.errors import StudioError
from studio.contract.exports import EXPORTS
from studio.contract.methods import LoraSettings
from studio.contract.run_folder import RunFolder, make_folder
from studio.contract.settings import TrainSettings
from studio.engine import base_model, export_folder
from studio.engine.base_model import Placement
from studio.engine.exports import adapter
from studio.engine.methods import lora
from tests.helpers.tiny_models import tiny_model

CPU = Placement(device="cpu", quantisation="none", precision="fp32")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder as a finished training leaves it."""
    place = tmp_path_factory.mktemp("made")
    model = tiny_model(place / "secret place" / "model")
    (model / "README.md").write_text("---\nlicense: mit\n---\n")
    folder = RunFolder(make_folder(place / "run-1"))
    work = job.TrainJob(
        name="My | run\n# [x](http://evil)",
        model=str(model),
        model_name='Tiny "model"',
        dataset="/data/private",
        dataset_name="Letters",
        settings=TrainSettings(learning_rate=1e-3, method=LoraSettings(rank=4)),
    )
    job.save(work, folder.job)
    lora.save(lora.attach(base_model.load(model, CPU), work.settings.method, 1), folder.adapter, str(model))
    verdict = events.Verdict(
        asked=58, right_before=0, right_after=55, rows=58, rows_better=57, loss_base=3.5, loss_tuned=0.25,
        probes=180, known_before=180, known_after=174,
    )  # fmt: skip
    told = [
        events.Hello(protocol=1, pid=1, versions={"torch": "2.13.0"}, at=1_790_000_000.0),
        events.DataReport(
            train_rows=300,
            held_back_rows=58,
            general_rows=75,
            kept=299,
            cut=1,
            left_out=2,
            nothing_to_learn=3,
            tokens=10_000,
            learned_tokens=4_000,
            end_token="<|end|>",
            end_token_learned=True,
            bos_count=1,
            pad_token="<|pad|>",
            longest=99,
        ),
        events.Started(
            total_steps=2,
            first_step=1,
            trainable_parameters=1234,
            base_parameters=115_008,
            device="cpu",
            quantisation="none",
            precision="fp32",
            gradient_checkpointing=False,
        ),
        *(
            events.Step(
                step=n,
                total_steps=2,
                epoch=n / 2,
                loss=2.0 / n,
                learning_rate=1e-3,
                grad_norm=1.0,
                tokens=100,
                learned_tokens=40,
                step_seconds=0.5,
                train_seconds=n * 0.5,
                memory_bytes=1,
            )
            for n in (1, 2)
        ),
        events.Evaluated(step=2, loss=0.5, best=True, rows=58),
        events.Finished(adapter=str(folder.adapter), reason="done", steps=2, seconds=1.0, verdict=verdict),
    ]
    folder.events.write_bytes(b"".join(events.encode(event).rstrip(b"\n") + b"\n" for event in told))
    return folder.path


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run-1"))


def code(run: Path, destination: Path) -> str:
    with pytest.raises(StudioError) as caught:
        adapter.write(run, destination)
    return caught.value.problem.code


def test_every_row_of_the_table_has_its_engine_half() -> None:
    for name in EXPORTS:
        assert callable(importlib.import_module(f"studio.engine.exports.{name}").write)


def test_an_exported_adapter_loads_with_plain_peft_and_names_no_path(run: Path, made: Path, tmp_path: Path) -> None:
    from peft import PeftConfig

    exported = adapter.write(run, tmp_path / "out" / "my adapter")
    folder = Path(exported.path)
    assert exported.files == ("README.md", "adapter_config.json", "adapter_model.safetensors", "chat_template.jinja")
    assert exported.total_bytes == sum(path.stat().st_size for path in folder.iterdir())
    assert PeftConfig.from_pretrained(str(folder)).base_model_name_or_path == 'Tiny "model"'
    ours, theirs = (load_file(p / "adapter_model.safetensors") for p in (made / "adapter", folder))
    assert all(ours[name].equal(theirs[name]) for name in ours.keys() | theirs.keys())
    for path in folder.iterdir():
        assert b"secret place" not in path.read_bytes()
        assert b"/data/private" not in path.read_bytes()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["my adapter"]
    base = base_model.load(made.parent / "secret place" / "model", CPU)
    assert base_model.load_adapter(base, folder, "a") is not None


def test_the_card_tells_data_settings_figures_limits_and_licence(run: Path, tmp_path: Path) -> None:
    card = (Path(adapter.write(run, tmp_path / "out").path) / "README.md").read_text(encoding="utf-8")
    assert card.startswith('---\nlibrary_name: peft\nbase_model: "Tiny \\"model\\""\nlicense: "mit"\n')
    for words in (
        "300 examples to learn from, and 75 general examples",
        "58 held back",
        "4,000 of 10,000 tokens were learned",
        "| Loss, first step | 2.0000 |",
        "| Loss, last step | 1.0000 |",
        "55 of 58",
        "174 of 180",
        "3.5000, 0.2500",
        "0.001 (changed)",
        "| Adapter size \\(rank\\) | 4 (changed) |",
        "torch 2.13.0",
        "licence is mit",
        "It was not tested for safety",
    ):
        assert words in card, words
    assert "# My \\| run \\# \\[x\\]\\(http://evil\\)" in card
    assert "did not reach its planned end" not in card


def test_a_run_that_did_not_end_says_so_in_its_card(run: Path, tmp_path: Path) -> None:
    folder = RunFolder(run)
    kept = [line for line in folder.iter_lines() if not isinstance(events.decode(line), events.Finished)]
    folder.events.write_bytes(b"".join(kept))
    card = (Path(adapter.write(run, tmp_path / "out").path) / "README.md").read_text(encoding="utf-8")
    assert "did not reach its planned end" in card
    assert "forgot anything it knew was not measured" in card


def test_a_held_back_loss_of_the_untrained_base_is_no_figure_of_the_adapter(run: Path, tmp_path: Path) -> None:
    folder = RunFolder(run)
    told = [event for event in map(events.decode, folder.iter_lines()) if event is not None]
    before = events.Evaluated(step=0, loss=0.25, best=False, rows=58)

    def card(kept: list[events.AnyEvent], name: str) -> str:
        folder.events.write_bytes(b"".join(events.encode(event).rstrip(b"\n") + b"\n" for event in kept))
        return (Path(adapter.write(run, tmp_path / name).path) / "README.md").read_text(encoding="utf-8")

    assert "| Held-back loss, best | 0.5000 |\n| Held-back loss, last | 0.5000 |" in card([before, *told], "one")
    assert "| Held-back loss, best" not in card(
        [before, *(event for event in told if not isinstance(event, events.Evaluated))], "two"
    )


def test_an_older_snapshot_is_named_to_other_programs_without_its_revision(run: Path, tmp_path: Path) -> None:
    folder = RunFolder(run)
    work = job.load(folder.job)
    assert isinstance(work, job.TrainJob)
    job.save(msgspec.structs.replace(work, model_name="org/tiny@abc1234"), folder.job)
    made = Path(adapter.write(run, tmp_path / "out").path)
    assert json.loads((made / "adapter_config.json").read_text())["base_model_name_or_path"] == "org/tiny"
    card = (made / "README.md").read_text(encoding="utf-8")
    assert 'base_model: "org/tiny"\n' in card
    assert "org/tiny@abc1234" in card  # people read of the one that it was


def test_an_adapter_is_exported_although_its_base_is_gone(run: Path, tmp_path: Path) -> None:
    folder = RunFolder(run)
    work = job.load(folder.job)
    assert isinstance(work, job.TrainJob)
    job.save(msgspec.structs.replace(work, model=str(tmp_path / "gone")), folder.job)
    assert "chat_template.jinja" not in adapter.write(run, tmp_path / "out").files


def test_nothing_is_ever_overwritten(run: Path, tmp_path: Path) -> None:
    for make in (Path.mkdir, Path.touch, lambda path: path.symlink_to(tmp_path / "nowhere")):
        destination = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        make(destination)
        assert code(run, destination) == "export.exists"
    assert adapter.write(run, tmp_path / "fresh").path
    assert code(run, tmp_path / "fresh") == "export.exists"


@pytest.mark.parametrize("name", ["CON", "nul.txt", "a:b", "dot.", "tab\t", "я" * 128])
def test_names_that_not_every_system_can_bear_are_refused(run: Path, tmp_path: Path, name: str) -> None:
    assert code(run, tmp_path / name) == "export.bad_name"


def test_a_path_that_is_too_long_is_refused(run: Path, tmp_path: Path) -> None:
    assert code(run, tmp_path / ("x" * 240)) == "export.path_too_long"


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_run_without_adapter_has_nothing_to_export(run: Path, tmp_path: Path, name: str) -> None:
    (run / "adapter" / name).unlink()
    assert code(run, tmp_path / "out") == "export.no_adapter"
    assert not (tmp_path / "out").exists()


def test_a_damaged_adapter_is_not_passed_on(run: Path, tmp_path: Path) -> None:
    path = run / "adapter" / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    assert code(run, tmp_path / "out") == "model.shard_truncated"
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "home") == ["run-1"]


@pytest.mark.parametrize(
    ("number", "wanted"),
    [(errno.ENOSPC, "export.disk_full"), (errno.EROFS, "export.read_only"), (errno.EACCES, "export.read_only"),
     (errno.EIO, "export.unwritable")],
)  # fmt: skip
def test_a_disk_that_fails_leaves_no_half_export(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, wanted: str
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(export_folder.os, "fsync", fail)
    assert code(run, tmp_path / "out" / "x") == wanted
    assert list((tmp_path / "out").iterdir()) == []


def test_a_destination_that_is_no_folder_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file" / "x", tmp_path / "file" / "x" / "y"):
        with pytest.raises(StudioError) as caught:
            adapter.write(run, place)
        assert caught.value.problem.code == "export.unwritable"
        assert caught.value.problem.why == f"{tmp_path / 'file'} is a file, not a folder."
