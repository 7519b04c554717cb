"""What the services share: a session, those who want to know, and the ways to run a whole call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

from agentdb.engine import Session, Steps
from agentdb.errors import NotFoundError
from agentdb.events import Event, Events
from agentdb.sql import Statements

T = TypeVar("T")

_ACCESS: Final = Statements("access")


class Service:
    """A domain of one open database."""

    def __init__(self, session: Session, *, events: Events) -> None:
        self._session = session
        self._events = events

    async def _query(self, steps: Callable[[], Steps[T]], timeout: float | None, *, is_short: bool = True) -> T:
        """Drive steps that only read. Short ones are bounded and served by an index."""
        return await self._session.query(steps, timeout_s=timeout, is_short=is_short)

    async def _write(
        self,
        steps: Callable[[], Steps[T]],
        timeout: float | None,
        *,
        told: Callable[[T], Iterable[Event]] | None = None,
    ) -> T:
        """Drive steps in one transaction, and tell what happened once it is kept."""

        def tell(result: T) -> None:
            for event in told(result) if told is not None else ():
                self._events.publish(event)

        return await self._session.write(steps, timeout_s=timeout, on_commit=tell if told is not None else None)

    async def _read(self, work: Callable[[], Awaitable[T]], timeout: float | None) -> T:
        return await self._session.read(work, timeout_s=timeout)

    async def _unit(self, work: Callable[[], Awaitable[T]], timeout: float | None) -> T:
        return await self._session.unit(work, timeout_s=timeout)

    async def _lock_user(self, user_id: int) -> None:
        """Let calls of this user with a request_id take turns until the transaction ends."""
        if await _ACCESS.first(self._session, "lock_user", user_id=user_id) is None:
            raise NotFoundError("user", user_id)

    def _locked_user(self, user_id: int) -> Steps[None]:
        """Let calls of this user with a request_id take turns until the transaction ends."""
        if (yield from _ACCESS.row(self._session, "lock_user", user_id=user_id)) is None:
            raise NotFoundError("user", user_id)
