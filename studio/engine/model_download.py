"""Fetch a model from the hub: what is needed of it and nothing that can run code, resumed where it broke off, checked.

Runs in the one process that may connect (`studio.worker.online`). Only safetensors and the small files beside them are
asked for. Each file is compared with the hash that the hub tells; then the whole goes through the same checks as any
model from strangers, and takes its name.
"""

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from studio.contract import online
from studio.contract.control import Control, Emit
from studio.contract.errors import StudioError
from studio.contract.events import ModelChecked, Progress
from studio.contract.job import DownloadModelJob
from studio.contract.run_folder import MARKER, make_folder, models_folder
from studio.contract.whole_file import sync_names
from studio.data.file_lock import FileLock
from studio.data.model_library import name_copy
from studio.engine import download_failures, model_folder
from studio.engine.model_adding import free_name, known
from studio.engine.model_files import BESIDE
from studio.engine.weights_file import PICKLED

PARTIAL = ".download-"
PART = ".part"
LOCK = ".lock"
KEPT_SECONDS = 14 * 24 * 3600
"""How long what was fetched in part is kept for going on."""
MARGIN = 1.02
BLOCK = 1 << 16
TIMEOUT_SECONDS = 10.0
TRIES = 5
"""Attempts in a row that brought nothing, before a connection is given up."""
WAIT_SECONDS = 1.0
WEIGHTS = re.compile(r"model(-\d+-of-\d+)?\.safetensors")
INDEX = "model.safetensors.index.json"
SMALL = frozenset({"config.json", "generation_config.json", "README.md", INDEX, *BESIDE})
TERMS = re.compile(r"(LICEN[SC]E|NOTICE|USE_POLICY|COPYING)[\w.-]*")
LARGEST_SMALL = 100_000_000
LIBRARY = {"library_name": "apprentice-studio", "library_version": "0"}


class Remote(msgspec.Struct, frozen=True):
    """A file as the hub tells it: SHA-256 where it is kept as a large file, else git's hash of it."""

    name: str
    size: int
    sha256: str
    blob: str


