"""How long statements may keep the event loop, where they run on its thread."""

from __future__ import annotations

import sqlite3
import time
from types import TracebackType
from typing import Final, Self

BUDGET_S: Final = 0.025

INSTRUCTIONS: Final = 10_000
"""How many of its own instructions SQLite runs before it asks whether the budget is spent: less than a millisecond."""


class InlineBudget:
    """For the length of a block, statements that take too long are interrupted.

    Attributes:
        is_spent: Whether one was.
    """

    __slots__ = ("_raw", "_until", "is_spent")

    def __init__(self, raw: sqlite3.Connection) -> None:
        self.is_spent = False
        self._raw = raw

    def __enter__(self) -> Self:
        self._until = time.monotonic() + BUDGET_S
        self._raw.set_progress_handler(self._look, INSTRUCTIONS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._raw.set_progress_handler(None, 0)

    def _look(self) -> bool:
        self.is_spent = time.monotonic() > self._until
        return self.is_spent
