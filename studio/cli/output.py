"""How the command line speaks: one JSON object, or lines for a person with a progress bar on a terminal."""

import contextlib
import os
import shlex
import shutil
import sys
from typing import Any

import msgspec

from studio.contract import events
from studio.contract.errors import Problem, SeveralProblems, StudioError
from studio.contract.memory_fit import gigabytes
from studio.contract.plain_text import harmless
from studio.data.turn_order import is_offered


def say(text: str) -> None:
    """One line for a person, to standard output; what would steer the terminal is written out."""
    print(harmless(text), flush=True)


def say_piece(text: str) -> None:
    """A piece of a model's reply, as it comes."""
    sys.stdout.write(harmless(text))
    sys.stdout.flush()


def print_json(value: Any) -> None:
    """One JSON object to standard output; numbers that are not finite become null."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
    sys.stdout.flush()


_HINTS: dict[str, str] = {
    "data.no_mapping": "Columns are chosen by `apprentice data import FILE --prompt COLUMN --completion COLUMN` "
    "(or --messages COLUMN).",
    "data.guessed_by_length": "Swapped: `apprentice data import FILE --prompt ONE --completion THE_OTHER`.",
    "data.preference_not_supported": "Columns are chosen by `apprentice data import FILE --prompt COLUMN "
    "--completion COLUMN`.",
    "data.late_column": "Columns are chosen by `apprentice data import FILE --prompt COLUMN --completion COLUMN "
    "--system COLUMN` (or --context, --history, --tools, --label).",
    "data.mapping_late": "Columns are chosen by `apprentice data import FILE --prompt COLUMN --completion COLUMN` "
    "(with or without --label COLUMN).",
    "data.mapping_incomplete": "The options are --messages, or --prompt and --completion.",
}
"""What the window offers as a button is an option here."""


def hint(problem: Problem) -> str:
    """How to do on the command line what the message advises; empty where it says so itself."""
    if "choose another sheet" in problem.fix.lower():
        return f"{_HINTS.get(problem.code, '')} A sheet is chosen by --sheet NAME.".strip()
    if "leave damaged lines out" in problem.fix:
        return "`apprentice data import FILE --skip-damaged` leaves them out."
    if is_offered(problem.fix):
        return "`apprentice data import FILE --mend-turns` does so."
    if problem.where == "start_from" and problem.sets:
        return f"The options are {' '.join(_option(path, value) for path, value in problem.sets.items())}."
    return _HINTS.get(problem.code, "")


def _option(path: str, value: str | bool | float) -> str:
    """A setting as it is typed: "method.rank" is --rank."""
    name = path.rpartition(".")[2].replace("_", "-")
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    return f"--{name} {shlex.quote(str(value))}"


def go_silent() -> None:
    """Nobody reads any more: what is said from now on goes nowhere; the end of the process does not trip over it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # a stream without a descriptor of its own
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def report_error(error: StudioError, as_json: bool) -> None:
    """One clear message, without a traceback; where nobody reads it, the exit code is left to speak."""
    try:
        _report(error, as_json)
    except BrokenPipeError:
        go_silent()


def _report(error: StudioError, as_json: bool) -> None:
    problems = error.problems if isinstance(error, SeveralProblems) else (error.problem,)
    if as_json:
        print_json({"error": msgspec.to_builtins(problems[0]), "problems": msgspec.to_builtins(problems)})
        return
    for problem in problems:
        problem = msgspec.structs.replace(problem, fix=f"{problem.fix} {hint(problem)}".strip())
        print("apprentice: " + harmless(problem.sentence()).replace("\n", "\n  "), file=sys.stderr)


