"""Several hosts: the one that takes writes is found, and found again when it moves."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import agentdb
from agentdb import AgentDBError, ConfigurationError, Database, StorageError, UnavailableError
from agentdb.engine import Session
from agentdb.engine.postgres_client import PostgresClient
from agentdb.testing.factory import DatabaseFactory
from tests.engine.engines import opened, outside, session_on
from tests.faults.standby import Pair, pair, place_of

PID = "SELECT pg_backend_pid() AS pid"
PATIENCE_S = 60.0


@pytest.fixture
def url(agent_db_factory: DatabaseFactory) -> Iterator[str]:
    """An empty database."""
    with agent_db_factory.empty(engine="postgresql") as made:
        yield made


def among(url: str, before: list[str], after: list[str] | None = None) -> str:
    """The same database, whose host stands between others."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}@{','.join([*before, host, *(after or [])])}").geturl()


async def pid(session: Session) -> int:
    """The server process that answers, after a while."""
    return int((await session.fetch(f"{PID}, pg_sleep(0.2)"))[0]["pid"])


async def refusal(url: str, **options: Any) -> AgentDBError:
    """What is said in place of a connection."""
    session = session_on(url, **options)
    with pytest.raises(AgentDBError) as caught:
        await session.open(["agentdb.models"])
    await session.close()
    return caught.value


@asynccontextmanager
async def answering(code: str) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that greets everybody with an error; where it is, and who came."""
    came: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.readexactly(8))
        fields = f"SFATAL\0VFATAL\0C{code}\0Mnot now\0\0".encode()
        writer.write(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", came


@asynccontextmanager
async def silent() -> AsyncIterator[tuple[str, list[object]]]:
    """A server that takes connections and never answers; where it is, and the connections."""
    came: list[object] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(writer)
        with suppress(OSError):
            while await reader.read(100):
                pass
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", came


async def test_a_renewed_client_uses_no_old_connection(url: str) -> None:
    """Neither one that was idle nor one that was in use, which its call keeps to its end."""
    async with opened(url, pool_size=3) as session:
        client = session.client
        assert isinstance(client, PostgresClient)
        before = set(await asyncio.gather(*(pid(session) for _ in range(3))))
        async with session.transaction():
            inside = await pid(session)
            await client.renew()
            assert await pid(session) == inside
        after = set(await asyncio.gather(*(pid(session) for _ in range(3))))

        assert len(before) == len(after) == 3
        assert inside in before
        assert not before & after


async def test_a_silent_host_takes_no_time_from_the_next_one(url: str) -> None:
    """It is not given up, but the next one is tried beside it; and later connections begin with the one that was."""
    async with silent() as (place, came):
        # Far more than the head start, far less than the silent one would use up.
        async with opened(among(url, [place]), pool_size=4, connect_timeout_s=PATIENCE_S) as session:
            assert len(came) == 1
            processes = await asyncio.gather(*(pid(session) for _ in range(4)))

        assert len(set(processes)) == 4
        assert len(came) == 1


@pytest.mark.parametrize("code", ["57P03", "53300", "57P01", "08006"])
async def test_a_host_that_cannot_now_is_passed_over(url: str, code: str) -> None:
    """It starts, is full or stops."""
    async with answering(code) as (place, came), opened(among(url, [place])) as session:
        assert await pid(session)
        assert len(came) == 1


async def test_a_host_where_nobody_listens_is_passed_over(url: str) -> None:
    """Refused at once."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        async with opened(among(url, [f"127.0.0.1:{nobody.getsockname()[1]}"])) as session:
            assert await pid(session)


@pytest.mark.parametrize("code", ["28P01", "28000", "3D000"])
async def test_a_refused_login_is_not_repeated_elsewhere(url: str, code: str) -> None:
    """A second host would refuse it too, and some count how often."""
    async with answering(code) as (place, came), answering("57P03") as (other, others):
        error = await refusal(among(url, [place, other]), sslmode="disable")

    assert isinstance(error, ConfigurationError)
    assert error.engine_code == code
    assert (len(came), len(others)) == (1, 0)


