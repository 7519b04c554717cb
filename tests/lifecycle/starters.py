"""Processes that start a database or serve from one, for proofs of what happens when several meet or one dies.

They are forked from a server that has everything imported, so that eight of them really run at once.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.synchronize import Barrier, Event
from typing import Any, Final

import agentdb
from tests.lifecycle.places import configured

_CONTEXT: Final[ForkServerContext] = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "aerich",
        "aiosqlite",
        "asyncpg",
        # What a handle would import when it needs it, which takes a process longer than most of what it does here.
        *(f"agentdb.engine.{engine}_{part}" for engine in ("sqlite", "postgres") for part in ("client", "orm")),
        *(f"agentdb.services.{domain}" for domain in ("access", "agents", "conversations", "usage")),
        "agentdb.lifecycle.owner",
        "tests.lifecycle.starters",
    ]
)
_PATIENCE_S: Final = 120


@dataclass(frozen=True, slots=True)
class Worker:
    """A process under way."""

    process: ForkServerProcess
    answers: Connection

    def answer(self, *, patience_s: float | None = _PATIENCE_S) -> Any:
        """What it sends next; an exception of it is raised here. With `patience_s` of None it may take any time."""
        if not self.answers.poll(patience_s):
            raise TimeoutError(f"Nothing was said by {self.process}.")
        said = self.answers.recv()
        if isinstance(said, BaseException):
            raise said
        return said

    def kill(self) -> int:
        """End it with SIGKILL if it still runs; how it ended."""
        self.process.kill()
        return self.ended()

    def ended(self) -> int:
        """Wait for it; its exit code."""
        self.process.join(_PATIENCE_S)
        code = self.process.exitcode
        assert code is not None, self.process
        self.process.close()
        self.answers.close()
        return code


def start(url: str, *, at_once: Barrier | None = None) -> Worker:
    """Start the database and close it; the answer is what the start did, as (migrations applied, key file made)."""
    return launched(_start, url, at_once)


def serve(url: str, *, until: Event) -> Worker:
    """Attach, say hello, write and read until told to stop; the answer then is the ids of the messages written."""
    return launched(_serve, url, until)


def barrier(parties: int) -> Barrier:
    """Lets `parties` processes go on together."""
    return _CONTEXT.Barrier(parties, timeout=_PATIENCE_S)


def event() -> Event:
    """Tells a process something."""
    return _CONTEXT.Event()


def launched(work: Callable[..., Any], url: str, *arguments: Any) -> Worker:
    """Run `work(answers, url, *arguments)`, of a module that can be imported, in a process of its own."""
    answers, theirs = _CONTEXT.Pipe(duplex=False)
    # The server of forks keeps the environment of its own start.
    process = _CONTEXT.Process(target=_run, args=(work, theirs, dict(os.environ), url, *arguments), daemon=True)
    process.start()
    theirs.close()
    return Worker(process, answers)


def _run(work: Callable[..., Any], answers: Connection, environment: dict[str, str], *arguments: Any) -> None:
    os.environ.clear()
    os.environ.update(environment)
    try:
        answers.send(asyncio.run(work(answers, *arguments)))
    except BaseException as error:
        answers.send(error)


async def _start(answers: Connection, url: str, at_once: Barrier | None) -> tuple[tuple[str, ...], bool]:
    if at_once is not None:
        at_once.wait()
    async with agentdb.connect(url, settings=configured()) as db:
        assert db.started is not None
        return db.started.applied, db.started.key_file is not None


async def _serve(answers: Connection, url: str, until: Event) -> list[int]:
    written = []
    async with agentdb.connect(url, settings=configured(), skip_sync=True) as db:
        user = await db.access.create_user(email="service@example.org")
        agent = await db.agents.resolve("Standard Chat", user_id=user.id)
        talk = await db.conversations.start(user_id=user.id, agent_id=agent.id)
        answers.send("hello")
        is_last = False
        while not is_last:
            is_last = until.is_set()
            message = await db.conversations.append(talk.id, user_id=user.id, role="user", content=[{"text": "Hi"}])
            written.append(message.id)
            history = await db.conversations.history(talk.id, user_id=user.id)
            assert history.items[-1].id == message.id
    return written
