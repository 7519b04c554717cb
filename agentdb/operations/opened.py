"""A database that an operation opens for itself, as far as rows and statements go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agentdb.engine import Session, Target
from agentdb.models.names import MODULES


@asynccontextmanager
async def opened(target: Target, *, create: bool) -> AsyncIterator[Session]:
    """A session for the length of the block.

    Args:
        create: Whether a missing database file may be made.

    Raises:
        AgentDBError: What cannot be read, reached or opened.
    """
    session = Session(target, create=create)
    await session.open(MODULES)
    try:
        yield session
    finally:
        await session.close()
