"""Checkpoints that a power cut cannot spoil: safetensors and JSON only, checked by SHA-256, complete or absent.

Written into a temporary folder beside the final one, every file flushed to the disk, the manifest with all checksums
last, then renamed. A folder without a fitting manifest is no checkpoint; reading one byte differently from what was
written makes it damaged.
"""

import hashlib
import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from studio.contract.control import Emit
from studio.contract.errors import Problem, StudioError
from studio.contract.events import Notice
from studio.contract.run_folder import MARKER, make_folder
from studio.contract.taking_up import NONE_WHOLE
from studio.engine.verdict import Measured

MANIFEST = "manifest.json"
STATE = "state.json"
KEEP_LATEST = 2
_NAME = re.compile(r"^step-(\d{9})$")


class State(msgspec.Struct, kw_only=True):
    """All of a run that is no tensor.

    Attributes:
        fingerprint: Of the job and of what it learns from; a checkpoint fits no other.
        epoch, batch: Place in the plan of the next step.
        before: What the base model could do.
        evaluated_step: Last step that was followed by a test; 0 is the test of the base.
        best_loss, best_step: Of the best test so far (None: no test yet).
        worse: Tests in a row without improvement.
        end_seconds: What the tests at the end will cost, by those at the start.
        source, quantisation, max_tokens: Of `resuming.Identity`; empty in checkpoints of before they were kept.
        epoch_steps: Corrections of one pass; 0: not kept yet.
        recomputed: Layers that were computed twice where that was left to the run.
        optimiser, generators: JSON trees whose leaves name tensors.
    """

    fingerprint: str
    step: int
    total_steps: int
    boxed: bool
    epoch: int
    batch: int
    train_seconds: float
    before: Measured
    evaluated_step: int
    best_loss: float | None
    best_step: int
    worse: int
    end_seconds: float = 0.0
    source: str = ""
    quantisation: str = ""
    max_tokens: int = 0
    epoch_steps: int = 0
    recomputed: int = 0
    optimiser: Any = None
    generators: Any = None


class Snapshot(msgspec.Struct):
    """A checkpoint in memory: `tensors` are file stem -> name -> tensor ("adapter", "best", ...)."""

    state: State
    tensors: dict[str, dict[str, torch.Tensor]]


class _Manifest(msgspec.Struct):
    step: int
    best_step: int
    files: dict[str, tuple[int, str]]
    """File name -> (bytes, SHA-256)."""


# --- on disk ----------------------------------------------------------------------------------------------


def save(folder: Path, snapshot: Snapshot) -> Path:
    """Write a checkpoint into `folder` (a run's checkpoints), then delete those that are no longer needed.

    The latest two and the best are never deleted, and none before the new one was read back and found whole.

    Returns:
        The checkpoint's own folder.

    Raises:
        OSError: The disk is full or cannot be written; earlier checkpoints are untouched.
    """
    make_folder(folder)
    final = folder / f"step-{snapshot.state.step:09d}"
    if final.exists():
        if is_whole(final):
            return final
        _delete(final)
    for left in folder.glob(".partial-step-*"):  # by a process that was killed while it saved
        _delete(left)
    partial = folder / f".partial-{final.name}"
    make_folder(partial)
    try:
        for stem, tensors in snapshot.tensors.items():
            save_file({n: _plain(t) for n, t in tensors.items()}, partial / f"{stem}.safetensors")
        (partial / STATE).write_bytes(msgspec.json.encode(snapshot.state))
        _seal(partial, snapshot.state)
        partial.rename(final)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise as_os_error(error, partial) from error
    flush(folder)
    if not is_whole(final):
        raise OSError(f"{final.name} reads back differently from what was written; the disk may be failing")
    _rotate(final)
    return final


_CODE = re.compile(r"\(os error (\d+)\)")


