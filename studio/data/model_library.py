"""The models that the user may train: the built-in starter and folders that were added."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from studio.contract.errors import Problem
from studio.contract.events import ModelChecked
from studio.contract.run_folder import home_folder, starter_folder
from studio.contract.whole_file import put_aside, write_whole


class _Shelf(msgspec.Struct):
    """Content of models.json: what the last check of each folder found."""

    models: list[ModelChecked] = []


def _shelf_file() -> Path:
    return home_folder() / "models.json"


def list_models() -> list[ModelChecked]:
    """What was found at the last check, the starter first; folders that are gone are left out."""
    starter = str(starter_folder())
    known = [model for model in _read().models if Path(model.path).is_dir()]
    return sorted(known, key=lambda model: (model.path != starter, model.name.lower()))


def put_model(model: ModelChecked) -> None:
    """Add a model, or replace what was known of its folder; a mere check keeps what was noted when it was added."""
    shelf = _read()
    before = next((known for known in shelf.models if known.path == model.path), None)
    if before is not None and not model.sha256:
        name = before.name if before.copied else model.name
        model = msgspec.structs.replace(
            model, name=name, sha256=before.sha256, fingerprint=before.fingerprint, copied=before.copied
        )
    shelf.models = [known for known in shelf.models if known.path != model.path] + [model]
    _write(shelf)


def remove_model(path: str) -> None:
    """Forget a folder; its files stay untouched."""
    shelf = _read()
    shelf.models = [known for known in shelf.models if known.path != path]
    _write(shelf)


def _read() -> _Shelf:
    try:
        return msgspec.json.decode(_shelf_file().read_bytes(), type=_Shelf)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Shelf(list(_salvaged()))
    except OSError:
        return _Shelf()


def _salvaged() -> Iterator[ModelChecked]:
    """Models of a damaged file that can still be read."""
    text, decoder = _shelf_file().read_bytes().decode("utf-8", errors="replace"), json.JSONDecoder()
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
        OSError: The disk refuses.
    """
    found = _mended()
    if found is not None:
        _untold.append(found)
    return _untold.pop() if _untold else None


def _mended() -> Problem | None:
    try:
        msgspec.json.decode(_shelf_file().read_bytes(), type=_Shelf)
        return None
    except OSError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
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
    """Whole, or not at all; a damaged file that is there is kept aside, and told with the next `mend`."""
    found = _mended()
    if found is not None:
        _untold.append(found)
    write_whole(_shelf_file(), msgspec.json.encode(shelf))
