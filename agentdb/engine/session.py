"""One open database as the rooms above see it: enter it, run a statement, group statements, repeat a unit of work."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from agentdb.engine.channel import settle
from agentdb.engine.client import Client, closed_handle
from agentdb.engine.dialect import Dialect, Target
from agentdb.engine.steps import Row, Steps
from agentdb.engine.transaction import Transaction
from agentdb.engine.values import seconds
from agentdb.errors import DeadlineError, UnavailableError, UnsupportedError

if TYPE_CHECKING:
    from agentdb.engine.orm import TortoiseSession

T = TypeVar("T")

_Attempt: TypeAlias = Callable[[asyncio.Timeout | None], Awaitable[T]]


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a database can do that one made by the original package cannot.

    Attributes:
        request_ids: `Message` and `Usage` keep a caller's request_id.
        unique_identity: E-mails, API keys and the natural keys of the catalog are unique.
        support_tables: The tables named `agentdb_...` are there.
        resource_owners: `Resource` keeps its user and conversation.
        word_table: SQLite's own full-text index has been made. No migration makes it; see `agentdb.engine.word_table`.
        vectors: Statements can compare embeddings. Extensions make it so; see `agentdb.engine.vectors`.
    """

    request_ids: bool = True
    unique_identity: bool = True
    support_tables: bool = True
    resource_owners: bool = True
    word_table: bool = False
    vectors: bool = False

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
    """A client with the models that see it.

    Attributes:
        compiled: The statements that were compiled for this database, by domain and name; see `agentdb.sql`.
    """

    compiled: dict[tuple[str, str], Any]

    def __init__(self, target: Target, *, create: bool) -> None:
        self.target = target
        self.client: Client = target.dialect.client(target, create=create)
        self.abilities = Abilities()
        self._modules: Sequence[str] = ()
        self._tortoise: TortoiseSession | None = None
        self._is_open = False

    @property
    def abilities(self) -> Abilities:
        """What the database can do."""
        return self._abilities

    @abilities.setter
    def abilities(self, abilities: Abilities) -> None:
        self._abilities, self.compiled = abilities, {}

    @property
    def dialect(self) -> Dialect:
        """The engine's answers."""
        return self.target.dialect

    async def open(self, modules: Sequence[str]) -> None:
        """Connect. The models in `modules` are those that Tortoise will know.

        Raises:
            AgentDBError: The database cannot be reached, opened or read; nothing was changed.
        """
        self._expect(modules)
        await self._connect()
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
        self._check_open()
        with self._known_to_tortoise().entered():
            yield

    async def fetch(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Row]:
        """The rows that one statement gives, with positional parameters."""
        self._check_open()
        return (await self.client.fetch(sql, values)).rows

    def transaction(
        self, *, isolation: str | None = None, limit_s: float | None = None
    ) -> AbstractAsyncContextManager[Transaction]:
        """See `Client.transaction`."""
        self._check_open()
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
            is_short: Every statement is bounded and served by an index, so it may run on the event loop's thread. If
                not, all of them see one state of the database.

        Raises:
            DeadlineError: `timeout_s` has passed.
        """
        self._check_open()
        if timeout_s is None:
            return await self._attempted(lambda _: self.client.query(steps, is_short=is_short), None)
        return await self._limited(lambda _: self.client.query(steps, is_short=is_short), timeout_s, [])

    async def write(
        self,
        steps: Callable[[], Steps[T]],
        *,
        timeout_s: float | None = None,
        on_commit: Callable[[T], None] | None = None,
        is_short: bool = False,
    ) -> T:
        """Drive `steps` in one transaction, and again when the database could not do it just then.

        Inside a caller's own transaction it is a savepoint, and never repeated: only the caller can repeat the whole.

        Args:
            timeout_s: For the whole call with its repetitions; None for the transaction's own limit alone.
            on_commit: Called with the result once the outermost transaction is kept, never before.
            is_short: They are a few indexed statements with little to store.

        Raises:
            DeadlineError: `timeout_s` has passed; nothing was done.
        """
        self._check_open()
        if timeout_s is None:
            return await self._attempted(lambda _: self.client.write(steps, told=on_commit, is_short=is_short), None)
        committed: list[T] = []

        def told(result: T) -> None:
            committed.append(result)
            if on_commit is not None:
                on_commit(result)

        return await self._limited(
            lambda limit: self.client.write(steps, told=told, limit=limit, is_short=is_short), timeout_s, committed
        )

    def _check_open(self) -> None:
        if not self._is_open:
            raise closed_handle()

    def _expect(self, modules: Sequence[str]) -> None:
        self._modules = modules
        if f"{__package__}.orm" in sys.modules:
            self._known_to_tortoise()  # somebody has imported models, and may make instances of them before use()

    def _known_to_tortoise(self) -> TortoiseSession:
        if self._tortoise is None:
            # With the models it takes 120 ms, which services that only run named statements do not need to wait for.
            from agentdb.engine.orm import TortoiseSession

            self._tortoise = TortoiseSession(self.client, self._modules)
        return self._tortoise

    async def _repeated(self, work: Callable[[], Awaitable[T]], timeout_s: float | None, committed: list[T]) -> T:
        if timeout_s is None:
            return await self._attempted(lambda _: work(), None)
        return await self._limited(lambda _: work(), timeout_s, committed)

    async def _limited(self, attempt: _Attempt[T], timeout_s: float, committed: list[T]) -> T:
        if seconds(timeout_s) <= 0:
            raise DeadlineError(f"Not done within {timeout_s} s: nothing was begun.")
        try:
            async with asyncio.timeout(timeout_s) as limit:
                return await self._attempted(attempt, limit)
        except TimeoutError:
            if not limit.expired():
                raise
            if committed:  # the deadline passed during COMMIT, which then succeeded
                return committed[0]
            raise DeadlineError(f"Not done within {timeout_s} s, and rolled back.") from None

    async def _attempted(self, attempt: _Attempt[T], limit: asyncio.Timeout | None) -> T:
        """Most calls need one attempt, and do not pay for the machinery of the others."""
        try:
            return await attempt(limit)
        except UnavailableError as error:
            if self.client.joined() is not None:
                raise
            first = error
        import stamina  # 9 ms that a start can do without

        async for retry in stamina.retry_context(
            on=UnavailableError, attempts=10, wait_initial=0.02, wait_max=1.0, wait_jitter=0.05
        ):
            with retry:
                if retry.num == 1:
                    raise first
                return await attempt(limit)
        raise AssertionError("stamina gives at least one attempt")

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(self.client.connect_within_s) as limit:
                await self.client.connect()
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