def as_os_error(error: Exception, place: Path) -> OSError:
    """What the system said, also where safetensors tells it in a text of its own."""
    if isinstance(error, OSError):
        return error
    code = _CODE.search(str(error))
    return OSError(int(code[1]), os.strerror(int(code[1])), str(place)) if code else OSError(str(error))


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to("cpu", copy=True).contiguous()


def _seal(folder: Path, state: State) -> None:
    """Flush every file and write the manifest last."""
    files = {}
    for path in sorted(folder.iterdir()):
        if path.name != MARKER:
            flush(path)
            files[path.name] = (path.stat().st_size, _sha256(path))
    body = msgspec.json.encode(_Manifest(state.step, state.best_step, files))
    manifest = folder / MANIFEST
    manifest.write_bytes(body + b"\n" + hashlib.sha256(body).hexdigest().encode() + b"\n")
    flush(manifest)
    flush(folder)


def flush(path: Path) -> None:
    """Have the system write a file or folder to the disk now."""
    if os.name == "nt" and path.is_dir():
        return  # Windows knows no flush of a folder
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_manifest(folder: Path) -> _Manifest | None:
    try:
        raw = (folder / MANIFEST).read_bytes()
        body, _, digest = raw.partition(b"\n")
        if digest != hashlib.sha256(body).hexdigest().encode() + b"\n":
            return None
        return msgspec.json.decode(body, type=_Manifest)
    except (OSError, msgspec.DecodeError):
        return None


def is_whole(folder: Path) -> bool:
    """Whether every file is byte for byte what was written."""
    manifest = _read_manifest(folder)
    if manifest is None or STATE not in manifest.files:
        return False
    for name, (size, digest) in manifest.files.items():
        path = folder / name
        try:
            if path.stat().st_size != size or _sha256(path) != digest:
                return False
        except OSError:
            return False
    return True


def found(folder: Path) -> list[Path]:
    """Folders named like checkpoints, newest first; whether they are whole is not looked at."""
    if not folder.is_dir():
        return []
    return sorted((p for p in folder.iterdir() if _NAME.match(p.name) and p.is_dir()), reverse=True)


def newest(folder: Path, emit: Emit) -> Path | None:
    """The newest whole checkpoint; the user is told of each damaged one that is passed over for it.

    Returns:
        None where none is whole; whether there were any, `found` knows, and `none_whole` says it.
    """
    damaged: list[Path] = []
    for path in found(folder):
        if is_whole(path):
            for other in damaged:
                emit(Notice(problem=_passed_over(other, path)))
            return path
        damaged.append(path)
    return None


def _passed_over(damaged: Path, used: Path) -> Problem:
    return Problem(
        code="checkpoint.damaged",
        what=f"The checkpoint {damaged.name} is damaged and is not used.",
        why="Its files differ from what was written, as after a power cut or on a failing disk.",
        fix=f"The run goes on from an earlier checkpoint, {used.name}; if this happens again, check the disk.",
        where=str(damaged),
    )


def none_whole(folder: Path) -> StudioError:
    """What is said where there are checkpoints, and all of them are damaged."""
    steps = int(found(folder)[0].name.removeprefix("step-"))
    count = len(found(folder))
    return StudioError(
        NONE_WHOLE,
        f"No whole checkpoint is left: starting over loses {steps:,} {'step' if steps == 1 else 'steps'}.",
        f"{'The only one is' if count == 1 else f'All of the {count:,} are'} damaged: files differ from what was "
        "written, as after a power cut or on a failing disk.",
        "Check the disk, or bring the checkpoints back from a copy of yours. To begin the run from its first step "
        '(what is damaged is kept aside): "Start it again", or --start-over on the command line.',
        details=f"Looked for in {folder}",
    )


def load(path: Path) -> Snapshot:
    """Read a checkpoint.

    Raises:
        StudioError: It is damaged.
    """
    manifest = _read_manifest(path)
    if manifest is None or not is_whole(path):
        raise StudioError(
            "checkpoint.damaged",
            f"The checkpoint {path.name} is damaged.",
            "Its files differ from what was written.",
            "Use an earlier checkpoint, or start the run anew.",
            where=str(path),
        )
    state = msgspec.json.decode((path / STATE).read_bytes(), type=State)
    stems = [Path(name).stem for name in manifest.files if name.endswith(".safetensors")]
    return Snapshot(state, {stem: load_file(path / f"{stem}.safetensors") for stem in stems})


