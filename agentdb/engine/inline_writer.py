"""Short writes on the event loop's own thread, where a commit does not wait for the disk.

As with short reads, a hop to another thread and back takes longer than the write itself. It never waits: where another
process holds the lock nothing is begun, and it is done on the writer's thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from agentdb.engine.dialect import Dialect
from agentdb.engine.group import commit, execute
from agentdb.engine.steps import Outcome, Steps, drive
from agentdb.engine.transaction import commit_failure
from agentdb.errors import AgentDBError

T = TypeVar("T")


class InlineWriter:
    """Writes on the writer's own connection, in a turn of its own."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._begin = dialect.begin(None)
        self._encode = dialect.encode

    def write(self, raw: sqlite3.Connection, steps: Callable[[], Steps[T]]) -> Outcome[T] | None:
        """Drive `steps` in one transaction; None, with nothing done, if it would have had to wait.

        Raises:
            AgentDBError: A statement failed, and nothing was done; or COMMIT did, which says itself what that means.
        """
        try:
            raw.execute(self._begin)
        except sqlite3.Error:  # the writer's thread will see why
            return None
        try:
            outcome = drive(steps, self._encode, partial(execute, raw))
            if outcome.refusal is not None:
                _roll_back(raw)
                return outcome
        except (sqlite3.Error, UnicodeDecodeError) as error:
            _roll_back(raw)
            raise self._translated(error) from error
        except BaseException:
            _roll_back(raw)
            raise
        try:
            commit(raw)
        except sqlite3.Error as error:
            _roll_back(raw)
            raise commit_failure(self._translated(error)) from error
        return outcome

    def _translated(self, error: Exception) -> AgentDBError:
        translated = self._dialect.translate(error)
        assert translated is not None
        return translated


def _roll_back(raw: sqlite3.Connection) -> None:
    try:
        if raw.in_transaction:  # after some errors SQLite has rolled back already
            raw.execute("ROLLBACK")
    except sqlite3.Error:
        pass  # whoever begins next tries again
