"""What the services share: a session, and the two ways to run a whole call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from agentdb.engine import Session
from agentdb.errors import NotFoundError
from agentdb.sql import Statements

T = TypeVar("T")

_ACCESS: Final = Statements("access")


class Service:
    """A domain of one open database."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def _read(self, work: Callable[[], Awaitable[T]], timeout: float | None) -> T:
        return await self._session.read(work, timeout_s=timeout)

    async def _write(self, work: Callable[[], Awaitable[T]], timeout: float | None) -> T:
        return await self._session.unit(work, timeout_s=timeout)

    async def _lock_user(self, user_id: int) -> None:
        """Let calls of this user with a request_id take turns until the transaction ends."""
        if await _ACCESS.first(self._session, "lock_user", user_id=user_id) is None:
            raise NotFoundError("user", user_id)
