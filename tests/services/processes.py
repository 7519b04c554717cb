"""Processes that work on one database at once: they start together when all are connected, and tell their answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from typing import Any, Concatenate, Final, ParamSpec

import agentdb
from agentdb import Database
from agentdb.config import Settings
from tests.lifecycle.starters import Worker, event, launched

P = ParamSpec("P")

# What they prove counts calls. On a busy machine a hundred callers may queue for one row longer than a service would.
_PATIENCE: Final = dict.fromkeys(("acquire_timeout_s", "statement_timeout_s", "transaction_timeout_s"), 60.0)


@asynccontextmanager
async def at_work(
    work: Callable[Concatenate[Database, P], Awaitable[Any]], url: str, calls: Sequence[Sequence[Any]]
) -> AsyncIterator[asyncio.Future[list[Any]]]:
    """A process for each call of `work`, with its arguments; what is given becomes the list of their answers.

    All are connected when the block begins, and none is left when it ends.
    """
    together = event()
    started = [launched(_serve, url, together, work, arguments) for arguments in calls]
    try:
        assert await asyncio.to_thread(_next_answers, started) == ["ready"] * len(started)
        together.set()
        answers = asyncio.ensure_future(asyncio.to_thread(_next_answers, started))
        try:
            yield answers
        finally:
            for worker in started:
                worker.process.kill()
            with suppress(EOFError):  # whoever was killed in the middle says no more
                await answers
    finally:
        for worker in started:
            worker.kill()


async def _serve(
    answers: Connection, url: str, together: Event, work: Callable[..., Awaitable[Any]], arguments: Sequence[Any]
) -> Any:
    settings = Settings.load(env_file=None, **_PATIENCE)
    async with agentdb.connect(url, skip_sync=True, settings=settings) as db:
        answers.send("ready")
        together.wait()
        return await work(db, *arguments)


def _next_answers(workers: Sequence[Worker]) -> list[Any]:
    return [worker.answer(patience_s=None) for worker in workers]
