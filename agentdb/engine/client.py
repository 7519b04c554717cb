"""What our Tortoise backends share: transactions that survive cancellation, deadlines, and one funnel for values.

Tortoise's own backends lose data when a task is cancelled inside a transaction (a cancelled BEGIN kills SQLite for the
process, twelve cancelled transactions empty a pool of five), cannot serve two engines in one process, and let driver
errors through. Here a dialect supplies `Channel`s, connections that run one statement at a time, and everything else
is written once.

A transaction is joined through a context variable: inside `async with client.transaction()` every statement of the
same task runs in it, whichever layer sends it.
"""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, Final, NamedTuple, TypeAlias, TypeVar

from tortoise.backends.base.client import BaseDBAsyncClient

from agentdb.engine.dialect import ConnectionLostError, Dialect, Target
from agentdb.engine.values import checked
from agentdb.errors import (
    AgentDBError,
    ConflictError,
    DeadlineError,
    OutcomeUnknownError,
    StorageError,
    TransactionError,
    UnavailableError,
)

ALIAS: Final = "agentdb"
"""The one connection name of all handles: Tortoise keeps statements by name, ours are kept by dialect as well."""

Row: TypeAlias = Mapping[str, Any]
T = TypeVar("T")

_READ: Final = re.compile(r"\s*(SELECT|VALUES|EXPLAIN|WITH)\b", re.IGNORECASE)
_WRITE_WORD: Final = re.compile(r"\b(INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)


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
Arrive: TypeAlias = Callable[[], Awaitable[None]]


@asynccontextmanager
async def _nothing_around(_: Channel) -> AsyncIterator[None]:
    yield


def only_reads(sql: str) -> bool:
    """Whether a statement surely writes nothing, as far as its words tell."""
    return bool(_READ.match(sql)) and not _WRITE_WORD.search(sql)


def closed_handle() -> TransactionError:
    """What a handle answers after `close()`."""
    return TransactionError("This database handle is closed. Open a new one with agentdb.connect().")


class Client(BaseDBAsyncClient, ABC):
    """A Tortoise backend over channels.

    Attributes:
        arrive: Awaited before a statement or a transaction takes a channel. A handle that was made outside of the event
            loop which is to use it connects here.
    """

    dialect: ClassVar[Dialect]

    def __init__(self, target: Target) -> None:
        super().__init__(connection_name=ALIAS)
        self.target = target
        self.options = target.options
        self.arrive: Arrive | None = None
        self.connect_within_s: float = target.options.connect_timeout_s
        self.default_isolation: str | None = None

    @abstractmethod
    async def _take(self, *, writing: bool) -> Channel:
        """A free channel. A cancelled call takes none.

        Raises:
            TransactionError: The client is closed.
        """

    @abstractmethod
    async def _give_back(self, channel: Channel) -> None:
        """Make `channel` free again; whatever it left open is rolled back."""

    @abstractmethod
    def _is_write(self, sql: str) -> bool:
        """Whether `sql` needs a channel that may write."""

    async def run(self, work: Work[T], *, writing: bool = True) -> T:
        """Give `work` a channel: the transaction's if one is joined, else a free one for this call alone.

        Raises:
            DeadlineError: No channel was free in `acquire_timeout_s`, or `work` took over `statement_timeout_s`.
            OutcomeUnknownError: A write was cut off, and nobody knows whether it was done.
            AgentDBError: Whatever the database said, translated.
        """
        self._check_loop()
        transaction = self.joined()
        if transaction is not None:
            return await transaction.run(work)
        if self.arrive is not None:
            await self.arrive()
        async with self._channel(writing=writing) as channel:
            try:
                return await self.in_time(work, channel, within_s=self.options.statement_timeout_s)
            except (ConnectionLostError, DeadlineError) as error:
                # A deadline with a cause was confirmed: the engine itself says that it stopped the statement.
                if not writing or (isinstance(error, DeadlineError) and error.__cause__ is not None):
                    raise
                raise OutcomeUnknownError(
                    f"{error} It was a write, so it may be stored or not. Repeat it only with the same request_id.",
                    engine_code=error.engine_code,
                ) from error

    def transaction(
        self,
        *,
        isolation: str | None = None,
        limit_s: float | None = None,
        is_patient: bool = False,
        around: Around = _nothing_around,
    ) -> AbstractAsyncContextManager[Transaction]:
        """Group the statements of the block: all are kept, or none. Inside another one it is a savepoint.

        Args:
            isolation: As PostgreSQL names it, in place of the configured one; SQLite is always serializable.
            limit_s: After so many seconds it is rolled back and its next statement raises; None for no limit.
            is_patient: Its statements take as long as they take.
            around: Entered with the channel before BEGIN, left when the transaction is over.

        Raises:
            DeadlineError: No channel was free in time, or the limit has passed.
            TransactionError: A statement failed and the block went on as if it had not.
            OutcomeUnknownError: The connection was lost during COMMIT.
        """
        self._check_loop()
        outer = self.joined()
        if outer is not None:
            return outer.savepoint()
        return self._outermost(isolation, limit_s, is_patient, around)

    def joined(self) -> Transaction | None:
        """The transaction of this client that the current context is in, if any."""
        return next((one for one in reversed(_joined.get()) if one.client is self), None)

    @asynccontextmanager
    async def _outermost(
        self, isolation: str | None, limit_s: float | None, is_patient: bool, around: Around
    ) -> AsyncIterator[Transaction]:
        if self.arrive is not None:
            await self.arrive()
        async with AsyncExitStack() as stack:
            channel = await stack.enter_async_context(self._channel(writing=True))
            await stack.enter_async_context(around(channel))
            transaction = Transaction(self, channel, free=stack.aclose, is_patient=is_patient)
            await transaction.begin(isolation, limit_s)
            before = _joined.get()
            _joined.set((*before, transaction))
            try:
                yield transaction
            except BaseException:
                await settle(transaction.rollback())
                raise
            else:
                await transaction.commit()
            finally:
                _joined.set(before)
                transaction.tell()

    @asynccontextmanager
    async def _channel(self, *, writing: bool) -> AsyncIterator[Channel]:
        try:
            async with asyncio.timeout(self.options.acquire_timeout_s) as limit:
                with self.dialect.translating():
                    channel = await self._take(writing=writing)
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlineError(
                f"No connection was free, or could be opened, within {self.options.acquire_timeout_s} s; nothing was "
                "done. Another task holds a transaction, the pool is too small, or the server does not answer."
            ) from None
        try:
            yield channel
        finally:
            await settle(self._give_back(channel))

    async def in_time(self, work: Work[T], channel: Channel, *, within_s: float | None) -> T:
        """Run `work`, cancelled after `within_s` seconds; never if that is None.

        Raises:
            DeadlineError: It was cancelled. Its cause is what the engine said to that, if it did.
        """
        try:
            async with asyncio.timeout(within_s) as limit:
                with self.dialect.translating():
                    return await work(channel)
        except TimeoutError as error:
            if within_s is None or not limit.expired():
                raise
            answer = error.__cause__.__cause__ if error.__cause__ else None
            raise DeadlineError(f"The statement took over {within_s:.3g} s and was cancelled.") from answer

    def _encoded(self, values: Sequence[Any] | None) -> list[Any]:
        return [self.dialect.encode(checked(value)) for value in values or ()]

    # What Tortoise calls.

    def _check_loop(self) -> bool:
        if not super()._check_loop():
            raise TransactionError(
                "This database handle was opened in another event loop. Open one handle in each loop."
            )
        return True

    def _in_transaction(self) -> Any:
        return _TortoiseTransaction(self)

    async def fetch(self, sql: str, values: Sequence[Any] | None = None) -> Result:
        """Run one statement with positional parameters."""
        encoded = self._encoded(values)
        return await self.run(lambda channel: channel.execute(sql, encoded), writing=self._is_write(sql))

    async def execute_query(self, query: str, values: list[Any] | None = None) -> tuple[int, Sequence[Any]]:
        result = await self.fetch(query, values)
        return result.affected, result.rows

    async def execute_query_dict(self, query: str, values: list[Any] | None = None) -> list[dict[str, Any]]:
        return [dict(row) for row in (await self.fetch(query, values)).rows]

    async def execute_query_dict_with_affected(
        self, query: str, values: list[Any] | None = None
    ) -> tuple[list[dict[str, Any]], int]:
        result = await self.fetch(query, values)
        return [dict(row) for row in result.rows], result.affected

    async def execute_insert(self, query: str, values: list[Any]) -> Any:
        result = await self.fetch(query, values)
        return dict(result.rows[0]) if result.rows else result.inserted_id

    async def execute_many(self, query: str, values: list[list[Any]]) -> None:
        rows = [self._encoded(row) for row in values]
        async with self.transaction():
            await self.run(lambda channel: channel.execute_many(query, rows))

    async def execute_script(self, query: str) -> None:
        await self.run(lambda channel: channel.execute_script(query))


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
            if isinstance(error, _REFUSALS) and not isinstance(error, ConnectionLostError):
                raise
            raise OutcomeUnknownError(
                "The connection failed during COMMIT, so the transaction may be stored or not. "
                "Repeat it only with the same request_id.",
                engine_code=error.engine_code,
            ) from error

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
                self.client.log.exception("A callback after a commit failed.")

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
            self.client.log.debug("%s after a failure: %s", sql, type(error).__name__)
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


# What a COMMIT may answer that is certain: it was not done.
_REFUSALS: Final = (ConflictError, DeadlineError, StorageError, TransactionError, UnavailableError)

_joined: ContextVar[tuple[Transaction, ...]] = ContextVar("agentdb_transactions", default=())


class _TortoiseTransaction:
    """`client.transaction()` in the shape that Tortoise's own code enters, with the client as its value."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._block = client.transaction()

    async def __aenter__(self) -> Client:
        await self._block.__aenter__()
        return self._client

    async def __aexit__(self, *exc_info: Any) -> None:
        await self._block.__aexit__(*exc_info)


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
