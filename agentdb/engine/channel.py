"""A connection that runs one statement at a time, and is quiet again whenever a call on it has returned."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from agentdb.engine.steps import Encode, InsertEach, Many, Outcome, Query, Row, Steps, drive_awaiting

T = TypeVar("T")

HURRY_S: Final = 0.02
"""How often a call is hurried once nobody waits for its result."""

GRACE_S: Final = 0.2
"""How long a caller whose deadline has passed, or who was cancelled, still waits until all is quiet again. A database
that can be reached needs a few milliseconds; what one that cannot be reached leaves open is tidied up without him. He
may wait so long twice: for the answer to a COMMIT, and for the connection to be given back."""


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
    async def control(self, sql: str, *, within_s: float | None = None) -> None:
        """Run BEGIN, COMMIT, SAVEPOINT and the like, within so many seconds if that is less than usual."""

    def abandon(self) -> None:
        """End the connection if it can be lost, so that whatever waits for it ends too. Others do nothing."""
        return

    async def drive(self, steps: Callable[[], Steps[T]], encode: Encode) -> Outcome[T]:
        """Run a unit of work.

        Raises:
            Exception: The driver's, when a statement failed. What the unit itself raised is in the outcome.
        """
        return await drive_awaiting(steps, encode, self._answered)

    async def drive_part(self, steps: Callable[[], Steps[T]], encode: Encode, savepoint: str) -> Outcome[T]:
        """Run a unit of work in a savepoint, which ends with it if the unit came to a result.

        After a refusal or an error the caller undoes it.
        """
        await self.control(f"SAVEPOINT {savepoint}")
        outcome = await self.drive(steps, encode)
        if outcome.refusal is None:
            await self.control(f"RELEASE SAVEPOINT {savepoint}")
        return outcome

    async def _answered(self, step: Query | Many, values: Any) -> Sequence[Row]:
        if isinstance(step, Query):
            return (await self.execute(step.sql, values)).rows
        if isinstance(step, InsertEach):
            return [(await self.execute(step.sql, row)).rows[0] for row in values]
        await self.execute_many(step.sql, list(values))
        return ()


Work: TypeAlias = Callable[[Channel], Awaitable[T]]
Around: TypeAlias = Callable[[Channel], AbstractAsyncContextManager[None]]


class Answer(Generic[T]):
    """What another thread works out for a caller, who goes on only when nothing is under way any more.

    Attributes:
        is_given: Whether the caller may go on. Set on the event loop.
        error: Why there is no result.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.is_given = False
        self.result: T | None = None
        self.error: BaseException | None = None
        self._doubt: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None

    def give(self) -> None:
        """Wake the caller."""
        self.is_given = True
        self._wake()

    def dismiss(self, doubt: BaseException) -> None:
        """Let the caller go with `doubt`, unless there is an answer. What is under way goes on without him."""
        if not self.is_given:
            self._doubt = doubt
            self._wake()

    async def wait(self, on_cancel: Callable[[], bool], *, in_doubt: Callable[[], BaseException] | None = None) -> T:
        """Wait for it, even if the caller is cancelled, and deliver the cancellation afterwards.

        Args:
            on_cancel: Called when the caller is cancelled. True says that nothing will come, so nobody has to wait.
            in_doubt: What he is told, as the cause of the cancellation, if no answer comes soon after it. Without it
                he waits on.
        """
        cancelled: asyncio.CancelledError | None = None
        while not self.is_given and self._doubt is None:
            self._waiter = self.loop.create_future()
            try:
                await self._waiter
            except asyncio.CancelledError as error:
                if cancelled is None and in_doubt is not None:
                    self.loop.call_later(GRACE_S, lambda: self.dismiss(in_doubt()))
                cancelled = error
                if on_cancel():
                    break
        answer = self.error if self.is_given else self._doubt
        if cancelled is not None:
            raise cancelled from answer
        if answer is not None:
            raise answer
        return self.result  # type: ignore[return-value]  # None is a result where T has it

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


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
            await asyncio.wait({task}, timeout=HURRY_S if cancelled and on_cancel else None)
        except asyncio.CancelledError as error:
            cancelled = error
        if cancelled and on_cancel and not task.done():
            on_cancel()
    if cancelled is None:
        return task.result()
    raise cancelled from (None if task.cancelled() else task.exception())
