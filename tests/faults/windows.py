"""The window is killed while a run goes on, again and again (promise P12).

    python -m tests.faults.windows [--n 50] [--json]

The real program is started on a (virtual) screen, starts a run, and is ended by SIGKILL at a random moment; then it is
started anew, and so on. Each time the worker must live on, and the new window must show a step that the run has made
since, within 5 seconds of the start of its process. Every tenth kill is of a window whose run is to stop when it goes:
that run must end by itself with a whole checkpoint, and be offered to be taken up. Every fifth time a name is typed
into the form of the next run, and the window is killed 10 seconds later: the next one must show it (30 s are
promised). At the end the long run is stopped through its files, and its adapter must be whole.
"""

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from studio.contract import commands, events, job
from studio.contract.control import Going
from studio.contract.job import TrainJob
from studio.contract.run_folder import RunFolder, datasets_folder, runs_folder
from studio.data import run_history
from studio.data.importing import import_dataset
from studio.data.run_history import living_worker
from studio.supervisor.processes import worker_environment
from tests.faults import report
from tests.faults.screen import screen
from tests.faults.supervised import endless_job

FOLLOWED_SECONDS = 5.0
PATIENCE_SECONDS = 120.0
STOPS_EVERY = 10
TYPES_EVERY = 5
TYPED_SECONDS = 10.0

WINDOW = """
import json, sys
from pathlib import Path
from PySide6.QtCore import QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from studio import app
from studio.contract import events, job
from studio.ui.main_window import MainWindow

def say(**told):
    print(json.dumps(told), flush=True)

def watch():
    window = next(w for w in QApplication.topLevelWidgets() if isinstance(w, MainWindow))
    place = window.workplace
    look = QTimer(window)
    last = [0, 0]
    def on_event(event):
        if isinstance(event, events.Step):
            last[0] = event.step
    def show():
        if last[0] > last[1] and "Loss" in window.run_bar.text():
            last[1] = last[0]
            say(step=last[0])
    place.run_event.connect(on_event)
    look.timeout.connect(show)
    look.start(20)
    window.show_page("train")
    page = window.page("train")
    def type_name():
        page.new_run()
        edit = page.before.setup.name_edit
        say(name=edit.text())
        if sys.argv[2]:
            edit.clear()
            QTest.keyClicks(edit, sys.argv[2])
            say(typed=True)
    if sys.argv[1]:
        place.start_training(job.load(Path(sys.argv[1])))
    else:
        QTimer.singleShot(500, window, type_name)
    say(ready=True, following=place.active is not None, can_resume=[r.id for r in place.runs() if r.can_resume])

sys.exit(app.main([], on_ready=watch))
"""


class Result(msgspec.Struct, kw_only=True):
    """What became of the run and of the windows.

    Attributes:
        kills: Windows that were killed while a run went on.
        lived_on: Of them, those whose worker went on.
        followed: Next starts that showed a new step of the run in time.
        slowest_seconds: From the start of a process to that.
        typed, kept: Names that stood in a form when the window was killed; of them, those that the next one showed.
        stopped_with_checkpoint: Of `stops` kills, runs that ended by themselves and could be taken up, as was chosen.
    """

    kills: int = 0
    lived_on: int = 0
    followed: int = 0
    slowest_seconds: float = 0.0
    typed: int = 0
    kept: int = 0
    stops: int = 0
    stopped_with_checkpoint: int = 0
    faults: list[str] = msgspec.field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost by any of the kills."""
        kept = self.kills - self.stops == self.lived_on == self.followed > 0
        return not self.faults and kept and self.typed == self.kept > 0 and self.stops == self.stopped_with_checkpoint


class Window:
    """A process of the real program. What it says is read by a thread, so that asking never waits."""

    def __init__(self, script: Path, start: Path | None = None, name: str = "") -> None:
        self.began = time.monotonic()
        self.told: list[tuple[float, dict[str, object]]] = []
        command = [sys.executable, "-P", str(script), str(start or ""), name]
        self._log = script.with_suffix(".log").open("ab")
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self._log, env=worker_environment(), start_new_session=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.told.append((time.monotonic(), json.loads(line)))

    def when(self, holds: Callable[[dict[str, object]], bool], seconds: float) -> float | None:
        """Seconds from its start until it said something; None where it did not in time."""
        while time.monotonic() < self.began + seconds:
            for at, told in list(self.told):
                if holds(told):
                    return at - self.began
            if self.process.poll() is not None and not self._reader.is_alive():
                return None
            time.sleep(0.01)
        return None

    def shows_step_after(self, step: int, seconds: float = PATIENCE_SECONDS) -> float | None:
        """Seconds from its start until it showed a later step."""
        return self.when(lambda told: int(str(told.get("step", 0))) > step, seconds)

    @property
    def last_step(self) -> int:
        """The newest step that it showed."""
        return max((int(str(told.get("step", 0))) for _, told in list(self.told)), default=0)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        self._log.close()


def last_step(folder: RunFolder) -> int:
    """The newest step of a run's record."""
    last = 0
    for event in run_history.read_events(folder):
        if isinstance(event, events.Step):
            last = event.step
    return last


