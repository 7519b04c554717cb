"""What is left to do when a call is over, and goes on without its caller if it takes long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from agentdb.engine.channel import GRACE_S
from agentdb.telemetry import fields, logger

T = TypeVar("T")

_logger = logger("agentdb.engine")


class Afterwork:
    """Rolling back, giving connections back: work that nobody has to wait for.

    Args:
        patience_s: After so long a connection that does not become quiet is ended.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def is_busy(self) -> bool:
        """Whether something goes on without its caller."""
        return bool(self._tasks)

    async def finish(self, work: Coroutine[Any, Any, T], *, give_up: Callable[[], None] | None = None) -> bool:
        """Await `work` for a short time, even if the caller is cancelled; whether it is done. If not, it goes on alone.

        Args:
            give_up: Called when that takes too long, to make it end.
        """
        task, cancelled = asyncio.ensure_future(work), None
        until = asyncio.get_running_loop().time() + GRACE_S
        while not task.done() and (left := until - asyncio.get_running_loop().time()) > 0:
            try:
                await asyncio.wait({task}, timeout=left)
            except asyncio.CancelledError as error:
                cancelled = error
        if not task.done():
            self._leave(task, give_up)
        if cancelled is not None:
            raise cancelled
        if task.done():
            task.result()
        return task.done()

    async def end(self, within_s: float) -> None:
        """Wait for all of it, so long at most; what is still not done then is cancelled."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(set(self._tasks), timeout=within_s)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=within_s)

    def _leave(self, task: asyncio.Task[Any], give_up: Callable[[], None] | None) -> None:
        self._tasks.add(task)
        if give_up is not None:
            timer = asyncio.get_running_loop().call_later(self._patience_s, give_up)
            task.add_done_callback(lambda _: timer.cancel())
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            failure = type(task.exception()).__name__
            _logger.debug(
                "What was left of a call ended with an error: %s",
                failure,
                extra=fields("afterwork_failed", error=failure),
            )
