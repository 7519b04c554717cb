"""Bad input: each engine gives the same clear error, and nothing is stored.

The table of calls names every parameter of every public call, so that a new one without an entry fails here.
"""

from __future__ import annotations

import base64
import hashlib
import inspect
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from agentdb import AuthenticationError, Database, InvalidInputError
from agentdb.config import Secret
from agentdb.models import INTERNAL_TABLES, TABLES
from agentdb.testing.factory import DatabaseFactory
from tests.services.bad_calls import CALLS
from tests.services.bad_values import Bad, World

in_one_loop = pytest.mark.asyncio(loop_scope="module")

DOMAINS = ("access", "agents", "catalog", "conversations", "knowledge", "usage")
HELLO = [{"text": "Hello"}]
CHUNKS = [{"content": "a chunk", "embedding": [1.0, 0.0]}] * 2
NOT_GIVEN = {"Unset", "EllipsisType"}
LONGEST = 500
"""Characters of a message."""


class Answer(NamedTuple):
    """The class and the text of a refusal; a class of None and what was given if there was none."""

    error: type[Exception] | None
    text: str


class Undo(Exception):  # noqa: N818 - nothing went wrong
    """Rolls back what a call did."""


@dataclass(frozen=True, slots=True)
class Engines:
    """A database of each engine, in which the same things stand."""

    sqlite: Database
    postgresql: Database
    world: World

    async def answers(self, name: str, arguments: Mapping[str, Any]) -> tuple[Answer, Answer]:
        """What each engine says to a call."""
        return await answer(self.sqlite, name, arguments), await answer(self.postgresql, name, arguments)

    async def digests(self) -> tuple[str, str]:
        """Of all rows that each holds."""
        return await digest(self.sqlite), await digest(self.postgresql)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engines(agent_db_factory: DatabaseFactory) -> AsyncIterator[Engines]:
    """Both for the whole module: nothing in it changes them."""
    huge = "x" * (70 * 1024 * 1024)
    with agent_db_factory(engine="sqlite") as sqlite, agent_db_factory(engine="postgresql") as postgresql:
        world, other = await furnished(sqlite, huge), await furnished(postgresql, huge)
        assert world == other
        yield Engines(sqlite, postgresql, world)
        await sqlite.close()
        await postgresql.close()


async def furnished(db: Database, huge: str) -> World:
    """Two of everything that is listed."""
    ada, bob, eve = [
        await db.access.create_user(email=f"{name}@example.org", budget=Decimal(10)) for name in ("ada", "bob", "eve")
    ]
    agent = await db.agents.create(user_id=ada.id, name="Hers", prompt="Help her.")
    await db.agents.publish_prompt(agent.id, "Help her more.", user_id=ada.id)
    await db.agents.create(user_id=ada.id, name="Hers too")
    await db.agents.share(agent.id, user_id=ada.id, with_user_id=bob.id)
    await db.agents.share(agent.id, user_id=ada.id, with_user_id=eve.id)
    tool = await db.agents.create_tool(user_id=ada.id, name="hers")
    talk = await db.conversations.start(user_id=ada.id, agent_id=agent.id)
    await db.conversations.start(user_id=ada.id)
    foreign = await db.conversations.start(user_id=bob.id)
    lost = await db.conversations.start(user_id=ada.id)
    await db.conversations.delete(lost.id, user_id=ada.id)
    message = await db.conversations.append(talk.id, user_id=ada.id, role="user", content=HELLO)
    for _ in range(2):
        last = await db.conversations.append(talk.id, user_id=ada.id, role="user", content=HELLO, parent_id=message.id)
        resource = await db.knowledge.store(user_id=ada.id, name="notes", conversation_id=talk.id, chunks=CHUNKS)
        await db.usage.record(user_id=ada.id, model="us.anthropic.claude-sonnet-4-6", input_tokens=1)
        held = await db.usage.reserve(user_id=ada.id, amount_usd=1)
    await db.conversations.search("hello", user_id=ada.id)  # indexes what was said
    role = await db.access.create_role("unused")
    policy = await db.access.create_policy("unused", resource="r", action="a")
    prompt = (await db.agents.get(agent.id, user_id=ada.id)).prompt
    assert prompt is not None
    return World(
        huge=huge,
        role_id=role.id,
        policy_id=policy.id,
        user_id=ada.id,
        other_id=bob.id,
        empty_id=eve.id,
        agent_id=agent.id,
        prompt_id=prompt.id,
        tool_id=tool.id,
        talk_id=talk.id,
        lost_id=lost.id,
        foreign_id=foreign.id,
        message_id=message.id,
        last_id=last.id,
        resource_id=resource.id,
        reservation_id=held.id,
    )


async def digest(db: Database) -> str:
    """Of all rows of all tables."""
    found = hashlib.sha256()
    for table in (*TABLES, *INTERNAL_TABLES):
        for row in await db.session.fetch(f'SELECT * FROM "{table}" ORDER BY "id"'):
            found.update(repr(tuple(dict(row).values())).encode())
    return found.hexdigest()


def method(db: Database, name: str) -> Callable[..., Any]:
    """The call of that name, such as `usage.record`."""
    domain, verb = name.split(".")
    found: Callable[..., Any] = getattr(getattr(db, domain), verb)
    return found


async def answer(db: Database, name: str, arguments: Mapping[str, Any]) -> Answer:
    """What a database says to a call."""
    try:
        result = method(db, name)(**arguments)
        if isinstance(result, Awaitable):
            result = await result
    except Exception as error:
        return Answer(type(error), str(error))
    return Answer(None, f"{result!r:.200}")


