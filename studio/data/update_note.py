"""Checking for updates without a network: a note in a file, signed by those who make the program.

Nothing is fetched and nothing is installed. The user brings the file, the program says whether it is genuine, whether
it tells of a newer version, and whether an installer that lies beside it is the one that the note means.
"""

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Generator
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from studio import __version__
from studio.contract import installed
from studio.contract.errors import StudioError
from studio.contract.run_folder import resources_folder

SUFFIX = ".apprentice-update"
PURPOSE = b"apprentice-studio update note 1\n"
"""Signed before the note itself: a signature over anything else of ours is none for a note."""
MOST_BYTES = 1_000_000
PIECE_BYTES = 2**22
"""Of an installer, read at once: some ten milliseconds, so that the window goes on answering."""

Version = Annotated[str, Meta(pattern=r"^\d{1,6}(\.\d{1,6}){1,3}$")]


class Installer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of a version.

    Attributes:
        system: "linux" or "windows".
        edition: "cpu" or "cuda".
        sha256: Hexadecimal.
    """

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,150}$")]
    system: str
    edition: str
    size_bytes: Annotated[int, Meta(ge=0)]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What the makers say of a version. Fields of later programs are passed over: the signature covers them, too.

    Attributes:
        date: When it was made, such as 2026-11-28.
        changes: What is new, a sentence each.
    """

    version: Version
    date: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$")]
    changes: tuple[str, ...] = ()
    installers: tuple[Installer, ...] = ()


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """The file: the note as text, exactly as it was signed, and the Ed25519 signature in base64."""

    note: str
    signature: str


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a genuine note means for this program.

    Attributes:
        newer: Whether the note tells of a later version than this one.
        beside: Installers of the note that lie in the note's folder; `compare` says whether they are what it means.
    """

    note: Note
    mine: str
    newer: bool
    beside: tuple[Installer, ...] = ()


def check(path: Path) -> Told:
    """Read a note that the user opened.

    Raises:
        StudioError: `update.unreadable`, `update.not_a_note`, `update.wrong_signature`.
    """
    note = verify(_read(path), _keys())
    beside = tuple(one for one in note.installers if (path.parent / one.name).is_file())
    return Told(note=note, mine=__version__, newer=_numbers(note.version) > _numbers(__version__), beside=beside)


def compare(folder: Path, meant: Installer) -> Generator[float, None, bool]:
    """Read an installer in pieces; yields the share that was read, ends with whether it is what the note means.

    Raises:
        StudioError: `update.unreadable`.
    """
    digest, seen = hashlib.sha256(), 0
    try:
        with (folder / meant.name).open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                digest.update(piece)
                seen += len(piece)
                yield min(1.0, seen / max(1, meant.size_bytes))
    except OSError as error:
        raise StudioError(
            "update.unreadable", f"{meant.name} cannot be read.", f"{error.strerror or error}.", "Get it anew."
        ) from error
    return digest.hexdigest() == meant.sha256


def damaged(name: str) -> StudioError:
    """What is said of an installer that is another file than the note means."""
    return StudioError(
        "update.damaged_installer",
        f"{name} is not the file that the note means.",
        "Its SHA-256 differs: it was damaged on its way, or exchanged.",
        "Do not install it; get it anew.",
    )


def for_this_program(note: Note) -> list[Installer]:
    """The note's files for this system, those of the installed edition first."""
    system = "windows" if os.name == "nt" else "linux"
    package = installed.package()
    edition = package.edition if package is not None else "cpu"
    return sorted((one for one in note.installers if one.system == system), key=lambda one: one.edition != edition)


def message(note: str) -> bytes:
    """The bytes that are signed."""
    return PURPOSE + note.encode()


def verify(signed: Signed, keys: list[bytes]) -> Note:
    """The note, where one of the keys (32 bytes each) has signed it.

    Raises:
        StudioError: `update.wrong_signature`, `update.not_a_note`.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        signature = base64.b64decode(signed.signature, validate=True)
    except (ValueError, binascii.Error) as error:
        raise _not_a_note("its signature is not written in base64") from error
    for key in keys:
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, message(signed.note))
        except InvalidSignature:
            continue
        try:
            return msgspec.json.decode(signed.note, type=Note)
        except msgspec.DecodeError as error:
            raise _not_a_note(str(error)) from error
    raise StudioError(
        "update.wrong_signature",
        "This update note was not signed by the makers of Apprentice Studio, or it was changed afterwards.",
        "Its signature does not belong to its text and to the key that this program carries.",
        "Do not install what came with it. Get the note anew from where you got the program.",
    )


def _read(path: Path) -> Signed:
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise StudioError(
            "update.unreadable",
            f"{path.name} cannot be read.",
            f"{error.strerror or error}.",
            f"Choose the file that ends in {SUFFIX}.",
        ) from error
    if len(text) > MOST_BYTES:
        raise _not_a_note("it is far too large for one")
    try:
        return msgspec.json.decode(text, type=Signed)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _not_a_note(str(error)) from error


def _not_a_note(why: str) -> StudioError:
    return StudioError(
        "update.not_a_note",
        "This is no update note of Apprentice Studio.",
        f"Technically: {why.rstrip('.')}.",
        f"Choose the file that ends in {SUFFIX}.",
    )


def _keys() -> list[bytes]:
    """The keys that this program carries, one a line; a line that begins with # is a remark."""
    lines = (resources_folder() / "update_key.txt").read_text(encoding="ascii").splitlines()
    return [base64.b64decode(line) for line in lines if line and not line.startswith("#")]


def _numbers(version: str) -> tuple[int, ...]:
    """1.10 is later than 1.9, and 1.0 the same as 1.0.0."""
    numbers = [int(number) for number in re.findall(r"\d+", version)]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
