"""The models that the user may train: the built-in starter and folders that were added."""

from pathlib import Path

import msgspec

from studio.contract.events import ModelChecked
from studio.contract.run_folder import home_folder, starter_folder
from studio.contract.whole_file import write_whole


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
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return _Shelf()  # only a cache of checks: the folders can be added again


def _write(shelf: _Shelf) -> None:
    write_whole(_shelf_file(), msgspec.json.encode(shelf))
