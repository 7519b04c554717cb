"""PostgreSQL's errors, and those of its driver, as ours: by SQLSTATE and by class."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import asyncpg

from agentdb.engine.dialect import ConnectionLostError, MissingRelationError, RefusedError
from agentdb.errors import (
    AccessDeniedError,
    AgentDBError,
    ConfigurationError,
    DeadlineError,
    InvalidInputError,
    StorageError,
    StorageReason,
    UnavailableError,
    UnsupportedError,
)


def translated(error: Exception) -> AgentDBError | None:
    """What PostgreSQL or its driver said; None if it was neither. Values of rows do not travel with it."""
    stale = (asyncpg.exceptions.InvalidCachedStatementError, asyncpg.exceptions.OutdatedSchemaCacheError)
    if isinstance(error, stale):
        return UnavailableError("The schema has just changed under a prepared statement. Try again.")
    if isinstance(error, asyncpg.PostgresError):
        return _server_said(error)
    if isinstance(error, asyncpg.exceptions.UnsupportedClientFeatureError):
        return UnsupportedError(f"PostgreSQL's driver: {error}")
    if isinstance(error, asyncpg.exceptions.ClientConfigurationError):
        return ConfigurationError(f"PostgreSQL's driver: {error}")
    if isinstance(error, asyncpg.InterfaceError) and "argument" in str(error):
        return InvalidInputError(f"PostgreSQL's driver: {error}")  # too many parameters, or not as many as expected
    if isinstance(error, (asyncpg.InterfaceError, asyncpg.InternalClientError)):
        return ConnectionLostError(f"The connection to PostgreSQL cannot be used: {type(error).__name__}.")
    if isinstance(error, (OSError, EOFError)):
        return ConnectionLostError(
            f"PostgreSQL cannot be reached: {getattr(error, 'strerror', None) or str(error) or 'no answer'} "
            f"({type(error).__name__}). Check host, port and that the server is running."
        )
    return None


_CONSTRAINTS: Final = {"23502": "notnull", "23503": "foreignkey", "23505": "unique", "23514": "check"}
_DETAIL_COLUMNS: Final = re.compile(r"Key \(([^=]*)\)=")


def _server_said(error: Any) -> AgentDBError:
    code: str = error.sqlstate or ""
    columns = _key_columns(error)
    # What the server adds may hold the row's values: it goes no further, not even as the cause of our error.
    error.detail = error.query = error.context = None
    if code.startswith("22"):  # here the message itself quotes the value
        error.args, error.message = (type(error).__name__,), None
        error.__cause__, error.__suppress_context__ = None, True
    if code.startswith("23"):
        told = f" on {', '.join(columns)}" if columns else ""
        return RefusedError(
            f"A {_CONSTRAINTS.get(code, 'database')} constraint refused the row{told}.",
            constraint=error.constraint_name,
            columns=columns,
            engine_code=code,
        )
    for prefix, answer in _ANSWERS.items():
        if code.startswith(prefix):
            return answer(str(error), code)
    return AgentDBError(f"PostgreSQL refused the statement: {error}", engine_code=code)


def _key_columns(error: Any) -> tuple[str, ...]:
    if error.column_name:
        return (error.column_name,)
    found = _DETAIL_COLUMNS.search(error.detail or "")
    return tuple(name.strip().strip('"') for name in found.group(1).split(",")) if found else ()


def _retry(text: str, code: str) -> AgentDBError:
    return UnavailableError("PostgreSQL could not do it now, and it was not done. Try again.", engine_code=code)


def _lost(text: str, code: str) -> AgentDBError:
    return ConnectionLostError("The connection to PostgreSQL ended.", engine_code=code)


def _pooled(text: str, code: str) -> AgentDBError:
    return ConfigurationError(
        f"A pooler in transaction mode stands between agentdb and PostgreSQL ({text.splitlines()[0]}). "
        "Say so: pooler=transaction in the URL, or AGENTDB_POOLER.",
        engine_code=code,
    )


def _broken(text: str, code: str) -> AgentDBError:
    # What PgBouncer says to settings that it does not keep for each client, and to all that it cannot do.
    if "unsupported startup parameter" in text:
        return _pooled(text, code)
    return ConnectionLostError(f"The connection to PostgreSQL was ended: {text}.", engine_code=code)


def _storage(reason: StorageReason, message: str) -> Callable[[str, str], AgentDBError]:
    return lambda text, code: StorageError(message, reason=reason, engine_code=code)


# By SQLSTATE, longest first where one prefix contains another.
_ANSWERS: Final[dict[str, Callable[[str, str], AgentDBError]]] = {
    "40001": _retry,
    "40P01": _retry,
    "55P03": _retry,
    "57P03": _retry,
    "53300": _retry,
    "26000": _pooled,
    "42P05": _pooled,
    "57014": lambda text, code: DeadlineError("PostgreSQL cancelled the statement.", engine_code=code),
    "57P": _lost,
    "25P03": _lost,
    "25P04": _lost,
    "08P01": _broken,
    "08": _lost,
    "531": _storage("full", "PostgreSQL's disk is full. Reads go on; free some space."),
    "532": _storage("full", "PostgreSQL is out of memory."),
    "25006": _storage("read-only", "This PostgreSQL server is read-only, for example a standby."),
    "58030": _storage("failing", "PostgreSQL's disk or file system reports an error. Look at the server's log."),
    "XX001": _storage("corrupt", "PostgreSQL found damaged data. Restore a backup."),
    "XX002": _storage("corrupt", "PostgreSQL found a damaged index. Reindex it, or restore a backup."),
    "28": lambda text, code: ConfigurationError(
        "PostgreSQL refused the login: check user, password and pg_hba.conf.", engine_code=code
    ),
    "3D000": lambda text, code: ConfigurationError(
        f"PostgreSQL says {text}. Create it, or run `agentdb init`.", engine_code=code
    ),
    "42501": lambda text, code: AccessDeniedError(f"PostgreSQL says {text}.", engine_code=code),
    "42P01": lambda text, code: MissingRelationError(f"PostgreSQL says {text}", engine_code=code),
    "42703": lambda text, code: MissingRelationError(f"PostgreSQL says {text}", engine_code=code),
    "22": lambda text, code: InvalidInputError(
        f"PostgreSQL cannot keep a value that was sent: {text}.", engine_code=code
    ),
}
