"""The limit of calls that name none: one timer watches over all of them.

A timer for each call would cost as much as an eighth of the event loop's part in an append. All these calls may take
equally long, so the one that began first is late first, and a single timer for it serves those behind it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

Late: TypeAlias = Callable[[float], object]
"""Told that a call is late, and the time of the event loop's clock, such as `asyncio.Timeout.reschedule`."""


class CallLimits:
    """Calls under way, in the order in which they began.

    Args:
        within_s: How long each of them may take.
    """

    def __init__(self, within_s: float) -> None:
        self.within_s = within_s
        self._until: dict[Late, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, late: Late) -> None:
        """A call begins; unless it is removed in time, `late` is called once."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # a handle may connect anew, in another event loop
            self._loop, self._timer, self._until = loop, None, {}
        until = self._until[late] = loop.time() + self.within_s
        if self._timer is None:
            self._timer = loop.call_at(until, self._look)

    def remove(self, late: Late) -> None:
        """It is over."""
        self._until.pop(late, None)

    def close(self) -> None:
        """No call will begin any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        assert self._loop is not None
        self._timer = None
        now = self._loop.time()
        while self._until:
            late, until = next(iter(self._until.items()))
            if until > now:
                self._timer = self._loop.call_at(until, self._look)
                return
            del self._until[late]
            late(now)
