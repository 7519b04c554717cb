"""Writes of many callers that leave as one statement: each gets the answer that it would have got alone.

The write here adds a role under a name, which is unique, and locks the provider that its key names.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest

from agentdb.engine import Batcher, Query, Session, Steps
from agentdb.engine.dialect import ConnectionLostError
from agentdb.engine.postgres_channel import PostgresChannel
from agentdb.errors import AgentDBError, DeadlineError, InvalidInputError, OutcomeUnknownError, TransactionError
from agentdb.lifecycle.migrate import Migrator
from tests.counts import COUNTS
from tests.engine.engines import names, opened, outside

WAITING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


class Write(NamedTuple):
    """One role to add."""

    name: str
    key: int = 0
    size: int = 1
    request_id: str | None = None


class Roles(Batcher[Write, int]):
    """Gives the ids of new roles.

    Attributes:
        flights: The names that each statement was sent with.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session, self.steps)
        self.flights: list[list[str]] = []

    def steps(self, items: Sequence[Write]) -> Steps[Sequence[int | AgentDBError | None]]:
        """A name that is there already is not decided; one that is called bad is refused."""
        self.flights.append([item.name for item in items])
        rows = yield Query(
            """
            WITH locked AS MATERIALIZED (
                SELECT "id" FROM "Provider" WHERE "id" = ANY(CAST($1 AS BIGINT[])) ORDER BY "id" FOR NO KEY UPDATE
            )
            INSERT INTO "Role" ("name")
            SELECT i."name" FROM unnest(CAST($2 AS TEXT[])) WITH ORDINALITY AS i ("name", "position")
            WHERE (SELECT count(*) FROM locked) >= 0 AND i."name" <> 'bad'
                AND NOT EXISTS (SELECT 1 FROM "Role" r WHERE r."name" = i."name")
            ORDER BY i."position"
            RETURNING "id", "name"
            """,
            [[item.key for item in items], [item.name for item in items]],
        )
        made = {row["name"]: row["id"] for row in rows}
        return [InvalidInputError("bad") if item.name == "bad" else made.get(item.name) for item in items]


@pytest.fixture
async def session(postgres_url: str) -> AsyncIterator[Session]:
    """An open session on PostgreSQL, with two providers to lock."""
    await outside(postgres_url, """INSERT INTO "Provider" ("id", "name") VALUES (1, 'one'), (2, 'two')""")
    async with opened(postgres_url) as made:
        yield made


@pytest.fixture
def public_directory() -> Iterator[Path]:
    """A directory that every OS user may enter, as an embedded server needs it."""
    with tempfile.TemporaryDirectory(prefix="agentdb-pg-") as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.fixture
def roles(session: Session) -> Roles:
    """What adds roles."""
    return Roles(session)


@asynccontextmanager
async def locked(url: str, provider: int = 1) -> AsyncIterator[asyncpg.Connection]:
    """Somebody else holds the lock of a provider inside the block."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute('SELECT 1 FROM "Provider" WHERE "id" = $1 FOR UPDATE', provider)
            yield connection
    finally:
        await connection.close()


async def someone_waits(url: str, *, count: int = 1) -> None:
    """Until so many statements wait for a lock."""
    async with asyncio.timeout(30):
        while len(await outside(url, WAITING)) < count:
            await asyncio.sleep(0.01)


def joined(roles: Roles, *writes: Write, **options: Any) -> list[asyncio.Task[int | None]]:
    """A task for each write."""
    return [asyncio.create_task(roles.join(write, **options)) for write in writes]


async def under_way(roles: Roles, flights: int) -> None:
    """Until so many statements were sent."""
    async with asyncio.timeout(30):
        while len(roles.flights) < flights:
            await asyncio.sleep(0)


# who leaves with whom


async def test_whoever_arrives_meanwhile_leaves_together(roles: Roles) -> None:
    """The first one leaves at once; ids grow in order of arrival."""
    first = joined(roles, Write("first"))
    await under_way(roles, 1)
    ids = await asyncio.gather(*first, *joined(roles, *(Write(f"{n:02}") for n in range(20))))

    assert roles.flights == [["first"], [f"{n:02}" for n in range(20)]]
    assert ids == sorted(ids, key=lambda found: found or 0)
    assert roles.fallbacks == 0


async def test_writes_of_one_turn_leave_together(roles: Roles) -> None:
    """Also the first of them."""
    await asyncio.gather(*joined(roles, *(Write(str(n)) for n in range(16))))

    assert len(roles.flights) == 1


async def test_a_flight_is_bounded(roles: Roles) -> None:
    """By 256 members and a megabyte; one that is larger goes alone."""
    many = [Write(f"{n:03}") for n in range(300)]
    await asyncio.gather(*joined(roles, *many))
    heavy = [Write(f"h{n}", size=size) for n, size in enumerate((400_000, 400_000, 400_000, 5_000_000, 1))]
    await asyncio.gather(*joined(roles, *heavy))

    assert [len(flight) for flight in roles.flights] == [256, 44, 2, 1, 1, 1]


async def test_repeated_calls_leave_one_after_the_other(roles: Roles) -> None:
    """The second one sees what the first one did, and nobody of the same key overtakes it."""
    writes = [
        Write("a", 1, request_id="r"),
        Write("a", 1, request_id="r"),
        Write("b", 1),
        Write("c", 2, request_id="r"),
    ]
    ids = await asyncio.gather(*joined(roles, *writes))

    assert roles.flights == [["a", "c"], ["a", "b"]]
    assert [found is None for found in ids] == [False, True, False, False]


async def test_a_locked_row_does_not_hold_up_others(roles: Roles, postgres_url: str) -> None:
    """Members with other keys leave beside the flight that waits; those with its key follow it in order."""
    async with locked(postgres_url):
        waiting = joined(roles, Write("a", 1))
        await someone_waits(postgres_url)
        waiting += joined(roles, Write("b", 1), Write("c", 1))
        others = await asyncio.gather(*joined(roles, *(Write(f"other {n}", 2) for n in range(5))))
        assert not any(task.done() for task in waiting)
    ids = await asyncio.gather(*waiting)

    assert None not in others
    assert roles.flights[-1] == ["b", "c"]
    assert ids == sorted(ids, key=lambda found: found or 0)


async def test_only_outside_of_transactions_and_on_engines_that_can(session: Session, sqlite_url: str) -> None:
    """A transaction's writes are its own."""
    with session.use():
        async with session.transaction():
            inside = Roles(session).is_usable
    async with opened(sqlite_url) as sqlite:
        assert not Roles(sqlite).is_usable

    assert not inside
    assert Roles(session).is_usable


