"""Names and layout of the files of a run (and of any job), and where the program keeps its things."""

import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from studio.contract import installed
from studio.contract.errors import StudioError

MARKER = ".apprentice-studio"
"""Only folders that bear this file are ever deleted or replaced."""


def home_folder() -> Path:
    """Where datasets, models, runs and chats lie; APPRENTICE_HOME overrides it. Created with mode 0700.

    Raises:
        StudioError: It cannot be created.
    """
    folder = _home()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(folder, error) from error
    return folder


def _home() -> Path:
    chosen = os.environ.get("APPRENTICE_HOME")
    return Path(chosen) if chosen else Path(platformdirs.user_data_dir("apprentice-studio", appauthor=False))


def keep_caches() -> None:
    """Have torch keep what it compiles among the program's things, and not in the folder for temporary files.

    To be called before torch is imported.
    """
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(_home() / "cache" / "torch"))


def _not_writable(folder: Path, error: OSError) -> StudioError:
    return StudioError(
        "disk.not_writable",
        f"The program's folder {folder} cannot be made.",
        f"{error.strerror}.",
        "Change its permissions, or name another folder in the variable APPRENTICE_HOME.",
    )


def resources_folder() -> Path:
    """The program's own files: presets, the starter model, the sample, icons."""
    program = installed.program_folder()
    if program is not None:
        return program / "resources"
    beside = Path(__file__).resolve().parents[2] / "resources"
    return beside if beside.is_dir() else Path(__file__).resolve().parents[1] / "resources"


STARTER_NAME = "Starter"
"""What people read instead of the folder's name."""


def starter_folder() -> Path:
    """The built-in starter model."""
    return resources_folder() / "starter"


def sample_folder() -> Path:
    """The sample data: sample.jsonl and held_back.jsonl."""
    return resources_folder() / "sample"


def make_folder(folder: Path) -> Path:
    """A folder of ours: mode 0700, with the marker in it.

    Raises:
        StudioError: `disk.not_writable`.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / MARKER).touch(mode=0o600)
    except OSError as error:
        raise _not_writable(folder, error) from error
    return folder


class RunFolder:
    """The files of one job. For a training run this folder is the truth; everything else is derived from it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunFolder) and other.path == self.path

    def __hash__(self) -> int:
        return hash(self.path)

    @classmethod
    def create(cls, parent: Path, prefix: str) -> "RunFolder":
        """A new, empty folder `<prefix>-<date>-<time>-<random>`, which sorts by age; never one that is there.

        Raises:
            StudioError: `disk.not_writable`.
        """
        while True:
            folder = parent / f"{prefix}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
            try:
                folder.mkdir(mode=0o700, parents=True)
            except FileExistsError:  # a run of this very second has drawn the same: its folder is its own
                continue
            except OSError as error:
                raise _not_writable(folder, error) from error
            return cls(make_folder(folder))

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def job(self) -> Path:
        return self.path / "job.json"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def commands(self) -> Path:
        return self.path / "commands.jsonl"

    @property
    def lock(self) -> Path:
        """JSON {"pid", "started"} of the worker; held (flock) while it lives."""
        return self.path / "worker.lock"

    @property
    def log(self) -> Path:
        """The worker's stderr."""
        return self.path / "worker.log"

    @property
    def adapter(self) -> Path:
        """The trained adapter in PEFT's layout."""
        return self.path / "adapter"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def iter_lines(self) -> Iterator[bytes]:
        """Complete lines of events.jsonl; a last line without line feed (a cut write) is left out."""
        if not self.events.exists():
            return
        with self.events.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield line


def runs_folder() -> Path:
    """Parent of all training runs."""
    return _ours("runs")


def jobs_folder() -> Path:
    """Parent of short jobs' folders (imports, previews, chats); emptied when the window starts."""
    return _ours("jobs")


def datasets_folder() -> Path:
    """Parent of imported datasets."""
    return _ours("datasets")


def models_folder() -> Path:
    """Copies of models that the user added."""
    return _ours("models")


def chats_folder() -> Path:
    """Saved chats."""
    return _ours("chats")


def _ours(name: str) -> Path:
    folder = home_folder() / name
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise _not_writable(folder, error) from error
    return folder
