"""Short reads on the event loop's own thread.

A hop to another thread and back costs more than an indexed look-up, so reads that are known to be short run where they
are asked for. They never wait: where another process holds a lock, or a read takes longer than its budget, it is given
up and done again on a reader's thread.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from agentdb.engine.inline_budget import BUDGET_S, INSTRUCTIONS
from agentdb.engine.steps import Encode, Many, Outcome, Query, Row, Steps, drive

T = TypeVar("T")

_ROWS: Final = 10
"""How many rows are fetched before the same question: SQLite does not count the time that their texts take."""

_GIVEN_UP: Final = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL", "SQLITE_INTERRUPT")


class InlineReader:
    """One connection that only reads, opened with the first read.

    Attributes:
        given_up: How many reads have to be done again elsewhere.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self.given_up = 0
        self._connect = connect
        self._raw: sqlite3.Connection | None = None
        self._until = 0.0

    def query(self, steps: Callable[[], Steps[T]], encode: Encode) -> Outcome[T] | None:
        """Drive `steps`; None if they would have had to wait, or took too long.

        Raises:
            Error: SQLite's own, when a statement failed.
        """
        try:
            if self._raw is None:
                self._raw = self._opened()
            self._until = time.monotonic() + BUDGET_S
            return drive(steps, encode, self._execute)
        except sqlite3.OperationalError as error:
            if not getattr(error, "sqlite_errorname", "").startswith(_GIVEN_UP):
                raise
        except _OverrunError:
            pass
        self.given_up += 1
        return None

    def close(self) -> None:
        """Close it, if it is open."""
        raw, self._raw = self._raw, None
        if raw is not None:
            raw.close()

    def _opened(self) -> sqlite3.Connection:
        raw = self._connect()
        raw.set_progress_handler(self._is_over, INSTRUCTIONS)
        return raw

    def _execute(self, step: Query | Many, values: Any) -> Sequence[Row]:
        assert self._raw is not None
        assert isinstance(step, Query), "A read has no rows to write."
        cursor = self._raw.execute(step.sql, values)
        try:
            rows = chunk = cursor.fetchmany(_ROWS)
            while len(chunk) == _ROWS:
                if self._is_over():
                    raise _OverrunError
                chunk = cursor.fetchmany(_ROWS)
                rows += chunk
        except BaseException:
            cursor.close()  # else it would keep its snapshot, for as long as somebody keeps the error
            raise
        return rows

    def _is_over(self) -> bool:
        return time.monotonic() > self._until


class _OverrunError(Exception):
    """The budget is spent."""
