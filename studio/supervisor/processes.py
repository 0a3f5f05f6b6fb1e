"""Worker processes as the window sees them: how one is started, whether it lives, how its tree is ended."""

import os
import subprocess
import time
from pathlib import Path

import psutil

from studio.contract import installed, job, offline, online
from studio.contract.errors import StudioError
from studio.contract.plain_text import harmless, redact
from studio.contract.run_folder import RunFolder
from studio.data.worker_lock import write_lock

START_MARK = "--- A worker starts: "
"""Stands in the log before what each worker writes."""


def may_connect(folder: RunFolder) -> bool:
    """Whether a folder's job is one for which the user allowed a connection: a model's download, and nothing else."""
    try:
        return isinstance(job.load(folder.job), job.DownloadModelJob)
    except StudioError:
        return False  # its worker says so


def worker_command(folder: RunFolder) -> list[str]:
    """The explicit command line of a worker (the packaged window is frozen, the worker's environment is not)."""
    module = "studio.worker.online" if may_connect(folder) else "studio.worker"
    return [*installed.worker_python(), "-m", module, str(folder.path)]


def worker_environment(online_: bool = False) -> dict[str, str]:
    """The environment of a worker: offline (but for a download), unbuffered, no display needed."""
    environment = dict(os.environ)
    environment.update(online.VARIABLES if online_ else offline.VARIABLES, PYTHONUNBUFFERED="1")
    if installed.program_folder() is None:  # an installed worker brings the program with it
        root = str(Path(__file__).resolve().parents[2])
        paths = [root, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
        environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    return environment


def start_worker(folder: RunFolder) -> subprocess.Popen[bytes]:
    """Start the worker of a job's folder in a session of its own, so that it outlives the window.

    Raises:
        OSError: The interpreter is missing or cannot be started.
    """
    log = os.open(folder.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(log, f"{START_MARK}{time.strftime('%Y-%m-%d %H:%M:%S')}\n".encode())
        process = subprocess.Popen(
            worker_command(folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=worker_environment(may_connect(folder)),
            cwd=folder.path,
            start_new_session=True,
        )
    finally:
        os.close(log)
    write_lock(folder, process.pid)  # the worker writes the same; this closes the gap until it has started
    return process


def kill_tree(process: psutil.Process) -> None:
    """End a process and all its children at once."""
    try:
        family = [*process.children(recursive=True), process]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=5)


def last_lines(path: Path, count: int = 15, most_bytes: int = 16_384) -> str:
    """The end of a log, for a failure's details: of its last worker, without secrets or what would steer a terminal."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - most_bytes))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    text = text.rpartition(START_MARK)[2].partition("\n")[2] if START_MARK in text else text
    return redact("\n".join(harmless(line) for line in text.splitlines()[-count:]))
