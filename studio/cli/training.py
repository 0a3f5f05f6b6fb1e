"""`apprentice train` and `apprentice demo`."""

import argparse
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from studio.cli import job_settings, output, places, running, suggestions, waiting
from studio.cli.options import JobFile, is_job_file, read_job_file, settings_from
from studio.contract import events, installed, job
from studio.contract.errors import Problem, StudioError
from studio.contract.fields import build
from studio.contract.presets import load_preset
from studio.contract.run_folder import RunFolder
from studio.contract.sample import SAMPLE, SAMPLE_NAME, sample_files, sample_job
from studio.contract.settings import TrainSettings
from studio.data import dataset, starting_over
from studio.data.run_history import RunSummary, living_worker, summarise
from studio.data.source import KINDS
from studio.engine.model_folder import model_name

JOB_OPTIONS = ("data", "held_back", "general", "probes", "name", "from_adapter", "suggested")
"""Options of `train` that a job file has its own keys for, or answers by what it says."""


class Watcher:
    """Shows events and keeps what the summary needs."""

    def __init__(self, quiet: bool) -> None:
        self._reporter = output.Reporter(quiet)
        self.losses: list[float] = []
        self.report: events.DataReport | None = None
        self.planned: events.MemoryPlanned | None = None
        self.problem: Problem | None = None

    def __call__(self, event: events.Event) -> None:
        if isinstance(event, events.Step):
            self.losses.append(event.loss)
        elif isinstance(event, events.DataReport):
            self.report = event
        elif isinstance(event, events.MemoryPlanned):
            self.planned = event
        elif isinstance(event, events.Paused) and event.problem is not None:
            self.problem = event.problem
        self._reporter.show(event)

    def end(self) -> None:
        """Leave the terminal's line clean."""
        self._reporter.end()


def train(arguments: argparse.Namespace) -> int:
    """Train by a job file, by options, or go on with a run.

    Raises:
        StudioError: Bad input, or the run failed.
    """
    watcher = Watcher(arguments.json)
    if arguments.queue:
        for other in ("beside", "start_over"):
            if getattr(arguments, other):
                words = f"--queue cannot be combined with --{other.replace('_', '-')}."
                raise StudioError("train.options", words, fix="Leave one of them out.")
        if arguments.resume:
            summary = _resumable(arguments)
            return waiting.put_in_line(summary.job, arguments.json, summary.id)
        return waiting.put_in_line(_suggested(arguments, _job(arguments), watcher), arguments.json)
    if arguments.start_over and not arguments.resume:
        raise StudioError("train.options", "--start-over needs --resume RUN.", fix="Say which run is to start over.")
    began = time.monotonic()
    if not arguments.resume:
        _require_free(arguments)  # before anything is imported, too
        work = _suggested(arguments, _job(arguments), watcher)
    try:
        with waiting.starting() as lock:
            if arguments.resume:
                summary = _resumable(arguments)  # with the lock: nobody takes it up in between
                _require_free(arguments)
                folder, work = RunFolder(summary.folder), summary.job
                watcher.planned = summary.planned  # a run that goes on is not planned anew
                if arguments.start_over:
                    starting_over.start_over(folder)
                finished = running.resume(folder, work, watcher, lock.release)
            else:
                _require_free(arguments)
                folder = places.new_run()
                finished = _run(work, folder, watcher, lock.release)
    finally:
        watcher.end()
    assert isinstance(finished, events.Finished)
    summary_table = _summary(work, folder, finished, watcher, time.monotonic() - began)
    if arguments.json:
        output.print_json(summary_table)
    else:
        _say_result(finished, folder, watcher.planned)
    if watcher.problem is not None and not arguments.json:
        raise StudioError.of(watcher.problem)
    return 0 if watcher.problem is None else 2


def _suggested(arguments: argparse.Namespace, work: job.TrainJob, watcher: Watcher) -> job.TrainJob:
    """With the suggested values where they are wanted; else it is said where they would matter.

    Raises:
        StudioError: They are wanted, and model or examples cannot be used.
    """
    if arguments.suggested:
        return suggestions.take(arguments, work, watcher)
    if arguments.job is None or not _is_job(arguments.job):  # a job file says how by itself
        suggestions.tell(arguments, work, watcher)
    return work


def _require_free(arguments: argparse.Namespace) -> None:
    """Refuse to train beside another run, where that was not asked for.

    Raises:
        StudioError: One goes on; it is named.
    """
    if not arguments.beside:
        line = "Add --queue to put it in line" if "queue" in arguments else "Wait for its end"
        waiting.require_free(f"{line}, or add --beside to train beside it all the same.")


def _run(work: job.TrainJob, folder: RunFolder, watcher: Watcher, begun: Callable[[], None]) -> events.Event | None:
    """Do the job; what was refused before its first step leaves no run behind.

    Raises:
        StudioError: The job failed; the reason is in words.
    """
    try:
        return running.run(work, folder, watcher, begun)
    except StudioError:
        if not watcher.losses:
            places.drop_run(folder)
        raise


