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

from agentdb.engine.channel import GRACE_S, Channel, Work
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
    """What a failed COMMIT says to those who wait for it: `error` if it is certain that nothing was done.

    A disk that could not take a write has not taken the end of the transaction, which is written last. One that
    reports another error, such as when it was to make sure, may have.
    """
    is_failing = isinstance(error, StorageError) and error.reason == "failing"
    if isinstance(error, _REFUSALS) and not isinstance(error, ConnectionLostError) and not is_failing:
        return error
    what = "disk" if is_failing else "connection"
    return OutcomeUnknownError(
        f"The {what} failed during COMMIT, so the transaction may be stored or not. "
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
        self._commit: asyncio.Task[None] | None = None

    async def begin(self, isolation: str | None, limit_s: float | None) -> None:
        """Start it, and its clock."""
        begin = self.client.dialect.begin(isolation or self.client.default_isolation)
        with self.client.dialect.translating():
            await self._channel.control(begin, within_s=limit_s)
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
            await self._undo_soon(name)
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
            del self._callbacks[callbacks:]
            await self._undo_soon(name)
            raise
        finally:
            self._depth -= 1

    async def commit(self) -> None:
        """Keep it. A caller cancelled meanwhile is told after the commit, or soon: then nobody knows how it ends.

        Raises:
            CancelledError: Its cause is an OutcomeUnknownError if it may be kept.
        """
        self._check_alive()
        self._end()
        self._commit = asyncio.ensure_future(self._committed())
        cancelled: asyncio.CancelledError | None = None
        while not self._commit.done():
            try:
                done, _ = await asyncio.wait({self._commit}, timeout=GRACE_S if cancelled else None)
                if not done:
                    break
            except asyncio.CancelledError as error:
                cancelled = error
        failure = self._commit_failure() if self._commit.done() else commit_failure(ConnectionLostError("No answer."))
        if cancelled is not None:
            raise cancelled from failure
        if failure is not None:
            raise failure

    async def _committed(self) -> None:
        with self.client.dialect.translating():
            await self._channel.control("COMMIT")
        self._is_kept = True

    def _commit_failure(self) -> BaseException | None:
        assert self._commit is not None
        error = ConnectionLostError("Cancelled.") if self._commit.cancelled() else self._commit.exception()
        if not isinstance(error, AgentDBError):
            return error
        failure = commit_failure(error)
        if failure is not error:
            failure.__cause__ = error
        return failure

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the whole transaction is kept, also when its task is cancelled meanwhile."""
        self._callbacks.append(callback)

    def tell(self) -> None:
        """Call the callbacks, once, if the transaction was kept. One that fails cannot undo it, and is logged."""
        if not self._is_kept:
            return
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback()
            except Exception:
                self.client.log.exception("A callback after a commit failed.", extra=fields("callback_failed"))

    async def end(self) -> None:
        """Undo it, unless it is over or being committed, and give the channel back."""
        if self._commit is not None:
            await asyncio.wait({self._commit})
            self._commit_failure()  # somebody has to look at it
            self.tell()
        if self._expiry is not None:
            await self._expiry
        async with self._busy:  # a savepoint may still be on its way to be undone
            if not self._is_kept and (self._commit is not None or not self._is_over):
                self._end()
                await self._quietly("ROLLBACK")
        await self._free()

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

    async def _undo_soon(self, savepoint: str) -> None:
        """Roll back to `savepoint`; all of it has failed if that takes long.

        After some errors SQLite has rolled back the whole: then too.
        """
        undone: list[str] = []
        try:
            await self.client.afterwork.finish(self._undo(savepoint, undone.append), give_up=self._channel.abandon)
        finally:
            self._has_failed = not undone

    async def _undo(self, savepoint: str, undone: Callable[[str], None]) -> None:
        async with self._busy:
            if not self._is_over and await self._quietly(f"ROLLBACK TO SAVEPOINT {savepoint}"):
                undone(savepoint)

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
            if self._is_over:  # it ended while this waited, and its channel may serve somebody else
                return
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
