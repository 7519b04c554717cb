"""One span for each public call: what it is called, what it says, and what it never says."""

from __future__ import annotations

import asyncio
import inspect
import sqlite3
from collections.abc import Coroutine
from contextlib import closing, suppress
from contextvars import Context
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from opentelemetry.trace import SpanKind, StatusCode

import agentdb
from agentdb import ConflictError, Database, NotFoundError, UnavailableError
from agentdb.testing.factory import DatabaseFactory
from tests.services.bad_calls import CALLS
from tests.services.both_engines import HELLO, Undo, furnished, named
from tests.services.telling import Telling
from tests.services.test_ownership import DOMAINS

pytestmark = pytest.mark.agentdb(engine="both")

# Waiting for a lock, in this database.
END_BLOCKED = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
WITHOUT_DATABASE = "usage.tokens_of"
T = TypeVar("T")
MODEL_NAME = "us.anthropic.claude-sonnet-4-6"


async def test_every_public_call_is_one_span(watched_db: Database, telling: Telling, agent_db_engine: str) -> None:
    """Named after it, whether it succeeds or not; what a service asks another one is a part of it."""
    world = await furnished(watched_db, "")
    for name, call in CALLS.items():
        if name == WITHOUT_DATABASE:
            continue
        telling.forget()
        with suppress(Undo):
            async with watched_db.transaction(timeout=5):
                with suppress(agentdb.AgentDBError):
                    await named(name, call.fine(world))(watched_db)
                raise Undo
        *inner, of_call, block = telling.spans
        said = dict(of_call.attributes or {})

        assert [span.name for span in inner] == []
        assert (of_call.name, block.name) == (f"agentdb.{name}", "agentdb.transaction")
        assert of_call.parent == block.context
        assert of_call.kind is SpanKind.CLIENT
        assert said["db.system.name"] == agent_db_engine
        assert said["db.operation.name"] == name
        assert said["agentdb.retries"] == 0
        assert said.get("error.type") == (call.refuses.__name__ if call.refuses else None), name
        assert ("agentdb.rows" in said) is (call.refuses is None), name


def test_no_call_is_left_out(watched_db: Database) -> None:
    """Every public method that is awaited is watched, those of the handle too."""
    places = {"": watched_db, **{domain: getattr(watched_db, domain) for domain in DOMAINS}}
    public = {
        (domain, name)
        for domain, place in places.items()
        for name, _ in inspect.getmembers(type(place), inspect.iscoroutinefunction)
        if not name.startswith("_")
    }

    assert {f"{domain}.{name}" for domain, name in public if domain} == set(CALLS) - {WITHOUT_DATABASE}
    assert {name for domain, name in public if not domain} >= {"run", "migrate", "seed", "check", "status", "close"}
    assert all(name in vars(places[domain]) for domain, name in public)
    assert "transaction" in vars(watched_db)


async def test_the_start_and_the_owners_verbs_are_spans_too(telling: Telling, empty_db_url: str) -> None:
    """They give no records, so they count none."""
    async with agentdb.connect(empty_db_url) as db:
        await db.seed()
        await db.migrate()
        await db.status()

    assert telling.names == [f"agentdb.{verb}" for verb in ("connect", "seed", "migrate", "status", "close")]
    assert all("agentdb.rows" not in (span.attributes or {}) for span in telling.spans)
    assert len({(span.attributes or {})["db.client.connection.pool.name"] for span in telling.spans}) == 1


async def test_a_failed_start_is_told(telling: Telling, empty_db_url: str) -> None:
    """Without the place where it was looked for."""
    with pytest.raises(agentdb.SchemaError):
        await agentdb.connect(empty_db_url, skip_sync=True)

    assert telling.names == ["agentdb.connect"]
    assert telling.last["error.type"] == "SchemaError"
    assert "//" not in telling.everything()


async def test_a_failed_call_says_why_without_its_message(watched_db: Database, telling: Telling) -> None:
    """Messages can quote what was passed, and so could the events that OpenTelemetry makes of exceptions."""
    with pytest.raises(NotFoundError, match="grail"):
        await watched_db.catalog.model("grail")
    await watched_db.access.create_role("knight")
    with pytest.raises(ConflictError) as refused:
        await watched_db.access.create_role("knight")
    lost, _, twice = telling.spans

    assert (lost.attributes or {})["error.type"] == "NotFoundError"
    assert (twice.attributes or {})["error.type"] == type(refused.value).__name__
    assert (twice.attributes or {}).get("db.response.status_code") == refused.value.engine_code
    for span in (lost, twice):
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description is None
        assert span.events == ()
        assert "agentdb.rows" not in (span.attributes or {})
    assert "grail" not in telling.everything()
    assert "knight" not in telling.everything()