def newest_run() -> RunFolder:
    """The folder of the run that was started last."""
    return RunFolder(max(runs_folder().iterdir(), key=lambda path: path.stat().st_ctime))


def kill_windows(count: int, home: Path) -> Result:
    """See the module's text."""
    script, dice, result = home / "window.py", random.Random(12), Result()
    script.write_text(WINDOW, encoding="utf-8")
    work = endless_job(home, accumulation=6)
    source = datasets_folder() / "rows.csv"  # the form of the next run wants something to learn from
    source.write_text("question,answer\n" + "".join(f"What is {n}?,It is {n}.\n" for n in range(30)))
    kept = datasets_folder() / "rows"
    import_dataset(job.ImportJob(source=str(source), destination=str(kept), name="Rows"), lambda event: None, Going())
    source.unlink()
    with screen():
        for _ in range(count // STOPS_EVERY):
            _stop_with_window(script, work, dice, result)
        _follow(script, work, dice, count - count // STOPS_EVERY, result)
    return result


def _save(work: TrainJob, script: Path, when_window_closes: str) -> Path:
    path = script.with_name("job.json")
    job.save(msgspec.structs.replace(work, when_window_closes=when_window_closes), path)
    return path


def _follow(script: Path, work: TrainJob, dice: random.Random, count: int, result: Result) -> None:
    """One run, and a window after the other."""
    window = Window(script, _save(work, script, "go_on"))
    if window.shows_step_after(2) is None:
        result.faults.append(f"the first window showed no run: {script.with_suffix('.log').read_text()[-500:]}")
        return window.kill()
    folder = newest_run()
    try:
        typed = ""
        for number in range(count):
            time.sleep(dice.uniform(0, 1.0))
            if typed:
                window.when(lambda told: "typed" in told, PATIENCE_SECONDS)
                time.sleep(TYPED_SECONDS)
            window.kill()
            result.kills += 1
            result.lived_on += living_worker(folder) is not None
            known, kept = last_step(folder), typed
            # The first of every few, so that a small proof has one: typed now, looked for in the next window.
            typed = f"Name {number}" if number % TYPES_EVERY == 0 and number < count - 1 else ""
            window = Window(script, name=typed)
            seconds = window.shows_step_after(known)
            result.slowest_seconds = max(result.slowest_seconds, round(seconds or PATIENCE_SECONDS, 1))
            if seconds is None or seconds > FOLLOWED_SECONDS:
                result.faults.append(f"kill {number}: the run was followed after {seconds} s")
            else:
                result.followed += 1
            if kept:
                _require_name(window, kept, result)
        window.kill()
    finally:
        commands.append(folder.commands, commands.Stop(save=True))
        _require_end(folder, "stopped", result)


def _require_name(window: Window, name: str, result: Result) -> None:
    """What stood in the form when the window before was killed stands there again."""
    result.typed += 1
    if window.when(lambda told: told.get("name") == name, PATIENCE_SECONDS) is not None:
        result.kept += 1
    else:
        said = [told["name"] for _, told in window.told if "name" in told]
        result.faults.append(f"the form holds {said} instead of {name!r}")


def _stop_with_window(script: Path, work: TrainJob, dice: random.Random, result: Result) -> None:
    """A run that was told to stop when its window goes."""
    window = Window(script, _save(work, script, "stop_at_checkpoint"))
    if window.shows_step_after(dice.randint(2, 6)) is None:
        result.faults.append("a window that should start a run showed none")
    folder = newest_run()
    window.kill()
    result.kills += 1
    result.stops += 1
    _require_end(folder, "stopped", result)
    window = Window(script)
    offered = window.when(lambda told: folder.id in (told.get("can_resume") or ()), PATIENCE_SECONDS)  # type: ignore[operator]
    window.kill()
    result.stopped_with_checkpoint += offered is not None and any(folder.checkpoints.glob("step-*/manifest.json"))


def _require_end(folder: RunFolder, state: str, result: Result) -> None:
    """The worker ends by itself, and leaves an adapter."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while living_worker(folder) is not None and time.monotonic() < ends:
        time.sleep(0.05)
    run_history._known.clear()
    summary = run_history.summarise(folder)
    if summary is None or summary.state != state or not summary.has_adapter:
        result.faults.append(f"the run ended as {summary.state if summary else 'nothing'}")


def main(words: list[str]) -> int:
    """As all proofs."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    return report.prove(words, __doc__, 50, kill_windows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
