"""A database worth damaging."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Final

import agentdb
from agentdb.config import Settings
from tests.faults.visitor import KEY

SECRET: Final = "OTTERPOND"
"""A word of every message and name: no error may repeat what rows hold."""


async def make_template(path: Path) -> None:
    """Two users with conversations, resources, usage and an index of words; with overflow and free pages."""
    settings = Settings.load(env_file=None, secret_key=KEY)
    async with agentdb.connect(f"sqlite:///{path}", skip_sync=False, settings=settings) as db:
        for name in ("ada", "bob"):
            user = await db.access.create_user(
                email=f"{name}@example.org", first_name=f"{SECRET} {name}", budget=Decimal(100), with_api_key=True
            )
            await db.agents.create(user_id=user.id, name=f"{SECRET} agent", model="mock-model", prompt=SECRET * 900)
            for talk_number in range(3):
                talk = await db.conversations.start(user_id=user.id, title=f"{SECRET} {talk_number}")
                for number in range(30):
                    text = f"{SECRET} word {number} " + "x" * (20_000 if number % 10 == 0 else number * 20)
                    await db.conversations.append(
                        talk.id, user_id=user.id, role="user", content=[{"text": text}], request_id=f"m{number}"
                    )
                await db.knowledge.store(
                    user_id=user.id, conversation_id=talk.id, name=f"{SECRET}.txt", content=SECRET * 500
                )
            for number in range(20):
                await db.usage.record(user_id=user.id, model="mock-model", input_tokens=number, request_id=f"u{number}")
            await db.conversations.search("word", user_id=user.id)
            gone = await db.conversations.start(user_id=user.id)
            await db.conversations.append(gone.id, user_id=user.id, role="user", content=[{"text": SECRET * 9000}])
            await db.conversations.delete(gone.id, user_id=user.id)
            await db.conversations.purge(gone.id, user_id=user.id)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
