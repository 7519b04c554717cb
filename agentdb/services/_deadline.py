"""A deadline for a call that is more than one unit of work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agentdb.engine import Session
from agentdb.engine.session import nothing_begun
from agentdb.engine.values import seconds
from agentdb.errors import AgentDBError, DeadlineError


@asynccontextmanager
async def within(timeout: float | None, session: Session) -> AsyncIterator[None]:
    """Cancel the block after `timeout` seconds, or the configured limit; units that were done by then stay done.

    Raises:
        DeadlineError: It was cancelled, or there was no time to begin.
        AgentDBError: What the unit that was cancelled has met.
        InvalidInputError: `timeout` is no number of seconds.
    """
    if timeout is not None and seconds(timeout) <= 0:
        raise nothing_begun(timeout)
    within_s = session.limits.within_s if timeout is None else timeout
    try:
        async with asyncio.timeout(within_s) as limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        met = error.__cause__.__cause__ if error.__cause__ else None
        if isinstance(met, AgentDBError):
            raise met from None
        raise DeadlineError(f"Not done within {within_s:.3g} s.") from None
