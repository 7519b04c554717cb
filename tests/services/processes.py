"""Processes that work on one database at once: they start together when all are connected, and answer in JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Concatenate, Final, ParamSpec

import agentdb
from agentdb import Database
from agentdb.config import Settings

P = ParamSpec("P")

# What they prove counts calls. On a busy machine a hundred callers may queue for one row longer than a service would.
_PATIENCE: Final = dict.fromkeys(("acquire_timeout_s", "statement_timeout_s", "transaction_timeout_s"), 60.0)


@asynccontextmanager
async def at_work(module: str, url: str, calls: Sequence[Sequence[Any]]) -> AsyncIterator[asyncio.Future[list[Any]]]:
    """A process of `module` for each call, with its arguments; what is given becomes the list of their answers.

    All are connected when the block begins, and none is left when it ends.
    """
    started = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, json.dumps([url, *arguments])), stdin=PIPE, stdout=PIPE
        )
        for arguments in calls
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        yield asyncio.gather(*(_answer(process) for process in started))
    finally:
        for process in started:
            if process.returncode is None:
                process.kill()
                await process.wait()


def serve(work: Callable[Concatenate[Database, P], Awaitable[Any]]) -> None:
    """What such a module does when it is run: attach, wait for the others, `work`, and tell the answer."""
    asyncio.run(_serve(work, *json.loads(sys.argv[1])))


async def _serve(work: Callable[..., Awaitable[Any]], url: str, *arguments: Any) -> None:
    settings = Settings.load(env_file=None, **_PATIENCE)
    async with agentdb.connect(url, skip_sync=True, settings=settings) as db:
        print("ready", flush=True)  # noqa: T201 - what the starter waits for
        sys.stdin.readline()
        print(json.dumps(await work(db, *arguments)))  # noqa: T201 - its answer


async def _answer(process: Process) -> Any:
    told, _ = await process.communicate(b"go\n")
    return json.loads(told)
