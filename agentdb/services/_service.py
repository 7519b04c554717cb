"""What the services share: a session, those who want to know, and the ways to run a whole call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import ClassVar, Final, TypeVar

from agentdb.engine import Batcher, Companion, Session, Steps
from agentdb.engine.dialect import RefusedError
from agentdb.engine.flight import ItemT
from agentdb.engine.misread import reading
from agentdb.engine.queues import HotRow
from agentdb.errors import NotFoundError, OutcomeUnknownError
from agentdb.events import Event, Events
from agentdb.sql import Statements
from agentdb.telemetry.calls import Describe

T = TypeVar("T")

_ACCESS: Final = Statements("access")
_POINTS_NOWHERE: Final = "23503"
"""PostgreSQL's code for a foreign key that finds no row. On SQLite nobody writes between a look and a write."""


class Service:
    """A domain of one open database.

    Attributes:
        described: What spans say about calls of some methods that succeeded, from their arguments by name.
    """

    described: ClassVar[Mapping[str, Describe]] = {}

    def __init__(self, session: Session, *, events: Events) -> None:
        self._session = session
        self._events = events

    def _query(self, steps: Callable[[], Steps[T]], timeout: float | None, *, is_short: bool = True) -> Awaitable[T]:
        """Drive steps that only read. Short ones are bounded and served by an index."""
        return self._session.query(steps, timeout_s=timeout, is_short=is_short)

    async def _write(
        self,
        steps: Callable[[], Steps[T]],
        timeout: float | None,
        *,
        told: Callable[[T], Iterable[Event]] | None = None,
        request_id: str | None = None,
        is_keyed: bool = False,
        row: HotRow | None = None,
        is_short: bool = False,
        companion: Companion | None = None,
    ) -> T:
        """Drive steps in one transaction, and tell what happened once it is kept.

        Args:
            request_id: By which the steps find out whether they were done before.
            is_keyed: They find out even without one.
            row: What others change as often.
            is_short: They are a few indexed statements with little to store.
            companion: How they are done together with others, where units share a transaction.
        """
        self._session.has_written = True
        may_look_again = True
        while True:
            try:
                return await self._session.write(
                    steps,
                    timeout_s=timeout,
                    on_commit=None if told is None else partial(self._tell, told),
                    is_keyed=is_keyed or request_id is not None,
                    row=row,
                    is_short=is_short,
                    companion=companion,
                )
            except RefusedError as error:
                is_joined = self._session.client.joined() is not None
                if error.engine_code != _POINTS_NOWHERE or is_joined or not may_look_again:
                    raise
            except OutcomeUnknownError as error:
                error.request_id = request_id
                raise
            # What it found when it looked was erased before it wrote. Looking again, it says so in its own words.
            may_look_again = False

    async def _merged(
        self,
        batcher: Batcher[ItemT, T],
        item: ItemT,
        steps: Callable[[], Steps[T]],
        timeout: float | None,
        *,
        told: Callable[[T], Iterable[Event]],
        row: HotRow,
        is_short: bool = False,
        companion: Companion | None = None,
    ) -> T:
        """Send `item` with what others send at this time if the engine merges writes, or else drive `steps`."""
        key = item.request_id
        if not batcher.is_usable:
            return await self._write(
                steps, timeout, told=told, request_id=key, row=row, is_short=is_short, companion=companion
            )
        self._session.has_written = True
        write = partial(self._write, steps, told=told, request_id=key, row=row, is_short=is_short)
        try:
            result = await batcher.join(item, otherwise=write, timeout_s=timeout, on_commit=partial(self._tell, told))
        except OutcomeUnknownError as error:
            error.request_id = key
            raise
        assert result is not None  # the other way gives one, or raises
        return result

    def _tell(self, told: Callable[[T], Iterable[Event]], result: T) -> None:
        if self._events.are_heard:
            for event in told(result):
                self._events.publish(event)

    async def _read(self, work: Callable[[], Awaitable[T]], timeout: float | None) -> T:
        """Await queries and make their records, inside `work`, where a value that no column can hold is recognised."""
        with reading():
            return await self._session.read(work, timeout_s=timeout)

    async def _unit(self, work: Callable[[], Awaitable[T]], timeout: float | None) -> T:
        self._session.has_written = True
        with reading():
            return await self._session.unit(work, timeout_s=timeout)

    def _locked_user(self, user_id: int) -> Steps[None]:
        """Let calls of this user with a request_id take turns until the transaction ends."""
        if (yield from _ACCESS.row(self._session, "lock_user", user_id=user_id)) is None:
            raise NotFoundError("user", user_id)
