"""What the user chose, taken apart: files, folders, ZIP archives and saved datasets become files that are read.

Which of them are learned from and which are test rows is told by their splits; what was chosen is said in notes.
"""

import re
from pathlib import Path, PurePosixPath

import msgspec

from studio.contract.errors import Problem, StudioError
from studio.contract.job import ImportJob, Reading
from studio.data import folders, kinds, weights
from studio.data.formats import FORMATS
from studio.data.part import Part
from studio.data.wording import count, listed, shown

TRAIN = "train"
TESTS = ("held_back", "test", "validation")
_SPLITS = {
    "train": TRAIN,
    "training": TRAIN,
    "test": "test",
    "testing": "test",
    "held_back": "held_back",
    "heldback": "held_back",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "eval": "validation",
}
_SHARD = re.compile(r"[-_.]?\d+(-of-\d+)?$")
_FEW_TEXTS = 2
"""More text files than this are documents, one a file; one or two hold many."""


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """The files of one choice.

    Attributes:
        learned: To learn from.
        test: Own test rows.
        splits: All splits seen, of which one can be chosen.
        notes: What was decided and left out.
    """

    learned: tuple[Part, ...]
    test: tuple[Part, ...] = ()
    splits: tuple[str, ...] = ()
    notes: tuple[Problem, ...] = ()


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """A file of an import: what it is for, and how often its rows count."""

    part: Part
    test: bool = False
    weight: float = 1.0


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """All files of an import, those that are learned from first."""

    files: tuple[Chosen, ...]
    splits: tuple[str, ...]
    notes: tuple[Problem, ...]


def of_job(job: ImportJob) -> Choice:
    """Every file that an import reads.

    Raises:
        StudioError: See `expand`; the weights do not fit the files.
    """
    paths = [job.source, *job.more]
    weights.check(job.weights, len(paths))
    learned: list[Chosen] = []
    tests: list[Chosen] = []
    notes: list[Problem] = []
    splits: dict[str, None] = {}
    for path, weight in zip(paths, job.weights or [1.0] * len(paths), strict=True):
        parts = expand(Path(path), job.reading, with_tests=not job.held_back)
        learned += [Chosen(part=part, weight=weight) for part in parts.learned]
        tests += [Chosen(part=part, test=True) for part in parts.test]
        notes += parts.notes
        splits.update(dict.fromkeys(parts.splits))
    if job.held_back:
        whole = msgspec.structs.replace(job.reading, split="")
        own = expand(Path(job.held_back), whole)
        tests += [Chosen(part=part, test=True) for part in (*own.learned, *own.test)]
    return Choice(files=(*_as_documents(learned), *_as_documents(tests)), splits=tuple(splits), notes=tuple(notes))


def expand(path: Path, reading: Reading | None = None, with_tests: bool = True) -> Parts:
    """The files of what the user chose.

    Args:
        path: A file, a folder, a ZIP archive or a folder that `datasets` saved.
        reading: What is chosen about sheets, documents and splits.
        with_tests: Whether splits of test rows are wanted.

    Raises:
        StudioError: It holds no file that can be read, an unsafe path or link, or not the split that is wanted.
    """
    reading = reading or Reading()
    name = shown(path.name, 120)
    if path.is_dir():
        saved = folders.is_saved(path)
        files = folders.files_of_saved(path) if saved else folders.files_of_folder(path)
        notes: list[Problem] = []
        if not saved:
            files, notes = _readable(files, name, "folder")
        return _divided(files, reading, with_tests, name, notes, saved)
    members = folders.files_of_zip(path)
    if members is None:
        return Parts(learned=(Part(path=path, reading=reading),))
    files, notes = _readable(members, name, "archive")
    return _divided(files, reading, with_tests, name, notes, saved=False)