@pytest.mark.parametrize(("pooler", "is_usable"), [("none", True), ("transaction", False)])
async def test_a_merged_statement_has_the_configured_isolation(postgres_url: str, pooler: str, is_usable: bool) -> None:
    """A pooler that takes no settings for a session cannot promise it, so there nothing is merged."""
    async with opened(postgres_url, isolation="serializable", pooler=pooler) as strict:
        (row,) = await strict.fetch("SELECT current_setting('transaction_isolation') AS level")

        assert Roles(strict).is_usable is is_usable
        assert row["level"] == ("serializable" if is_usable else "read committed")


# answers


async def test_a_refusal_is_for_one_alone(roles: Roles) -> None:
    """The others are stored, and told; the refused one is not."""
    told: list[int] = []
    found = await asyncio.gather(
        *joined(roles, Write("a"), Write("bad"), Write("b"), on_commit=told.append), return_exceptions=True
    )

    assert isinstance(found[1], InvalidInputError)
    assert told == [found[0], found[2]]
    assert len(roles.flights) == 1


async def test_a_statement_that_fails_is_redone_one_by_one(roles: Roles, postgres_url: str) -> None:
    """That is counted; only the one at fault is left to another way. After a conflict all try together first."""
    writes = [Write("a"), Write("same"), Write("b"), Write("same"), Write("c")]
    found = await asyncio.gather(*joined(roles, *writes))

    assert [one is None for one in found] == [False, False, False, True, False]
    assert [len(flight) for flight in roles.flights] == [5, 5, 1, 1, 1, 1, 1]
    assert roles.fallbacks == roles._session.client.fallbacks == 1
    assert await names(postgres_url) == ["a", "b", "c", "same"]


async def test_a_failing_callback_harms_nobody(roles: Roles, caplog: pytest.LogCaptureFixture) -> None:
    """It cannot undo what is kept, so it is logged."""

    def fail(_: int) -> None:
        raise RuntimeError("told")

    assert None not in await asyncio.gather(*joined(roles, Write("a"), Write("b"), on_commit=fail))
    assert "callback after a commit" in caplog.text


async def test_what_could_not_be_done_just_then_is_repeated(roles: Roles, postgres_url: str) -> None:
    """As a whole, and nobody notices."""
    async with refusing(postgres_url, "IF nextval('tries') < 4 THEN RAISE SQLSTATE '40001'; END IF;"):
        found = await asyncio.gather(*joined(roles, Write("a"), Write("b")))

    assert None not in found
    assert roles.flights == [["a", "b"]] * 4
    assert roles.fallbacks == 0


async def test_a_fault_of_nobody_is_everybodys(roles: Roles, postgres_url: str) -> None:
    """A full disk would refuse each of them alone as well."""
    async with refusing(postgres_url, "RAISE SQLSTATE '53100';"):
        found = await asyncio.gather(*joined(roles, Write("a"), Write("b")), return_exceptions=True)

    assert [getattr(error, "reason", None) for error in found] == ["full", "full"]
    assert found[0] is not found[1]
    assert len(roles.flights) == 1


