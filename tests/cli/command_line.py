"""How the tests call a command, and reach a database past agentdb."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Protocol

import asyncpg


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The output, parsed as JSON."""
        return json.loads(self.out)


class Command(Protocol):
    """The command line, called with its arguments."""

    def __call__(self, *arguments: str) -> Outcome: ...


def on_server(sql: str, url: str) -> list[Any]:
    """Run one statement past agentdb; its rows."""

    async def work() -> list[Any]:
        connection = await asyncpg.connect(url)
        try:
            return list(await connection.fetch(sql))
        finally:
            await connection.close()

    return asyncio.run(work())
