"""Waiting for the lock of a SQLite file that another process holds."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

FIRST_DELAY_S: Final = 0.001
LONGEST_DELAY_S: Final = 0.025
"""Between two attempts, about as SQLite waits itself. Nothing would interrupt that, so its connections never wait."""


class Patience:
    """How long to try again. The event loop may end it."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def end(self) -> None:
        """Try no further."""
        self._until = 0.0

    def run(self, work: Callable[[sqlite3.Connection], T], raw: sqlite3.Connection) -> T:
        """Run `work`, which does nothing when the lock is held, until it gets it.

        Raises:
            OperationalError: The time is over.
        """
        delay_s = FIRST_DELAY_S
        while True:
            try:
                return work(raw)
            except sqlite3.OperationalError as error:
                if not is_locked(error) or time.monotonic() >= self._until:
                    raise
            time.sleep(delay_s)
            delay_s = min(2 * delay_s, LONGEST_DELAY_S)


def is_locked(error: sqlite3.Error) -> bool:
    """Whether nothing was done because somebody else holds the file's lock."""
    # An error of Python's own module, such as of a text that is none, has no such name.
    return getattr(error, "sqlite_errorname", None) in ("SQLITE_BUSY", "SQLITE_BUSY_RECOVERY")
