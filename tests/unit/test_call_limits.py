"""The limit of a whole call: one timer serves all that are given none."""

from __future__ import annotations

import asyncio

import pytest

from agentdb.engine.call_limits import CallLimits

NEVER_S = 600.0


async def wait_in(limits: CallLimits, timeout_s: float | None, seconds: float) -> str:
    """A call that takes so long."""
    with limits.of(timeout_s):
        await asyncio.sleep(seconds)
    return "done"


@pytest.mark.parametrize("timeout_s", [0.05, None], ids=["given", "configured"])
async def test_a_call_is_late(timeout_s: float | None) -> None:
    """It ends with TimeoutError, and its task is not left cancelled."""
    limits = CallLimits(0.05)
    with pytest.raises(TimeoutError):
        await wait_in(limits, timeout_s, NEVER_S)

    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    assert await wait_in(limits, timeout_s, 0) == "done"


async def test_one_timer_serves_all() -> None:
    """Those that end in time disturb nobody, and those that began later are late later."""
    limits, clock = CallLimits(0.1), asyncio.get_running_loop().time
    begun = clock()
    quick = [asyncio.create_task(wait_in(limits, None, 0.01)) for _ in range(10)]
    first = asyncio.create_task(wait_in(limits, None, NEVER_S))
    await asyncio.gather(*quick)
    second = asyncio.create_task(wait_in(limits, None, NEVER_S))
    await asyncio.wait({first, second})

    assert clock() - begun >= 0.11
    assert isinstance(first.exception(), TimeoutError)
    assert isinstance(second.exception(), TimeoutError)
    assert limits._until == {}
    limits.close()


async def test_a_cancellation_by_others_is_not_taken_for_a_deadline() -> None:
    """Also when the deadline passes at the same time."""
    limits = CallLimits(NEVER_S)
    task = asyncio.create_task(wait_in(limits, None, NEVER_S))
    await asyncio.sleep(0)
    limits._until = dict.fromkeys(limits._until, 0.0)
    task.cancel()
    limits._look()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert limits._until == {}
    limits.close()
