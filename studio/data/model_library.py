"""The models that the user may train: the built-in starter and folders that were added."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from studio.contract.errors import Problem, StudioError
from studio.contract.events import ModelChecked
from studio.contract.plain_text import one_line
from studio.contract.run_folder import MARKER, home_folder, models_folder, starter_folder
from studio.contract.whole_file import put_aside, write_whole
from studio.data.file_lock import FileLock

WAIT_SECONDS = 2.0
"""Others hold the lock for a moment only, to change the file."""


class _Shelf(msgspec.Struct):
    """Content of models.json: what the last check of each folder found."""

    models: list[ModelChecked] = []


def _shelf_file() -> Path:
    return home_folder() / "models.json"


AWAY = Problem(code="model.away", what="Not there now: plug the stick in or add the model again.")
"""Of a model whose folder is gone, perhaps with the stick that it lies on."""


def list_models() -> list[ModelChecked]:
    """What was found at the last check, the starter first; those whose folders are away are marked and not usable."""
    starter = starter_folder()
    try:
        models = _read().models
    except OSError:
        models = []
    known = [as_it_is(model) for model in models if not _is_former_starter(model, starter)]
    return sorted(known, key=lambda model: (model.path != str(starter), model.name.lower()))


def as_it_is(model: ModelChecked) -> ModelChecked:
    """What is known of a model, marked where its folder is away."""
    if Path(model.path).is_dir():
        return model
    return msgspec.structs.replace(model, usable=False, problems=(AWAY,))


def is_away(model: ModelChecked) -> bool:
    """Whether a model of the list is marked."""
    return AWAY in model.problems


def _is_former_starter(model: ModelChecked, starter: Path) -> bool:
    """Of a program that was moved or that lies elsewhere at each start: the built-in model is where it is now."""
    path = Path(model.path)
    return path != starter and path.parts[-2:] == starter.parts[-2:] and not model.sha256 and not path.is_dir()


def put_model(model: ModelChecked) -> ModelChecked:
    """Add a model, or replace what was known of its folder; a mere check keeps what was noted when it was added.

    A copy of ours stays one, under the name of what it was copied from.

    Returns:
        It, as the list has it now.

    Raises:
        StudioError: The list cannot be changed.
    """
    with _changing() as shelf:
        before = next((known for known in shelf.models if known.path == model.path), None)
        if before is not None and is_away(model):  # the mark is of the moment
            model = msgspec.structs.replace(model, usable=before.usable, problems=before.problems)
        if before is not None and before.copied and not (model.copied and name_of_copy(Path(model.path))):
            model = msgspec.structs.replace(model, name=before.name, copied=True)
            with suppress(OSError):  # earlier builds noted no name; the list has it in any case
                if is_our_copy(Path(model.path)):
                    name_copy(Path(model.path), before.name)
        if before is not None and not model.sha256:
            model = msgspec.structs.replace(model, sha256=before.sha256, fingerprint=before.fingerprint)
        shelf.models = [known for known in shelf.models if known.path != model.path] + [model]
    return model


def is_our_copy(folder: Path) -> bool:
    """Whether a folder is a copy of a model that the program made and may delete."""
    ours = (folder / MARKER).is_file() and not folder.is_symlink()
    return ours and folder.resolve().parent == models_folder().resolve()


def name_copy(folder: Path, name: str) -> None:
    """Note in our copy's marker of what model it is: it is told by this name when it is added once more.

    Raises:
        OSError: The disk refuses.
    """
    (folder / MARKER).write_text(name, encoding="utf-8")


def name_of_copy(folder: Path) -> str:
    """What `name_copy` noted; "" where it did not."""
    try:
        with (folder / MARKER).open("rb") as file:
            return one_line(file.read(300).decode("utf-8", errors="replace"))
    except OSError:
        return ""


def remove_model(path: str) -> ModelChecked | None:
    """Forget a folder; its files stay untouched.

    Returns:
        What was known of it.

    Raises:
        StudioError: The list cannot be changed.
    """
    with _changing() as shelf:
        before = next((known for known in shelf.models if known.path == path), None)
        shelf.models = [known for known in shelf.models if known.path != path]
    return before


@contextmanager
def _held() -> Iterator[None]:
    """While it lasts nobody else changes the list, of whatever window or terminal."""
    lock = FileLock(home_folder() / "models.lock")
    try:
        if not lock.take(WAIT_SECONDS):
            raise _unchanged("Another window is busy with it.")
        yield
    except OSError as error:
        raise _unchanged(f"{error.strerror or error}.") from error
    finally:
        lock.release()


@contextmanager
def _changing() -> Iterator[_Shelf]:
    """The list as it is, to be written as it will be."""
    with _held():
        shelf = _read()
        yield shelf
        _write(shelf)


def _unchanged(why: str) -> StudioError:
    return StudioError(
        "model.list_unchanged", "The list of models could not be changed.", why, "Try it again.", where="models.json"
    )


def _read() -> _Shelf:
    """The list; of a damaged one what can be read of it.

    Raises:
        OSError: It is there and the disk does not give it: what is not known must not be written over.
    """
    try:
        content = _shelf_file().read_bytes()
    except FileNotFoundError:
        return _Shelf()
    try:
        return msgspec.json.decode(content, type=_Shelf)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Shelf(list(_salvaged(content)))


def _salvaged(content: bytes) -> Iterator[ModelChecked]:
    """Models of a damaged file that can still be read."""
    text, decoder = content.decode("utf-8", errors="replace"), json.JSONDecoder()
    for place in re.finditer(r'\{"event":\s*"model_checked"', text):
        try:
            row, _ = decoder.raw_decode(text, place.start())
            yield msgspec.convert(row, ModelChecked)
        except (ValueError, RecursionError):
            continue


_untold: list[Problem] = []


def mend() -> Problem | None:
    """Put a damaged list of models aside and keep what can be read of it; what is to be said of it, once.

    Raises:
        StudioError: The list cannot be changed.
    """
    if _is_damaged():
        with _held():
            found = _mended()  # None where another window was quicker, and tells it
        if found is not None:
            _untold.append(found)
    return _untold.pop() if _untold else None


def _is_damaged() -> bool:
    try:
        msgspec.json.decode(_shelf_file().read_bytes(), type=_Shelf)
    except OSError:
        return False
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True
    return False


def _mended() -> Problem | None:
    if not _is_damaged():
        return None
    shelf = _read()
    aside = put_aside(_shelf_file())
    write_whole(_shelf_file(), msgspec.json.encode(shelf))
    return Problem(
        code="model.list_damaged",
        what="The list of models was damaged.",
        why=f"Models that could be read of it: {len(shelf.models)}; the models' own files are untouched.",
        fix=f"Add what is missing again; the damaged file is kept as {aside.name} in the program's folder.",
    )


def _write(shelf: _Shelf) -> None:
    """Whole, or not at all; a damaged file that is there is kept aside, and told with the next `mend`.

    Raises:
        OSError: The disk refuses.
    """
    found = _mended()
    if found is not None:
        _untold.append(found)
    write_whole(_shelf_file(), msgspec.json.encode(shelf))
