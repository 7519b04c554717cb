"""The log of public calls: slow ones as warnings, all of them for debugging."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Final

from agentdb.telemetry import fields, logger
from agentdb.telemetry.calls import Call

_logger: Final = logger("agentdb.calls")


class CallLog:
    """Writes one record for each call that somebody listens for.

    Args:
        handle: The name of the database handle, which tells several of them apart.
        slow_s: A call that takes longer is a warning; None for none.
    """

    def __init__(self, engine: str, handle: str, *, slow_s: float | None) -> None:
        self._engine = engine
        self._handle = handle
        self._slow_s = float("inf") if slow_s is None else slow_s

    def __call__(self, call: Call) -> Callable[[], None]:
        return partial(self._end, call)

    def _end(self, call: Call) -> None:
        is_slow = call.duration_s > self._slow_s
        level = logging.WARNING if is_slow else logging.DEBUG
        if _logger.isEnabledFor(level):
            told = fields(
                "slow_call" if is_slow else "call",
                operation=call.operation,
                engine=self._engine,
                handle=self._handle,
                duration_s=call.duration_s,
                retries=call.retries,
                rows=call.rows,
                error=call.error_type,
            )
            _logger.log(level, "%s took %.3f s.", call.operation, call.duration_s, extra=told)
