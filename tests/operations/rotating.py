"""Users, providers and tools with secrets, and processes that exchange the key until they are killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import agentdb
from agentdb import Database, Secret
from agentdb.config import Settings
from agentdb.database import look
from agentdb.sql import Statements
from tests.lifecycle.places import Place, configured
from tests.lifecycle.starters import Worker, launched

SEARCH_TOOL = 1
EACH = 8
"""Secrets of each kind."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The secret keys in the settings of a server's database; a file has its own beside it."""

    place: Place
    current: str = "the very first key of these tests"
    previous: str | None = None

    def settings(self) -> Settings:
        """Of everybody who uses the database."""
        if not self.place.is_on_server:
            return configured()
        return configured(secret_key=self.current, secret_key_previous=self.previous)

    def grow_old(self) -> None:
        """Let the key of a file be so old that no open transaction can need the one before."""
        if self.place.path is not None:
            os.utime(f"{self.place.path}.key", (0, 0))

    def exchanged(self, count: int) -> Self:
        """What an operator sets for the next rotation."""
        return replace(self, current=f"key number {count} of these tests", previous=self.current)


@dataclass(frozen=True, slots=True)
class Planted:
    """Secrets by the id of what has them."""

    providers: dict[int, Secret]
    users: dict[int, Secret]
    credentials: dict[int, Secret]

    async def check(self, db: Database) -> None:
        """Read all of them."""
        for provider_id, secret in self.providers.items():
            assert await db.catalog.provider_secret(provider_id) == secret
        for user_id, api_key in self.users.items():
            assert (await db.access.authenticate(api_key)).id == user_id
            assert await db.agents.tool_credential(SEARCH_TOOL, user_id=user_id) == self.credentials[user_id]


async def planted(db: Database) -> Planted:
    """A database with secrets of every kind."""
    found = Planted({}, {}, {})
    for number in range(EACH):
        provider = await db.catalog.create_provider(f"provider {number}")
        found.providers[provider.id] = Secret(f"provider secret {number}")
        await db.catalog.set_provider_secret(provider.id, found.providers[provider.id])
        user = await db.access.create_user(email=f"user{number}@example.org", with_api_key=True)
        assert user.api_key is not None
        found.users[user.id], found.credentials[user.id] = user.api_key, Secret(f"credential {number}")
        await db.agents.set_tool_credential(SEARCH_TOOL, user_id=user.id, credential=found.credentials[user.id])
    return found


async def owned(keys: Keys) -> Planted:
    """Let the owner start, who makes a key file where one belongs, and plant secrets."""
    async with agentdb.connect(keys.place.url, settings=keys.settings()) as db:
        return await planted(db)


def rotate(keys: Keys, *, dies_at: int | None) -> Worker:
    """Exchange the key in a process; its answer is how many points there were at which it could have died."""
    return launched(_rotate, keys.place.url, keys.current, keys.previous, keys.place.is_on_server, dies_at)


async def _rotate(
    answers: Connection, url: str, current: str, previous: str | None, is_configured: bool, dies_at: int | None
) -> int:
    settings = configured(secret_key=current, secret_key_previous=previous) if is_configured else configured()
    async with await look(url, settings=settings) as db:
        counter = _Counter(dies_at)
        counter.watch(Statements, "query")
        for function in ("link", "replace", "fsync"):
            counter.watch(os, function)
        counter.watch(Path, "unlink")
        await db.rotate_key()
        return counter.count


class _Counter:
    """Counts the points before and after calls, and dies at one of them."""

    def __init__(self, dies_at: int | None) -> None:
        self.count = 0
        self._dies_at = dies_at

    def watch(self, owner: Any, name: str) -> None:
        """Count the calls of a function."""
        function: Callable[..., Any] = getattr(owner, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            self._point()
            result = function(*arguments, **options)
            self._point()
            return result

        setattr(owner, name, counted)

    def _point(self) -> None:
        self.count += 1
        if self.count == self._dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
