"""What is told of a call that was attempted more than once. Attempts are scripted: no database fails on cue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from agentdb.engine.call_limits import CallLimits
from agentdb.engine.dialect import ConnectionLostError
from agentdb.engine.queues import Queues
from agentdb.engine.retry import Repeats
from agentdb.engine.session import Session
from agentdb.engine.steps import Steps
from agentdb.engine.transaction import commit_failure
from agentdb.errors import (
    AgentDBError,
    ConfigurationError,
    ConflictError,
    OutcomeUnknownError,
    StorageError,
    UnavailableError,
)
from agentdb.services._deadline import within

Act = Callable[[], Awaitable[Any]]


def session_of(*acts: Act) -> Session:
    """A session whose attempts go one after the other as told."""
    script = iter(acts)

    async def write(steps: object, **how: object) -> Any:
        return await next(script)()

    async def leave_standby(error: StorageError) -> bool:
        return False

    session = Session.__new__(Session)
    client: Any = SimpleNamespace(is_strict=False, joined=lambda: None, leave_standby=leave_standby, write=write)
    session.client, session.limits = client, CallLimits(30)
    session.repeats, session.queues, session._is_open = Repeats(), Queues(), True
    return session


def fails(error: AgentDBError) -> Act:
    """An attempt that ends with `error`."""

    async def act() -> NoReturn:
        raise error

    return act


def lost_in_commit() -> AgentDBError:
    """What a lost reply of COMMIT says."""
    lost = ConnectionLostError("The connection to PostgreSQL ended.", engine_code="08006")
    failure = commit_failure(lost)
    failure.__cause__ = lost
    return failure


def nothing() -> Steps[None]:
    """The attempts are told what to do."""
    yield from ()


async def hangs() -> None:
    """An attempt that does not end."""
    await asyncio.sleep(60)


async def hangs_in_commit() -> None:
    """One that nobody answers while it is kept."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError as cancelled:
        raise cancelled from lost_in_commit()


BUSY = UnavailableError("could not serialize", engine_code="40001")
SHARED = [
    StorageError("This PostgreSQL server is read-only.", reason="read-only", engine_code="25006"),
    ConfigurationError("No connection could be made to any of the 2 hosts."),
]


@pytest.mark.parametrize("error", SHARED, ids=lambda error: type(error).__name__)
async def test_what_a_repetition_meets_says_nothing_of_the_attempt_before(error: AgentDBError) -> None:
    """The first attempt may be stored, whatever server the second one finds."""
    session = session_of(fails(lost_in_commit()), fails(error))
    with pytest.raises(OutcomeUnknownError) as told:
        await session.write(nothing, is_keyed=True)

    assert told.value.__cause__ is error


async def test_a_repetition_that_finds_another_call_decides() -> None:
    """A conflict is the answer of the database itself."""
    session = session_of(fails(lost_in_commit()), fails(ConflictError("Another call had this request_id.")))

    with pytest.raises(ConflictError):
        await session.write(nothing, is_keyed=True)


@pytest.mark.parametrize(
    ("first", "second", "is_keyed"),
    [(BUSY, hangs_in_commit, False), (lost_in_commit(), hangs, True), (BUSY, hangs_in_commit, True)],
    ids=["busy, then in COMMIT", "in doubt, then hanging", "busy, then in COMMIT, keyed"],
)
async def test_a_deadline_around_several_units_keeps_a_doubt(first: AgentDBError, second: Act, is_keyed: bool) -> None:
    """Never "safe to repeat" or "not done", when one attempt may be stored."""
    session = session_of(fails(first), second)

    with pytest.raises(OutcomeUnknownError):
        async with within(0.3, session):
            await session.write(nothing, is_keyed=is_keyed)


async def test_who_cancels_a_call_can_learn_that_it_is_in_doubt() -> None:
    """The cause of the cancellation tells it."""
    session = session_of(fails(BUSY), hangs_in_commit)
    call = asyncio.ensure_future(session.write(nothing))
    await asyncio.sleep(0.3)
    call.cancel()
    with pytest.raises(asyncio.CancelledError) as told:
        await call

    assert isinstance(told.value.__cause__, OutcomeUnknownError)
