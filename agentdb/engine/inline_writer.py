"""Short writes on the event loop's own thread, where a commit does not wait for the disk.

As with short reads, a hop to another thread and back takes longer than the write itself. It never waits: where another
process holds the lock, or it takes longer than its budget, it is done on the writer's thread. A COMMIT that meets a
lock is rolled back and reported, so that the whole is repeated.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from agentdb.engine.dialect import Dialect
from agentdb.engine.group import commit, execute, roll_back, translated
from agentdb.engine.inline_budget import InlineBudget
from agentdb.engine.steps import Outcome, Steps, drive
from agentdb.engine.transaction import commit_failure

T = TypeVar("T")


class InlineWriter:
    """Writes on the writer's own connection, in a turn of its own."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._begin = dialect.begin(None)
        self._encode = dialect.encode

    def write(self, raw: sqlite3.Connection, steps: Callable[[], Steps[T]]) -> Outcome[T] | None:
        """Drive `steps` in one transaction; None, with nothing done, if it would have had to wait, or took too long.

        Raises:
            AgentDBError: A statement failed, and nothing was done; or COMMIT did, which says itself what that means.
        """
        try:
            raw.execute(self._begin)
        except sqlite3.Error:  # the writer's thread will see why
            return None
        with InlineBudget(raw) as budget:
            try:
                outcome = drive(steps, self._encode, partial(execute, raw))
            except (sqlite3.Error, UnicodeDecodeError) as error:
                is_undone = roll_back(raw)
                if budget.is_spent and is_undone:
                    return None
                raise translated(self._dialect, error) from error
            except BaseException:
                roll_back(raw)
                raise
        if outcome.refusal is not None:
            roll_back(raw)
            return outcome
        try:
            commit(raw)
        except sqlite3.Error as error:
            roll_back(raw)
            raise commit_failure(translated(self._dialect, error)) from error
        return outcome
