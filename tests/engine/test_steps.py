"""Units of work as generators: the same answers on both engines, whichever way they are driven."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from agentdb.engine import Insert, Many, Query, Session, Steps
from agentdb.errors import ConflictError, DeadlineError, InvalidInputError, NotFoundError, UnavailableError
from tests.engine.engines import names, opened, placeholders


def add(session: Session, *values: Any) -> Steps[list[int]]:
    """One role for each value, by as many statements; their ids."""
    (first,) = placeholders(session, 1)
    ids = []
    for value in values:
        (row,) = yield Query(f'INSERT INTO "Role" ("name") VALUES ({first}) RETURNING "id"', [value])
        ids.append(row["id"])
    return ids


def add_many(session: Session, *values: Any) -> Steps[str]:
    """One role for each value, by one statement."""
    (first,) = placeholders(session, 1)
    given = yield Many(f'INSERT INTO "Role" ("name") VALUES ({first})', [[value] for value in values])
    assert list(given) == []
    return "done"


def refuse(first: Steps[Any]) -> Steps[None]:
    """A refusal after what `first` does."""
    yield from first
    raise NotFoundError("role", 1)


def count() -> Steps[int]:
    """How many roles there are."""
    (row,) = yield Query('SELECT count(*) AS "n" FROM "Role"')
    return int(row["n"])


def nothing() -> Steps[str]:
    """A unit that turns out to need no statement."""
    return "nothing"
    yield


async def test_a_unit_is_kept_as_a_whole_and_gives_its_result(session: Session, url: str) -> None:
    """Statements give their rows, one for many rows gives none, and there may be no statement at all."""
    ids = await session.write(partial(add, session, "a", "b"))

    assert ids == sorted(ids)
    assert await session.write(partial(add_many, session, "c", "d")) == "done"
    assert await session.write(nothing) == "nothing"
    assert [await session.query(count, is_short=is_short) for is_short in (True, False)] == [4, 4]
    assert await names(url) == ["a", "b", "c", "d"]


async def test_an_insert_gives_the_ids_of_its_rows(session: Session, url: str) -> None:
    """In their order, for one row, for several and for none; also after a deletion, and inside a transaction."""
    first, second = placeholders(session, 2)

    def insert(rows: str, *values: Any) -> Steps[list[int]]:
        found = yield Insert(f'INSERT INTO "Role" ("name") {rows} RETURNING "id"', values)
        return [row["id"] for row in found]

    def delete(role_id: int) -> Steps[None]:
        yield Query(f'DELETE FROM "Role" WHERE "id" = {first}', [role_id])

    def read() -> Steps[list[tuple[int, str]]]:
        return [(row["id"], row["name"]) for row in (yield Query('SELECT "id", "name" FROM "Role" ORDER BY "id"'))]

    one = await session.write(partial(insert, f"VALUES ({first})", "a"))
    two = await session.write(partial(insert, f"VALUES ({first}), ({second})", "b", "c"))
    none = await session.write(partial(insert, """SELECT "name" FROM "Role" WHERE "id" < 0"""))
    await session.write(partial(delete, two[-1]))
    async with session.transaction():
        three = await session.write(partial(insert, f"VALUES ({first})", "d"))

    assert (len(one), len(two), none, len(three)) == (1, 2, [], 1)
    assert await session.query(read) == list(zip([*one, two[0], *three], ["a", "b", "d"], strict=True))


async def test_a_unit_that_fails_leaves_nothing(session: Session, url: str) -> None:
    """Whether a statement, a value or the unit itself is the reason."""
    for unit, error in (
        (partial(add, session, "a", "a"), ConflictError),
        (partial(add_many, session, "a", "b", "a"), ConflictError),
        (partial(add, session, "a", "nul\x00"), InvalidInputError),
        (partial(add_many, session, "a", "nul\x00"), InvalidInputError),
        (lambda: refuse(add(session, "a")), NotFoundError),
        (lambda: refuse(add_many(session, "a")), NotFoundError),
    ):
        with pytest.raises(error):
            await session.write(unit)

    assert await names(url) == []


async def test_units_join_the_callers_transaction(session: Session, url: str) -> None:
    """A failed one is undone alone, what one wrote the next one reads, and nobody is told before the end."""
    told: list[Any] = []
    async with session.transaction():
        await session.write(partial(add, session, "a"), on_commit=told.append)
        with pytest.raises(ConflictError):
            await session.write(partial(add, session, "b", "a"), on_commit=told.append)
        with pytest.raises(NotFoundError):
            await session.write(lambda: refuse(add(session, "b")))
        with pytest.raises(NotFoundError):
            await session.query(lambda: refuse(count()), is_short=True)
        inside = [await session.query(count, is_short=is_short) for is_short in (True, False)]
        before = list(told)

    assert (inside, before, len(told)) == ([1, 1], [], 1)
    assert await names(url) == ["a"]


async def test_a_unit_is_repeated_while_the_database_is_unavailable(session: Session, url: str) -> None:
    """As a whole, and each time made anew; not inside a caller's transaction."""
    attempts: list[int] = []

    def flaky() -> Steps[int]:
        attempts.append(len(attempts))
        yield from add(session, f"attempt {len(attempts)}")
        if len(attempts) < 3:
            raise UnavailableError("not now")
        return len(attempts)

    assert await session.write(flaky) == 3
    assert await names(url) == ["attempt 3"]
    attempts.clear()
    with pytest.raises(UnavailableError):
        async with session.transaction():
            await session.write(flaky)
    assert len(attempts) == 1


@pytest.mark.parametrize("timeout_s", [0, -1])
async def test_no_time_is_too_little(session: Session, url: str, timeout_s: float) -> None:
    """Even for what needs no waiting."""
    with pytest.raises(DeadlineError):
        await session.write(partial(add, session, "a"), timeout_s=timeout_s)
    with pytest.raises(DeadlineError):
        await session.query(count, timeout_s=timeout_s, is_short=True)

    assert await names(url) == []


async def test_many_at_once(session: Session, url: str) -> None:
    """More than there are connections; one of them fails."""
    await session.write(partial(add, session, "taken"))
    units = [session.write(partial(add, session, f"{number:02}")) for number in range(40)]
    failing = session.write(partial(add, session, "taken"))
    found = await asyncio.gather(*units[:20], failing, *units[20:], return_exceptions=True)

    assert [place for place, one in enumerate(found) if isinstance(one, ConflictError)] == [20]
    assert len(await names(url)) == 41


async def test_a_long_read_on_a_server_is_one_snapshot(postgres_url: str) -> None:
    """SQLite's is shown among the inline reads."""

    def level() -> Steps[str]:
        (row,) = yield Query("SELECT current_setting('transaction_isolation') AS level")
        return str(row["level"])

    async with opened(postgres_url, isolation="read committed") as session:
        assert await session.query(level, is_short=True) == "read committed"
        assert await session.query(level, is_short=False) == "repeatable read"
