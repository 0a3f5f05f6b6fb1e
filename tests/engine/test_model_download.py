"""Models are fetched from a hub on this computer: whole, resumed, refused; nothing else is connected to."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.contract import commands, events, job, online
from studio.contract.run_folder import MARKER, models_folder
from studio.engine.model_download import KEPT_SECONDS, PARTIAL, _sweep
from tests.helpers.hub import Download, Hub
from tests.helpers.hub_server import COMMIT
from tests.helpers.tiny_models import tiny_model

NAME = "maker/tiny"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def hub(tmp_path: Path, model: Path) -> Iterator[Hub]:
    made = Hub(tmp_path / "hub")
    made.place(NAME).parent.mkdir(parents=True)
    shutil.copytree(model, made.place(NAME))
    yield made
    made.close()


def problem(event: events.AnyEvent) -> str:
    assert isinstance(event, events.Failed), event
    assert not event.problem.details, event.problem.details
    return event.problem.code


def partials() -> list[Path]:
    return list(models_folder().glob(f"{PARTIAL}*"))


def test_a_model_is_fetched_whole_checked_and_named(hub: Hub, model: Path) -> None:
    (hub.place(NAME) / "LICENSE").write_text("Do what you want.")
    (hub.place(NAME) / "pytorch_model.bin").write_bytes(b"\x80\x02}q\x00.")
    (hub.place(NAME) / "modeling_tiny.py").write_text("import os")
    (hub.place(NAME) / "original").mkdir()
    (hub.place(NAME) / "original" / "model.safetensors").write_bytes(b"x")
    made = hub.download(NAME)
    assert isinstance(made, events.ModelChecked)
    folder = Path(made.path)
    assert (made.name, made.usable, made.copied) == (NAME, True, True)
    assert folder == models_folder() / "maker-tiny"
    assert made.fingerprint
    weights = (model / "model.safetensors").read_bytes()
    assert made.sha256["model.safetensors"] == hashlib.sha256(weights).hexdigest()
    assert (folder / "model.safetensors").read_bytes() == weights
    there = {path.name for path in folder.iterdir()}
    assert there == {MARKER, *made.sha256}
    assert not there & {"pytorch_model.bin", "modeling_tiny.py", "original"}
    assert "LICENSE" in there
    assert not partials()
    asked = hub.asked()
    assert not any(one["path"].endswith((".bin", ".py")) for one in asked)
    assert all(one["authorization"] is None for one in asked)
    assert {one["agent"].partition(";")[0] for one in asked} == {"apprentice-studio/0"}
    assert len(asked) == 1 + len(made.sha256) + 1  # the list, each file, and the large one at its own place


def test_a_connection_that_breaks_off_in_the_middle_is_made_anew_and_goes_on(hub: Hub, model: Path) -> None:
    size = (model / "model.safetensors").stat().st_size
    hub.behave(drops=2, drop_after=size // 3)
    made = hub.download(NAME)
    assert isinstance(made, events.ModelChecked), made
    assert made.sha256["model.safetensors"] == hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()
    ranges = [one["range"] for one in hub.asked() if one["path"].startswith("/store/")]
    assert len(ranges) == 3
    first, second, third = (int((told or "bytes=0-")[6:-1]) for told in ranges)
    assert 0 == first < second < third <= 2 * (size // 3)


def test_what_was_fetched_before_a_stop_is_kept_and_gone_on_from(hub: Hub, model: Path) -> None:
    size = (model / "model.safetensors").stat().st_size
    hub.behave(hold_after=size // 2)
    going = hub.start(NAME)
    while (event := going.next()) is not None:
        if isinstance(event, events.Progress) and event.stage.endswith("model.safetensors") and event.done > 100_000:
            commands.append(going.folder.commands, commands.Stop(save=False))
            break
    hub.behave()
    told = going.final()
    assert problem(told) == "model.add_stopped"
    assert "are kept for two weeks" in told.problem.why  # type: ignore[union-attr]
    (folder,) = partials()
    fetched = (folder / "model.safetensors.part").stat().st_size
    assert 0 < fetched < size
    made = hub.download(NAME)
    assert isinstance(made, events.ModelChecked)
    assert hub.asked()[-1]["range"] == f"bytes={fetched}-"
    assert not partials()


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is meant")
def test_a_killed_download_is_gone_on_from(hub: Hub, model: Path) -> None:
    hub.behave(hold_after=(model / "model.safetensors").stat().st_size // 2)
    going = hub.start(NAME)
    while (event := going.next()) is not None:
        if isinstance(event, events.Progress) and event.stage.endswith("model.safetensors") and event.done > 100_000:
            going.process.send_signal(signal.SIGKILL)
            break
    going.process.communicate()
    hub.behave()
    assert isinstance(hub.download(NAME), events.ModelChecked)
    assert hub.asked()[-1]["range"]


@pytest.mark.parametrize(
    ("name", "behaviour", "code"),
    [
        ("maker/gone", {}, "hub.no_such_model"),
        (NAME, {"gated": [NAME]}, "hub.gated"),
        (NAME, {"gone": [NAME]}, "hub.no_such_model"),
        (NAME, {"sizes": {"model.safetensors": 10**15}}, "model.no_room"),
        (NAME, {"sizes": {"config.json": 10**12}}, "hub.odd_answer"),
        (NAME, {"sizes": {"model.safetensors": 1000}}, "hub.damaged"),
        (NAME, {"flip": "model.safetensors"}, "hub.damaged"),
        (NAME, {"flip": "tokenizer.json"}, "hub.damaged"),
        (NAME, {"away": "http://other.example"}, "hub.other_host"),
    ],
)
def test_what_cannot_be_fetched_is_told_and_nothing_gets_a_name(
    hub: Hub, name: str, behaviour: dict[str, Any], code: str
) -> None:
    hub.behave(**behaviour)
    assert problem(hub.download(name)) == code
    assert not [path for path in models_folder().iterdir() if not path.name.startswith(PARTIAL)]


def test_a_revision_is_what_is_fetched(hub: Hub) -> None:
    assert problem(hub.download(NAME, "v9")) == "hub.no_revision"
    assert isinstance(hub.download(NAME, COMMIT), events.ModelChecked)


def test_a_repository_with_pickles_alone_is_refused_before_anything_is_fetched(hub: Hub) -> None:
    (hub.place(NAME) / "model.safetensors").rename(hub.place(NAME) / "pytorch_model.bin")
    told = hub.download(NAME)
    assert problem(told) == "hub.no_safetensors"
    assert "pytorch_model.bin can run code" in told.problem.why  # type: ignore[union-attr]
    assert len(hub.asked()) == 1


def test_an_unsupported_model_is_refused_after_its_config_alone(hub: Hub) -> None:
    config = json.loads((hub.place(NAME) / "config.json").read_text()) | {"model_type": "mamba"}
    (hub.place(NAME) / "config.json").write_text(json.dumps(config))
    assert problem(hub.download(NAME)) == "model.unsupported"
    assert [one["path"].rpartition("/")[2] for one in hub.asked()][1:] == ["config.json"]
    assert not partials()


@pytest.mark.parametrize(
    ("change", "code"),
    [({"auto_map": {"AutoModel": "x.Y"}}, "model.auto_map"), ({"hidden_size": 128}, "model.shape_mismatch")],
)
def test_hostile_files_meet_the_same_checks_as_any_model(hub: Hub, change: dict[str, Any], code: str) -> None:
    config = json.loads((hub.place(NAME) / "config.json").read_text()) | change
    (hub.place(NAME) / "config.json").write_text(json.dumps(config))
    assert problem(hub.download(NAME)) == code
    assert not list(models_folder().iterdir())


def test_without_a_network_it_is_said(hub: Hub) -> None:
    hub.close()
    try:
        assert problem(hub.download(NAME)) == "hub.no_connection"
    finally:
        hub.__init__(hub.folder / "again")  # type: ignore[misc]


def test_two_downloads_of_one_model_do_not_meet(hub: Hub, model: Path) -> None:
    hub.behave(hold_after=(model / "model.safetensors").stat().st_size // 2)
    first = hub.start(NAME)
    while (event := first.next()) is not None:
        if isinstance(event, events.Progress) and event.stage.endswith("model.safetensors") and event.done > 100_000:
            break
    hub.behave()
    assert problem(hub.download(NAME)) == "hub.going"
    commands.append(first.folder.commands, commands.Stop(save=False))
    assert problem(first.final()) == "model.add_stopped"


def test_old_parts_are_swept_away_and_what_others_put_there_is_not(hub: Hub) -> None:
    place = models_folder()
    for name in ("old", "new", "foreign"):
        (place / f"{PARTIAL}{name}").mkdir()
    for name in ("old", "new"):
        (place / f"{PARTIAL}{name}" / MARKER).touch()
    for name in ("old", "foreign"):
        os.utime(place / f"{PARTIAL}{name}", (1, 1))
    _sweep(place)
    assert sorted(path.name for path in partials()) == [f"{PARTIAL}foreign", f"{PARTIAL}new"]
    _sweep(place, lambda: (place / f"{PARTIAL}new").stat().st_mtime + KEPT_SECONDS + 1)
    assert [path.name for path in partials()] == [f"{PARTIAL}foreign"]


# --- who may connect ----------------------------------------------------------------------------------------------


def test_a_worker_that_was_not_started_for_it_fetches_nothing(hub: Hub) -> None:
    assert problem(hub.start(NAME, module="studio.worker").final()) == "hub.no_connection"
    assert not hub.asked()


def test_the_process_for_downloads_keeps_every_other_job_offline(hub: Hub, tmp_path: Path) -> None:
    going = Download(job.CheckModelJob(path=str(tmp_path)), hub.endpoint)
    assert isinstance(going.final(), events.ModelChecked)
    code = (
        "import sys, socket; from pathlib import Path; from studio.contract.run_folder import RunFolder\n"
        "from studio.worker.online import open_the_way; open_the_way(RunFolder(Path(sys.argv[1])))\n"
        "socket.create_connection(('127.0.0.1', int(sys.argv[2])))"
    )
    port = hub.endpoint.rpartition(":")[2]
    words = [sys.executable, "-c", code, str(going.folder.path), port]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "works offline" in done.stderr


@pytest.mark.parametrize(
    ("mirror", "name", "may"),
    [
        ("", "huggingface.co", True),
        ("", "cdn-lfs.hf.co", True),
        ("", "cas-bridge.xethub.hf.co", True),
        ("", "huggingface.co.evil.example", False),
        ("", "evilhf.co", False),
        ("https://mirror.example", "mirror.example", True),
        ("https://mirror.example", "huggingface.co", False),
        ("https://mirror.example", "proxy.example", True),
    ],
)
def test_only_the_hub_and_the_computers_proxy_are_connected_to(
    monkeypatch: pytest.MonkeyPatch, mirror: str, name: str, may: bool
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", mirror)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128" if "proxy" in name else "")
    assert online.allows(name) is may


@pytest.mark.parametrize("told", ["http://mirror.example", "ftp://x", "mirror"])
def test_a_mirror_without_https_is_refused(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", told)
    with pytest.raises(Exception, match="no address that models are fetched from"):
        online.host()


@pytest.mark.parametrize("name", ["", "a/b/c", "../x", "a/..", "a b", "-x/y", "x/y\n", "a/b?c", "x" * 200])
def test_names_that_are_none_are_refused(name: str) -> None:
    with pytest.raises(Exception, match="is no name of a model"):
        online.require_name(name, "main")


@pytest.mark.parametrize("revision", ["", "../main", "a b", "x?y", "-x"])
def test_revisions_that_are_none_are_refused(revision: str) -> None:
    with pytest.raises(Exception, match="is no revision"):
        online.require_name(NAME, revision)
