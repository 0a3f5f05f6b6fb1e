"""What a person wrote about a run: tags and a note, in a small file of its own in the run's folder."""

import msgspec

from studio.contract.errors import StudioError
from studio.contract.run_folder import RunFolder
from studio.contract.whole_file import write_whole

FILE = "label.json"
MOST_TAGS = 12
_TAG_LETTERS = 40
_NOTE_LETTERS = 10_000
_MOST_BYTES = 100_000


class Label(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tags and note of a run; both may be empty."""

    tags: tuple[str, ...] = ()
    note: str = ""


def read_label(folder: RunFolder) -> Label:
    """The label of a run; an empty one where there is none, or none that can be read."""
    path = folder.path / FILE
    try:
        if path.is_symlink() or path.stat().st_size > _MOST_BYTES:
            return Label()
        return tidied(msgspec.json.decode(path.read_bytes(), type=Label))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Label()


def tidied(label: Label) -> Label:
    """The label without blank or doubled tags and without control characters, cut to a size that can be shown."""
    tags = dict.fromkeys(" ".join(_plain(tag).split())[:_TAG_LETTERS].strip() for tag in label.tags)
    tags.pop("", None)
    return Label(tuple(tags)[:MOST_TAGS], _plain(label.note, keep="\n").strip()[:_NOTE_LETTERS])


def _plain(text: str, keep: str = "") -> str:
    return "".join(char if char.isprintable() or char in keep else " " for char in text)


def write_label(folder: RunFolder, label: Label) -> Label:
    """Keep a label; gives it as it was kept.

    Raises:
        StudioError: The file cannot be written; the label that was there is untouched.
    """
    tidy = tidied(label)
    path = folder.path / FILE
    try:
        write_whole(path, msgspec.json.encode(tidy))
    except OSError as error:
        raise StudioError(
            "run.label", "Tags and note could not be kept.", f"{error.strerror}.", "Check the run's folder.",
            where=str(folder.path),
        ) from error  # fmt: skip
    return tidy
