"""SQLite's errors as ours, by its error codes."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from typing import Final, Literal

from agentdb.engine.dialect import MissingRelationError, RefusedError
from agentdb.errors import (
    AgentDBError,
    DeadlineError,
    InvalidInputError,
    StorageError,
    StorageReason,
    UnavailableError,
)


def translated(error: sqlite3.Error) -> AgentDBError:
    """What SQLite said. Values of rows do not travel with it."""
    code = getattr(error, "sqlite_errorname", "")
    text = str(error)
    if text.startswith(_UNDECODABLE):
        # It goes on with what the row holds, which goes no further, not even as the cause of our error.
        error.args = (_UNDECODABLE,)
        return StorageError("A text in the database is no UTF-8: it is damaged. Restore a backup.", reason="corrupt")
    if code.startswith("SQLITE_CONSTRAINT"):
        return _refused(code, text)
    for prefix, answer in _ANSWERS.items():
        if code.startswith(prefix):
            return answer(code)
    if _MISSING.search(text):
        return MissingRelationError(f"SQLite says {text}", engine_code=code)
    for beginning, (reason, message) in _TEXTS.items():
        if text.startswith(beginning):
            return StorageError(message, reason=reason, engine_code=code or None)
    if text == "integer overflow":  # there is no code of its own for it
        return InvalidInputError("A sum left the range of 64-bit integers.", engine_code=code)
    return AgentDBError(f"SQLite refused the statement: {text}.", engine_code=code or None)


_UNDECODABLE: Final = "Could not decode to UTF-8"
_MISSING: Final = re.compile(r"no such (table|column)|has no column named")
_COLUMN: Final = re.compile(r"\w+\.(\w+)")

_STORAGE: Final[dict[str, tuple[StorageReason, str]]] = {
    "SQLITE_FULL": ("full", "The disk, or the quota of this database, is full. Reads go on; free some space."),
    "SQLITE_IOERR_WRITE": ("full", "The file cannot be written further: disk full or file size limit."),
    "SQLITE_IOERR_SHMSIZE": ("full", "There is no room for the shared memory of the database beside it."),
    "SQLITE_IOERR": ("failing", "The disk or file system of the database file reports an error. Look at its log."),
    "SQLITE_READONLY": ("read-only", "The database file or its directory is read-only for this process."),
    "SQLITE_CORRUPT": ("corrupt", "The database file is damaged. Restore a backup."),
    "SQLITE_NOTADB": ("unreadable", "The file is not a SQLite database. Check the path; nothing was changed."),
    "SQLITE_CANTOPEN": ("unreadable", "The database file cannot be opened: check path and permissions."),
}

# What has no code of its own. The first one goes on with what the row holds.
_TEXTS: Final[dict[str, tuple[Literal["corrupt", "unreadable"], str]]] = {
    "Could not decode to UTF-8": ("corrupt", "A text in the database is no UTF-8: it is damaged. Restore a backup."),
    "unsupported file format": ("unreadable", "The file is of a newer SQLite, or damaged. Nothing was changed."),
    "no such module": ("unreadable", "The database has a virtual table whose module is not there."),
}


def _storage(prefix: str) -> Callable[[str], AgentDBError]:
    reason, message = _STORAGE[prefix]
    return lambda code: StorageError(message, reason=reason, engine_code=code)


def _busy(code: str) -> AgentDBError:
    return UnavailableError("Another process holds the lock of this SQLite file. Nothing was done.", engine_code=code)


def _interrupted(code: str) -> AgentDBError:
    return DeadlineError("The statement was interrupted.", engine_code=code)


# By error name, the longer one first where one begins with another.
_ANSWERS: Final[dict[str, Callable[[str], AgentDBError]]] = {
    "SQLITE_BUSY": _busy,
    "SQLITE_LOCKED": _busy,
    "SQLITE_PROTOCOL": _busy,
    "SQLITE_INTERRUPT": _interrupted,
    **{prefix: _storage(prefix) for prefix in _STORAGE},
}


def _refused(code: str, text: str) -> AgentDBError:
    # "UNIQUE constraint failed: User.email, User.id", "CHECK constraint failed: name": names only, never values.
    _, _, names = text.partition(": ")
    kind = code.removeprefix("SQLITE_CONSTRAINT_").lower()
    columns = tuple(_COLUMN.findall(names)) if kind != "check" else ()
    told = f" on {', '.join(columns)}" if columns else ""
    return RefusedError(
        f"A {kind} constraint refused the row{told}.",
        constraint=names if kind == "check" else None,
        columns=columns,
        engine_code=code,
    )
