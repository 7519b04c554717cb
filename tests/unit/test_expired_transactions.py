"""The limit of a transaction, when it passes at a bad moment. The channel is scripted: no database stalls on cue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from agentdb.engine.afterwork import Afterwork
from agentdb.engine.channel import Channel, Result
from agentdb.engine.transaction import Transaction


class SlowChannel(Channel):
    """Takes long to undo a savepoint."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def execute(self, sql: str, values: Sequence[Any]) -> Result:
        raise NotImplementedError

    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        raise NotImplementedError

    async def execute_script(self, sql: str) -> None:
        raise NotImplementedError

    async def control(self, sql: str, **how: Any) -> None:
        self.said.append(sql)
        await asyncio.sleep(0.6 if sql.startswith("ROLLBACK TO") else 0)

    def abandon(self) -> None:
        self.said.append("abandoned")


@contextmanager
def nothing_translated() -> Iterator[None]:
    """Errors stay as they are."""
    yield


async def test_nothing_is_sent_once_the_channel_is_free() -> None:
    """The limit passes while the end of the block waits for a savepoint to be undone: it must not roll back again."""
    channel = SlowChannel()
    dialect = SimpleNamespace(begin=lambda isolation: "BEGIN", translating=nothing_translated)
    client: Any = SimpleNamespace(
        dialect=dialect, default_isolation=None, afterwork=Afterwork(5.0), log=logging.getLogger("agentdb.engine")
    )

    async def free() -> None:
        channel.said.append("freed")

    transaction = Transaction(client, channel, free=free)
    await transaction.begin(None, 0.4)
    try:
        async with transaction.savepoint():
            raise ValueError
    except ValueError:
        await client.afterwork.finish(transaction.end())
    await asyncio.sleep(1)

    assert "ROLLBACK" in channel.said
    assert channel.said[-1] == "freed"
    assert channel.said.count("freed") == 1
