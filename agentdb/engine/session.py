"""One open database as the rooms above see it: enter it, run a statement, group statements, repeat a unit of work."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from agentdb.engine.call_limits import CallLimit, CallLimits
from agentdb.engine.channel import settle
from agentdb.engine.client import Client, closed_handle
from agentdb.engine.dialect import Dialect, Target
from agentdb.engine.queues import HotRow, Queues
from agentdb.engine.retry import Doubts, Repeats, in_doubt
from agentdb.engine.steps import Companion, Row, Steps
from agentdb.engine.transaction import Transaction
from agentdb.engine.values import seconds
from agentdb.errors import (
    AgentDBError,
    DeadlineError,
    OutcomeUnknownError,
    StorageError,
    UnavailableError,
    UnsupportedError,
)
from agentdb.telemetry.calls import count_retries
from agentdb.telemetry.occupancy import Occupancy

if TYPE_CHECKING:
    from agentdb.engine.orm import TortoiseSession
    from agentdb.engine.rights import Rights

T = TypeVar("T")

_REPEATED: Final = (UnavailableError, OutcomeUnknownError)
"""What may be followed by another attempt."""

_Attempt: TypeAlias = Callable[[CallLimit | None], Awaitable[T]]


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


def nothing_begun(timeout_s: float) -> DeadlineError:
    """What a caller is told who leaves no time."""
    return DeadlineError(f"Not done within {timeout_s} s: nothing was begun.")


def _check_time(timeout_s: float | None) -> None:
    """
    Raises:
        DeadlineError: It leaves none.
    """
    if timeout_s is not None and seconds(timeout_s) <= 0:
        raise nothing_begun(timeout_s)


class Session:
    """A client with the models that see it.

    Attributes:
        limits: Of the calls under way that name no timeout.
        compiled: The statements that were compiled for this database, by domain and name; see `agentdb.sql`.
        repeats: What is done again by itself.
        has_written: Whether services have written through it: until then it issues nothing but reads.
    """

    compiled: dict[tuple[str, str], Any]

    def __init__(self, target: Target, *, create: bool) -> None:
        self.target = target
        self.client: Client = target.dialect.client(target, create=create)
        self.abilities = Abilities()
        self.limits = CallLimits(target.options.call_timeout_s)
        self.repeats = Repeats()
        self.queues = Queues()
        self.has_written = False
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

    def restrict(self, rights: Rights | None) -> None:
        """From now on only do what `rights` allow; None for everything."""
        self.client.rights, self.compiled = rights, {}

    def check_rights(self, sql: str) -> None:
        """
        Raises:
            AccessDeniedError: It may not do what `sql` does.
        """
        if self.client.rights is not None:
            self.client.rights.check(sql)

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
        self.limits.close()

    def occupancy(self) -> Occupancy | None:
        """How busy its connections and queues are; None while it is not connected."""
        return self.client.occupancy()

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
        """See `Client.transaction`.

        Raises:
            DeadlineError: `limit_s` leaves no time to begin.
        """
        self._check_open()
        _check_time(limit_s)
        return self.client.transaction(isolation=isolation, limit_s=limit_s)

    async def read(self, work: Callable[[], Awaitable[T]], *, timeout_s: float | None = None) -> T:
        """Run `work`, which only reads, and again when the database could not answer just then.

        It opens no transaction. Inside a caller's own one it sees what that one wrote, and is never repeated.

        Args:
            timeout_s: For the whole call with its repetitions; None for the configured limit.

        Raises:
            DeadlineError: `timeout_s` has passed.
        """
        _check_time(timeout_s)
        with self.use():
            return await self._limited(lambda _: work(), timeout_s)

    async def unit(
        self, work: Callable[[], Awaitable[T]], *, timeout_s: float | None = None, isolation: str | None = None
    ) -> T:
        """Run `work` in one transaction, and again when the database could not do it just then.

        Inside a caller's own transaction it is a savepoint, and never repeated: only the caller can repeat the whole.

        Args:
            timeout_s: For the whole call with its repetitions; None for the configured limit.

        Raises:
            DeadlineError: `timeout_s` has passed; nothing was done.
            OutcomeUnknownError: It passed during COMMIT, or the connection was lost then.
        """
        _check_time(timeout_s)
        committed: list[T] = []
        once = partial(self._once, work, isolation, committed.append)
        return await self._limited(lambda _: once(), timeout_s, committed)

    async def query(
        self, steps: Callable[[], Steps[T]], *, timeout_s: float | None = None, is_short: bool = False
    ) -> T:
        """Drive `steps`, which only read, and again when the database could not answer just then.

        Args:
            timeout_s: For the whole call with its repetitions; None for the configured limit.
            is_short: Every statement is bounded and served by an index, so it may run on the event loop's thread. If
                not, all of them see one state of the database.

        Raises:
            DeadlineError: `timeout_s` has passed.
        """
        self._check_open()
        _check_time(timeout_s)
        outcome = self.client.answered_at_once(steps) if is_short else None
        if outcome is not None:
            return outcome.get()
        return await self._limited(lambda _: self.client.query(steps, is_short=is_short), timeout_s)

    async def write(
        self,
        steps: Callable[[], Steps[T]],
        *,
        timeout_s: float | None = None,
        on_commit: Callable[[T], None] | None = None,
        is_keyed: bool = False,
        row: HotRow | None = None,
        is_short: bool = False,
        companion: Companion | None = None,
    ) -> T:
        """Drive `steps` in one transaction, and again when the database could not do it just then.

        Inside a caller's own transaction it is a savepoint, and never repeated: only the caller can repeat the whole.

        Args:
            timeout_s: For the whole call with its repetitions; None for the configured limit.
            on_commit: Called with the result once the outermost transaction is kept, never before.
            is_keyed: The steps find out whether they were done before, and then do nothing: they are also repeated when
                nobody knows whether they were done.
            row: What many callers may want to change at once; see `Queues`.
            is_short: They are a few indexed statements with little to store.
            companion: How they are done together with others, where units share a transaction.

        Raises:
            DeadlineError: `timeout_s` has passed; nothing was done.
            OutcomeUnknownError: The limit passed during COMMIT. Or the connection was lost, and the steps are not
                keyed, or could not be repeated.
        """
        self._check_open()
        _check_time(timeout_s)
        met: AgentDBError | None = None
        try:
            outcome = self.client.written_at_once(steps, told=on_commit) if is_short else None
        except _REPEATED as error:
            outcome, met = None, error
        if outcome is not None:
            return outcome.get()
        doubts = Doubts(is_keyed=is_keyed)
        committed: list[T] = []

        def told(result: T) -> None:
            committed.append(result)
            if on_commit is not None:
                on_commit(result)

        return await self._limited(
            lambda limit: self.client.write(steps, told=told, limit=limit, is_short=is_short, companion=companion),
            timeout_s,
            committed,
            doubts,
            row,
            met,
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

    async def _limited(
        self,
        attempt: _Attempt[T],
        timeout_s: float | None,
        committed: Sequence[T] | None = None,
        doubts: Doubts | None = None,
        row: HotRow | None = None,
        met: AgentDBError | None = None,
    ) -> T:
        """Attempt it within its limit.

        Args:
            committed: Holds the result as soon as it is kept; None for a call that keeps nothing.
            met: What an attempt has met already.
        """
        doubts = doubts or Doubts()
        try:
            with self.limits.of(timeout_s) as limit:
                return await self._attempted(attempt, limit, doubts, row, met)
        except asyncio.CancelledError as cancelled:
            raise cancelled from self._left_unsaid(cancelled, doubts, committed)
        except TimeoutError as error:
            if not limit.is_late:
                raise
            if committed:  # the deadline passed during COMMIT, which then succeeded
                return committed[0]
            raise doubts.confirmed(self._missed(error, timeout_s, doubts, is_write=committed is not None)) from None

    @staticmethod
    def _left_unsaid(
        cancelled: asyncio.CancelledError, doubts: Doubts, committed: Sequence[T] | None
    ) -> BaseException | None:
        """What whoever cancelled a call may want to know of it."""
        if committed or committed is None:
            return None if committed else doubts.met
        if isinstance(cancelled.__cause__, OutcomeUnknownError):
            return cancelled.__cause__
        if doubts.count:
            return in_doubt(doubts.met or DeadlineError("It was cancelled while it was repeated."))
        return doubts.met or cancelled.__cause__

    def _missed(self, error: TimeoutError, timeout_s: float | None, doubts: Doubts, *, is_write: bool) -> AgentDBError:
        """What a caller is told whose deadline has passed."""
        within_s = self.limits.within_s if timeout_s is None else timeout_s
        answer = error.__cause__.__cause__ if error.__cause__ else None
        if is_write and isinstance(answer, OutcomeUnknownError):
            return OutcomeUnknownError(f"Not done within {within_s:.3g} s. {answer}", engine_code=answer.engine_code)
        if doubts.met is not None:  # that the database cannot be reached says more than that time is over
            doubts.met.add_note(f"It was tried for {within_s:.3g} s.")
            return doubts.met
        return DeadlineError(f"Not done within {within_s:.3g} s{', and rolled back' if is_write else ''}.")

    async def _attempted(
        self,
        attempt: _Attempt[T],
        limit: CallLimit | None,
        doubts: Doubts,
        row: HotRow | None = None,
        met: AgentDBError | None = None,
    ) -> T:
        """Most calls need one attempt, and do not pay for the machinery of the others."""
        if row is not None and self.client.is_strict and self.client.joined() is None:
            async with self.queues.turn(row):
                return await self._attempted(attempt, limit, doubts, met=met)
        self.repeats.budget.called()
        try:
            if met is not None:
                raise met
            return await attempt(limit)
        except _REPEATED as error:
            if self.client.joined() is not None:
                raise
            first: AgentDBError = error
        except StorageError as error:
            if self.client.joined() is not None or not await self.client.leave_standby(error):
                raise
            count_retries()
            return await attempt(limit)

        async def again() -> T:
            count_retries()
            try:
                return await attempt(limit)
            except StorageError as error:
                if not await self.client.leave_standby(error):
                    raise
                return await attempt(limit)

        return await self.repeats.run(again, first, doubts)

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
