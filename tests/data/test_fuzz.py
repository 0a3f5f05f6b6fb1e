"""Damaged files end in rows or in words, never in a traceback."""

import csv
import io
import json
import random
from collections import Counter
from pathlib import Path

import pytest

from studio.contract.control import Going
from studio.contract.errors import StudioError
from studio.contract.events import encode
from studio.contract.job import ImportJob
from studio.data.importing import import_dataset

ROWS = [{"question": f'Wo ist {n}, "bitte"?', "answer": f"Dort; {n}.\nJa|nein\tä€"} for n in range(12)]
CHATS = [
    {"messages": [{"role": "user", "content": f"Hi {n}\\"}, {"role": "assistant", "content": "ä"}]} for n in range(6)
]
PIECES = (
    *(b'"', b"{", b"}", b"[", b"]", b",", b"\\", b"\n", b"\r", b"\x00", b"\xff", b";", b":", b"\xef\xbb\xbf", b"\xe4"),
    *(b"NaN", b"1e999", b"\\ud800", b"null", b'"a":1,'),
)


def table() -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, ["question", "answer"], delimiter=";")
    writer.writeheader()
    writer.writerows(ROWS)
    return text.getvalue().encode()


SEEDS = {
    "json": [json.dumps(ROWS, indent=1, ensure_ascii=False).encode(), json.dumps(CHATS).encode()],
    "jsonl": ["\n".join(map(json.dumps, rows)).encode(code) for rows in (ROWS, CHATS) for code in ("utf-8", "utf-16")],
    "csv": [table(), table().decode().encode("cp1252")],
}


def damaged(data: bytes, dice: random.Random) -> bytes:
    result = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        at, kind = dice.randrange(len(result) + 1), dice.random()
        if kind < 0.5:
            result[at:at] = dice.choice(PIECES)
        elif kind < 0.7:
            del result[at : at + dice.randint(1, 20)]
        elif kind < 0.85:
            result[at : at + 1] = bytes([dice.randrange(256)])
        elif at:
            del result[at:]
    return bytes(result)


def outcome(path: Path, destination: Path, skip_damaged: bool) -> str:
    work = ImportJob(source=str(path), destination=str(destination), name="x", skip_damaged=skip_damaged)
    try:
        encode(import_dataset(work, encode, Going()))
    except StudioError as error:
        error.problem.sentence().encode("utf-8")
        return error.problem.code
    return "imported"


@pytest.mark.parametrize("kind", SEEDS)
def test_a_damaged_file_is_imported_or_refused_in_words(tmp_path: Path, kind: str) -> None:
    dice = random.Random(kind)
    seen: Counter[str] = Counter()
    for _ in range(150):
        path = tmp_path / f"file.{kind}"
        path.write_bytes(damaged(dice.choice(SEEDS[kind]), dice))
        seen[outcome(path, tmp_path / "out", dice.random() < 0.5)] += 1
    assert seen["imported"] > 5
    assert len(seen) > 4  # else the damage was too tame to prove anything
    assert not list(tmp_path.glob(".importing-*"))
