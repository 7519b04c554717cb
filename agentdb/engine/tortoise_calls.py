"""What Tortoise's own code calls on a backend, by way of what every client of ours can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, TypeVar

from tortoise.backends.base.client import BaseDBAsyncClient

from agentdb.engine.channel import Result, Work
from agentdb.engine.dialect import Dialect

T = TypeVar("T")


class TortoiseCalls(BaseDBAsyncClient, ABC):
    """A Tortoise backend."""

    dialect: ClassVar[Dialect]

    @abstractmethod
    async def run(self, work: Work[T], *, writing: bool = True) -> T:
        """Give `work` a channel."""

    @abstractmethod
    async def fetch(self, sql: str, values: Sequence[Any] | None = None) -> Result:
        """Run one statement with positional parameters."""

    @abstractmethod
    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """Group the statements of the block."""

    def _in_transaction(self) -> Any:
        return _TortoiseTransaction(self)

    async def execute_query(self, query: str, values: list[Any] | None = None) -> tuple[int, Sequence[Any]]:
        result = await self.fetch(query, values)
        return result.affected, result.rows

    async def execute_query_dict(self, query: str, values: list[Any] | None = None) -> list[dict[str, Any]]:
        return [dict(row) for row in (await self.fetch(query, values)).rows]

    async def execute_query_dict_with_affected(
        self, query: str, values: list[Any] | None = None
    ) -> tuple[list[dict[str, Any]], int]:
        result = await self.fetch(query, values)
        return [dict(row) for row in result.rows], result.affected

    async def execute_insert(self, query: str, values: list[Any]) -> Any:
        result = await self.fetch(query, values)
        return dict(result.rows[0]) if result.rows else result.inserted_id

    async def execute_many(self, query: str, values: list[list[Any]]) -> None:
        rows = [self.dialect.encode(row) for row in values]
        async with self.transaction():
            await self.run(lambda channel: channel.execute_many(query, rows))

    async def execute_script(self, query: str) -> None:
        await self.run(lambda channel: channel.execute_script(query))


class _TortoiseTransaction:
    """`client.transaction()` in the shape that Tortoise's own code enters, with the client as its value."""

    def __init__(self, client: TortoiseCalls) -> None:
        self._client = client
        self._block = client.transaction()

    async def __aenter__(self) -> TortoiseCalls:
        await self._block.__aenter__()
        return self._client

    async def __aexit__(self, *exc_info: Any) -> None:
        await self._block.__aexit__(*exc_info)
