"""The limit of a whole call. One timer watches over all calls that name none.

A timer for each of them would cost a tenth of the event loop's part in an append. They may all take equally long, so
the one that began first is late first, and a single timer for it serves those behind it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeAlias

Late: TypeAlias = Callable[[], object]
"""Told that a call is late."""


class CallLimits:
    """Calls of one handle that are under way.

    Args:
        within_s: How long one may take that is given no limit of its own.
    """

    def __init__(self, within_s: float) -> None:
        self.within_s = within_s
        self._until: dict[Late, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def of(self, timeout_s: float | None) -> CallLimit:
        """A limit for the length of a block."""
        return CallLimit(self, timeout_s)

    def add(self, late: Late, loop: asyncio.AbstractEventLoop) -> None:
        """A call begins that is given no limit; unless it is removed in time, `late` is called once by `loop`."""
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
            late()


class CallLimit:
    """Cancels the block, which then ends with TimeoutError, as `asyncio.timeout` does at half the price.

    Attributes:
        is_late: Whether it has passed.
    """

    __slots__ = ("_cancelling", "_limits", "_task", "_timeout_s", "_timer", "is_late")

    def __init__(self, limits: CallLimits, timeout_s: float | None) -> None:
        self.is_late = False
        self._limits = limits
        self._timeout_s = timeout_s
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        self._task, self._cancelling = task, task.cancelling()
        if self._timeout_s is None:
            self._limits.add(self, loop)
        else:
            self._timer = loop.call_later(self._timeout_s, self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is None:
            self._limits.remove(self)
        else:
            self._timer.cancel()
        # Others may have cancelled the task at the same time, and are to be told so.
        if self.is_late and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def __call__(self) -> None:
        """It has passed."""
        self.is_late = True
        self._task.cancel()