class Reporter:
    """Shows a job's events while it runs: a bar on a terminal, plain lines elsewhere, nothing with --json.

    Progress goes to standard error, so that standard output carries only the result.
    """

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._bar = sys.stderr.isatty() and not quiet
        self._drawn = False
        self._stage = ""

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def show(self, event: events.Event) -> None:
        """Show one event, where it concerns a person; where nobody reads any more, the job goes on silently."""
        if self._quiet:
            return
        with contextlib.suppress(BrokenPipeError):
            self._show(event)

    def _show(self, event: events.Event) -> None:
        match event:
            case events.Progress():
                self._progress(event)
            case events.Notice():
                self._line("Note: " + event.problem.sentence().replace("\n", " "))
            case events.DataReport():
                self._line(data_report(event))
            case events.Step():
                self._step(event)
            case events.Evaluated():
                best = " (best so far)" if event.best else ""
                self._line(f"Test after step {event.step}: loss {event.loss:.4f} on {event.rows} unseen examples{best}")
            case events.Paused() if event.problem is not None:
                self._line("Paused: " + event.problem.sentence().replace("\n", " "))
            case _:
                pass

    def _progress(self, event: events.Progress) -> None:
        if self._bar and event.unit == "bytes" and event.total:
            self._draw(event.done, event.total, f"{event.stage}, {event.done / 1e6:.0f} of {event.total / 1e6:.0f} MB")
        elif event.stage != self._stage:
            self._line(event.stage + " …")
        self._stage = event.stage

    def _step(self, event: events.Step) -> None:
        rest = f", about {duration(event.eta_seconds)} left" if event.eta_seconds is not None else ""
        text = f"step {event.step}/{event.total_steps}  loss {event.loss:.4f}{rest}"
        if self._bar:
            self._draw(event.step, event.total_steps, text)
        elif event.step == 1 or event.step % max(1, event.total_steps // 10) == 0:
            self._line(text)

    def _draw(self, done: int, total: int, text: str) -> None:
        width = max(10, min(30, shutil.get_terminal_size().columns - len(text) - 6))
        full = round(width * done / max(1, total))
        sys.stderr.write(f"\r\x1b[2K[{'#' * full}{'.' * (width - full)}] {harmless(text)}")
        sys.stderr.flush()
        self._drawn = True

    def _line(self, text: str) -> None:
        if self._drawn:
            sys.stderr.write("\n")
            self._drawn = False
        print(harmless(text), file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the terminal's line clean."""
        if self._drawn:
            self._drawn = False
            with contextlib.suppress(BrokenPipeError):
                sys.stderr.write("\n")


def data_report(report: events.DataReport) -> str:
    """The counts before step 1, in one line."""
    share = report.learned_tokens / report.tokens if report.tokens else 0.0
    end = "learned" if report.end_token_learned else "NOT learned"
    general = "no general ones beside them"
    if report.general_rows:
        general = f"{report.mixed_in} of {report.general_rows} general ones mixed into each pass"
    return (
        f"{report.train_rows} examples to learn from ({general}), "
        f"{report.held_back_rows} held back; {report.cut} cut, {report.left_out} left out, "
        f"{report.nothing_to_learn} with nothing to learn; {share:.0%} of the tokens are learned, "
        f"end token {report.end_token} {end}"
    )


def memory(planned: events.MemoryPlanned | None, peak_bytes: int) -> list[str]:
    """What a run was expected to take of the memory, and what it took, in a line; none where neither is known."""
    parts = []
    if planned is not None:
        told = planned.plan.estimate
        how = "measured before the first step" if told.measured else "by the formula"
        parts.append(f"{gigabytes(told.total)} expected, give or take {gigabytes(told.high - told.total)} ({how})")
    if peak_bytes:
        parts.append(f"{gigabytes(peak_bytes)} taken at its peak")
    return [f"Memory: {'; '.join(parts)}."] if parts else []


def memory_figures(planned: events.MemoryPlanned | None, peak_bytes: int) -> dict[str, int | bool | None]:
    """The same for programs."""
    told = planned.plan.estimate if planned is not None else None
    return {
        "memory_planned_bytes": told.total if told is not None else None,
        "memory_planned_measured": told.measured if told is not None else None,
        "memory_peak_bytes": peak_bytes or None,
    }


def duration(seconds: float) -> str:
    """About so long, for a person: "40 s", "3 min", "2 h 10 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def state(key: str) -> str:
    """The state of a run as a person reads it, in the words of the window."""
    return {"discarded": "thrown away", "unreadable": "cannot be read"}.get(key, key)


def ending(finished: events.Finished) -> list[str]:
    """What has to be said of how a run ended, in a sentence; none where "done" or "stopped" says all."""
    steps = f"{finished.steps:,}"
    if finished.went_back:
        return [f"What came after step {steps} was thrown away; the run is as it was saved at step {steps}."]
    if finished.reason == "early":
        return [f"Done after {steps} steps: the loss on unseen examples had stopped getting better."]
    if finished.reason == "time":
        return [f"Done after {steps} steps: its time was up."]
    if finished.reason == "stopped" and not finished.steps:
        return ["The run was stopped before its first step, so nothing was learned."]
    return []


def verdict(result: events.Verdict) -> list[str]:
    """What was learned and what was kept, in sentences."""
    lines = []
    new, unseen = ("test", "test") if result.also_learned else ("new", "unseen")
    if result.asked:
        lines.append(
            f"Answers {result.right_after} of {result.asked} {new} questions right, word for word; "
            f"before: {result.right_before}."
        )
    if result.rows:
        lines.append(
            f"Better on {result.rows_better} of {result.rows} {unseen} examples; "
            f"loss on them {result.loss_base:.3f} before, {result.loss_tuned:.3f} now."
        )
    if result.settled:
        lines.append("That had stopped getting better before the end: longer training would hardly help.")
    if result.also_learned:
        lines.append(f"{result.also_learned} test examples were also learned from: that shows memory, not learning.")
    if result.known_before:
        lines.append(f"Still answers {result.known_after} of {result.known_before} that it could before.")
    return lines
