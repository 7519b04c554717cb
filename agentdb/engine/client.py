"""What the engines' clients share: transactions that survive cancellation, deadlines, and one funnel for values.

A dialect supplies `Channel`s, connections that run one statement at a time, and everything else is written once, here.
"""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from agentdb.engine.afterwork import Afterwork
from agentdb.engine.call_limits import CallLimit
from agentdb.engine.channel import Around, Channel, Result, Work, settle
from agentdb.engine.diagnosis import Connections
from agentdb.engine.dialect import ConnectionLostError, Dialect, Target
from agentdb.engine.snapshot import Snapshot
from agentdb.engine.steps import Companion, Outcome, Row, Steps
from agentdb.engine.transaction import Transaction, open_transactions
from agentdb.errors import DeadlineError, OutcomeUnknownError, StorageError, TransactionError, UnavailableError
from agentdb.telemetry import logger
from agentdb.telemetry.occupancy import Occupancy

if TYPE_CHECKING:
    from agentdb.engine.rights import Rights

T = TypeVar("T")

_READ: Final = re.compile(r"\s*(SELECT|VALUES|EXPLAIN|WITH)\b", re.IGNORECASE)
_WRITE_WORD: Final = re.compile(r"\b(INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)


@asynccontextmanager
async def _nothing_around(_: Channel) -> AsyncIterator[None]:
    yield


def only_reads(sql: str) -> bool:
    """Whether a statement surely writes nothing, as far as its words tell."""
    return bool(_READ.match(sql)) and not _WRITE_WORD.search(sql)


def closed_handle() -> TransactionError:
    """What a handle answers after `close()`."""
    return TransactionError("This database handle is closed. Open a new one with agentdb.connect().")


class Client(ABC):
    """The connections of one handle. How Tortoise sees them is told in `agentdb.engine.orm`.

    Attributes:
        arrive: Awaited before a statement or a transaction takes a channel. A handle that was made outside of the event
            loop which is to use it connects here.
        afterwork: What calls have left to be done without them.
        fallbacks: How many groups or batches of writes failed as a whole, so that their members were done one by one.
        rights: What statements may do; None for everything. Named ones are checked where they are compiled.
    """

    dialect: ClassVar[Dialect]

    def __init__(self, target: Target) -> None:
        self.target = target
        self.options = target.options
        self.arrive: Callable[[], Awaitable[None]] | None = None
        self.connect_within_s: float = target.options.connect_timeout_s
        self.default_isolation: str | None = None
        self.fallbacks = 0
        self.rights: Rights | None = None
        self.afterwork = Afterwork(target.options.connect_timeout_s)
        self.log = logger("agentdb.engine")
        self._bound_loop: asyncio.AbstractEventLoop | None = None

    @abstractmethod
    async def connect(self) -> None:
        """Connect, and belong to the running event loop from now on."""

    @abstractmethod
    async def close(self) -> None:
        """Disconnect. Closing twice is harmless."""

    @abstractmethod
    def occupancy(self) -> Occupancy | None:
        """How busy it is; None while it is not connected. May be called from any thread."""

    @abstractmethod
    async def _take(self, *, writing: bool) -> Channel:
        """A free channel. A cancelled call takes none.

        Raises:
            TransactionError: The client is closed.
        """

    @abstractmethod
    def _give_back(self, channel: Channel) -> Coroutine[Any, Any, None] | None:
        """Make `channel` free again; whatever it left open is rolled back, which may have to be awaited."""

    @abstractmethod
    def _is_write(self, sql: str) -> bool:
        """Whether `sql` needs a channel that may write."""

    @property
    def is_strict(self) -> bool:
        """Whether those who change one row at the same time refuse each other, in place of waiting."""
        return self.default_isolation not in (None, "read committed")

    @property
    def isolates_statements(self) -> bool:
        """Whether a statement that is its own transaction has the configured isolation too."""
        return True

    async def leave_standby(self, error: StorageError) -> bool:
        """After a write met a server that only reads: whether there may be another one, which is found next.

        Every connection is replaced then.
        """
        return False

    @property
    @abstractmethod
    def connections(self) -> Connections:
        """How many there are, and how many of them work."""

    def count_fallback(self) -> None:
        """A group or batch of writes is done one by one."""
        self.fallbacks += 1

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
        opened = open_transactions.get()
        return next((one for one in reversed(opened) if one.client is self), None) if opened else None

    def answered_at_once(self, steps: Callable[[], Steps[T]]) -> Outcome[T] | None:
        """Drive short `steps`, which only read, without waiting; None, with nothing lost, where that cannot be.

        Raises:
            AgentDBError: Whatever the database said, translated.
        """
        return None

    def written_at_once(
        self, steps: Callable[[], Steps[T]], *, told: Callable[[T], None] | None = None
    ) -> Outcome[T] | None:
        """Drive short `steps` in one transaction without waiting; None, with nothing done, where that cannot be.

        Args:
            told: Called with the result once it is kept.

        Raises:
            AgentDBError: Whatever the database said, translated; nothing was done, unless it is OutcomeUnknownError.
        """
        return None

    async def query(self, steps: Callable[[], Steps[T]], *, is_short: bool) -> T:
        """Drive `steps`, which only read.

        Args:
            is_short: They need no common snapshot, and are sure to be over soon.

        Raises:
            AgentDBError: Whatever the database said, translated.
        """
        self._check_loop()
        joined = self.joined()
        if joined is not None:
            return await joined.query(steps, self.dialect.encode)
        if not is_short:
            return await self._snapshot(steps)
        if self.arrive is not None:
            await self.arrive()
        async with self._channel(writing=False) as channel:
            outcome = await self.in_time(
                lambda channel: channel.drive(steps, self.dialect.encode),
                channel,
                within_s=self.options.statement_timeout_s,
            )
        return outcome.get()

    async def _snapshot(self, steps: Callable[[], Steps[T]]) -> T:
        try:
            async with self._outermost("repeatable read", None, False, _nothing_around) as snapshot:
                return await snapshot.query(steps, self.dialect.encode)
        except OutcomeUnknownError as error:  # it wrote nothing
            raise UnavailableError("The connection ended during a read.", engine_code=error.engine_code) from error

    async def write(
        self,
        steps: Callable[[], Steps[T]],
        *,
        told: Callable[[T], None] | None = None,
        limit: CallLimit | None = None,
        is_short: bool = False,
        companion: Companion | None = None,
    ) -> T:
        """Drive `steps` in one transaction, or in a savepoint of the one that is joined.

        Args:
            told: Called with the result once it is kept.
            limit: The caller's own deadline, if it has one.
            is_short: They are a few indexed statements with little to store.
            companion: How they are done together with others, where units share a transaction.

        Raises:
            AgentDBError: Whatever the database said, translated; nothing was done, unless it is OutcomeUnknownError.
        """
        self._check_loop()
        joined = self.joined()
        if joined is not None:
            return await joined.write(steps, self.dialect.encode, told=told)
        async with self._outermost(None, self.options.transaction_timeout_s, False, _nothing_around) as transaction:
            result = await transaction.query(steps, self.dialect.encode)
            if told is not None:
                transaction.on_commit(partial(told, result))
        return result

    @asynccontextmanager
    async def _outermost(
        self, isolation: str | None, limit_s: float | None, is_patient: bool, around: Around
    ) -> AsyncIterator[Transaction]:
        if self.arrive is not None:
            await self.arrive()
        stack = AsyncExitStack()
        channel = await stack.enter_async_context(self._channel(writing=True, within_s=limit_s))
        transaction = Transaction(self, channel, free=stack.aclose, is_patient=is_patient)
        try:
            await stack.enter_async_context(around(channel))
            await transaction.begin(isolation, limit_s)
            before = open_transactions.get()
            open_transactions.set((*before, transaction))
            try:
                yield transaction
                await transaction.commit()
            finally:
                open_transactions.set(before)
                transaction.tell()
        except BaseException as error:
            try:
                await self.afterwork.finish(transaction.end(), give_up=channel.abandon)
            except asyncio.CancelledError as again:
                raise again from (error.__cause__ if isinstance(error, asyncio.CancelledError) else error)
            raise
        await stack.aclose()

    @asynccontextmanager
    async def _channel(self, *, writing: bool, within_s: float | None = None) -> AsyncIterator[Channel]:
        acquire_s = self.options.acquire_timeout_s
        acquire_s = acquire_s if within_s is None else min(acquire_s, within_s)
        try:
            async with asyncio.timeout(acquire_s) as limit:
                with self.dialect.translating():
                    channel = await self._take(writing=writing)
        except TimeoutError:
            if not limit.expired():
                raise
            raise self._none_free(acquire_s) from None
        try:
            yield channel
        finally:
            left = self._give_back(channel)
            if left is not None:
                await self.afterwork.finish(left, give_up=channel.abandon)

    def _none_free(self, acquire_s: float | None = None) -> DeadlineError:
        acquire_s = self.options.acquire_timeout_s if acquire_s is None else acquire_s
        return DeadlineError(
            f"No connection was free, or could be opened, within {acquire_s:.3g} s; nothing was done. Another task "
            "holds a transaction, the pool is too small, or the server does not answer."
        )

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

    def _check_loop(self) -> None:
        if self._bound_loop is not None and self._bound_loop is not asyncio.get_running_loop():
            raise TransactionError(
                "This database handle was opened in another event loop. Open one handle in each loop."
            )

    def _bind(self) -> None:
        """From now on it belongs to the event loop that it has connected in."""
        self._bound_loop = asyncio.get_running_loop()

    async def fetch(self, sql: str, values: Sequence[Any] | None = None) -> Result:
        """Run one statement with positional parameters."""
        if self.rights is not None:
            self.rights.check(sql)
        encoded = self.dialect.encode(values or ())
        return await self.run(lambda channel: channel.execute(sql, encoded), writing=self._is_write(sql))

    async def rows(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Row]:
        """The rows that one statement gives."""
        return (await self.fetch(sql, values)).rows

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """One state of the database, to be read for as long as it takes. Writers go on meanwhile.

        On SQLite the log of writes grows until it is left. A database in memory has one connection: its writers wait.

        Raises:
            DeadlineError: No channel was free in time.
        """
        self._check_loop()
        if self.arrive is not None:
            await self.arrive()
        async with self._channel(writing=self._is_write("SELECT 1")) as channel:
            with self.dialect.translating():
                await channel.control(self.dialect.begin_snapshot)
            try:
                yield Snapshot(self, channel)
            finally:
                with suppress(Exception):  # a connection that is lost holds no state
                    await settle(channel.control("ROLLBACK"))

    async def execute_many(self, sql: str, values: Sequence[Sequence[Any]]) -> None:
        """Run one statement for each row of parameters, all or none."""
        if self.rights is not None:
            self.rights.check(sql)
        rows = [self.dialect.encode(row) for row in values]
        async with self.transaction():
            await self.run(lambda channel: channel.execute_many(sql, rows))

    async def execute_script(self, sql: str) -> None:
        """Run several statements without parameters."""
        if self.rights is not None:
            self.rights.check(sql)
        await self.run(lambda channel: channel.execute_script(sql))
