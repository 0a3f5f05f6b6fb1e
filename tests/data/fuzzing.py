"""Readers fed with damaged files by the thousand: each must end in rows or in words, soon and in bounded memory.

    python -m tests.data.fuzzing [--minutes N] [--seed N] [--keep FOLDER] [reader ...]

A child process with limited memory makes and reads the files; where it crashes, hangs or ends in anything but a
StudioError, the file is kept and the command fails. Without a reader's name all of them run, N minutes each.
"""

import argparse
import collections
import gzip
import io
import json
import os
import random
import secrets
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.data.samples import (
    DATE,
    arrow_bytes,
    csv_bytes,
    json_bytes,
    jsonl_bytes,
    parquet_bytes,
    sheet,
    workbook_bytes,
    zip_bytes,
    zstd_bytes,
)

PROJECT = Path(__file__).resolve().parents[2]
PATHS: list[str] = []
"""Before the project's in the child's module path: how a test puts in a faulty reader."""
HANG_SECONDS = 10.0
MEMORY_BYTES = 4 * 1024**3
"""Address space of the child: the libraries reserve one GB of it and use little."""
ROWS: list[dict[str, Any]] = [
    {"question": f'Wo ist {n}, "bitte"?', "answer": f"Dort; {n}.\nJa|nein\tä€"} for n in range(12)
]
CHATS: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": f"Hi {n}\\"}, {"role": "assistant", "content": "ä"}]} for n in range(6)
]
PIECES = (
    *(b'"', b"{", b"}", b"[", b"]", b",", b"\\", b"\n", b"\r", b"\x00", b"\xff", b";", b":", b"\xef\xbb\xbf", b"\xe4"),
    *(b"NaN", b"1e999", b"\\ud800", b"null", b'"a":1,', b"<", b">", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x00"),
)
BOOK = workbook_bytes(
    {
        "FAQ": sheet([["question", "answer"], ["Who?", 7], ["Wo?", (45000, DATE)], [None, True]], merged=("A3:A4",)),
        "Empty": sheet([]),
    }
)
PROSE = "# Titel\n\nEin Satz.\nNoch einer.\n\n\nDrittens äöü €.\n"
Sample = dict[str, bytes]
"""The files of one input by their paths; a single file is one of them."""


def saved_folder() -> Sample:
    """A folder as `datasets` writes it."""
    state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_fingerprint": "0", "_split": None}
    shards = {
        f"saved/{split}/{name}": data
        for split in ("train", "test")
        for name, data in (
            ("data-00000-of-00001.arrow", arrow_bytes(ROWS, stream=True)),
            ("state.json", json.dumps(state).encode()),
            ("dataset_info.json", b"{}"),
        )
    }
    return {"saved/dataset_dict.json": b'{"splits": ["train", "test"]}', **shards}


def one(name: str, *contents: bytes) -> list[Sample]:
    return [{name: content} for content in contents]


SAMPLES: dict[str, Callable[[], list[Sample]]] = {
    "json": lambda: one("a.json", json_bytes(ROWS), json_bytes(CHATS)),
    "jsonl": lambda: one(
        "a.jsonl", *(jsonl_bytes(x).decode().encode(c) for x in (ROWS, CHATS) for c in ("utf-8", "utf-16"))
    ),
    "csv": lambda: one("a.csv", csv_bytes(ROWS, ";"), csv_bytes(ROWS, "\t").decode().encode("cp1252")),
    "text": lambda: one("a.md", PROSE.encode(), PROSE.encode("cp1252"), PROSE.encode("utf-16")),
    "xlsx": lambda: one("a.xlsx", BOOK),
    "parquet": lambda: one("a.parquet", parquet_bytes(ROWS), parquet_bytes(CHATS)),
    "arrow": lambda: one("a.arrow", arrow_bytes(CHATS), arrow_bytes(ROWS), arrow_bytes(ROWS, stream=True)),
    "gzip": lambda: one("a.jsonl.gz", gzip.compress(jsonl_bytes(ROWS)), gzip.compress(parquet_bytes(ROWS))),
    "zstd": lambda: one("a.csv.zst", zstd_bytes(csv_bytes(ROWS))),
    "zip": lambda: one(
        "a.zip", zip_bytes({"a/x.jsonl": jsonl_bytes(ROWS), "b.csv": csv_bytes(ROWS)}), zip_bytes({"x.xlsx": BOOK})
    ),
    "folder": lambda: [saved_folder(), {"faq/train.jsonl": jsonl_bytes(ROWS), "faq/test.csv": csv_bytes(ROWS)}],
}


def damaged(data: bytes, dice: random.Random) -> bytes:
    """Some bytes put in, left out or changed, or the end cut off; often only one or two changed in their place."""
    result = bytearray(data)
    if dice.random() < 0.4:
        for _ in range(dice.randint(1, 2)):
            at = dice.randrange(len(result) or 1)
            result[at : at + 1] = bytes([dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))])
        return bytes(result)
    for _ in range(dice.randint(1, 6)):
        at, kind = dice.randrange(len(result) + 1), dice.random()
        if kind < 0.4:
            result[at:at] = dice.choice(PIECES)
        elif kind < 0.55:
            piece = dice.choice(PIECES)
            result[at : at + len(piece)] = piece
        elif kind < 0.7:
            del result[at : at + dice.randint(1, 20)]
        elif kind < 0.8:
            result[at:at] = result[at : at + dice.randint(1, 200)] * dice.randint(1, 50)
        elif kind < 0.93:
            result[at : at + 1] = bytes([dice.randrange(256)])
        elif at:
            del result[at:]
    return bytes(result)