class Listing(msgspec.Struct, frozen=True):
    """What is fetched of a repository: the change that its revision stands for, and the files."""

    repository: str
    commit: str
    files: tuple[Remote, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def download(work: DownloadModelJob, emit: Emit, control: Control) -> ModelChecked:
    """Fetch a model into the library. What was fetched of one that broke off is kept, and gone on from.

    Raises:
        StudioError: There is no such model, it is not for everybody, it is none that can be trained here, the
            connection is lost, the disk has no room, or the user stopped.
    """
    online.require_name(work.repository, work.revision)
    emit(Progress(stage=f"Asking {online.host()} for {work.repository}"))
    listing = _list(work)
    place = models_folder()
    _sweep(place)
    folder = place / f"{PARTIAL}{work.repository.replace('/', '--')}-{listing.commit[:12]}"
    if not folder.is_dir():
        make_folder(folder)
    with _held(folder, work.repository):
        os.utime(folder)
        _require_room(listing, folder)
        hashes = _fetch_all(listing, folder, emit, control)
        emit(Progress(stage="Checking the model"))
        checked = model_folder.check(folder)
        if checked.problems:
            shutil.rmtree(folder)  # made by us, and of no use
            raise StudioError.of(checked.problems[0])
        name_copy(folder, work.repository)
        sync_names(folder)
    (folder / LOCK).unlink(missing_ok=True)
    destination = free_name(place, work.repository.replace("/", "-"))
    folder.rename(destination)
    sync_names(place)
    return known(model_folder.check(destination), hashes)


# --- what there is ----------------------------------------------------------------------------------------


def _list(work: DownloadModelJob) -> Listing:
    from huggingface_hub import HfApi

    with download_failures.told(work.repository, work.revision):
        api = HfApi(endpoint=online.endpoint(), token=False, **LIBRARY)
        found = api.model_info(
            work.repository, revision=work.revision, files_metadata=True, timeout=TIMEOUT_SECONDS, token=False
        )
        there = {sibling.rfilename: sibling for sibling in found.siblings or ()}
        wanted = _wanted(set(there), work.repository)
        files = tuple(_remote(there[name]) for name in wanted)
    return Listing(work.repository, str(found.sha), files)


def _wanted(names: set[str], repository: str) -> list[str]:
    """The files to fetch, config.json first: what it says may end the download. Only names that we know."""
    if "config.json" not in names:
        raise StudioError(
            "hub.no_model",
            f"{repository} is no model that can be taught: it has no config.json.",
            "It may hold files for one program only (GGUF), an adapter, or a model of another kind.",
            "Choose the original model, as its maker published it.",
        )
    weights = sorted(name for name in names if WEIGHTS.fullmatch(name))
    if "model.safetensors" in weights:
        weights = ["model.safetensors"]
    if not weights:
        pickled = sorted(name for name in names if any(Path(name).match(kind) for kind in PICKLED))
        why = f"{pickled[0]} can run code when it is opened." if pickled else "It has no model.safetensors."
        raise StudioError(
            "hub.no_safetensors",
            f"The weights of {repository} are not there as safetensors; nothing was fetched.",
            f"Only safetensors are fetched. {why}",
            "Choose a model, or another revision of it, that has safetensors.",
        )
    small = sorted(name for name in names if (name in SMALL or TERMS.fullmatch(name)) and name != "config.json")
    if weights == ["model.safetensors"] and INDEX in small:
        small.remove(INDEX)
    return ["config.json", *small, *weights]


def _remote(sibling: Any) -> Remote:
    size, large = sibling.size, sibling.lfs
    most = None if WEIGHTS.fullmatch(sibling.rfilename) else LARGEST_SMALL
    if not isinstance(size, int) or size < 0 or (most is not None and size > most):
        raise StudioError(
            "hub.odd_answer",
            f"The hub tells an impossible size of {sibling.rfilename}: {size}.",
            fix="Try again later, or fetch the model with another program and add its folder.",
        )
    return Remote(sibling.rfilename, size, large.sha256 if large is not None else "", sibling.blob_id or "")


def _require_room(listing: Listing, folder: Path) -> None:
    there = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    free, needed = shutil.disk_usage(folder).free, int((listing.size - there) * MARGIN)
    if free < needed:
        raise StudioError(
            "model.no_room",
            f"The disk has no room for {listing.repository}: {free / 1e9:.2f} GB are free, {needed / 1e9:.2f} GB are "
            "needed.",
            "Nothing more was fetched.",
            f"Free {(needed - free) / 1e9:.2f} GB, and download it again.",
        )


# --- fetching ---------------------------------------------------------------------------------------------


class _Meter:
    """Counts bytes of all files, tells them, and looks whether the user has stopped."""

    def __init__(self, listing: Listing, emit: Emit, control: Control) -> None:
        self._listing, self._emit, self.control = listing, emit, control
        self.done = 0
        self.stage = ""

    def add(self, count: int) -> None:
        self.done += count
        self._emit(Progress(stage=self.stage, done=self.done, total=self._listing.size, unit="bytes"))
        if self.control.poll() in ("stop", "discard"):
            raise download_failures.stopped(self._listing.repository, self.done)


def _fetch_all(listing: Listing, folder: Path, emit: Emit, control: Control) -> dict[str, str]:
    """SHA-256 of each file that lies in the folder afterwards, whole and compared."""
    meter = _Meter(listing, emit, control)
    hashes = {}
    for file in listing.files:
        meter.stage = f"Fetching {file.name}"
        with download_failures.told(listing.repository, listing.commit):
            hashes[file.name] = _fetch(listing, file, folder, meter)
        if file.name == "config.json":
            try:
                model_folder.require_supported(folder)
            except StudioError:
                shutil.rmtree(folder)  # made by us, and of no use
                raise
    return hashes


def _fetch(listing: Listing, file: Remote, folder: Path, meter: _Meter) -> str:
    whole, part = folder / file.name, folder / f"{file.name}{PART}"
    if not whole.exists():
        if part.exists() and part.stat().st_size > file.size:
            part.unlink()
        _fetch_part(listing, file, part, meter)
        meter.stage = f"Reading {file.name} once more"
        sha256 = _require_same(part, file)
        part.rename(whole)
        return sha256
    meter.add(file.size)
    return _require_same(whole, file)


def _fetch_part(listing: Listing, file: Remote, part: Path, meter: _Meter) -> None:
    """Fetch what is missing of a file; a connection that breaks off is made anew while it brings something."""
    import httpx2

    begin = part.stat().st_size if part.exists() else 0
    meter.add(begin)
    failed = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        fault: Exception | None = None
        try:
            _stream(listing, file, part, meter)
        except httpx2.TransportError as error:
            fault = error
        now = part.stat().st_size if part.exists() else 0
        if now == file.size and fault is None:
            return
        failed = 1 if now > before else failed + 1
        if failed >= TRIES or online.refused:
            raise fault or httpx2.RemoteProtocolError("the answer was shorter than was told")
        meter.control.wait(WAIT_SECONDS * failed)
        meter.add(0)


def _stream(listing: Listing, file: Remote, part: Path, meter: _Meter) -> None:
    from huggingface_hub import get_session, hf_hub_url
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

    url = hf_hub_url(listing.repository, file.name, revision=listing.commit, endpoint=online.endpoint())
    headers = build_hf_headers(token=False, **LIBRARY) | {"Accept-Encoding": "identity"}
    with part.open("ab") as target:
        there = target.tell()
        if there == file.size:
            return
        if there:
            headers["Range"] = f"bytes={there}-"
        asked = get_session().stream("GET", url, headers=headers, timeout=TIMEOUT_SECONDS, follow_redirects=True)
        with asked as response:
            hf_raise_for_status(response)
            goes_on = response.status_code == 206 and f"bytes {there}-" in response.headers.get("Content-Range", "")
            if there and not goes_on:
                target.truncate(0)
                meter.add(-there)
                there = 0
            for block in response.iter_bytes(BLOCK):
                there += len(block)
                if there > file.size:
                    raise _damaged(file, "It is longer than the hub told.")
                target.write(block)
                meter.add(len(block))
        target.flush()
        os.fsync(target.fileno())


def _require_same(path: Path, file: Remote) -> str:
    """SHA-256 of a file that is the one the hub told of; another one is removed."""
    sha256, blob = hashlib.sha256(), hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as content:
        while block := content.read(1 << 22):
            sha256.update(block)
            blob.update(block)
    found = sha256.hexdigest()
    wanted, had = (file.sha256, found) if file.sha256 else (file.blob, blob.hexdigest())
    if wanted != had:
        path.unlink()
        raise _damaged(file, f"Its hash is {had[:16]}…, and the hub told {wanted[:16]}….")
    return found


def _damaged(file: Remote, why: str) -> StudioError:
    return StudioError(
        "hub.damaged",
        f"{file.name} did not arrive as it was sent; it was thrown away.",
        why,
        "Download it again: what arrived whole is kept. If it happens again, something on the way changes files.",
        where=file.name,
    )


# --- folders of downloads ---------------------------------------------------------------------------------


@contextmanager
def _held(folder: Path, repository: str) -> Iterator[None]:
    lock = FileLock(folder / LOCK)
    if not lock.take():
        raise StudioError(
            "hub.going",
            f"{repository} is being fetched already.",
            "Another window or command is at it.",
            "Wait until it is there.",
        )
    try:
        with download_failures.of_disk(repository):
            yield
    finally:
        lock.release()


def _sweep(place: Path, now: Callable[[], float] = time.time) -> None:
    """Remove what was fetched in part and not gone on with for long; only folders that bear our marker."""
    for folder in place.glob(f"{PARTIAL}*"):
        if folder.is_symlink() or not (folder / MARKER).is_file():
            continue
        if now() - folder.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(folder)
