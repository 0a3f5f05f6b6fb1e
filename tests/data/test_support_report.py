"""The report for support: what is in it, what is not, and that the user can read all of it before."""

import stat
import zipfile
from pathlib import Path

import pytest

from studio.contract import events, job
from studio.contract.device_report import DeviceReport
from studio.contract.errors import Problem, StudioError
from studio.contract.run_folder import RunFolder, runs_folder
from studio.data import support_report
from studio.data.run_history import list_runs

DEVICE = DeviceReport(
    cpu="CPU", cores=2, memory_bytes=1, free_memory_bytes=1, disk_free_bytes=1, gpus=(), torch="2.13.0"
)


@pytest.fixture
def failed_run(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run of private names that failed, with a log of its libraries."""
    monkeypatch.setenv("HOME", "/home/anna")
    folder = RunFolder.create(runs_folder(), "run")
    work = job.TrainJob(
        name="secret project",
        model="/home/anna/models/m",
        model_name="m",
        dataset="/home/anna/patients",
        dataset_name="patients",
    )
    job.save(work, folder.job)
    problem = Problem(
        code="row.odd",
        what="Row 3 says: my name is Anna.",
        details="Traceback\n/home/anna/x.py, line 3\nValueError: 'Dear Bert'",
    )
    folder.events.write_bytes(
        events.encode(events.Notice(problem=problem)) + events.encode(events.Failed(problem=problem))
    )
    lines = [f"line {number}" for number in range(1000)]
    log = "\n".join(
        [
            *lines,
            "GET with hf_AbCdEfGhIjKlMnOp",
            "ValueError: row 'Dear Bert, call 555-123'",
            "\x1b[31mred /home/anna/m\x1b[0m",
        ]
    )
    folder.log.write_text(log, encoding="utf-8")
    return folder


def test_the_report_tells_versions_computer_settings_and_ends_of_runs(failed_run: RunFolder) -> None:
    report = {piece.name: piece.text for piece in support_report.pieces(DEVICE, list_runs())}
    assert list(report) == [
        "README.txt",
        "versions.txt",
        "computer.json",
        f"runs/{failed_run.id}/run.json",
        f"runs/{failed_run.id}/log.txt",
    ]
    assert "python 3" in report["versions.txt"]
    assert '"row.odd"' in report[f"runs/{failed_run.id}/run.json"]
    assert '"learning_rate"' in report[f"runs/{failed_run.id}/run.json"]
    assert all(name in report["README.txt"] for name in report if name != "README.txt")


def test_nothing_private_is_in_the_report(failed_run: RunFolder) -> None:
    whole = "\n".join(f"{piece.name}\n{piece.text}" for piece in support_report.pieces(DEVICE, list_runs()))
    for private in ("secret project", "patients", "my name is Anna", "anna", "AbCdEf", "Bert", "555-123", "\x1b"):
        assert private not in whole
    assert "~/m" in whole
    assert "may still tell" in whole  # what libraries print is not ours to promise
    assert "hf_…" in whole
    assert "line 999" in whole
    assert "line 799\n" not in whole  # the end of a log, not all of it


def test_what_is_saved_is_what_was_shown_and_only_the_user_can_read_it(failed_run: RunFolder, tmp_path: Path) -> None:
    report = support_report.pieces(DEVICE, list_runs())
    path = tmp_path / "report.zip"
    size = support_report.write(path, report)
    assert size == path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        assert {name: archive.read(name).decode() for name in archive.namelist()} == {p.name: p.text for p in report}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["report.zip"]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(StudioError) as caught:
        support_report.write(tmp_path / "nowhere" / "report.zip", support_report.pieces(None, []))
    assert caught.value.problem.code == "report.unwritable"
