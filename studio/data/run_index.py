"""What was read of each run, kept in a small database beside the runs: a list of a thousand runs opens at once.

The runs' folders are the truth. The index holds nothing that cannot be read from them again: damaged, lost, of another
version or locked, it is set aside and made anew, and no run is lost by it.
"""

import contextlib
import hashlib
import os
import sqlite3
import time
from pathlib import Path
from types import TracebackType

from studio.contract.run_folder import home_folder

FILE = "runs.sqlite"
VERSION = 3
"""Of the table and of what is in it (2: best losses are of trained steps alone; 3: figures are those of the adapter
that lies there). Another one is set aside and the folders are read again."""
_KEPT_ASIDE = 5
_BUSY_SECONDS = 2.0
_DIGEST_BYTES = 16
_OURS = {"runs", "sqlite_autoindex_runs_1"}
"""All that the database holds. A trigger or view is another's, and could undo what is put in."""

Key = tuple[int, int]


class RunIndex:
    """Run id and key -> bytes. Use as a context manager; whatever fails is as if nothing were known.

    Source of the settings: SQLite's own advice against untrusted files (trusted_schema off, integrity check first) and
    against lost transactions (WAL with synchronous=FULL).
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or home_folder() / FILE
        self._database: sqlite3.Connection | None = None

    def __enter__(self) -> "RunIndex":
        try:
            self._database = self._open()
        except (sqlite3.DatabaseError, OSError) as error:
            if not _is_damage(error):
                return self
            self._set_aside()
            with contextlib.suppress(sqlite3.DatabaseError, OSError):
                self._database = self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def get(self, run: str, key: Key) -> bytes | None:
        """What was put for a run while its events were those of `key`."""
        if self._database is None:
            return None
        try:
            row = self._database.execute(
                "SELECT told FROM runs WHERE id = ? AND changed = ? AND size = ?", (run, *key)
            ).fetchone()
        except sqlite3.DatabaseError:
            return None
        if row is None or not isinstance(row[0], bytes):
            return None
        digest, told = row[0][:_DIGEST_BYTES], row[0][_DIGEST_BYTES:]
        return told if digest == _digest(run, key, told) else None

    def put(self, run: str, key: Key, told: bytes) -> None:
        """Keep something for a run; where that fails, it is read from the folder the next time."""
        if self._database is None:
            return
        with contextlib.suppress(sqlite3.DatabaseError), self._database:
            self._database.execute(
                "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)", (run, *key, _digest(run, key, told) + told)
            )

    def _open(self) -> sqlite3.Connection:
        is_new = not self._path.exists()
        if is_new:
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600))
        database = sqlite3.connect(self._path, timeout=_BUSY_SECONDS)
        try:
            database.execute("PRAGMA trusted_schema = OFF")
            if not is_new and database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("the index is damaged")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, VERSION):
                raise sqlite3.DatabaseError(f"the index is of version {version}")
            with database:
                database.execute(
                    "CREATE TABLE IF NOT EXISTS runs "
                    "(id TEXT PRIMARY KEY, changed INTEGER NOT NULL, size INTEGER NOT NULL, told BLOB NOT NULL)"
                )
                database.execute(f"PRAGMA user_version = {VERSION}")
            database.execute("SELECT id, changed, size, told FROM runs LIMIT 1")
            if {name for (name,) in database.execute("SELECT name FROM sqlite_master")} - _OURS:
                raise sqlite3.DatabaseError("the index holds what the program never put there")
        except BaseException:
            database.close()
            raise
        return database

    def _set_aside(self) -> None:
        """Move the file away under the time's name, and keep the last few of such."""
        with contextlib.suppress(OSError):
            now = time.time_ns()
            stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now // 10**9))
            # To the microsecond, so that names sort by age: the oldest of them go.
            self._path.replace(self._path.with_name(f"{FILE}.{stamp}-{now // 1000 % 10**6:06d}.aside"))
            for suffix in ("-wal", "-shm"):
                self._path.with_name(FILE + suffix).unlink(missing_ok=True)
            aside = sorted(self._path.parent.glob(f"{FILE}.*.aside"))
            for old in aside[:-_KEPT_ASIDE]:
                old.unlink()


def _digest(run: str, key: Key, told: bytes) -> bytes:
    """SQLite notices damage to its own structure, not to what is in it."""
    return hashlib.blake2b(b"%s %d %d " % (run.encode(), *key) + told, digest_size=_DIGEST_BYTES).digest()


def _is_damage(error: Exception) -> bool:
    """Whether the file is at fault, and not that another window holds it or the disk is full."""
    if isinstance(error, sqlite3.OperationalError):
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_ERROR
    return isinstance(error, sqlite3.DatabaseError)
