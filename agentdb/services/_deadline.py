"""A deadline for a call that is more than one unit of work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agentdb.engine.values import seconds
from agentdb.errors import DeadlineError


@asynccontextmanager
async def within(timeout: float | None) -> AsyncIterator[None]:
    """Cancel the block after `timeout` seconds; units that were done by then stay done.

    Raises:
        DeadlineError: It was cancelled, or there was no time to begin.
        InvalidInputError: `timeout` is no number of seconds.
    """
    if timeout is not None and seconds(timeout) <= 0:
        raise DeadlineError(f"Not done within {timeout} s: nothing was begun.")
    try:
        async with asyncio.timeout(timeout) as limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise DeadlineError(f"Not done within {timeout} s.") from None
