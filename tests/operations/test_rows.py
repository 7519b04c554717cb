"""What is carried between databases: all tables, in an order that can be inserted, as rows that mean the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from agentdb import Database
from agentdb.engine import Client
from agentdb.models import INTERNAL_TABLES, TABLES
from agentdb.operations import rows
from agentdb.operations.rows import (
    NO_ID,
    Link,
    TableDigest,
    digest_table,
    insert_rows,
    lines_of,
    link_rows,
    links_of,
    read_batches,
    read_links,
    row_of,
)
from agentdb.operations.tables import Table, all_table_names, carried_tables, state_table
from agentdb.testing.factory import DatabaseFactory
from tests.operations.odd_rows import odd_rows

ENGINES = ("sqlite", "postgresql")


def table(name: str) -> Table:
    """One of the carried tables."""
    return next(one for one in carried_tables() if one.name == name)


@asynccontextmanager
async def opened(factory: DatabaseFactory, engine: str, *, is_seeded: bool = True) -> AsyncIterator[Database]:
    with factory(engine=engine, seed=None if is_seeded else False) as db:
        try:
            yield db
        finally:
            await db.close()


async def digests(client: Client) -> dict[str, TableDigest]:
    """Of every table."""
    async with client.snapshot() as snapshot:
        return {one.name: await digest_table(snapshot, one) for one in (*carried_tables(), state_table())}


async def copy(source: Client, target: Client) -> None:
    """The plainest copy there is, in one transaction."""
    async with source.snapshot() as snapshot, target.transaction(is_patient=True):
        await target.dialect.empty_tables(target, all_table_names())
        links: dict[Table, list[Link]] = {}
        for one in (*carried_tables(), state_table()):
            async for batch in read_batches(snapshot, one):
                rows_again = [row_of(one, line) for line in lines_of(one, batch)]
                await insert_rows(target, one, rows_again)
                links.setdefault(one, []).extend(links_of(one, rows_again))
        for one, late in links.items():
            await link_rows(target, one, late)
            if late:
                assert [link async for some in read_links(snapshot, one) for link in some] == late
        for one in carried_tables():
            last = await source.dialect.last_id(snapshot.rows, one.name)
            await target.dialect.advance_ids(target, one.name, at_least=last)


def test_every_table_is_carried_or_known_to_be_left_out() -> None:
    carried = {one.name for one in carried_tables()} | {state_table().name}

    assert carried | {"agentdb_search", "agentdb_search_mark"} == {*TABLES, *INTERNAL_TABLES}
    assert {*all_table_names()} == {*TABLES, *INTERNAL_TABLES}


def test_parents_come_before_their_children() -> None:
    """But for the two references that no order serves."""
    seen: set[str] = set()
    late = []
    for one in carried_tables():
        late += [f"{one.name}.{column.name}" for column in one.late]
        assert {column.points_to for column in one.columns if column.points_to and not column.is_late} <= seen
        seen.add(one.name)

    assert sorted(late) == ["Conversation.summaryMessageID", "Message.parentID"]
    assert all(one.columns[0].name == "id" for one in carried_tables())


@pytest.mark.parametrize("source", ENGINES)
@pytest.mark.parametrize("target", ENGINES)
async def test_odd_rows_arrive_with_equal_digests(source: str, target: str, agent_db_factory: DatabaseFactory) -> None:
    """Through lines, and so does what comes back from there; the next id is a new one."""
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(opened(agent_db_factory, source))
        theirs = await stack.enter_async_context(opened(agent_db_factory, target))
        gone = await odd_rows(ours)
        await copy(ours.session.client, theirs.session.client)
        expected = await digests(ours.session.client)

        assert await digests(theirs.session.client) == expected
        assert all(
            one.rows for name, one in expected.items() if name not in ("agentdb_request", "agentdb_budget_reset")
        )
        user = await theirs.access.create_user(email="new@example.org")
        talk = await theirs.conversations.start(user_id=user.id)
        message = await theirs.conversations.append(talk.id, user_id=user.id, role="user", content=[{"text": "Hi"}])
        assert message.id == gone + 1


@pytest.mark.agentdb(engine="both")
async def test_a_digest_tells_what_changed(agent_db: Database) -> None:
    """NULL is not the empty text, and a JSON null is not NULL."""
    client = agent_db.session.client
    told: list[str] = []
    for change in ('"name" = NULL', "\"name\" = ''", "\"metadata\" = 'null'", '"metadata" = NULL, "content" = \'\''):
        if not told:
            await client.fetch('INSERT INTO "Resource" ("id") VALUES (1)')
        await client.fetch(f'UPDATE "Resource" SET {change}')
        told.append((await digests(client))["Resource"].sha256)

    assert len(set(told)) == len(told)


@pytest.mark.agentdb(engine="both")
async def test_numbers_count_by_value(agent_db: Database) -> None:
    """However an engine writes them."""
    client = agent_db.session.client
    digests_found = set()
    for text in ('{"a": 1.0, "b": 1e2}', '{"b":100,"a":1}', '{"b":1.0E+2,"a":1.000}'):
        await client.fetch('DELETE FROM "Resource"')
        parameter = agent_db.session.dialect.placeholder(1)
        await client.fetch(
            f'INSERT INTO "Resource" ("id", "metadata", "createdAt", "updatedAt") VALUES (1, {parameter}, NULL, NULL)',
            [text],
        )
        digests_found.add((await digests(client))["Resource"])

    assert len(digests_found) == 1


@pytest.mark.agentdb(engine="both")
async def test_batches_are_bounded_by_what_they_hold(agent_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that is larger than a batch comes alone, and no row is left out."""
    monkeypatch.setattr(rows, "BATCH_CHARACTERS", 1000)
    monkeypatch.setattr(rows, "BATCH_ROWS", 7)
    user = await agent_db.access.create_user(email="ada@example.org")
    for size in (10, 10, 400, 400, 400, 5000, *[1] * 20):
        await agent_db.knowledge.store(user_id=user.id, name="n", content="x" * size)
    async with agent_db.session.client.snapshot() as snapshot:
        batches = [batch async for batch in read_batches(snapshot, table("Resource"))]
        ids = [row[0] for batch in batches for row in batch]
        rest = [row[0] async for batch in read_batches(snapshot, table("Resource"), after=ids[3]) for row in batch]

    assert [len(batch) for batch in batches][:3] == [4, 1, 1]
    assert max(map(len, batches)) == 7
    assert len(ids) == 26
    assert ids == sorted(ids)
    assert rest == ids[4:]
    assert ids[0] > NO_ID


@pytest.mark.agentdb(engine="both")
async def test_a_snapshot_sees_one_state_while_others_write(agent_db: Database) -> None:
    client = agent_db.session.client
    async with client.snapshot() as snapshot:
        before = await digest_table(snapshot, table("User"))
        await agent_db.access.create_user(email="ada@example.org")
        during = await digest_table(snapshot, table("User"))

    assert during == before
    assert (await digests(client))["User"].rows == before.rows + 1


@pytest.mark.agentdb(engine="both")
async def test_a_snapshot_cannot_be_written_through(agent_db: Database) -> None:
    async with agent_db.session.client.snapshot() as snapshot:
        with pytest.raises(Exception, match="read"):
            await snapshot.rows('DELETE FROM "Role"')


@pytest.mark.agentdb(engine="both")
async def test_ids_never_go_backwards(agent_db: Database) -> None:
    client, dialect = agent_db.session.client, agent_db.session.dialect
    found = []
    for at_least in (0, 1000, 10, 0):
        await dialect.advance_ids(client, "User", at_least=at_least)
        found.append(await dialect.last_id(client.rows, "User"))
    user = await agent_db.access.create_user(email="ada@example.org")

    assert found == [0, 1000, 1000, 1000]
    assert user.id == 1001