@asynccontextmanager
async def refusing(url: str, body: str) -> AsyncIterator[None]:
    """New roles are met with this PL/pgSQL inside the block."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            f"""
            CREATE SEQUENCE tries;
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON "Role" FOR EACH STATEMENT EXECUTE FUNCTION refuse();
            """
        )
        yield
    finally:
        await connection.execute('DROP TRIGGER refuse ON "Role"; DROP FUNCTION refuse; DROP SEQUENCE tries')
        await connection.close()


# deadlines and cancellation


async def test_a_deadline_aboard(roles: Roles, postgres_url: str) -> None:
    """Nothing was done for it, and the others are sent again without it."""
    async with locked(postgres_url):
        patient = joined(roles, Write("a", 1), Write("c", 1))
        late = joined(roles, Write("b", 1), timeout_s=0.2)
        with pytest.raises(DeadlineError, match=r"0\.2"):
            await late[0]
    await asyncio.gather(*patient)

    assert await names(postgres_url) == ["a", "c"]
    assert roles.fallbacks == 0


async def test_a_cancelled_caller_aboard(roles: Roles, postgres_url: str) -> None:
    """The server is asked to stop, and confirms it."""
    told: list[int] = []
    async with locked(postgres_url):
        patient = joined(roles, Write("a", 1))
        cancelled = joined(roles, Write("b", 1), on_commit=told.append)
        await someone_waits(postgres_url)
        cancelled[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled[0]
        assert not patient[0].done()
    await asyncio.gather(*patient)

    assert told == []
    assert await names(postgres_url) == ["a"]


@pytest.mark.parametrize("how", ["cancelled", "late"])
async def test_whoever_does_not_wait_is_not_sent(roles: Roles, postgres_url: str, how: str) -> None:
    """As long as it has not left."""
    async with locked(postgres_url):
        first = joined(roles, Write("a", 1))
        await someone_waits(postgres_url)
        (second,) = joined(roles, Write("b", 1), timeout_s=0.05 if how == "late" else None)
        await asyncio.sleep(0)
        if how == "cancelled":
            second.cancel()
        with pytest.raises((asyncio.CancelledError, DeadlineError)):
            await second
    await asyncio.gather(*first)

    assert roles.flights == [["a"]]


async def test_a_commit_that_wins_is_told(roles: Roles, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flight of ordinary length is let come back; its cancelled caller is told by the callback."""
    monkeypatch.setattr("agentdb.engine.flight.SLOW_S", 60.0)  # a busy machine may be slow
    told: list[int] = []
    (task,) = joined(roles, Write("a"), on_commit=told.append)
    await under_way(roles, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert len(told) == 1
    assert await names(postgres_url) == ["a"]


async def test_a_flight_has_the_limit_of_a_transaction(postgres_url: str) -> None:
    """Two tasks, one in a transaction that waits for the other's write: no hang."""
    await outside(postgres_url, """INSERT INTO "Provider" ("id", "name") VALUES (1, 'one')""")
    async with opened(postgres_url, transaction_timeout_s=0.3) as session, locked(postgres_url):
        found = await asyncio.gather(*joined(Roles(session), Write("a", 1), Write("b", 1)), return_exceptions=True)

    assert [type(error) for error in found] == [DeadlineError, DeadlineError]
    assert "0.3 s" in str(found[0])
    assert await names(postgres_url) == []


async def test_no_connection_is_free(postgres_url: str) -> None:
    """Nothing was sent, so that is certain."""
    async with opened(postgres_url, pool_size=1, acquire_timeout_s=0.1) as session:
        roles = Roles(session)
        async with session.client.lease():  # type: ignore[attr-defined]  # PostgreSQL's has it
            with pytest.raises(DeadlineError, match="No connection was free"):
                await roles.join(Write("a"))
        assert await roles.join(Write("b")) is not None

    assert roles.flights == [["b"]]


async def test_a_storm_of_cancellations(postgres_url: str) -> None:
    """What returned is stored, nothing is stored twice, and all connections are whole."""
    chance = random.Random(11)
    acknowledged: list[str] = []

    async with opened(postgres_url, pool_size=3) as session:
        roles = Roles(session)

        async def one(number: int) -> None:
            name = f"{number:06}"
            with contextlib.suppress(TimeoutError, DeadlineError):
                if number % 2:
                    async with asyncio.timeout(chance.uniform(0, 0.004)):
                        await roles.join(Write(name, number % 3))
                else:
                    await roles.join(Write(name, number % 3), timeout_s=chance.uniform(0.0001, 0.004))
                acknowledged.append(name)

        for first in range(0, COUNTS.cancelled_transactions * 4, 8):
            await asyncio.gather(*(one(first + n) for n in range(8)))
        assert await roles.join(Write("afterwards")) is not None
        size, idle = session.client.idle_connections  # type: ignore[attr-defined]  # PostgreSQL's has it

    stored = await names(postgres_url)
    assert set(stored) >= {*acknowledged, "afterwards"}
    assert len(stored) == len(set(stored))
    assert size == idle
    assert roles.fallbacks == 0


# lost connections


async def test_a_lost_connection(roles: Roles, postgres_url: str) -> None:
    """Whoever has a request_id finds out by being sent again; the others learn that nobody knows."""
    async with locked(postgres_url):
        tasks = joined(roles, Write("a", 1), Write("b", 1, request_id="b"))
        await someone_waits(postgres_url)
        await outside(postgres_url, f"SELECT pg_terminate_backend(pid) FROM ({WAITING}) AS waiting")
        with pytest.raises(OutcomeUnknownError, match="request_id"):
            await tasks[0]
    assert await tasks[1] is not None

    assert roles.flights == [["a", "b"], ["b"]]
    assert await names(postgres_url) == ["b"]


@pytest.fixture
def lost_after_commit(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The first statement is kept, and its connection lost; later ones begin after so many seconds each."""
    delays = [0.0]
    drive, driven = PostgresChannel.drive, iter([True])

    async def driving(channel: PostgresChannel, *arguments: Any) -> Any:
        is_first = next(driven, False)
        if not is_first:
            await asyncio.sleep(delays[0])
        outcome = await drive(channel, *arguments)
        if is_first:
            raise ConnectionLostError("The connection was lost.")
        return outcome

    monkeypatch.setattr(PostgresChannel, "drive", driving)
    return delays


async def test_what_may_be_stored_is_never_called_undone(
    roles: Roles, postgres_url: str, lost_after_commit: list[float]
) -> None:
    """Neither when the time is over, nor when the other way of finding out had none."""

    async def otherwise(left: float | None) -> int:
        raise DeadlineError("No time was left.")

    with pytest.raises(OutcomeUnknownError, match="request_id"):
        await roles.join(Write("a", 1, request_id="a"), otherwise=otherwise)
    assert await names(postgres_url) == ["a"]


async def test_a_doubt_that_comes_too_late_is_told(
    roles: Roles, postgres_url: str, lost_after_commit: list[float]
) -> None:
    """The statement that finds nothing to do comes back after the deadline."""
    lost_after_commit[0] = 0.5
    with pytest.raises(OutcomeUnknownError, match="request_id"):
        await roles.join(Write("a", 1, request_id="a"), timeout_s=0.3)

    assert await names(postgres_url) == ["a"]


async def test_closing_with_members_waiting(postgres_url: str) -> None:
    """Those under way may come back, those who wait learn that the handle is closed. Nothing hangs."""
    await outside(postgres_url, """INSERT INTO "Provider" ("id", "name") VALUES (1, 'one')""")
    async with opened(postgres_url, connect_timeout_s=0.5) as session:
        roles = Roles(session)
        async with locked(postgres_url):
            tasks = joined(roles, Write("a", 1))
            await someone_waits(postgres_url)
            tasks += joined(roles, Write("b", 1))
            await asyncio.sleep(0)
            async with asyncio.timeout(30):
                await session.close()
                found = await asyncio.gather(*tasks, return_exceptions=True)
        with pytest.raises(TransactionError, match="closed"):
            await roles.join(Write("c"))

    assert isinstance(found[0], OutcomeUnknownError)
    assert isinstance(found[1], TransactionError)


async def test_a_cancelled_wait_for_a_standby_is_not_success(public_directory: Path) -> None:
    """The server reports it as one, with a warning: the row is here, and a failover would lose it."""
    async with opened(f"postgresql+embedded:///{public_directory}/pg") as session:
        await Migrator(session).upgrade()
        await reconfigured(session, "SET synchronous_standby_names = 'nobody'")
        roles = Roles(session)
        with pytest.raises(OutcomeUnknownError, match="standbys"):
            await roles.join(Write("a"), timeout_s=0.3)
        await reconfigured(session, "RESET synchronous_standby_names")
        stored = await session.fetch('SELECT "name" FROM "Role"')

    assert [row["name"] for row in stored] == ["a"]


async def reconfigured(session: Session, change: str) -> None:
    """Change a setting of the server, and wait until it holds."""
    await session.fetch(f"ALTER SYSTEM {change}")
    before = (await session.fetch("SELECT pg_conf_load_time() AS moment"))[0]["moment"]
    await session.fetch("SELECT pg_reload_conf()")
    async with asyncio.timeout(30):
        while (await session.fetch("SELECT pg_conf_load_time() AS moment"))[0]["moment"] == before:
            await asyncio.sleep(0.01)
