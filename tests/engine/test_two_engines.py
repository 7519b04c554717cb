"""SQLite and PostgreSQL open in one process: each answers as if it were alone, and both answer the same.

Tortoise keeps what it prepared for one engine on the model classes. Whichever was opened last decided for all: booleans
came back as numbers, amounts as texts, and placeholders of SQLite reached PostgreSQL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from agentdb.models import Role, User
from tests.engine.engines import opened
from tests.engine.typical_rows import ALL, MOMENT, read_every_way, typed, typical, write_typical_rows


@pytest.fixture(params=["sqlite first", "postgres first"])
def urls(request: pytest.FixtureRequest, sqlite_url: str, postgres_url: str) -> list[str]:
    """One database of each engine, in the order in which they are opened."""
    found = [sqlite_url, postgres_url]
    return found if request.param == "sqlite first" else found[::-1]


def expected() -> Mapping[str, Mapping[str, Any]]:
    """Every row as it was written."""
    return {name: {**typical(model), "updated_at": MOMENT} for name, model in ALL.items()}


async def test_every_column_comes_back_as_it_was_written(urls: list[str]) -> None:
    """With the same value and type, from every kind of query, whichever engine was opened first."""
    async with opened(urls[0]) as one, opened(urls[1]) as other:
        await write_typical_rows(one)
        await write_typical_rows(other)
        found = [await read_every_way(one), await read_every_way(other)]

    assert found[0] == found[1]
    for name, row in expected().items():
        table = found[0][name]
        assert table["get"] == typed(row)
        assert table["values"] == table["raw"] == [typed(row)]
        assert table["values_list"] == [typed(list(row.values()))]
        assert set(table["equal"].values()) == {1}
        assert set(table["null"].values()) == {0}


async def test_both_at_once(urls: list[str]) -> None:
    """Tasks of both engines, switching at every statement."""
    async with opened(urls[0]) as one, opened(urls[1]) as other:
        await asyncio.gather(write_typical_rows(one), write_typical_rows(other))
        found = await asyncio.gather(*(read_every_way(session) for session in (one, other, other, one)))

    assert all(reading == found[0] for reading in found)


async def test_one_inside_the_other(urls: list[str]) -> None:
    """The inner context is left again, also by queries that were built before it was entered."""
    async with opened(urls[0]) as one, opened(urls[1]) as other:
        with one.use():
            await Role.create(name="one")
            query = Role.all().values_list("name")
            with other.use():
                await Role.create(name="other")
                await User.create(budget=5)
                assert await Role.all().values_list("name") == [("other",)]
            assert await Role.all().values_list("name") == [("one",)]
            assert await query == [("one",)]
            assert await User.all().count() == 0


async def test_one_goes_on_when_the_other_is_closed(urls: list[str]) -> None:
    """And a third may be opened then."""
    async with opened(urls[0]) as one:
        async with opened(urls[1]) as other:
            await write_typical_rows(one)
            await write_typical_rows(other)
            before = await read_every_way(other)
        assert await read_every_way(one) == before
        async with opened(urls[1]) as third:
            assert await read_every_way(third) == before
        assert await read_every_way(one) == before


async def test_a_memory_database_beside_a_file(sqlite_url: str) -> None:
    """Of one engine there may be several as well; each memory is its own."""
    async with opened(sqlite_url) as file, opened("sqlite://:memory:") as one, opened(":memory:") as other:
        for session in (one, other):
            await session.client.execute_script('CREATE TABLE "Role" AS SELECT 1 AS "id"')
        await one.client.execute_script('INSERT INTO "Role" VALUES (2)')
        counts = [(await session.fetch('SELECT count(*) AS n FROM "Role"'))[0]["n"] for session in (file, one, other)]

    assert counts == [0, 2, 1]