def damaged_within(name: str, data: bytes, dice: random.Random) -> bytes:
    """Damage a packed file, or half of the time what is packed in it."""
    if dice.random() < 0.5:
        return damaged(data, dice)
    if name.endswith(".gz"):
        return gzip.compress(damaged(gzip.decompress(data), dice))
    if name.endswith(".zst"):
        return zstd_bytes(damaged(csv_bytes(ROWS), dice))
    if name.endswith((".zip", ".xlsx")):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = {member: archive.read(member) for member in archive.namelist()}
        hit = dice.choice(list(files))
        inner = damaged_within(hit, files.pop(hit), dice)
        if dice.random() < 0.1:
            hit = damaged(hit.encode(), dice).decode("latin-1").replace("\x00", "") or "x"
        return zip_bytes({**files, hit: inner})
    return damaged(data, dice)


def inputs(reader: str, dice: random.Random) -> Iterator[Sample]:
    """Damaged inputs without end."""
    samples = SAMPLES[reader]()
    while True:
        sample = dict(dice.choice(samples))
        for name in dice.sample(list(sample), min(len(sample), dice.choice((1, 1, 1, 2)))):
            sample[name] = damaged_within(name, sample[name], dice)
        yield sample


def place(sample: Sample, folder: Path) -> Path:
    """Write an input; gives the file or folder that is imported."""
    for name, data in sample.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder / next(iter(sample)).split("/")[0]


# --- the child -------------------------------------------------------------------------------------------------------


def outcome(path: Path, destination: Path, skip_damaged: bool) -> str:
    """The error's code, or "imported"; every word can cross the wire."""
    from studio.contract.control import Going
    from studio.contract.errors import StudioError
    from studio.contract.events import encode
    from studio.contract.job import ImportJob
    from studio.data.importing import import_dataset
    from studio.data.parts import expand
    from studio.data.rows import read

    work = ImportJob(source=str(path), destination=str(destination), name="x", skip_damaged=skip_damaged)
    try:
        encode(import_dataset(work, encode, Going()))
    except StudioError as error:
        error.problem.sentence().encode("utf-8")
        if error.problem.code not in ("data.no_mapping", "data.mapping_column"):
            return error.problem.code
        try:  # no questions in it: its rows are read all the same
            for part in expand(path).learned:
                for _ in read(part):
                    pass
        except StudioError as deeper:
            return deeper.problem.code
    return "imported"


def serve(reader: str, seed: int, number: int, folder: Path) -> None:
    """Read `number` damaged inputs; before each its place is known, after each its outcome is printed."""
    if sys.platform.startswith("linux"):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    dice = random.Random(f"{reader} {seed}")
    for index, sample in enumerate(inputs(reader, dice)):
        if index >= number:
            return
        case = folder / "case"
        shutil.rmtree(case, ignore_errors=True)
        path = place(sample, case)
        print(outcome(path, folder / "out", dice.random() < 0.5), flush=True)


