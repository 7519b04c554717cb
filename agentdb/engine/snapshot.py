"""One state of a database, read by many statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from agentdb.engine.channel import Channel
from agentdb.engine.steps import Row

if TYPE_CHECKING:
    from agentdb.engine.client import Client


class Snapshot:
    """What a database was when the first statement ran. One statement at a time; there is no deadline."""

    def __init__(self, client: Client, channel: Channel) -> None:
        self.client = client
        self._channel = channel

    async def rows(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Row]:
        """The rows of a statement that reads, with positional parameters."""
        if self.client.rights is not None:
            self.client.rights.check(sql)
        encoded = self.client.dialect.encode(values)
        result = await self.client.in_time(lambda channel: channel.execute(sql, encoded), self._channel, within_s=None)
        return result.rows
