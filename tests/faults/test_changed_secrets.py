"""Stored secrets that were changed, cut off, or copied to another place: refused, and never a wrong text."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import islice

import pytest

import agentdb
from agentdb import AuthenticationError, ConfigurationError, Database, Secret, StorageError
from tests.counts import COUNTS
from tests.faults.changing import Changed, Column, Stored, changes, sealed_json
from tests.lifecycle.conftest import clean_environment, places
from tests.lifecycle.places import Place, Places, configured

__all__ = ["clean_environment", "places"]

KEYS = ("the earlier key of these tests", "the current key of these tests")
OTHER_KEYS = ("the earlier key of another database", "the current key of another database")
EACH = 3
"""Secrets of each kind under each key."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A database with secrets of every kind under two keys, both of which it has.

    Attributes:
        api_keys: By the user's id.
        tools: The user and the tool of a credential, by the id of its row.
    """

    place: Place
    db: Database
    stored: list[Stored]
    api_keys: dict[int, Secret]
    tools: dict[int, tuple[int, int]]

    async def read(self, where: Stored) -> object:
        """What the public API makes of what stands there."""
        if where.column == "Provider.apiKey":
            return await self.db.catalog.provider_secret(where.row_id)
        if where.column == "User.apiKey":
            return await self.db.access.authenticate(self.api_keys[where.row_id])
        user_id, tool_id = self.tools[where.row_id]
        return await self.db.agents.tool_credential(tool_id, user_id=user_id)

    async def put(self, changed: Changed) -> None:
        """Write past agentdb."""
        table, column = changed.where.column.split(".")
        is_wrapped = changed.where.column == "UserTool.credential" and not changed.is_json
        text = sealed_json(changed.text) if is_wrapped else changed.text
        kind = "CAST($1 AS JSONB)" if self.place.is_on_server and table == "UserTool" else "$1"
        value = text if changed.raw is None else changed.raw
        kind = kind if changed.raw is None else "CAST($1 AS TEXT)"
        await self.place.rows(f'UPDATE "{table}" SET "{column}" = {kind} WHERE "id" = $2', value, changed.where.row_id)


async def opened(place: Place, stack: AsyncExitStack, keys: tuple[str, str] = KEYS) -> Opened:
    """Plant half of the secrets with the earlier key, and the others with both at hand."""
    api_keys: dict[int, Secret] = {}
    for position in range(2):
        settings = configured(secret_key=keys[position], secret_key_previous=keys[0] if position else None)
        db = await stack.enter_async_context(agentdb.connect(place.url, settings=settings, skip_sync=True))
        for number in range(EACH):
            provider = await db.catalog.create_provider(f"p{position}{number}")
            await db.catalog.set_provider_secret(provider.id, f"{place.url} provider {number}")
            user = await db.access.create_user(email=f"u{position}{number}@example.org", with_api_key=True)
            assert user.api_key is not None
            api_keys[user.id] = user.api_key
            await db.agents.set_tool_credential(1, user_id=user.id, credential=f"{place.url} credential {number}")
    stored = [
        *await found(place, "Provider.apiKey", 'SELECT "id", "apiKey" FROM "Provider" WHERE "apiKey" IS NOT NULL'),
        *await found(place, "User.apiKey", 'SELECT "id", "apiKey" FROM "User"'),
        *await found(place, "UserTool.credential", f'SELECT "id", {sealed_in(place)} FROM "UserTool"'),
    ]
    tools = {
        row_id: (user_id, tool_id)
        for row_id, user_id, tool_id in await place.rows('SELECT "id", "userID", "toolID" FROM "UserTool"')
    }
    return Opened(place, db, stored, api_keys, tools)


def sealed_in(place: Place) -> str:
    """The sealed value of a credential."""
    return "\"credential\" ->> 'sealed'" if place.is_on_server else "json_extract(\"credential\", '$.sealed')"


async def found(place: Place, column: Column, sql: str) -> list[Stored]:
    """Secrets as they are stored."""
    return [Stored(column, row_id, text) for row_id, text in await place.rows(f"{sql} ORDER BY 1")]


async def test_changed_values_are_refused(places: Places) -> None:
    """Bit flips, cuts and swaps between rows, columns, tables, databases and keys: each has an answer of its own."""
    draw, answers, odd = random.Random(7), Counter[tuple[str, str]](), []
    async with AsyncExitStack() as stack:
        one, other = [await opened(places.ready(), stack, keys) for keys in (KEYS, OTHER_KEYS)]
        every = changes(draw, one.stored, other.stored, is_file=not one.place.is_on_server)
        for changed in islice(every, COUNTS.changed_secrets):
            await one.put(changed)
            answer = await answer_to(one, changed.where)
            answers[changed.how, answer] += 1
            if answer not in expected(changed.where):
                odd.append((changed, answer))
            await one.put(Changed("as it was", changed.where, changed.where.text))
        unharmed = [await answer_to(one, where) for where in one.stored]

    assert [(changed.how, answer, changed) for changed, answer in odd] == []
    assert answers.total() == COUNTS.changed_secrets
    assert len({how for how, _ in answers}) >= 8
    assert set(unharmed) <= {"Secret", "Identity"}


async def answer_to(one: Opened, where: Stored) -> str:
    """What reading a secret gives, without its text; a refusal that shows what is stored is no good answer."""
    try:
        return type(await one.read(where)).__name__
    except StorageError as error:
        return f"StorageError {error.reason}" + shown(error, one)
    except Exception as error:
        return type(error).__name__ + shown(error, one)


def shown(error: BaseException, one: Opened) -> str:
    """Whether an error holds the payload of any stored value."""
    text = f"{error!r} {error.__cause__!r}"
    return " that shows it" if any(each.text[14:26] in text for each in one.stored) else ""


def expected(where: Stored) -> tuple[str, ...]:
    """The answers that are right."""
    return ("AuthenticationError",) if where.column == "User.apiKey" else ("StorageError corrupt", "ConfigurationError")


async def test_a_stored_digest_is_no_key(places: Places) -> None:
    """Who reads the database cannot log in with what stands there, in neither form."""
    async with AsyncExitStack() as stack:
        one = await opened(places.ready(), stack)
        digests = [each.text for each in one.stored if each.column == "User.apiKey"]
        for text in digests:
            for key in (text, text.split("$")[2], Secret(text)):
                with pytest.raises(AuthenticationError):
                    await one.db.access.authenticate(key)

        assert len(digests) == 2 * EACH


async def test_another_databases_key_opens_nothing(places: Places) -> None:
    """It is told which key the value needs."""
    async with AsyncExitStack() as stack:
        one = await opened(places.ready(), stack)
        settings = configured(secret_key="a key of somebody else")
        stranger = await stack.enter_async_context(agentdb.connect(one.place.url, settings=settings, skip_sync=True))
        theirs = Opened(one.place, stranger, one.stored, one.api_keys, one.tools)
        for where in one.stored:
            with pytest.raises((ConfigurationError, AuthenticationError)) as refused:
                await theirs.read(where)

            assert where.column == "User.apiKey" or where.text.split("$")[1] in str(refused.value)
