"""One open database as the rooms above see it: enter it, run a statement, group statements, repeat a unit of work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import stamina

from agentdb.engine.channel import settle
from agentdb.engine.client import Client, Row, closed_handle
from agentdb.engine.dialect import Dialect, Target
from agentdb.engine.orm import TortoiseSession
from agentdb.engine.steps import Many, Steps
from agentdb.engine.transaction import Transaction
from agentdb.errors import DeadlineError, UnavailableError, UnsupportedError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a database can do that one made by the original package cannot.

    Attributes:
        request_ids: `Message` and `Usage` keep a caller's request_id.
        unique_identity: E-mails, API keys and the natural keys of the catalog are unique.
        support_tables: The tables named `agentdb_...` are there.
        resource_owners: `Resource` keeps its user and conversation.
    """

    request_ids: bool = True
    unique_identity: bool = True
    support_tables: bool = True
    resource_owners: bool = True

    def require(self, ability: str) -> None:
        """
        Raises:
            UnsupportedError: The database lacks it.
        """
        if not getattr(self, ability):
            raise UnsupportedError(
                f"This database was made by the original package and has no {ability.replace('_', ' ')}. "
                "Run `agentdb adopt` on it first."
            )


class Session:
    """A client with the models that see it."""

    def __init__(self, target: Target, *, create: bool) -> None:
        self.target = target
        self.client: Client = target.dialect.client(target, create=create)
        self.abilities = Abilities()
        self._tortoise = TortoiseSession()
        self._is_open = False

    @property
    def dialect(self) -> Dialect:
        """The engine's answers."""
        return self.target.dialect

    async def open(self, modules: Sequence[str]) -> None:
        """Connect, and let Tortoise know the models in `modules`.

        Raises:
            AgentDBError: The database cannot be reached, opened or read; nothing was changed.
        """
        await self._connect()
        try:
            await self._tortoise.know(self.client, modules)
        except BaseException:
            await settle(self.client.close())
            raise
        self._is_open = True

    async def close(self) -> None:
        """Disconnect. Closing twice is harmless."""
        self._is_open = False
        await settle(self.client.close())

    @contextmanager
    def use(self) -> Iterator[None]:
        """Let Tortoise queries of this task go to this database.

        Raises:
            TransactionError: It is closed.
        """
        if not self._is_open:
            raise closed_handle()
        with self._tortoise.entered():
            yield

    async def fetch(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Row]:
        """The rows that one statement gives, with positional parameters."""
        with self.use():
            return (await self.client.fetch(sql, values)).rows

    def transaction(
        self, *, isolation: str | None = None, limit_s: float | None = None
    ) -> AbstractAsyncContextManager[Transaction]:
        """See `Client.transaction`."""
        with self.use():
            return self.client.transaction(isolation=isolation, limit_s=limit_s)

    async def read(self, work: Callable[[], Awaitable[T]], *, timeout_s: float | None = None) -> T:
        """Run `work`, which only reads, and again when the database could not answer just then.

        It opens no transaction. Inside a caller's own one it sees what that one wrote, and is never repeated.

        Args:
            timeout_s: For the whole call with its repetitions.

        Raises:
            DeadlineError: `timeout_s` has passed.
        """
        with self.use():
            return await self._repeated(work, timeout_s, [])

    async def unit(
        self, work: Callable[[], Awaitable[T]], *, timeout_s: float | None = None, isolation: str | None = None
    ) -> T:
        """Run `work` in one transaction, and again when the database could not do it just then.

        Inside a caller's own transaction it is a savepoint, and never repeated: only the caller can repeat the whole.

        Args:
            timeout_s: For the whole call with its repetitions; None for the transaction's own limit alone.

        Raises:
            DeadlineError: `timeout_s` has passed; nothing was done.
        """
        committed: list[T] = []
        return await self._repeated(partial(self._once, work, isolation, committed.append), timeout_s, committed)

    async def query(
        self, steps: Callable[[], Steps[T]], *, timeout_s: float | None = None, is_short: bool = False
    ) -> T:
        """Drive `steps`, which only read, and again when the database could not answer just then.

        Args:
            timeout_s: For the whole call with its repetitions.
            is_short: Every statement is bounded and served by an index, so it may run on the event loop's thread.

        Raises:
            DeadlineError: `timeout_s` has passed.
        """
        return await self.read(partial(self._driven, steps), timeout_s=timeout_s)

    async def write(
        self,
        steps: Callable[[], Steps[T]],
        *,
        timeout_s: float | None = None,
        on_commit: Callable[[T], None] | None = None,
    ) -> T:
        """Drive `steps` in one transaction, and again when the database could not do it just then.

        Inside a caller's own transaction it is a savepoint, and never repeated: only the caller can repeat the whole.

        Args:
            timeout_s: For the whole call with its repetitions; None for the transaction's own limit alone.
            on_commit: Called with the result once the outermost transaction is kept, never before.

        Raises:
            DeadlineError: `timeout_s` has passed; nothing was done.
        """

        async def work() -> T:
            result = await self._driven(steps)
            transaction = self.client.joined()
            if on_commit is not None and transaction is not None:
                transaction.on_commit(partial(on_commit, result))
            return result

        return await self.unit(work, timeout_s=timeout_s)

    async def _driven(self, steps: Callable[[], Steps[T]]) -> T:
        running = steps()
        try:
            step = next(running)
            while True:
                if isinstance(step, Many):
                    await self.client.execute_many(step.sql, [list(row) for row in step.rows])
                    step = running.send(())
                else:
                    step = running.send((await self.client.fetch(step.sql, step.values)).rows)
        except StopIteration as end:
            result: T = end.value
            return result

    async def _repeated(self, work: Callable[[], Awaitable[T]], timeout_s: float | None, committed: list[T]) -> T:
        attempts = 1 if self.client.joined() is not None else 10
        try:
            async with asyncio.timeout(timeout_s) as limit:
                async for attempt in stamina.retry_context(
                    on=UnavailableError, attempts=attempts, wait_initial=0.02, wait_max=1.0, wait_jitter=0.05
                ):
                    with attempt:
                        return await work()
        except TimeoutError:
            if not limit.expired():
                raise
            if committed:  # the deadline passed during COMMIT, which then succeeded
                return committed[0]
            raise DeadlineError(f"Not done within {timeout_s} s, and rolled back.") from None
        raise AssertionError("stamina gives at least one attempt")

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(self.client.connect_within_s) as limit:
                await self.client.create_connection(with_db=True)
        except TimeoutError:
            if not limit.expired():
                raise
            raise UnavailableError(
                f"{self.target.shown} gave no answer within {self.client.connect_within_s} s."
            ) from None

    async def _once(self, work: Callable[[], Awaitable[T]], isolation: str | None, on_commit: Callable[[T], None]) -> T:
        limit_s = self.target.options.transaction_timeout_s
        with self.use():
            async with self.client.transaction(isolation=isolation, limit_s=limit_s) as transaction:
                result = await work()
                transaction.on_commit(partial(on_commit, result))
                return result
