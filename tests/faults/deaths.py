"""Workers that die or fall silent under the real supervisor (promises P9 and P10).

    python -m tests.faults.deaths [--n 20] [--restarts 100] [--patience 0] [--json]

`--n` workers of real runs are killed at random moments of preparation and training, half of them while another window
follows their files; as many are ended by the system for want of memory, in a control group that allows too little.
Each cause must be told, and be the right one, within 5 seconds of the end of the process, and the run be resumable.
One worker is stopped (SIGSTOP): that must be noticed within 60 seconds, and taken back when it goes on. At last
`--restarts` workers are ended by force and their lock is left, cut, or taken over by another process of the same
number: no run may be told as running after that, and each that lives must be.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import psutil

from studio.contract import job as jobs
from studio.contract.events import Failed, Hello, Progress, Started, Step
from studio.contract.job import TrainJob
from studio.contract.run_folder import RunFolder, runs_folder
from studio.data import run_history
from studio.supervisor import workplace as workplaces
from studio.supervisor.worker_thread import TrainerThread
from studio.supervisor.workplace import Workplace
from tests.faults import report
from tests.faults.forced_restarts import Restarts, restart_many
from tests.faults.memory_group import MemoryGroup
from tests.faults.supervised import Seen, application, endless_job, wait_until

SHOWN_SECONDS = 5.0
SILENCE_SECONDS = 60.0
PATIENCE_SECONDS = 180.0
"""For a worker to come so far; no part of what is measured."""

MOMENTS = (Hello, Progress, Started, Step)


class Result(msgspec.Struct, kw_only=True):
    """What was told of the deaths.

    Attributes:
        killed, killed_told: Workers that were killed; of them, told with the right cause in time.
        out_of_memory, memory_told: Workers that the system ended for want of memory; likewise.
        slowest_seconds: From the end of a process to the cause on the window's thread.
        silence_seconds: From SIGSTOP to the notice, of a worker of one's own and of a followed one: the longer one.
        restarts: See `Restarts`.
    """

    killed: int = 0
    killed_told: int = 0
    out_of_memory: int = 0
    memory_told: int = 0
    slowest_seconds: float = 0.0
    silence_seconds: float = 0.0
    silence_allowed: float = SILENCE_SECONDS
    restarts: int = 0
    wrongly_running: int = 0
    wrongly_dead: int = 0
    faults: list[str] = msgspec.field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether everything was told, rightly and in time."""
        deaths = self.killed == self.killed_told and self.out_of_memory == self.memory_told
        noticed = 0 < self.silence_seconds <= self.silence_allowed
        return not self.faults and deaths and noticed and not self.wrongly_running and not self.wrongly_dead


