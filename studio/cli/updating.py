"""`apprentice update check`: what a signed note says; nothing is fetched, nothing installed."""

import argparse
from pathlib import Path

import msgspec

from studio.cli import output
from studio.data import update_note


def check(arguments: argparse.Namespace) -> int:
    """Say whether a note tells of a newer version, and whether the installers beside it are genuine.

    Raises:
        StudioError: It is no note, its signature is wrong, or an installer beside it is not what the note means.
    """
    path = Path(arguments.file)
    told = update_note.check(path)
    for one in told.beside:
        if not _is_genuine(path.parent, one):
            raise update_note.damaged(one.name)
    if arguments.json:
        output.print_json(msgspec.to_builtins(told))
        return 0
    if not told.newer:
        output.say(f"The note tells of version {told.note.version}; this is {told.mine}: there is nothing to do.")
        return 0
    output.say(f"Version {told.note.version} of {told.note.date} is newer than this one ({told.mine}).")
    for change in told.note.changes:
        output.say(f"- {change}")
    for one in update_note.for_this_program(told.note):
        here = "lies beside the note and is genuine" if one in told.beside else f"SHA-256 {one.sha256}"
        output.say(f"{one.name}  ({one.edition}, {one.size_bytes / 1e6:,.0f} MB): {here}")
    return 0


def _is_genuine(folder: Path, one: update_note.Installer) -> bool:
    reading = update_note.compare(folder, one)
    while True:
        try:
            next(reading)
        except StopIteration as end:
            return bool(end.value)