def _resumable(arguments: argparse.Namespace) -> RunSummary:
    """The run that --resume names.

    Raises:
        StudioError: It goes on by itself, has ended, or other options were given, which a resumed run cannot have.
    """
    _refuse_others(arguments, "--resume", ("job", "model", *JOB_OPTIONS), settings=True)
    summary = places.find_run(arguments.resume)
    if living_worker(RunFolder(summary.folder)) is not None:
        raise StudioError("run.busy", f"The run {summary.job.name} is going on.", fix="Wait for it to end, or stop it.")
    if not summary.can_resume:
        raise StudioError(
            "run.done", f"The run {summary.job.name} has ended: there is nothing to go on with.", fix="Start a new run."
        )
    return summary


def _refuse_others(arguments: argparse.Namespace, beside: str, names: tuple[str, ...], settings: bool = False) -> None:
    """Refuse options that would be ignored.

    Raises:
        StudioError: Some were given; all are named.
    """
    given = [name for name in names if getattr(arguments, name) is not None]
    if settings:
        chosen = (name for name, value in vars(arguments).items() if name.startswith("set:") and value is not None)
        given += ["preset"] * bool(arguments.preset) + ["method"] * bool(arguments.method)
        given += [name.rpartition(".")[2].removeprefix("set:") for name in chosen]
    if given:
        told = ", ".join("the data or job file" if name == "job" else "--" + name.replace("_", "-") for name in given)
        raise StudioError(
            "train.options",
            f"{beside} cannot be combined with {told}.",
            "What is trained on what is already decided there.",
            "Leave it out, or start a new run with it." if settings else "Leave it out, or change the job file.",
        )


def _job(arguments: argparse.Namespace) -> job.TrainJob:
    if arguments.job and not _is_job(arguments.job):
        if arguments.data:
            raise StudioError(
                "train.options",
                f"Two datasets were given: {arguments.job} and --data {arguments.data}.",
                fix="Leave one of them out.",
            )
        return job_of(arguments, arguments.job)
    if arguments.job:
        path = Path(arguments.job)
        _refuse_others(arguments, "A job file", JOB_OPTIONS)
        file = read_job_file(path)
        if isinstance(file, job.TrainJob):
            _refuse_others(arguments, "A run's job.json", ("model",))
            return msgspec.structs.replace(file, settings=settings_from(arguments, file.settings))
        return _resolve(file, path.resolve().parent, arguments)
    if not arguments.data:
        raise StudioError(
            "train.no_dataset",
            "Nothing to learn from was given.",
            fix="Give a file or an imported dataset (and --model FOLDER), or a job file.",
        )
    return job_of(arguments, arguments.data)


def _is_job(word: str) -> bool:
    """Whether a word names a job file; else it names a dataset.

    Raises:
        StudioError: It names neither.
    """
    path = Path(word).expanduser()
    if path.exists() or path.suffix.lower() in (".toml", ".yaml", ".yml"):
        return is_job_file(path)
    if not places.is_imported(word):
        raise StudioError(
            "train.no_such",
            f"There is no job file, no data file and no imported dataset {word}.",
            fix=f"Give a job (.toml or .json), a {KINDS} file, or a name that `apprentice data list` shows.",
        )
    return False


def job_of(arguments: argparse.Namespace, data: str) -> job.TrainJob:
    """The run that options describe.

    Raises:
        StudioError: Bad input.
    """
    file = JobFile(
        model=arguments.model or "starter",
        data=data,
        name=arguments.name or "",
        held_back=arguments.held_back or "",
        general=arguments.general,
        probes=arguments.probes,
        from_adapter=arguments.from_adapter or "",
    )
    return _resolve(file, Path(), arguments)


def _resolve(file: JobFile, beside: Path, arguments: argparse.Namespace) -> job.TrainJob:
    earlier = places.find_trained(file.from_adapter) if file.from_adapter else None
    own_model = earlier.job.model if earlier is not None and file.model == "starter" else file.model
    model = places.find_model(arguments.model or own_model, beside)
    settings = job_settings.settings_of(file, arguments, earlier, model)  # first: no import for a wrong value

    def given(chosen: str | None, name: str) -> str:
        if not chosen:
            return places.beside_model(model, name) if chosen is None else ""
        path = (beside / Path(chosen).expanduser()).resolve()
        if not path.is_file():  # said now, not after the model was loaded
            raise StudioError("train.no_file", f"There is no file {chosen}.", fix="Check the path.")
        return str(path)

    general, probes = given(file.general, "general.jsonl"), given(file.probes, "probes.jsonl")
    with output.Reporter(arguments.json) as reporter:
        info = places.find_dataset(file.data, file.held_back, beside, reporter.show)
    return job.TrainJob(
        name=file.name or places.next_run_name(),
        model=str(model),
        model_name=model_name(model),
        dataset=str(info.folder),
        dataset_name=info.name,
        general=general,
        probes=probes,
        settings=settings,
        start_from=str(RunFolder(earlier.folder).adapter) if earlier is not None else "",
    )


