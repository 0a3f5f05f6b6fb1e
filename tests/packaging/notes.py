"""Signed update notes for tests, and the scripts of packaging/ that make the real ones."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from studio.data import update_note
from studio.data.update_note import Installer, Note
from tests.helpers.shared_data import PROJECT

NAME = "apprentice-studio-9.0.0-linux-x86_64-cpu.deb"
CONTENT = b"an installer"


def load_release() -> ModuleType:
    """packaging/release.py."""
    spec = importlib.util.spec_from_file_location("release_script", PROJECT / "packaging" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path[:] = before
    return module


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> Ed25519PrivateKey:
    """A key that the program trusts."""
    made = Ed25519PrivateKey.generate()
    public = made.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    monkeypatch.setattr(update_note, "_keys", lambda: [public])
    return made


@pytest.fixture
def note_file(tmp_path: Path, key: Ed25519PrivateKey) -> Path:
    """A genuine note of a later version, with its installer beside it."""
    (tmp_path / NAME).write_bytes(CONTENT)
    return write_note(tmp_path, key, "9.0.0")


def write_note(folder: Path, key: Ed25519PrivateKey, version: str) -> Path:
    """Sign a note over the installer of `CONTENT`."""
    import hashlib

    one = Installer(
        name=NAME,
        system="linux",
        edition="cpu",
        size_bytes=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
    )
    note = Note(version=version, date="2027-01-31", changes=("It is better.",), installers=(one,))
    path = folder / f"apprentice-studio-{version}{update_note.SUFFIX}"
    path.write_bytes(load_release().sign_note(note, key))
    return path


def scripts() -> Iterator[None]:
    """The scripts of packaging/ as dev.py sees them."""
    sys.path.insert(0, str(PROJECT / "packaging"))
    known = set(sys.modules)
    yield
    sys.path.remove(str(PROJECT / "packaging"))
    for name in set(sys.modules) - known:
        if name.partition(".")[0] in ("installers", "environment", "display", "man_page"):
            del sys.modules[name]
