"""One open transaction, safe under cancellation: whatever happens to its task, it ends, and ends as a whole.

It is joined through a context variable: inside the block every statement of the same task runs in it, whichever layer
sends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from agentdb.engine.channel import Channel, Work, settle
from agentdb.engine.dialect import ConnectionLostError
from agentdb.engine.steps import Encode, Steps
from agentdb.errors import (
    AgentDBError,
    ConflictError,
    DeadlineError,
    OutcomeUnknownError,
    StorageError,
    TransactionError,
    UnavailableError,
)
from agentdb.telemetry import fields

if TYPE_CHECKING:
    from agentdb.engine.client import Client

T = TypeVar("T")

# What a COMMIT may answer that is certain: it was not done.
_REFUSALS: Final = (ConflictError, DeadlineError, StorageError, TransactionError, UnavailableError)


def commit_failure(error: AgentDBError) -> AgentDBError:
    """What a failed COMMIT says to those who wait for it: `error` if it is certain that nothing was done."""
    if isinstance(error, _REFUSALS) and not isinstance(error, ConnectionLostError):
        return error
    return OutcomeUnknownError(
        "The connection failed during COMMIT, so the transaction may be stored or not. "
        "Repeat it only with the same request_id.",
        engine_code=error.engine_code,
    )


class Transaction:
    """One open transaction. It belongs to the task that began it.

    Args:
        free: Gives the channel back, once.
    """

    def __init__(
        self, client: Client, channel: Channel, *, free: Callable[[], Awaitable[None]], is_patient: bool = False
    ) -> None:
        self.client = client
        self._channel = channel
        self._free = free
        self._is_patient = is_patient
        self._owner = asyncio.current_task()
        self._busy = asyncio.Lock()
        self._depth = 0
        self._is_over = False
        self._has_failed = False
        self._is_kept = False
        self._callbacks: list[Callable[[], None]] = []
        self._limit_s: float | None = None
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._expiry: asyncio.Task[None] | None = None

    async def begin(self, isolation: str | None, limit_s: float | None) -> None:
        """Start it, and its clock."""
        try:
            await self._control(self.client.dialect.begin(isolation or self.client.default_isolation))
        except BaseException:
            await settle(self._quietly("ROLLBACK"))  # a cancelled BEGIN may have begun
            raise
        if limit_s is not None:
            loop = asyncio.get_running_loop()
            self._limit_s, self._deadline = limit_s, loop.time() + limit_s
            self._timer = loop.call_at(self._deadline, self._expire)

    async def run(self, work: Work[T]) -> T:
        """Run `work` on its channel.

        Raises:
            TransactionError: Another task asks, it is over, or an earlier statement failed.
            DeadlineError: Its limit has passed.
        """
        async with self._turn():
            return await self.client.in_time(work, self._channel, within_s=self._statement_s())

    async def query(self, steps: Callable[[], Steps[T]], encode: Encode) -> T:
        """Drive `steps`, which only read, in it. What they raise themselves ends nothing."""
        return (await self.run(lambda channel: channel.drive(steps, encode))).get()

    async def write(
        self, steps: Callable[[], Steps[T]], encode: Encode, *, told: Callable[[T], None] | None = None
    ) -> T:
        """Drive `steps` in it, as a part that can fail alone.

        Args:
            told: Called with the result once the whole is kept.
        """
        self._check_usable()
        self._depth += 1
        name = f"agentdb_{self._depth}"
        try:
            result = (await self.run(lambda channel: channel.drive_part(steps, encode, name))).get()
        except BaseException:
            await settle(self._undo(name))
            raise
        finally:
            self._depth -= 1
        if told is not None:
            self.on_commit(partial(told, result))
        return result

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[Transaction]:
        """A part that can fail alone."""
        self._check_usable()
        self._depth += 1
        name, callbacks = f"agentdb_{self._depth}", len(self._callbacks)
        try:
            async with self._turn():
                await self._control(f"SAVEPOINT {name}")
            yield self
            async with self._turn():
                await self._control(f"RELEASE SAVEPOINT {name}")
        except BaseException:
            await settle(self._undo(name))
            del self._callbacks[callbacks:]
            raise
        finally:
            self._depth -= 1

    async def commit(self) -> None:
        """Keep it. A caller cancelled meanwhile is told after the commit."""
        if self._expiry is not None or self._has_failed:
            await settle(self.rollback())
            self._check_alive()
        self._end()
        try:
            with self.client.dialect.translating():
                await settle(self._committed())
        except AgentDBError as error:
            await settle(self._quietly("ROLLBACK"))
            failure = commit_failure(error)
            if failure is error:
                raise
            raise failure from error

    async def _committed(self) -> None:
        await self._channel.control("COMMIT")
        self._is_kept = True

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the whole transaction is kept, also when its task is cancelled meanwhile."""
        self._callbacks.append(callback)

    def tell(self) -> None:
        """Call the callbacks if the transaction was kept. One that fails cannot undo it, and is logged."""
        for callback in self._callbacks if self._is_kept else ():
            try:
                callback()
            except Exception:
                self.client.log.exception("A callback after a commit failed.", extra=fields("callback_failed"))

    async def rollback(self) -> None:
        """Undo it; harmless when it is over."""
        if self._expiry is not None:
            await self._expiry
        if not self._is_over:
            self._end()
            await self._quietly("ROLLBACK")

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """The channel for one statement."""
        self._check_usable()
        async with self._busy:
            self._check_usable()  # the limit may have passed meanwhile
            try:
                yield
            except BaseException:
                # After an error PostgreSQL refuses everything until a rollback, SQLite would go on: one answer.
                self._has_failed = True
                raise

    async def _undo(self, savepoint: str) -> None:
        """Roll back to `savepoint`. After some errors SQLite has rolled back the whole: then all of it has failed."""
        async with self._busy:
            if not self._is_over:
                self._has_failed = not await self._quietly(f"ROLLBACK TO SAVEPOINT {savepoint}")

    async def _control(self, sql: str) -> None:
        with self.client.dialect.translating():
            await self._channel.control(sql)

    async def _quietly(self, sql: str) -> bool:
        """Run `sql` after a failure that is the one to report; whether it could be run.

        A lost connection has rolled back already.
        """
        try:
            await self._channel.control(sql)
        except Exception as error:
            told = fields("rollback_failed", error=type(error).__name__)
            self.client.log.debug("%s after a failure: %s", sql, type(error).__name__, extra=told)
            return False
        return True

    def _statement_s(self) -> float | None:
        if self._is_patient:
            return None
        limit = self.client.options.statement_timeout_s
        if self._deadline is None:
            return limit
        return min(limit, max(0.0, self._deadline - asyncio.get_running_loop().time()))

    def _end(self) -> None:
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()

    def _expire(self) -> None:
        self._expiry = asyncio.ensure_future(self._roll_back_expired())

    async def _roll_back_expired(self) -> None:
        async with self._busy:  # a running statement ends at the same deadline
            self._end()
            await self._quietly("ROLLBACK")
            await self._free()  # nobody has to wait for the end of the block

    def _check_alive(self) -> None:
        if self._expiry is not None:
            raise DeadlineError(
                f"The transaction was rolled back after its limit of {self._limit_s} s. "
                "Keep slow work, such as a model call, outside of it."
            )
        if self._has_failed:
            raise TransactionError(
                "A statement of this transaction failed, so it was rolled back. Let the error leave the block, "
                "or put the part that may fail into a nested db.transaction()."
            )

    def _check_usable(self) -> None:
        self._check_alive()
        if self._is_over:
            raise TransactionError("This transaction is over: a task that was started inside it is still using it.")
        if asyncio.current_task() is not self._owner:
            raise TransactionError(
                "A transaction belongs to the task that began it. Await the call in that task, "
                "or start the other task before the transaction."
            )


open_transactions: ContextVar[tuple[Transaction, ...]] = ContextVar("agentdb_transactions", default=())
"""The transactions, of any database, that the current context is in, the innermost last."""