class Deaths:
    """Kills workers and looks at what is told."""

    def __init__(self, job: TrainJob, result: Result) -> None:
        self._job, self._result, self._dice = job, result, random.Random(9)

    def _start(self) -> tuple[TrainerThread, Seen]:
        folder = RunFolder.create(runs_folder(), "run")
        thread = TrainerThread(folder, self._job)
        seen = Seen(thread)
        thread.start()
        return thread, seen

    def kill(self, number: int) -> None:
        """SIGKILL at some moment; every second time the run is followed by a window that came later."""
        thread, seen = self._start()
        followed = number % 2 == 1
        kind = Step if followed else MOMENTS[self._dice.randrange(len(MOMENTS))]
        count = self._dice.randint(1, 5) if kind in (Step, Progress) else 1
        self._result.killed += 1
        if not wait_until(lambda: seen.count(kind) >= count or seen.failed is not None, PATIENCE_SECONDS):
            self._result.faults.append(f"kill {number}: the worker never came to {kind.__name__}")
        worker = thread.worker()
        if worker is None or seen.failed is not None:
            self._result.faults.append(f"kill {number}: the worker had ended before: {seen.failed}")
            return
        first = thread
        if followed:
            thread.let_go()
            thread.wait()
            other = TrainerThread(thread.folder, attach=True)
            seen = Seen(other)
            other.start()
            wait_until(lambda: seen.count(Step) >= count, PATIENCE_SECONDS)
            thread = other
        worker.send_signal(signal.SIGKILL)
        died = time.monotonic()
        if first._process is not None:
            first._process.wait()  # what the init process does for a worker whose window is gone
        self._result.killed_told += self._is_told(thread, seen, died, "worker.died", f"kill {number}")

    def starve(self, number: int, group: MemoryGroup) -> None:
        """Too little memory to even load the libraries, or the model: the system ends the worker."""
        group.allow(self._dice.randrange(60, 160) << 20)
        with group.python():
            thread, seen = self._start()
            self._result.out_of_memory += 1
            pid: list[int] = []

            def has_ended() -> bool:
                worker = thread.worker()
                if worker is not None and not pid:
                    pid.append(worker.pid)
                return bool(pid) and (not psutil.pid_exists(pid[0]) or thread.isFinished())

            wait_until(has_ended, PATIENCE_SECONDS)
            died = time.monotonic()
            told = self._is_told(thread, seen, died, "memory.host_killed", f"no memory {number}")
            self._result.memory_told += told

    def _is_told(self, thread: TrainerThread, seen: Seen, died: float, code: str, name: str) -> bool:
        """Whether the right cause came in time, as the only end, and the run can be taken up."""
        wait_until(lambda: seen.failed is not None and thread.isFinished(), 4 * SHOWN_SECONDS)
        result = self._result
        if seen.failed is None:
            result.faults.append(f"{name}: nothing was told")
            return False
        at, failed = seen.failed
        cause = failed.problem
        result.slowest_seconds = max(result.slowest_seconds, round(at - died, 2))
        run_history._known.clear()
        summary = run_history.summarise(thread.folder)
        wrong = [
            f"it was told after {at - died:.1f} s" if at - died > SHOWN_SECONDS else "",
            f"the cause was told as {failed.problem.code}: {failed.problem.what}"
            if failed.problem.code != code
            else "",
            "it was told more than once" if seen.count(Failed) != 1 else "",
            "it cannot be resumed" if summary is None or not summary.can_resume else "",
            "nothing is said to do" if not cause.fix else "",
        ]
        result.faults += [f"{name}: {words}" for words in wrong if words]
        return not any(wrong)

    def silence(self, patience: float) -> None:
        """A stopped worker, under its own thread and followed by the window's workplace."""
        if patience:
            workplaces.SILENCE_SECONDS = patience  # type: ignore[misc]
            self._result.silence_allowed = patience + 5
        place = Workplace()
        folder = RunFolder.create(runs_folder(), "run")
        jobs.save(self._job, folder.job)
        place._follow(folder, self._job)
        thread = place.active
        assert thread is not None
        seen, silent = Seen(thread), list[float]()
        place.run_silent.connect(lambda seconds: silent.append(time.monotonic()))
        wait_until(lambda: seen.count(Step) >= 3, PATIENCE_SECONDS)
        worker = thread.worker()
        assert worker is not None
        worker.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        if wait_until(lambda: bool(silent), 2 * SILENCE_SECONDS):
            self._result.silence_seconds = round(silent[0] - stopped, 1)
        else:
            self._result.faults.append("a stopped worker was never noticed")
        worker.send_signal(signal.SIGCONT)
        steps = seen.count(Step)
        if not wait_until(lambda: seen.count(Step) > steps and thread.silent_seconds < 5, 30):
            self._result.faults.append("a worker that went on was still told as silent")
        place.force_stop()
        wait_until(lambda: place.active is None, 30)
        place.close()


def prove(count: int, restarts: int, patience: float, home: Path) -> Result:
    """See the module's text."""
    app, result = application(), Result()
    deaths = Deaths(endless_job(home), result)
    for number in range(count):
        deaths.kill(number)
    with MemoryGroup() as group:
        if group.is_there:
            for number in range(count):
                deaths.starve(number, group)
        else:
            print("no control group can be made here: nobody is ended for want of memory", file=sys.stderr)
    deaths.silence(patience)
    told: Restarts = restart_many(restarts)
    result.restarts, result.faults = told.restarts, result.faults + told.faults
    result.wrongly_running, result.wrongly_dead = told.wrongly_running, told.wrongly_dead
    del app
    return result


def main(words: list[str]) -> int:
    """Print what became of it; 1 where a promise was not kept."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--n", type=int, default=20)
    parser.add_argument("--restarts", type=int, default=100)
    parser.add_argument("--patience", type=float, default=0, help="seconds of silence, instead of the program's own")
    report.add_json(parser)
    arguments = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="apprentice-deaths-") as folder:
        os.environ["APPRENTICE_HOME"] = str(Path(folder) / "home")
        result = prove(arguments.n, arguments.restarts, arguments.patience, Path(folder))
    return report.tell(result, arguments.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