async def test_errors_of_others_are_named_with_their_module(watched_db: Database, telling: Telling) -> None:
    """A caller's own error in a block, and a cancelled call."""

    async def forever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(sqlite3.IntegrityError):
        async with watched_db.transaction():
            raise sqlite3.IntegrityError("private")
    running = asyncio.create_task(watched_db.run(forever))
    await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    of_block, of_run = telling.spans

    assert (of_block.attributes or {})["error.type"] == "sqlite3.IntegrityError"
    assert (of_run.attributes or {})["error.type"] == "asyncio.exceptions.CancelledError"
    assert "private" not in telling.everything()


async def test_rows_are_the_records_that_a_call_gave(watched_db: Database, telling: Telling) -> None:
    """Those of a list, of a page, of one that holds several; one for a single value, none for nothing."""
    user = await watched_db.access.create_user(email="ada@example.org")
    talk = await watched_db.conversations.start(user_id=user.id, agent_id=1)
    append = {"user_id": user.id, "messages": [{"role": "user", "content": HELLO}] * 3}
    found = {}
    calls: dict[str, dict[str, Any]] = {
        "access.roles": {},
        "conversations.append_many": {"conversation_id": talk.id, **append},
        "conversations.begin_turn": {"conversation_id": talk.id, "user_id": user.id},
        "conversations.history": {"conversation_id": talk.id, "user_id": user.id, "limit": 2},
        "conversations.finish_turn": {"conversation_id": talk.id, **append},
        "conversations.count": {"user_id": user.id},
        "catalog.price": {"internal_name": MODEL_NAME},
        "usage.record_many": {"items": [{"model": MODEL_NAME, "input_tokens": 1}] * 2, "user_id": user.id},
        "usage.remaining": {"user_id": user.id},
        "access.find_user": {"email": "nobody@example.org"},
    }
    for name, arguments in calls.items():
        await named(name, arguments)(watched_db)
        found[name] = telling.last["agentdb.rows"]

    assert found == {
        "access.roles": len(await watched_db.access.roles()),
        "conversations.append_many": 3,
        "conversations.begin_turn": 3,
        "conversations.history": 2,
        "conversations.finish_turn": 3,
        "conversations.count": 1,
        "catalog.price": 1,
        "usage.record_many": 2,
        "usage.remaining": 0,
        "access.find_user": 0,
    }


@pytest.mark.parametrize(("convention", "input_tokens"), [("disjoint", 4), ("otel", 7)])
async def test_a_recorded_model_call_is_told_in_the_conventions_for_it(
    watched_db: Database, telling: Telling, convention: Any, input_tokens: int
) -> None:
    """There the input holds the cached tokens, however they were counted here."""
    user = await watched_db.access.create_user(email="ada@example.org", budget=Decimal(1))
    await watched_db.usage.record(
        user_id=user.id,
        model=MODEL_NAME,
        input_tokens=input_tokens,
        output_tokens=5,
        cache_read_tokens=1,
        cache_write_tokens=2,
        convention=convention,
    )

    assert {name: value for name, value in telling.last.items() if name.startswith("gen_ai.")} == {
        "gen_ai.request.model": MODEL_NAME,
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 1,
        "gen_ai.usage.cache_creation.input_tokens": 2,
    }


async def test_retries_are_counted_at_the_call_that_was_begun_again(watched_db: Database, telling: Telling) -> None:
    """Not at the calls inside of it, each of which ran once in each attempt."""
    failures = [UnavailableError("not now"), UnavailableError("nor now")]

    async def work() -> None:
        await watched_db.access.roles()
        if failures:
            raise failures.pop()

    await watched_db.run(work)

    assert telling.names == ["agentdb.access.roles"] * 3 + ["agentdb.run"]
    assert [(span.attributes or {})["agentdb.retries"] for span in telling.spans] == [0, 0, 0, 2]
    assert [value for _, value in telling.points("agentdb.retries")] == [2]


