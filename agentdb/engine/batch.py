"""Micro-batches: writes of many callers that leave as one statement, which is its own transaction.

The first one leaves at once, and whatever arrives while it is under way leaves together when it is back: one round
trip, one commit, one lock of a row that many want to change. Each member gets the answer that it would have got alone.
Members of one key, which is the row that they lock, leave in order of arrival. While a flight waits for a row that
somebody else has locked, members with other keys may leave beside it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, Generic, TypeAlias

from agentdb.engine.channel import GRACE_S
from agentdb.engine.dialect import ConnectionLostError
from agentdb.engine.flight import Cabin, Flight, ItemT, Member, MergingClient, ResultT, unanswered
from agentdb.engine.retry import MOST_DOUBTS, UNDECIDED, in_doubt
from agentdb.engine.session import Abilities, Session, nothing_begun
from agentdb.engine.steps import Run
from agentdb.engine.values import seconds
from agentdb.errors import (
    AccessDeniedError,
    AgentDBError,
    ConfigurationError,
    ConflictError,
    DeadlineError,
    OutcomeUnknownError,
    SchemaError,
    StorageError,
    TransactionError,
    UnavailableError,
)
from agentdb.telemetry import fields
from agentdb.telemetry.calls import count_retries

MOST_FLIGHTS: Final = 4

# The fault of no single member.
_SHARED: Final = (AccessDeniedError, ConfigurationError, SchemaError, StorageError, TransactionError)


Otherwise: TypeAlias = Callable[[float | None], Awaitable[ResultT]]
"""Does a write in another way, within so many seconds."""


class Batcher(Generic[ItemT, ResultT]):
    """Writes of one kind.

    Args:
        run: Steps of exactly one statement.

    Attributes:
        fallbacks: How many flights failed as a whole, so that their members had to leave one by one.
    """

    def __init__(self, session: Session, run: Run[ItemT, ResultT]) -> None:
        self.fallbacks = 0
        self._session = session
        self._run = run
        self._client: MergingClient | None = None
        self._known: tuple[Abilities, bool] | None = None
        self._waiting: deque[Member[ItemT, ResultT]] = deque()
        self._flights: dict[Flight[ItemT, ResultT], asyncio.Task[None]] = {}

    @property
    def is_usable(self) -> bool:
        """Whether a write of the current task may be merged with others.

        One inside a transaction belongs to it. Statements for many know the schema only as agentdb makes it.
        """
        session = self._session
        can = session.abilities
        if self._known is None or self._known[0] is not can:
            has_all = can.request_ids and can.unique_identity and can.support_tables
            self._known = can, session.dialect.merges_writes and has_all and session.client.isolates_statements
        return self._known[1] and session.client.joined() is None

    async def join(
        self,
        item: ItemT,
        *,
        otherwise: Otherwise[ResultT] | None = None,
        timeout_s: float | None = None,
        on_commit: Callable[[ResultT], None] | None = None,
    ) -> ResultT | None:
        """Send `item` with whatever else is sent at this time.

        Args:
            otherwise: Another way to do it, or to say why not, where the statement did not decide it.
            timeout_s: For the whole call with its repetitions; None for the configured limit.
            on_commit: Called with the result once the statement is kept, also when the caller was cancelled meanwhile.

        Returns:
            Its result; None if nothing was done and there is no other way.

        Raises:
            DeadlineError: `timeout_s` has passed, or it took longer than a transaction may; nothing was done.
            OutcomeUnknownError: The connection was lost, or gave no answer in time, and no request_id to find out by.
            TransactionError: The handle is closed.
        """
        self._check_in()
        self._session.repeats.budget.called()
        if timeout_s is not None and seconds(timeout_s) <= 0:
            raise nothing_begun(timeout_s)
        limits = self._session.limits
        within_s = limits.within_s if timeout_s is None else timeout_s
        member: Member[ItemT, ResultT] = Member(item, timeout_s=within_s, on_commit=on_commit)
        until = member.loop.time() + within_s
        self._waiting.append(member)
        self._depart()
        late = partial(self._be_late, member)
        timer = None if timeout_s is None else member.loop.call_at(until, late)
        if timer is None:
            limits.add(late, member.loop)
        try:
            result = await member.wait(partial(self._give_up, member), in_doubt=unanswered)
        finally:
            if timer is None:
                limits.remove(late)
            else:
                timer.cancel()
            if member.repeats:
                count_retries(member.repeats)
        if result is not None or otherwise is None:
            return result
        try:
            return await otherwise(max(0.0, until - member.loop.time()))
        except UNDECIDED as error:
            if member.doubts:  # what a lost connection had been given may be kept
                raise in_doubt(error) from error
            raise

    def _check_in(self) -> None:
        client = self._session.client
        assert isinstance(client, MergingClient)
        client.check_loop()
        if client is not self._client:  # a handle may connect anew, in another event loop
            self._client, self._waiting, self._flights = client, deque(), {}
            client.watch(self._waiting)

    def _give_up(self, member: Member[ItemT, ResultT]) -> bool:
        """Its caller was cancelled: whether it was not sent, and never will be."""
        member.is_given_up = True
        return self._withdrawn(member)

    def _be_late(self, member: Member[ItemT, ResultT]) -> None:
        member.is_late = True
        if member.is_given:
            return
        if self._withdrawn(member):
            met = (flight.doubts.met for flight in self._flights if flight.is_looking or not flight.members)
            if (trouble := next(filter(None, met), None)) is None:
                member.refuse_late()
            else:
                member.refuse(trouble)
        else:
            member.loop.call_later(GRACE_S, member.dismiss, unanswered())

    def _withdrawn(self, member: Member[ItemT, ResultT]) -> bool:
        if member.flight is not None:
            member.flight.stop()
        elif member in self._waiting:
            self._waiting.remove(member)
            return True
        return False

    # Who leaves when.

    def _depart(self) -> None:
        """Let a flight leave, if it may and somebody can go with it."""
        if self._client is None or not self._waiting or len(self._flights) >= MOST_FLIGHTS:
            return
        if self._flights and not self._may_leave_beside():
            return
        flight: Flight[ItemT, ResultT] = Flight(self._client, on_slow=self._depart)
        # It begins after this turn of the event loop: whoever else writes in it comes along.
        self._flights[flight] = asyncio.ensure_future(self._fly(flight))

    def _may_leave_beside(self) -> bool:
        for flight in self._flights:  # no generator: every caller asks, and mostly the first one is quick
            if not flight.is_slow:
                return False
        keys = self._keys_under_way()
        return any(member.item.key not in keys for member in self._waiting)

    def _keys_under_way(self) -> set[int]:
        return {member.item.key for flight in self._flights for member in flight.members}

    def _boarded(self) -> list[Member[ItemT, ResultT]]:
        """Who goes next, in order of arrival."""
        cabin: Cabin[ItemT, ResultT] = Cabin(self._keys_under_way())
        left: list[Member[ItemT, ResultT]] = []
        waiting = self._waiting
        while waiting and cabin.has_room_for(waiting[0]):
            member = waiting.popleft()
            if not cabin.take(member):
                left.append(member)
        waiting.extendleft(reversed(left))
        return cabin.members

    async def _fly(self, flight: Flight[ItemT, ResultT]) -> None:
        flight.hopeful = tuple(self._waiting)
        try:
            await self._until_done(flight)
        except BaseException as error:
            self._disappoint(flight.hopeful, error)
            if not isinstance(error, Exception):
                raise
        finally:
            self._flights.pop(flight, None)
            self._depart()

    async def _until_done(self, flight: Flight[ItemT, ResultT]) -> None:
        try:
            await self._carry(flight)
            return
        except UnavailableError as error:
            first = error
        await self._session.repeats.run(partial(self._carry, flight), first, flight.doubts)

    def _disappoint(self, hopeful: Sequence[Member[ItemT, ResultT]], error: BaseException) -> None:
        """Those who still wait learn that there is no connection, or never was a good moment."""
        for member in hopeful:
            if member in self._waiting:
                self._waiting.remove(member)
                member.refuse(error)

    async def _carry(self, flight: Flight[ItemT, ResultT]) -> None:
        """Take aboard who waits when there is a connection, and bring their answers.

        Raises:
            UnavailableError: It was not done; who was aboard waits again.
        """
        flight.is_looking = True
        try:
            await self._carry_boarded(flight)
        finally:
            flight.is_looking = False

    async def _carry_boarded(self, flight: Flight[ItemT, ResultT]) -> None:
        client = flight.client
        if client.arrive is not None:
            await client.arrive()
        async with client.lease() as channel:
            members = self._boarded()
            if not members:
                return
            steps = partial(self._run, [member.item for member in members])
            flight.leave(members, channel)
            try:
                answers = (await channel.drive(steps, client.dialect.encode)).get()
            except Exception as error:
                flight.land()
                failure = client.translated(error)
                if isinstance(failure, StorageError) and await self._may_move(members, failure):
                    self._mark(members, has_moved=True)
                else:
                    self._fail(flight, members, failure)
            except BaseException as error:
                flight.land()
                self._refuse(members, error)
                raise
            else:
                flight.land()
                for member, answer in zip(members, answers, strict=True):
                    self._answer(member, answer)

    # What becomes of them.

    def _answer(self, member: Member[ItemT, ResultT], answer: ResultT | AgentDBError | None) -> None:
        if isinstance(answer, AgentDBError):
            member.error = answer
        elif answer is not None:
            member.result = answer
            if member.on_commit is not None:
                self._tell(member.on_commit, answer)
        elif member.is_late:
            member.refuse_late()
            return
        member.give()

    def _tell(self, on_commit: Callable[[ResultT], None], result: ResultT) -> None:
        try:
            on_commit(result)
        except Exception:
            self._session.client.log.exception("A callback after a commit failed.", extra=fields("callback_failed"))

    def _fail(
        self, flight: Flight[ItemT, ResultT], members: Sequence[Member[ItemT, ResultT]], error: Exception
    ) -> None:
        """Answer those aboard, or let them wait again."""
        if isinstance(error, (ConnectionLostError, OutcomeUnknownError)):
            self._doubt(members, error)
        elif isinstance(error, UnavailableError):
            flight.hopeful = self._queue_again(members)
            raise error
        elif isinstance(error, DeadlineError):
            self._stopped(members, flight.seen(error))
        elif isinstance(error, _SHARED) or not isinstance(error, AgentDBError):
            self._refuse(members, error)
        elif len(members) == 1:
            members[0].give()
        elif isinstance(error, ConflictError) and not all(member.is_repeated for member in members):
            # Perhaps a request_id that another process has just used: the next snapshot shows it.
            self._mark(members, is_repeated=True)
        else:
            self.fallbacks += 1
            self._session.client.count_fallback()
            self._mark(members, is_alone=True)

    async def _may_move(self, members: Sequence[Member[ItemT, ResultT]], error: StorageError) -> bool:
        """Whether they may find another server, which they do only once."""
        if any(member.has_moved for member in members):
            return False
        try:
            return await self._session.client.leave_standby(error)
        except Exception:  # the handle was closed meanwhile
            return False

    def _doubt(self, members: Sequence[Member[ItemT, ResultT]], error: AgentDBError) -> None:
        """Nobody knows whether it was done: those with a request_id find out by doing it again."""
        again = []
        for member in members:
            member.doubts += 1
            if member.item.request_id is not None and member.doubts <= MOST_DOUBTS:
                again.append(member)
        may_repeat = bool(again) and self._session.repeats.may_follow(error)
        for member in members:
            if not (may_repeat and member in again):
                member.refuse(in_doubt(error) if isinstance(error, ConnectionLostError) else error)
        if may_repeat:
            self._queue_again(again)

    def _stopped(self, members: Sequence[Member[ItemT, ResultT]], error: DeadlineError | None) -> None:
        """Nothing was done."""
        if error is None:
            self._queue_again(members)
        else:
            self._refuse(members, error)

    def _mark(self, members: Sequence[Member[ItemT, ResultT]], **marks: Any) -> None:
        for member in members:
            for name, value in marks.items():
                setattr(member, name, value)
        self._queue_again(members)

    def _refuse(self, members: Sequence[Member[ItemT, ResultT]], error: BaseException) -> None:
        for member in members:
            member.refuse(error)

    def _queue_again(self, members: Sequence[Member[ItemT, ResultT]]) -> Sequence[Member[ItemT, ResultT]]:
        """Let them be the next to leave, except for those who no longer want to."""
        again = [member for member in members if not (member.is_late or member.is_given_up)]
        self._waiting.extendleft(reversed(again))
        for member in again:
            member.repeats += 1
        for member in members:
            if member.is_late:
                member.refuse_late()
            elif member.is_given_up:
                member.give()
        return again