# --- the parent ------------------------------------------------------------------------------------------------------


class Failure(Exception):
    """A crash, a hang or a traceback, in words; the input is kept."""


def fuzz(reader: str, seed: int, number: int, keep: Path | None = None) -> collections.Counter[str]:
    """Run one child over `number` damaged inputs of a reader.

    Returns:
        How often each outcome came.

    Raises:
        Failure: Anything but rows or words.
    """
    seen: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name, tempfile.TemporaryFile() as complaints:
        folder = Path(name)
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.data.fuzzing", "--serve", reader, str(seed), str(number), str(folder)],
            cwd=PROJECT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([*PATHS, str(PROJECT)])},
            stdout=subprocess.PIPE,
            stderr=complaints,
        )
        try:
            assert child.stdout is not None
            with selectors.DefaultSelector() as ready:
                ready.register(child.stdout, selectors.EVENT_READ)
                seen.update(_outcomes(child, ready))
        except TimeoutError as error:
            raise Failure(f"{reader}: more than {HANG_SECONDS:.0f} s; {_kept(folder, keep, reader)}") from error
        finally:
            child.kill()
            child.wait()
            child.stdout.close()
        complaints.seek(0)
        if child.returncode:
            end = complaints.read()[-3000:].decode(errors="replace")
            raise Failure(f"{reader}: exit code {child.returncode}; {_kept(folder, keep, reader)}\n{end}")
    return seen


def _outcomes(child: "subprocess.Popen[bytes]", ready: selectors.BaseSelector) -> Iterator[str]:
    rest = b""
    patience = 3 * HANG_SECONDS  # the first answer includes the start of Python and its libraries
    assert child.stdout is not None
    while True:
        if not ready.select(patience):
            raise TimeoutError
        patience = HANG_SECONDS
        data = os.read(child.stdout.fileno(), 65536)
        if not data:
            child.wait()
            return
        *whole, rest = (rest + data).split(b"\n")
        yield from (line.decode() for line in whole)


def _kept(folder: Path, keep: Path | None, reader: str) -> str:
    if keep is None:
        return "run the fuzz command with the same seed to keep the input"
    target = keep / f"{reader}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"
    shutil.copytree(folder / "case", target)
    return f"the input is kept in {target}"


def main(arguments: list[str]) -> int:
    """The command; exit code 1 where a reader failed."""
    if arguments[:1] == ["--serve"]:
        reader, seed, number, folder = arguments[1:]
        serve(reader, int(seed), int(number), Path(folder))
        from studio.worker.working import end

        end(0)  # as the worker does, which reads files: pyarrow's threads may abort a process that ends otherwise
    parser = argparse.ArgumentParser(prog="dev.py fuzz", description="Feed damaged files to the readers.")
    parser.add_argument("readers", nargs="*", help=f"any of {', '.join(SAMPLES)}; none: all")
    parser.add_argument("--minutes", type=float, default=1.0, help="for each reader (1)")
    parser.add_argument("--seed", type=int, default=0, help="first seed; the same seeds give the same files (0)")
    parser.add_argument("--keep", type=Path, default=PROJECT / "out" / "fuzz", help="where failing inputs go")
    chosen = parser.parse_args(arguments)
    unknown = [reader for reader in chosen.readers if reader not in SAMPLES]
    if unknown:
        parser.error(f"no reader {', '.join(unknown)}; there are {', '.join(SAMPLES)}")
    failed = 0
    print(f"{'reader':10} {'files':>8} {'imported':>9} {'refused':>8} {'codes':>6}  failures")
    for reader in chosen.readers or SAMPLES:
        seen: collections.Counter[str] = collections.Counter()
        failures: list[str] = []
        end, seed = time.monotonic() + 60 * chosen.minutes, chosen.seed
        while time.monotonic() < end:
            try:
                seen += fuzz(reader, seed, 500, chosen.keep)
            except Failure as failure:
                failures.append(str(failure))
            seed += 1
        files = sum(seen.values())
        good, bad = seen["imported"], files - seen["imported"]
        print(f"{reader:10} {files:8,} {good:9,} {bad:8,} {len(seen):6}  {len(failures)}", flush=True)
        for text in failures:
            print(text, file=sys.stderr, flush=True)
        failed += bool(failures)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
