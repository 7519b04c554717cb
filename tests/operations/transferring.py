"""Transfers under way in processes of their own, and databases seen through the models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, Final

import agentdb
from agentdb import Database
from agentdb.config import Settings
from agentdb.engine.values import canonical
from agentdb.models import INTERNAL_TABLES, TABLES
from agentdb.operations import rows
from tests.lifecycle.places import configured

NOT_CARRIED: Final = ("agentdb_search", "agentdb_search_mark")
SMALL: Final = 3


async def records(url: str, settings: Settings) -> dict[str, list[Mapping[str, Any]]]:
    """Every carried row with all its values, as Tortoise reads them. Numbers in JSON count by value."""
    async with agentdb.connect(url, skip_sync=True, settings=settings) as db:
        with db.use():
            return {
                name: [canonical(row.to_dict()) for row in await model.all().order_by("id")]
                for name, model in {**TABLES, **INTERNAL_TABLES}.items()
                if name not in NOT_CARRIED
            }


async def next_message_id(url: str, settings: Settings) -> int:
    """The id that a new message gets."""
    async with agentdb.connect(url, skip_sync=True, settings=settings) as db:
        user = await db.access.create_user(email="new@example.org")
        talk = await db.conversations.start(user_id=user.id)
        message = await db.conversations.append(talk.id, user_id=user.id, role="user", content=[{"text": "Hi"}])
        return message.id


@contextmanager
def small_batches() -> Iterator[None]:
    """Inside the block a batch has few rows, so that there are many points at which to end."""
    before, rows.BATCH_ROWS = rows.BATCH_ROWS, SMALL  # type: ignore[misc]  # a constant but for this proof
    try:
        yield
    finally:
        rows.BATCH_ROWS = before  # type: ignore[misc]


async def moved(answers: Connection, source: str, target: str, secret_key: str) -> bool:
    """In a process: transfer in small batches, tell of each; the answer is whether an earlier one was gone on with."""

    def told(what: str, done: int, total: int | None) -> None:
        answers.send((what, done))

    settings = configured(secret_key=secret_key, durability="fast")
    answers.send("begun")
    with small_batches():
        done = await agentdb.transfer(source, target, settings=settings, told=told)
    return done.is_resumed


class Interrupted(Exception):  # noqa: N818 - nothing went wrong
    """Ends a transfer in this process."""


async def interrupted(db: Database, target: str, *, after: int) -> None:
    """Begin a transfer in small batches, and end it after so many of them."""
    left = after

    def told(what: str, done: int, total: int | None) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Interrupted

    with small_batches():
        try:
            await agentdb.transfer(url_of(db), target, settings=db.settings, told=told)
        except Interrupted:
            return
    raise AssertionError("It was over before.")


def url_of(db: Database) -> str:
    """Of a database that the factory made."""
    url: str = db.url  # type: ignore[attr-defined]  # a temporary one
    return url
