"""A process that writes to a database while its disk runs full and has room again, and tells what it was told."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import agentdb
from agentdb import Database, OutcomeUnknownError, StorageError
from agentdb.config import Settings
from agentdb.engine import checkpoints
from tests.faults.spaces import SPACES, Space

WRITERS: Final = 8
BUDGET: Final = Decimal(1_000_000)
TEXT: Final = "x" * 6000


@dataclass(slots=True)
class Account:
    """What callers were told.

    Attributes:
        kept: Keys of writes that were told to be done.
        refused: Keys of those that were told not to be.
        told: How often each error was told, by phase.
        reads: Reads that were answered, by phase.
    """

    kept: dict[str, list[str]] = field(default_factory=lambda: {"usage": [], "message": []})
    refused: dict[str, list[str]] = field(default_factory=lambda: {"usage": [], "message": []})
    told: dict[str, Counter[str]] = field(default_factory=dict)
    reads: Counter[str] = field(default_factory=Counter)


class Story:
    """Writers with room, without, and with room again, on one handle."""

    def __init__(self, db: Database, talk_id: int) -> None:
        self.account = Account()
        self._db = db
        self._talk_id = talk_id
        self._number = 0

    async def phase(self, name: str, *, kept: int = 0, refused: int = 0) -> None:
        """Write until so many were kept and so many refused, and read meanwhile."""
        told = self.account.told[name] = Counter()

        def is_enough() -> bool:
            return told["kept"] >= kept and sum(told.values()) - told["kept"] >= refused

        async with asyncio.timeout(120), asyncio.TaskGroup() as group:
            for writer in range(WRITERS):
                group.create_task(self._write_until(is_enough, told, "usage" if writer % 2 else "message"))
            group.create_task(self._read_until(is_enough, name))

    async def _write_until(self, is_enough: Any, told: Counter[str], kind: str) -> None:
        while not is_enough():
            self._number += 1
            key = f"{kind}-{self._number}"
            try:
                await self._write(kind, key)
            except OutcomeUnknownError:
                told["OutcomeUnknownError"] += 1  # may be there or not: neither is counted
            except StorageError as error:
                told[f"StorageError {error.reason}"] += 1
                self.account.refused[kind].append(key)
            except Exception as error:
                told[f"{type(error).__name__}: {error}"] += 1
            else:
                told["kept"] += 1
                self.account.kept[kind].append(key)

    async def _write(self, kind: str, key: str) -> None:
        if kind == "usage":
            await self._db.usage.record(user_id=1, model="mock-model", input_tokens=1000, request_id=key)
        else:
            content = [{"text": TEXT}]
            await self._db.conversations.append(self._talk_id, user_id=1, role="user", content=content, request_id=key)

    async def _read_until(self, is_enough: Any, name: str) -> None:
        while not is_enough():
            await self._db.conversations.get(self._talk_id, user_id=1)
            await self._db.usage.remaining(1)
            await self._db.conversations.history(self._talk_id, user_id=1, limit=5)
            self.account.reads[name] += 1
            await asyncio.sleep(0.005)

    async def in_a_transaction(self) -> str:
        """What a caller's own transaction is told."""
        try:
            async with self._db.transaction():
                for _ in range(50):
                    await self._write("message", f"transaction-{self._number}")
                    self._number += 1
        except Exception as error:
            return f"{type(error).__name__} {getattr(error, 'reason', '')}"
        return "kept"


async def lived(space: Space) -> dict[str, Any]:
    """The whole story; what was told in it."""
    settings = Settings.load(env_file=None, secret_key="a key of these tests", acquire_timeout_s=60.0)
    db = await agentdb.connect(f"sqlite:///{space.path}", skip_sync=False, settings=settings)
    async with db:
        user = await db.access.create_user(email="ada@example.org", budget=BUDGET)
        talk = await db.conversations.start(user_id=user.id)
        story = Story(db, talk.id)
        await story.phase("with room", kept=60)
        space.fill(db)
        await story.phase("full", refused=60)
        transaction = await story.in_a_transaction()
        await asyncio.sleep(0.1)  # a checkpoint under way meets it too
        space.free(db)
        await story.phase("again", kept=60)
        remaining = await db.usage.remaining(user.id)
    account = story.account
    found = {"kept": account.kept, "refused": account.refused, "told": account.told, "reads": account.reads}
    return {**found, "transaction": transaction, "remaining": str(remaining), **audited(space.path)}


def audited(path: Path) -> dict[str, Any]:
    """What is in the file now, as nobody but SQLite says."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(path)) as raw:
        return {
            "integrity": raw.execute("PRAGMA integrity_check").fetchall()
            + raw.execute("PRAGMA foreign_key_check").fetchall(),
            "usage": [key for (key,) in raw.execute('SELECT "requestId" FROM "Usage"')],
            "message": [key for (key,) in raw.execute('SELECT "requestId" FROM "Message"')],
            "rows_cost": raw.execute('SELECT SUM("cost") FROM "Usage"').fetchone()[0],
        }


def main() -> None:
    """Live the story of the space and the path that the command line names, and print it."""
    # So that checkpoints meet the full disk too.
    checkpoints.LOG_BYTES, checkpoints.COMMITS = 64 * 1024, 5  # type: ignore[misc]  # constants of the product
    kind, path = sys.argv[1:]
    print(json.dumps(asyncio.run(lived(SPACES[kind](Path(path))))))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
