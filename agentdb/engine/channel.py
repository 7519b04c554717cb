"""A connection that runs one statement at a time, and is quiet again whenever a call on it has returned."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")


class Result(NamedTuple):
    """What a statement gave: its rows, how many rows it touched, and the last id an engine without RETURNING made."""

    rows: Sequence[Any]
    affected: int
    inserted_id: int | None = None


class Channel(ABC):
    """One open connection, used by one caller at a time.

    A cancelled call returns only when the connection is quiet again.
    """

    @abstractmethod
    async def execute(self, sql: str, values: Sequence[Any]) -> Result:
        """Run one statement."""

    @abstractmethod
    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run one statement for each of `rows`."""

    @abstractmethod
    async def execute_script(self, sql: str) -> None:
        """Run several statements, without a transaction of its own."""

    @abstractmethod
    async def control(self, sql: str) -> None:
        """Run BEGIN, COMMIT, SAVEPOINT and the like."""


Work: TypeAlias = Callable[[Channel], Awaitable[T]]
Around: TypeAlias = Callable[[Channel], AbstractAsyncContextManager[None]]


async def settle(work: Coroutine[Any, Any, T], *, on_cancel: Callable[[], None] | None = None) -> T:
    """Await `work` to its end even if the caller is cancelled, and deliver the cancellation afterwards.

    If the work then ended with an error, that is the cause of the cancellation.

    Args:
        on_cancel: Called when the caller is cancelled, and again every 20 ms until the work ends, to hurry it.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task}, timeout=0.02 if cancelled and on_cancel else None)
        except asyncio.CancelledError as error:
            cancelled = error
        if cancelled and on_cancel and not task.done():
            on_cancel()
    if cancelled is None:
        return task.result()
    raise cancelled from (None if task.cancelled() else task.exception())