@pytest.mark.agentdb(engine="sqlite")
async def test_a_write_that_finds_the_file_locked_counts_its_retries(
    telling: Telling, agent_db_url: str, agent_db_engine: str
) -> None:
    """Another process holds the lock until the first attempt has been given up."""
    async with agentdb.connect(f"{agent_db_url}?acquire_timeout_s=0.1", skip_sync=True) as db:
        with closing(sqlite3.connect(agent_db_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            creating = asyncio.create_task(db.access.create_role("late"))
            await asyncio.sleep(0.5)
            other.execute("ROLLBACK")
            await creating

        assert telling.names[-1] == "agentdb.access.create_role"
        assert telling.last["agentdb.retries"] >= 1
        assert "error.type" not in telling.last


@pytest.mark.agentdb(engine="postgresql")
async def test_a_transaction_that_a_newer_snapshot_refuses_counts_its_retries(
    telling: Telling, agent_db_url: str, agent_db_engine: str
) -> None:
    """Two change one row under repeatable read: the later one is begun again."""
    joiner = "&" if "?" in agent_db_url else "?"
    url = f"{agent_db_url}{joiner}isolation=repeatable%20read"
    async with agentdb.connect(url, skip_sync=True) as db, agentdb.connect(url, skip_sync=True) as other:
        user = await db.access.create_user(email="ada@example.org", budget=Decimal(1))
        changes = iter(["Grace"])

        async def rename() -> None:
            await db.access.user(user.id)  # from here on it sees this state only
            for name in changes:
                await other.access.update_user(user.id, first_name=name)
            await db.access.update_user(user.id, last_name="Hopper")

        await db.run(rename)
        found = await db.access.user(user.id)
        of_run = next(span for span in telling.spans if span.name == "agentdb.run")

        assert (found.first_name, found.last_name) == ("Grace", "Hopper")
        assert (of_run.attributes or {})["agentdb.retries"] == 1
        failed = [span for span in telling.spans if span.status.status_code is StatusCode.ERROR]
        assert [(span.attributes or {})["db.response.status_code"] for span in failed] == ["40001"]


@pytest.mark.agentdb(engine="postgresql")
async def test_a_merged_write_whose_connection_was_lost_counts_its_retries(
    watched_db: Database, telling: Telling
) -> None:
    """It waits for a row, its connection is ended there, and it leaves again under its request_id."""
    user = await watched_db.access.create_user(email="ada@example.org")
    talk = await watched_db.conversations.start(user_id=user.id)
    async with watched_db.transaction():
        await watched_db.conversations.rename(talk.id, user_id=user.id, title="Mine")
        appending = outside(
            watched_db.conversations.append(talk.id, user_id=user.id, role="user", content=HELLO, request_id="once")
        )
        async with asyncio.timeout(60):
            # Inside the transaction it would always see the same activity.
            while not await outside(ended(watched_db)):
                await asyncio.sleep(0.01)
    await appending
    of_append = next(span for span in telling.spans if span.name == "agentdb.conversations.append")

    assert (of_append.attributes or {})["agentdb.retries"] == 1
    assert await watched_db.conversations.count(user_id=user.id) == 1


async def ended(db: Database) -> bool:
    """Whether a connection that waited for a lock was ended."""
    return bool(await db.session.fetch(END_BLOCKED))


def outside(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Begin `work` in a task that is in no transaction."""
    return asyncio.create_task(work, context=Context())


async def test_several_handles_are_told_apart(
    watched_db: Database, telling: Telling, agent_db_engine: str, agent_db_factory: DatabaseFactory
) -> None:
    """By a name that each has for itself, on spans and on metrics."""
    with agent_db_factory(engine=agent_db_engine) as other:
        await watched_db.access.roles()
        await other.access.roles()
        limits = telling.points("db.client.connection.max")
        pools = [(span.attributes or {})["db.client.connection.pool.name"] for span in telling.spans]
        await other.close()

        assert len(set(pools)) == 2
        assert {said["db.client.connection.pool.name"] for said, _ in limits} == {*pools}


async def test_nothing_that_was_said_or_is_secret_is_told(watched_db: Database, telling: Telling) -> None:
    """All calls, their answers and their refusals: neither spans nor metrics hold a text of theirs."""
    created = await watched_db.access.create_user(email="ada@example.org", with_api_key=True)
    key = created.api_key
    assert key is not None
    await watched_db.access.authenticate(key)
    with pytest.raises(agentdb.AuthenticationError):
        await watched_db.access.authenticate("agk_wrong-but-private")
    talk = await watched_db.conversations.start(user_id=created.id, title="private title")
    await watched_db.conversations.append(talk.id, user_id=created.id, role="user", content=[{"text": "private words"}])
    await watched_db.conversations.search("private", user_id=created.id)
    private = {"conversation_id": talk.id, "user_id": created.id, "role": "private role", "content": HELLO}
    with pytest.raises(agentdb.InvalidInputError):
        await named("conversations.append", private)(watched_db)
    with pytest.raises(NotFoundError):
        await watched_db.usage.record(user_id=created.id, model="private-model", input_tokens=1)
    told = telling.everything()

    assert len(telling.spans) == 8
    assert "private" not in told
    assert "agk_" not in told
    assert key.reveal() not in told
    assert "example.org" not in told
