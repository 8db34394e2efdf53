"""The states of a batch's clips, in one SQLite file on a local disk.

    waiting -> running -> done | failed | cancelled

Whether a result is truly there is the side-car's to say; this file says what was tried.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dtvideo.errors import ResourceError, UsageError

BUSY_SECONDS = 30.0  # to wait for another process that writes
SCHEMA_VERSION = 1
STATES = ("waiting", "running", "done", "failed", "cancelled")
ENDED = ("done", "failed", "cancelled")
SCHEMA = """
CREATE TABLE IF NOT EXISTS clips (
    name TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    output TEXT NOT NULL,
    state TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    fence INTEGER NOT NULL DEFAULT 0,
    exit_code INTEGER,
    message TEXT NOT NULL DEFAULT '',
    seconds REAL NOT NULL DEFAULT 0,
    frames INTEGER NOT NULL DEFAULT 0,
    finished REAL
)
"""
AGAIN = "CREATE TABLE IF NOT EXISTS again (name TEXT PRIMARY KEY)"
"""The clips that were last asked for once more, so that a retry that was stopped goes on."""
COLUMNS = "name, output, state, tries, fence, exit_code, message, seconds, frames, finished"


@dataclass(frozen=True)
class ClipRecord:
    """What is known of one clip; finished is a Unix time."""

    name: str
    output: str
    state: str
    tries: int = 0
    fence: int = 0
    exit_code: int | None = None
    message: str = ""
    seconds: float = 0.0
    frames: int = 0
    finished: float | None = None


class JobStore:
    """The clips of one batch. Only the run that claimed a clip can finish it.

    A damaged file is moved aside, and a new one begun.
    Raises: ResourceError F3 when the file is locked or cannot be written, UsageError F9 when a
    newer version wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._open_or_begin_anew()
        except sqlite3.OperationalError as error:  # locked, or not to be written: not damaged
            raise ResourceError("F3", path, str(error), "see the disk") from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def take(self, clips: Iterable[tuple[str, str]]) -> None:
        """Take up the clips (name, output) of a manifest; others are forgotten.

        New ones wait, and so do those that a run left running when it died, and those that are done
        but have another place now.
        """
        with self._writing() as connection:
            names = []
            for position, (name, output) in enumerate(clips):
                names.append(name)
                connection.execute(
                    "INSERT INTO clips (name, position, output, state) VALUES (?, ?, ?, 'waiting')"
                    " ON CONFLICT (name) DO UPDATE SET position = excluded.position,"
                    " state = CASE WHEN state = 'done' AND output != excluded.output"
                    " THEN 'waiting' ELSE state END,"
                    " output = excluded.output",
                    (name, position, output),
                )
            known = {row[0] for row in connection.execute("SELECT name FROM clips")}
            connection.executemany(
                "DELETE FROM clips WHERE name = ?", [(name,) for name in known - set(names)]
            )
        self.reset(("running",))

    def reset(self, states: Sequence[str], names: Sequence[str] = ()) -> None:
        """Let clips in some states wait again: those named, which is remembered, or all of them."""
        with self._writing() as connection:
            if names:
                connection.execute(AGAIN)
                connection.execute("DELETE FROM again")
                connection.executemany(
                    "INSERT OR IGNORE INTO again VALUES (?)", [(name,) for name in names]
                )
            connection.executemany(
                "UPDATE clips SET state = 'waiting', tries = 0, fence = fence + 1, message = ''"
                " WHERE name = ? AND state = ?",
                [
                    (name, state)
                    for name in names or [record.name for record in self.records()]
                    for state in states
                ],
            )

    def to_retry(self) -> list[str]:
        """Return the clips that failed or were cancelled, in the manifest's order.

        So are those that were asked for once more by their names and have not ended since.
        """
        asked: set[str] = set()
        found = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'again'"
        if self._connection.execute(found).fetchone():
            asked = {row[0] for row in self._connection.execute("SELECT name FROM again")}
        return [
            record.name
            for record in self.records()
            if record.state in ("failed", "cancelled")
            or (record.state in ("waiting", "running") and record.name in asked)
        ]

    def claim(self, name: str) -> int:
        """Set a waiting clip running; return the fence that finishing takes, 0 if none waits."""
        with self._writing() as connection:
            changed = connection.execute(
                "UPDATE clips SET state = 'running', tries = tries + 1, fence = fence + 1"
                " WHERE name = ? AND state = 'waiting'",
                (name,),
            ).rowcount
            return self.get(name).fence if changed else 0

    def finish(
        self,
        name: str,
        fence: int,
        *,
        state: str,
        exit_code: int | None = None,
        message: str = "",
        seconds: float = 0.0,
        frames: int = 0,
        finished: float | None = None,
    ) -> bool:
        """Note how a running clip ended; refused, with False, when the fence is an older one.

        finished: when it ended, now when None.
        """
        now = time.time() if finished is None else finished
        with self._writing() as connection:
            changed = connection.execute(
                "UPDATE clips SET state = ?, exit_code = ?, message = ?, seconds = ?, frames = ?,"
                " finished = ? WHERE name = ? AND fence = ? AND state = 'running'",
                (state, exit_code, message, seconds, frames, now, name, fence),
            ).rowcount
        return changed == 1

    def cancel(self, names: Iterable[str] | None = None) -> list[str]:
        """Cancel clips that wait or run, all of them by default; return their names.

        A running one ends when the run that renders it looks here; one that ended meanwhile stays
        as it is.
        """
        wanted = [record.name for record in self.records()] if names is None else names
        with self._writing() as connection:
            return [name for name in wanted if _cancelled(connection, name)]

    def get(self, name: str) -> ClipRecord:
        """Return one clip.

        Raises: UsageError M11 when there is none of that name.
        """
        row = self._connection.execute(
            f"SELECT {COLUMNS} FROM clips WHERE name = ?", (name,)
        ).fetchone()
        if row is None:
            raise no_clip(name)
        return ClipRecord(*row)

    def records(self) -> list[ClipRecord]:
        """Return every clip, in the manifest's order."""
        rows = self._connection.execute(f"SELECT {COLUMNS} FROM clips ORDER BY position")
        return [ClipRecord(*row) for row in rows]

    def _open_or_begin_anew(self) -> None:
        """Open the file; one that is damaged is moved aside first."""
        try:
            self._open()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            self.close()  # before a new file has the name, whose log closing would remove
            self.path.replace(self.path.with_name(f"{self.path.name}.damaged"))
            self._open()

    def _open(self) -> None:
        self._connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            problem = f"has version {version}, this dtvideo knows {SCHEMA_VERSION}"
            raise UsageError("F9", self.path, problem, "use the newer dtvideo")
        if version == SCHEMA_VERSION:
            (found,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError(found)
            return
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute(SCHEMA)
        self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
            self._connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise ResourceError("F3", self.path, str(error), "see the disk") from error
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


def no_clip(name: str) -> UsageError:
    """Return the error of a name that no clip of a batch has."""
    return UsageError("M11", name, "is no clip of this batch", "see dtvideo batch status")


def _cancelled(connection: sqlite3.Connection, name: str) -> bool:
    """Cancel a clip that waits or runs; tell whether it did."""
    return (
        connection.execute(
            "UPDATE clips SET state = 'cancelled'"
            " WHERE name = ? AND state IN ('waiting', 'running')",
            (name,),
        ).rowcount
        == 1
    )