def _rotate(saved: Path) -> None:
    """Delete checkpoints before a new, whole one: all but the newest of them that seems whole, and the best.

    Those of later steps are left alone. They are damaged (else the run would have gone on from them), and they must
    not count: a damaged one would take the place of one that is needed.
    """
    manifest = _read_manifest(saved)
    best = f"step-{manifest.best_step:09d}" if manifest else ""
    older = [path for path in found(saved.parent) if path.name < saved.name]
    kept = [path for path in older if _seems_whole(path)][: KEEP_LATEST - 1]
    for path in older:
        if path not in kept and path.name != best:
            _delete(path)


def _seems_whole(folder: Path) -> bool:
    """Whether all files are there in their sizes; what is in them is not read."""
    manifest = _read_manifest(folder)
    if manifest is None:
        return False
    try:
        return all((folder / name).stat().st_size == size for name, (size, _) in manifest.files.items())
    except OSError:
        return False


def _delete(path: Path) -> None:
    """Delete a folder of ours, without following links."""
    if path.is_dir() and not path.is_symlink() and (path / MARKER).is_file():
        # The manifest goes first: a half-deleted checkpoint must not look whole.
        (path / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(path)


def discard(folder: Path) -> None:
    """Delete a folder of ours, if it is there; links are not followed."""
    _delete(folder)


def replace_folder(final: Path, write: Callable[[Path], None]) -> None:
    """Have `write` fill a new folder, then put it under its final name in one step.

    Between its two renames the folder is under no name but `.old-…`: whoever was killed there finds it again here.

    Raises:
        OSError: The disk is full or cannot be written; what was there before is untouched.
    """
    partial, old = final.with_name(f".partial-{final.name}"), final.with_name(f".old-{final.name}")
    if not os.path.lexists(final) and (old / MARKER).is_file() and not old.is_symlink():
        old.rename(final)
    _delete(partial)
    _delete(old)
    make_folder(partial)
    try:
        write(partial)
        for path in partial.iterdir():
            flush(path)
        flush(partial)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise as_os_error(error, partial) from error
    if final.exists():
        final.rename(old)
    partial.rename(final)
    flush(final.parent)
    _delete(old)


# --- trees of tensors, and the random generators --------------------------------------------------------------


def take_apart(tree: Any, tensors: dict[str, torch.Tensor], prefix: str = "") -> Any:
    """Turn a tree of dicts, lists, tensors and plain values into JSON; its tensors go into `tensors` by name."""
    if isinstance(tree, torch.Tensor):
        tensors[prefix] = tree
        return {"tensor": prefix}
    if isinstance(tree, dict):
        return {"dict": [[key, take_apart(value, tensors, f"{prefix}/{key}")] for key, value in tree.items()]}
    if isinstance(tree, list | tuple) and any(isinstance(v, dict | list | tuple | torch.Tensor) for v in tree):
        return {"list": [take_apart(value, tensors, f"{prefix}/{i}") for i, value in enumerate(tree)]}
    return {"value": tree}


def put_together(tree: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """The inverse of `take_apart` (tuples come back as lists)."""
    ((kind, content),) = tree.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: put_together(value, tensors) for key, value in content}
    if kind == "list":
        return [put_together(value, tensors) for value in content]
    return content


def read_generators() -> dict[str, Any]:
    """The state of every random generator: Python's, NumPy's, torch's, and each GPU's."""
    kind, keys, *rest = np.random.get_state()
    state: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": [kind, torch.from_numpy(np.asarray(keys, dtype=np.int64)), *(v for v in rest)],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def set_generators(state: dict[str, Any]) -> None:
    """Put every random generator back to where `read_generators` found it."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