@pytest.mark.parametrize("name", CALLS)
@in_one_loop
async def test_bad_values_are_refused(engines: Engines, name: str) -> None:
    """One at a time, in every parameter: the class and the text are the expected ones, and the same everywhere."""
    call, before = CALLS[name], await engines.digests()
    odd = [
        (parameter, bad.label, found)
        for parameter, kind in call.refused.items()
        for bad in kind.refused
        if (
            (found := await engines.answers(name, call.fine(engines.world) | {parameter: bad.value(engines.world)}))
            and not all(is_right(one, bad, parameter) for one in found)
        )
        or found[0] != found[1]
    ]

    assert odd == []
    assert await engines.digests() == before


def is_right(found: Answer, bad: Bad, parameter: str) -> bool:
    """Whether a refusal is the expected one, names the parameter and is short."""
    called = parameter if bad.called is None else bad.called
    is_named = bad.error is not InvalidInputError or re.search(rf"\b{called}\b", found.text) is not None
    return found.error is bad.error and bad.says in found.text and is_named and len(found.text) <= LONGEST


@pytest.mark.parametrize("name", CALLS)
@in_one_loop
async def test_nothing_else_is_refused(engines: Engines, name: str) -> None:
    """The other arguments of the table are fine, so what was refused is the bad one."""
    call, before = CALLS[name], await engines.digests()
    for db in (engines.sqlite, engines.postgresql):
        with suppress(Undo):
            async with db.transaction():
                found = await answer(db, name, call.fine(engines.world))
                raise Undo

        assert found.error is call.refuses, found
    assert await engines.digests() == before


@in_one_loop
async def test_a_cursor_serves_the_list_that_gave_it(engines: Engines) -> None:
    """Another list's, a part of one and one of another version are refused, whatever the engine."""
    paged = {name: call.fine(engines.world) for name, call in CALLS.items() if "cursor" in call.refused}
    given = {name: (await method(engines.sqlite, name)(**paged[name], limit=1)).next_cursor for name in paged}
    before = await engines.digests()

    assert None not in given.values()
    for name, fine in paged.items():
        own = given[name]
        version, *place = json.loads(base64.urlsafe_b64decode(own + "==="))
        forged = [cursor_of([version + 1, *place]), cursor_of([version, *place, 1]), cursor_of([version, *place[:-1]])]
        forged += [cursor_of([version, *place[:-1], wrong]) for wrong in ("x", None, 1.5, True, [1], 2**63, 2**64)]
        for cursor in [*(one for one in given.values() if one != own), own[:-1], own[1:], own + "A", *forged]:
            found = await engines.answers(name, {**fine, "cursor": cursor})

            assert found[0] == found[1], (name, cursor)
            assert found[0].error is InvalidInputError, (name, cursor, found)
            assert "is not one that this list gave" in found[0].text, (name, cursor)
    assert await engines.digests() == before


def cursor_of(parts: list[Any]) -> str:
    """What a caller may make up who has looked into a cursor."""
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).rstrip(b"=").decode()


@in_one_loop
async def test_no_message_shows_a_secret(engines: Engines) -> None:
    """Not even one that cannot be kept."""
    world, secret = engines.world, "agk_swordfish"
    for odd in (
        f"{secret}\x00",
        f"{secret}\ud800",
        secret.encode(),
        [secret],
        Secret(f"{secret}\x00"),
        world.huge + secret,
    ):
        calls: dict[str, dict[str, Any]] = {
            "access.authenticate": {"api_key": odd},
            "agents.set_tool_credential": {"tool_id": world.tool_id, "user_id": world.user_id, "credential": odd},
            "catalog.set_provider_secret": {"provider": 1, "secret": odd},
        }
        for name, arguments in calls.items():
            found = await engines.answers(name, arguments)

            assert found[0].error in (InvalidInputError, AuthenticationError), name
            assert found[0] == found[1], name
            assert "swordfish" not in found[0].text, name


@in_one_loop
async def test_a_long_name_is_kept_or_refused_by_both_engines(engines: Engines) -> None:
    """PostgreSQL's indexes take no entry of more than 2,704 bytes that it cannot compress, and SQLite's take any."""
    longest = "".join(chr(0x10000 + (n * 7919) % 0xFFFF) for n in range(500))
    calls: dict[str, dict[str, Any]] = {
        "access.create_role": {"name": longest},
        "access.create_policy": {"name": longest, "resource": "r", "action": "a"},
        "catalog.create_provider": {"name": longest},
        "catalog.create_model": {"internal_name": longest, "provider": None},
    }
    for db in (engines.sqlite, engines.postgresql):
        with suppress(Undo):
            async with db.transaction():
                found = [await answer(db, name, arguments) for name, arguments in calls.items()]
                raise Undo

        assert [one.error for one in found] == [None] * len(calls)


def test_every_call_and_parameter_has_an_entry(agent_db: Database) -> None:
    """Of every public method of the six services, with the type that the parameter has."""
    found = {
        f"{domain}.{name}": annotations_of(member)
        for domain in DOMAINS
        for name, member in inspect.getmembers(getattr(agent_db, domain), inspect.isroutine)
        if not name.startswith("_")
    }

    assert found == {
        name: {parameter: kind.annotation for parameter, kind in call.refused.items()} for name, call in CALLS.items()
    }
    assert all(kind.refused for call in CALLS.values() for kind in call.refused.values())


def annotations_of(member: Callable[..., Any]) -> dict[str, str]:
    """What a method's parameters may be, apart from the mark of those that are not given."""
    return {
        name: " | ".join(kind for kind in parameter.annotation.split(" | ") if kind not in NOT_GIVEN)
        for name, parameter in inspect.signature(member).parameters.items()
    }
