"""A hub for tests: the server's process, what it holds, and what it was asked for."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from studio.contract import events, job, online
from studio.contract.job import DownloadModelJob
from studio.contract.run_folder import RunFolder, jobs_folder
from tests.helpers.shared_data import PROJECT


class Hub:
    """Attributes:
    folder: The server's.
    endpoint: Its address.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "repos").mkdir(parents=True)
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.hub_server", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=PROJECT,
        )
        assert self._server.stdout is not None
        self.endpoint = f"http://127.0.0.1:{int(self._server.stdout.readline())}"

    def close(self) -> None:
        """End the server."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(10)
        self._server.stdout.close()

    def place(self, name: str) -> Path:
        """Where the files of a model lie."""
        return self.folder / "repos" / name

    def behave(self, **values: Any) -> None:
        """How it behaves from now on; see `hub_server`."""
        (self.folder / "behaviour.json").write_text(json.dumps(values))

    def asked(self) -> list[dict[str, Any]]:
        """Every request so far."""
        path = self.folder / "requests.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def start(self, repository: str, revision: str = "main", module: str = "studio.worker.online") -> "Download":
        """Begin a download as the window does."""
        return Download(DownloadModelJob(repository=repository, revision=revision), self.endpoint, module)

    def download(self, repository: str, revision: str = "main") -> events.AnyEvent:
        """The final event of a whole download."""
        return self.start(repository, revision).final()


class Download:
    """A worker that fetches a model."""

    def __init__(self, work: job.Job, endpoint: str, module: str = "studio.worker.online") -> None:
        self.folder = RunFolder.create(jobs_folder(), "job")
        job.save(work, self.folder.job)
        environment = os.environ | online.VARIABLES | {"HF_ENDPOINT": endpoint, "PYTHONPATH": str(PROJECT)}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, str(self.folder.path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )

    def next(self) -> events.AnyEvent | None:
        """The next event; None after the last."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return events.decode(line) if line else None

    def final(self) -> events.AnyEvent:
        """Wait for its end."""
        last = None
        while (event := self.next()) is not None:
            last = event
        _, told = self.process.communicate()
        assert last is not None, told.decode()
        assert isinstance(last, events.FINAL), told.decode()
        return last