async def test_when_no_host_answers_each_is_told(url: str) -> None:
    """It may be repeated, and says what is wrong with each."""
    async with answering("57P03") as (starting, _), answering("53300") as (full, _):
        error = await refusal(f"postgresql://u@{starting},{full}/d")

    assert isinstance(error, UnavailableError)
    assert starting in str(error)
    assert full in str(error)


async def test_hosts_that_are_all_silent_share_one_limit() -> None:
    """They do not take it each, and the connections are closed."""
    async with silent() as (one, came), silent() as (other, others):
        error = await refusal(f"postgresql://u@{one},{other}/d", connect_timeout_s=2)

        assert isinstance(error, UnavailableError)
        assert (len(came), len(others)) == (1, 1)


async def test_a_server_that_only_reads_is_not_taken_for_writing(url: str) -> None:
    """Its own setting counts as well as being a standby; asking for a primary alone leaves that open."""
    name = urlsplit(url).path.removeprefix("/")
    await outside(url, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    error = await refusal(url, target_session_attrs="read-write")
    async with opened(url, target_session_attrs="primary") as primary, opened(url) as either:
        assert await pid(primary) != await pid(either)

    assert isinstance(error, UnavailableError)
    assert "target_session_attrs=read-write" in str(error)


async def test_writes_follow_the_primary_when_roles_are_changed() -> None:
    """The former one goes on answering, so only a refused write tells; after `renew` all goes to the new one."""
    with pair() as both:
        async with agentdb.connect(url_of_both(both, standby_first=True)) as db:
            user = await db.access.create_user(email="a@example.org", budget=Decimal(10), with_api_key=False)
            assert await data_of(db) == both.primary.directory / "data"
            await both.promote()
            await both.refuse_writes()
            await until_written(db, user.id, tries=50)

            assert await data_of(db) == both.standby.directory / "data"
            assert (await db.access.user(user.id)).email == "a@example.org"


async def test_writes_go_on_at_the_standby_when_the_primary_has_ended() -> None:
    """The handle is the same, all that was acknowledged is there, and nobody renews anything."""
    with pair() as both:
        async with agentdb.connect(url_of_both(both)) as db:
            user = await db.access.create_user(email="a@example.org", budget=Decimal(10), with_api_key=False)
            talk = await db.conversations.start(user_id=user.id)
            for number in range(20):
                await db.conversations.append(
                    talk.id, user_id=user.id, role="user", content=[{"text": str(number)}], request_id=str(number)
                )
            await both.promote()
            both.end_primary()
            await until_written(db, user.id, tries=200)
            page = await db.conversations.history(talk.id, user_id=user.id)

            assert [message.content[0]["text"] for message in page.items] == [str(number) for number in range(20)]


def url_of_both(both: Pair, *, standby_first: bool = False) -> str:
    """A handle that knows both servers, and says nothing about which one is meant."""
    places = [place_of(both.primary), place_of(both.standby)]
    return f"postgresql://postgres@{','.join(reversed(places) if standby_first else places)}/postgres"


async def data_of(db: Database) -> Path:
    """Where the server that answers keeps its data."""
    return Path((await db.session.fetch("SHOW data_directory"))[0]["data_directory"])


async def until_written(db: Database, user_id: int, *, tries: int) -> None:
    """Repeat a write until it is done."""
    client = db.session.client
    assert isinstance(client, PostgresClient)
    reasons: set[str] = set()
    for _ in range(tries):
        try:
            await db.usage.record(
                user_id=user_id, model="us.anthropic.claude-sonnet-4-6", input_tokens=1, request_id="once"
            )
        except StorageError as error:
            reasons.add(error.reason)
            await client.renew()
        except AgentDBError:
            await asyncio.sleep(0.1)
        else:
            assert reasons <= {"read-only"}
            return
    raise AssertionError("It was never written.")