def _summary(
    work: job.TrainJob, folder: RunFolder, finished: events.Finished, watcher: Watcher, seconds: float
) -> dict[str, Any]:
    losses: tuple[float | None, float | None] = (
        (watcher.losses[0], watcher.losses[-1]) if watcher.losses else (None, None)
    )
    if finished.went_back and (told := summarise(folder)) is not None:  # what was watched was thrown away
        losses = (told.loss_first, told.loss_last)
    return {
        "run": folder.id,
        "name": work.name,
        "reason": finished.reason,
        "went_back": finished.went_back,
        "seconds": round(seconds, 2),
        "train_seconds": round(finished.seconds, 2),
        "steps": finished.steps,
        "loss_first": losses[0],
        "loss_last": losses[1],
        "adapter": finished.adapter,
        **output.memory_figures(watcher.planned, finished.peak_bytes),
        "verdict": msgspec.to_builtins(finished.verdict) if finished.verdict else None,
        "problem": msgspec.to_builtins(watcher.problem) if watcher.problem else None,
        "data": msgspec.to_builtins(watcher.report) if watcher.report else None,
    }


def _say_result(finished: events.Finished, folder: RunFolder, planned: events.MemoryPlanned | None) -> None:
    reason = {"early": "ended early"}.get(finished.reason, output.state(finished.reason))
    output.say(f"{finished.steps} steps in {output.duration(finished.seconds)} ({reason}).")
    for line in output.ending(finished):
        output.say(line)
    verdict = output.verdict(finished.verdict) if finished.verdict else []
    for line in (*output.memory(planned, finished.peak_bytes), *verdict):
        output.say(line)
    output.say(f"Adapter: {finished.adapter}" if finished.adapter else "Nothing was kept.")
    if finished.adapter:
        output.say(f"Chat with it: apprentice chat --adapter {folder.id}")


def demo(arguments: argparse.Namespace) -> int:
    """Teach the starter model the sample and measure what it learned and kept.

    Raises:
        StudioError: Something of it failed.
    """
    began = time.monotonic()
    _require_free(arguments)
    settings = load_preset("sample").settings()
    quantisation = "nf4" if arguments.method == "qlora" else "none"
    settings = build(TrainSettings, {"seed": arguments.seed, "quantisation": quantisation}, settings)
    if not any(info.id == SAMPLE for info in dataset.list_datasets()):
        rows, held_back = sample_files()
        places.import_file(Path(rows), SAMPLE_NAME, held_back, id=SAMPLE)
    work = sample_job(places.next_run_name(), settings)
    watcher = Watcher(arguments.json)
    try:
        with waiting.starting() as lock:
            _require_free(arguments)
            folder = places.new_run()
            finished = _run(work, folder, watcher, lock.release)
    finally:
        watcher.end()
    assert isinstance(finished, events.Finished)
    if finished.verdict is None:
        raise StudioError("demo.ended", "The demo was ended before it was tested.", fix="Start it again.")
    plot = draw_plot(folder, folder.path / "loss.png")
    result: dict[str, Any] = _demo_figures(finished.verdict)
    result |= output.memory_figures(watcher.planned, finished.peak_bytes)
    result |= {
        "method": arguments.method,
        "seed": arguments.seed,
        "steps": finished.steps,
        "loss_first": watcher.losses[0],
        "loss_last": watcher.losses[-1],
        "adapter": finished.adapter,
        "plot": str(plot) if plot else None,
        "seconds": round(time.monotonic() - began, 2),
    }
    if arguments.json:
        output.print_json(result)
    else:
        _say_result(finished, folder, watcher.planned)
        output.say(
            f"Loss plot: {plot}" if plot else "The loss plot could not be drawn here (Qt's libraries are missing)."
        )
    return 0


def _demo_figures(verdict: events.Verdict) -> dict[str, Any]:
    def share(part: int | None, whole: int | None) -> float | None:
        return round(part / whole, 4) if part is not None and whole else None

    return {
        "base_exact_match": share(verdict.right_before, verdict.asked),
        "tuned_exact_match": share(verdict.right_after, verdict.asked),
        "knowledge_kept": share(verdict.known_after, verdict.known_before),
        "held_back_questions": verdict.asked,
        "probes_known_before": verdict.known_before,
        "probes_known_after": verdict.known_after,
    }


def draw_plot(folder: RunFolder, picture: Path) -> Path | None:
    """Draw a run's loss with the window's own plot, in a process of its own (this one holds no Qt).

    Returns:
        The picture, or None where Qt cannot start on this machine.
    """
    environment = dict(os.environ, QT_QPA_PLATFORM="offscreen")
    command = [*installed.window_command(), "--plot", str(folder.path), str(picture)]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
    return picture if done.returncode == 0 and picture.is_file() else None
