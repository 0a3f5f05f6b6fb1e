#!/usr/bin/env python3
"""Makes the files by which the program checks for updates: `python3 packaging/dev.py release ...`

release key FILE           a new key pair: the secret half goes to FILE, the public one into resources/update_key.txt
release sign --key FILE    a signed note over what lies in out/packages, with the changes of CHANGELOG.md

The secret half never belongs into the repository. Who has it can sign what users will trust: keep it on a medium that
is not connected, and twice. A second line in update_key.txt lets two keys be valid while one is replaced by the other.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import sys
import time
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

ROOT = Path(__file__).resolve().parent.parent
PUBLIC = ROOT / "resources" / "update_key.txt"
PACKAGES = ROOT / "out" / "packages"
INSTALLER = re.compile(r"apprentice-studio.*-(linux|windows)-x86_64-(cpu|cuda).*\.(?:deb|tar\.zst|exe|bin)$")

sys.path.insert(0, str(ROOT))
from studio import __version__  # noqa: E402
from studio.data.update_note import SUFFIX, Installer, Note, Signed, message  # noqa: E402


def main(arguments: list[str]) -> int:
    """Runs one command; exit code 2 with a sentence where something is missing."""
    layout = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(prog="dev.py release", description=__doc__, formatter_class=layout)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("key").add_argument("file", type=Path)
    sign = commands.add_parser("sign")
    sign.add_argument("--key", type=Path, required=True)
    sign.add_argument("--packages", type=Path, default=PACKAGES)
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "key":
            make_key(chosen.file, PUBLIC)
        else:
            print(sign_packages(chosen.packages, read_key(chosen.key)))
    except (OSError, ValueError) as error:
        print(f"release: {error}", file=sys.stderr)
        return 2
    return 0


def make_key(secret: Path, public: Path) -> None:
    """Writes a new pair; overwrites no secret, and refuses a place inside the repository."""
    if secret.resolve().is_relative_to(ROOT):
        raise ValueError(f"the secret key does not belong into the repository ({secret}).")
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)
    line = base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
    public.write_text(
        f"# Who may sign update notes: Ed25519 public keys, base64, one a line (packaging/release.py).\n{line}\n",
        encoding="ascii",
    )


def read_key(path: Path) -> Ed25519PrivateKey:
    """The secret half; raises ValueError where the file holds something else."""
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path} holds a key of another kind; `release key` makes one.")
    return key


def sign_note(note: Note, key: Ed25519PrivateKey) -> bytes:
    """The file's bytes."""
    text = msgspec.json.encode(note).decode()
    signature = base64.b64encode(key.sign(message(text))).decode()
    return msgspec.json.format(msgspec.json.encode(Signed(note=text, signature=signature)), indent=1) + b"\n"


def sign_packages(packages: Path, key: Ed25519PrivateKey) -> Path:
    """A note over the installers of a folder; SHA256SUMS there says what they are."""
    installers = []
    for line in sorted((packages / "SHA256SUMS").read_text(encoding="utf-8").splitlines()):
        digest, name = line.split(maxsplit=1)
        found = INSTALLER.match(name)
        if found:
            size = (packages / name).stat().st_size
            installers.append(Installer(name=name, system=found[1], edition=found[2], size_bytes=size, sha256=digest))
    if not installers:
        raise ValueError(f"there are no installers in {packages}: run `dev.py package` first.")
    note = Note(
        version=__version__,
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        changes=changes_of(__version__, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")),
        installers=tuple(installers),
    )
    path = packages / f"apprentice-studio-{__version__}{SUFFIX}"
    path.write_bytes(sign_note(note, key))
    return path


def changes_of(version: str, changelog: str, most: int = 12) -> tuple[str, ...]:
    """The first points of a version's section, one line each."""
    section = re.search(rf"^## {re.escape(version)}\b.*?$(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    points = re.findall(r"^- (.*(?:\n  .*)*)", section[1] if section else "", re.MULTILINE)
    return tuple(" ".join(point.split()) for point in points[:most])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