def _readable(files: list[Part], name: str, thing: str) -> tuple[list[Part], list[Problem]]:
    """Those that hold rows; texts only where nothing else does. The rest is named."""
    by_suffix = {suffix: key for key, row in FORMATS.items() for suffix in row.suffixes}
    found: dict[str, list[Part]] = {"rows": [], "text": []}
    for part in files:
        suffix = _suffix(part)
        if suffix in by_suffix and _file_name(part) not in folders.DESCRIPTIONS:
            found["text" if by_suffix[suffix] == "text" else "rows"].append(part)
    taken = found["rows"] or found["text"]
    others = [shown(_file_name(part)) for part in files if part not in taken]
    if not taken:
        raise StudioError(
            "data.no_files",
            f"This {thing} holds no file that can be read.",
            f"It holds {listed(others, 5)}." if others else "It is empty.",
            f"Choose one with {kinds.KINDS} files.",
            where=name,
        )
    if not others:
        return taken, []
    left_out = f"{count(len(others), 'file')} of this {thing} {'was' if len(others) == 1 else 'were'} not read"
    what = f"{left_out}: {listed(others, 5)}."
    why = "Scripts are never run." if any(_suffix(part) in kinds.SCRIPT_SUFFIXES for part in files) else ""
    return taken, [Problem(code="data.files_left_out", what=what, why=why, where=name)]


def _divided(
    files: list[Part], reading: Reading, with_tests: bool, name: str, notes: list[Problem], saved: bool
) -> Parts:
    """Put the files on their sides by split."""
    files = [
        msgspec.structs.replace(
            part, split=part.split or _split_of(part.name.removeprefix(f"{name}/")), reading=reading
        )
        for part in files
    ]
    splits = list(dict.fromkeys(part.split for part in files if part.split))
    wanted = reading.split
    if wanted and wanted not in splits:
        raise _no_split(wanted, splits, name)
    if not wanted and TRAIN not in splits and not (saved and splits):
        return Parts(learned=tuple(files), splits=tuple(splits), notes=tuple(notes))
    wanted = wanted or (TRAIN if TRAIN in splits else splits[0])
    learned = [part for part in files if part.split == wanted or (not part.split and not reading.split)]
    test = next((split for split in TESTS if split in splits and split != wanted), "") if with_tests else ""
    rest = [split for split in splits if split not in (wanted, test)]
    if len(splits) > 1:
        what = f'"{shown(wanted)}" is learned from'
        what += f', "{shown(test)}" is kept aside as test rows' if test else ""
        what += f"; {listed(rest)} {'was' if len(rest) == 1 else 'were'} not read." if rest else "."
        fix = "Choose another split if that is not what you want."
        notes = [*notes, Problem(code="data.read_split", what=what, fix=fix, where=name)]
    return Parts(
        learned=tuple(learned),
        test=tuple(part for part in files if test and part.split == test),
        splits=tuple(splits),
        notes=tuple(notes),
    )


def _split_of(name: str) -> str:
    """The split that a file's name or one of its folders tells: `train-00000-of-00002.parquet`, `test/a.jsonl`."""
    path = PurePosixPath(name)
    stem = _SHARD.sub("", path.name.split(".", 1)[0].lower())
    pieces = re.split(r"[-_ ]", stem)
    for word in (stem, pieces[0], pieces[-1], *(folder.lower() for folder in reversed(path.parts[:-1]))):
        if word in _SPLITS:
            return _SPLITS[word]
    return ""


def _as_documents(chosen: list[Chosen]) -> list[Chosen]:
    """Where many text files are chosen, each is one document."""
    texts = sum(_suffix(file.part) in FORMATS["text"].suffixes for file in chosen)
    if texts <= _FEW_TEXTS or any(file.part.reading.documents for file in chosen):
        return chosen
    return [
        msgspec.structs.replace(
            file,
            part=msgspec.structs.replace(
                file.part, reading=msgspec.structs.replace(file.part.reading, documents="file")
            ),
        )
        for file in chosen
    ]


def _suffix(part: Part) -> str:
    name = PurePosixPath(_file_name(part).lower())
    return name.with_suffix("").suffix if name.suffix in kinds.PACKED_SUFFIXES else name.suffix


def _file_name(part: Part) -> str:
    return PurePosixPath(part.member.name).name if part.member else part.path.name


def _no_split(wanted: str, splits: list[str], name: str) -> StudioError:
    return StudioError(
        "data.no_split",
        f"There is no split {listed([wanted])}.",
        f"There are {listed(splits)}." if splits else "The files do not say which splits they are.",
        "Choose one of them." if splits else "Leave the split open.",
        where=name,
    )
