"""What a careless program does with a file from outside: `python -m tests.faults.careless KIND PATH`.

It unpickles, runs Python files, renders templates without a sandbox, unpacks archives as they say and fetches what
texts name. Never part of the product; it shows that the artefacts of `malicious` are live.
"""

import json
import pickle
import re
import runpy
import sys
import tarfile
import urllib.request
import zipfile
from contextlib import suppress
from pathlib import Path


def main(kind: str, path: Path) -> None:
    """Open it as carelessly as can be; what fails is passed over."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    for file in files:
        with suppress(BaseException):
            _open(file, file.read_bytes())


def _open(file: Path, data: bytes) -> None:
    if file.suffix == ".py":
        runpy.run_path(str(file))
    elif data.startswith(b"cposix"):
        pickle.loads(data)
    elif file.name == "tokenizer_config.json":
        import jinja2

        told = json.loads(data)
        turns = [{"role": "user", "content": "a"}]
        with suppress(Exception):
            jinja2.Environment().from_string(told["chat_template"]).render(messages=turns)
    elif zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                _write_as_told(file.parent / name, archive.read(name))
                _fetch(archive.read(name))
    elif tarfile.is_tarfile(file):
        with tarfile.open(file) as archive:
            archive.extractall(file.parent, filter="fully_trusted")
    elif data.startswith(b"PAR1"):
        import pyarrow.parquet

        for column in pyarrow.parquet.read_schema(file):
            for value in (column.metadata or {}).values():
                with suppress(Exception):
                    pickle.loads(value)
    if not zipfile.is_zipfile(file):
        _fetch(data)
    if file.name.startswith("job.") or file.suffix == ".csv":
        _run_shell_words(data)


def _write_as_told(target: Path, data: bytes) -> None:
    with suppress(OSError):
        target.write_bytes(data)


def _fetch(data: bytes) -> None:
    for address in set(re.findall(rb"http://127\.0\.0\.1:\d+/[\w-]+", data)):
        with suppress(OSError):
            urllib.request.urlopen(address.decode(), timeout=0.2).close()


def _run_shell_words(data: bytes) -> None:
    for command in set(re.findall(rb"touch (/[\w./-]+)", data)):
        Path(command.decode()).touch()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
