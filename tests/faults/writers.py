"""Writers: each task does one intent after the other, and repeats it under the same key until it is acknowledged.

Run as a module, they are a process that works until it is killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

import agentdb
from agentdb import Database, DeadlineError, OutcomeUnknownError, UnavailableError
from agentdb.config import Settings
from tests.faults.intents import Account, Intent, drawn, end_of
from tests.faults.ledger import Answer, Entry, Ledger, read

REPEATED: Final = (OutcomeUnknownError, UnavailableError, DeadlineError)
"""After these the same call is made again."""

_LIFETIME_S: Final = 7 * 24 * 60 * 60
_TIMEOUTS: Final = (None, None, 0.3, 2.0, 20.0)
_GIVEN_UP: Final = 0.5
"""How many of the calls that were not done are not repeated: nothing of them may be stored."""


async def carried_out(db: Database, intent: Intent, *, request_id: str | None, timeout: float | None = None) -> Answer:
    """One attempt."""
    user, talks, usage = intent.user_id, db.conversations, db.usage
    named: dict[str, Any] = {"user_id": user, "request_id": request_id, "timeout": timeout}
    match intent.kind:
        case "append":
            message = await talks.append(intent.conversation_id, **named, **intent.said()[0])
            return Answer(messages=(message.id,))
        case "append_many":
            stored = await talks.append_many(intent.conversation_id, **named, messages=intent.said())
            return Answer(messages=tuple(message.id for message in stored))
        case "turn":
            await talks.begin_turn(intent.conversation_id, user_id=user, limit=10, timeout=timeout)
            turn = await talks.finish_turn(intent.conversation_id, **named, messages=intent.said(), usage=intent.used())
            ids = tuple(message.id for message in turn.messages)
            if turn.charge is None:
                return Answer(messages=ids)
            return Answer(messages=ids, usage=turn.charge.usage_ids, cost=turn.charge.cost_usd)
        case "record":
            charge = await usage.record(**named, **intent.used()[0])
        case "record_many":
            charge = await usage.record_many(intent.used(), **named)
        case "settle":
            charge = await usage.settle(intent.reservation_id, **named, **intent.used()[0])
        case "talk":
            return Answer(conversation=(await talks.start(**named, title=intent.key)).id)
        case "reserve":
            held = await usage.reserve(**named, amount_usd=intent.amount, ttl_s=_LIFETIME_S)
            return Answer(reservation=held.id)
        case "release":
            await usage.release(intent.reservation_id, user_id=user, timeout=timeout)
            return Answer()
    return Answer(usage=charge.usage_ids, cost=charge.cost_usd)


class Writer:
    """One task.

    Attributes:
        errors: How often it was told what.
    """

    def __init__(self, name: str, db: Database, ledger: Ledger, random: Random) -> None:
        self.name = name
        self.errors: Counter[str] = Counter()
        self._db, self._ledger, self._random = db, ledger, random

    async def work(self, accounts: Sequence[Account]) -> None:
        """Do one thing after the other until it is cancelled."""
        number = 0
        while True:
            intent = drawn(f"{self.name}-{number}", accounts, self._random)
            answer = await self.done(intent)
            end = end_of(intent, answer.reservation, self._random) if answer and answer.reservation else None
            if end is not None:
                await self.done(end)
            number += 1

    async def done(self, intent: Intent, *, is_new: bool = True) -> Answer | None:
        """The answer, however often it has to be asked for; None if it was left undone.

        Args:
            is_new: Nobody has tried it before.
        """
        self._ledger.begin(intent)
        while True:
            try:
                answer = await carried_out(
                    self._db,
                    intent,
                    request_id=self.request_id(intent),
                    timeout=self._random.choice(_TIMEOUTS),
                )
            except REPEATED as error:
                self.errors[type(error).__name__] += 1
                is_new = is_new and not isinstance(error, OutcomeUnknownError)
                if is_new and self._random.random() < _GIVEN_UP:
                    self._ledger.give_up(intent)
                    return None
                await asyncio.sleep(self._random.uniform(0.01, 0.1))
            else:
                self._ledger.acknowledge(intent, answer, writer=self.name)
                return answer

    def request_id(self, intent: Intent) -> str | None:
        """The same for each attempt."""
        return intent.key


class NaiveWriter(Writer):
    """It gives its calls no name, so that what it repeats is done again."""

    def request_id(self, intent: Intent) -> str | None:
        return None


class Struck(Ledger):
    """The ledger of a process that is killed when it is about to write its first answer down."""

    def acknowledge(self, intent: Intent, answer: Answer, *, writer: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


async def repeated(db: Database, entries: Mapping[str, Entry], random: Random, *, most: int = 100) -> int:
    """Make some of the acknowledged calls again, which are answered as they were then; how many."""
    done = [entry for entry in entries.values() if entry.answers]
    chosen = random.sample(done, min(most, len(done)))
    for entry in chosen:
        assert await carried_out(db, entry.intent, request_id=entry.intent.key) == entry.answers[0]
    return len(chosen)


async def _end_with(parent: int) -> None:
    """A test run that was killed leaves no writers behind."""
    while os.getppid() == parent:
        await asyncio.sleep(0.5)
    os._exit(1)


async def work_all(writers: Iterable[Writer], accounts: Sequence[Account]) -> None:
    """All writers at once."""
    async with asyncio.TaskGroup() as group:
        for writer in writers:
            group.create_task(writer.work(accounts))


async def _work_until_killed(
    url: str,
    *,
    name: str,
    directory: str,
    durability: str,
    tasks: int,
    seed: int,
    accounts: Sequence[Any],
    continues: str | None = None,
    is_naive: bool = False,
    is_struck: bool = False,
) -> None:
    """
    Args:
        continues: The ledger of a killed process, whose unanswered intents are done first.
        is_struck: It kills itself.
    """
    watching = asyncio.create_task(_end_with(os.getppid()))
    settings = Settings.load(env_file=None, durability=durability, secrets="plain")
    kind = NaiveWriter if is_naive else Writer
    with (Struck if is_struck else Ledger)(Path(directory) / f"{name}.jsonl") as ledger:
        async with agentdb.connect(url, skip_sync=True, settings=settings) as db:
            print("ready", flush=True)  # noqa: T201 - what the starter waits for
            writers = [kind(f"{name}-{n}", db, ledger, Random(f"{seed}-{name}-{n}")) for n in range(tasks)]
            if continues is not None:
                earlier = read([Path(directory) / f"{continues}.jsonl"])
                left = [entry.intent for entry in earlier.values() if not (entry.answers or entry.is_undone)]
                await asyncio.gather(*(writers[n % tasks].done(intent, is_new=False) for n, intent in enumerate(left)))
            await work_all(writers, [Account(*account) for account in accounts])
    watching.cancel()


if __name__ == "__main__":
    asyncio.run(_work_until_killed(sys.argv[1], **json.loads(sys.argv[2])))
