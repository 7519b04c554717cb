"""A database of each engine in which the same things stand, and what both say to the same call."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from agentdb import Database
from agentdb.models import INTERNAL_TABLES, TABLES
from agentdb.testing.factory import DatabaseFactory
from tests.services.bad_values import World

HELLO = [{"text": "Hello"}]
CHUNKS = [{"content": "a chunk", "embedding": [1.0, 0.0]}] * 2


class Answer(NamedTuple):
    """The class and the text of a refusal; a class of None and what was given if there was none."""

    error: type[Exception] | None
    text: str


class Undo(Exception):  # noqa: N818 - nothing went wrong
    """Rolls back what a call did."""


@dataclass(frozen=True, slots=True)
class Engines:
    """Both databases, and the ids that they share."""

    sqlite: Database
    postgresql: Database
    world: World

    async def answers(self, work: Callable[[Database], Any]) -> tuple[Answer, Answer]:
        """What each engine says."""
        return await answer(self.sqlite, work), await answer(self.postgresql, work)

    async def answers_undone(self, work: Callable[[Database], Any]) -> tuple[Answer, Answer]:
        """What each engine says, which then forgets it."""
        return await answer_undone(self.sqlite, work), await answer_undone(self.postgresql, work)

    async def digests(self) -> tuple[str, str]:
        """Of all rows that each holds."""
        return await digest(self.sqlite), await digest(self.postgresql)


@asynccontextmanager
async def both_opened(factory: DatabaseFactory) -> AsyncIterator[Engines]:
    """Two databases for the block."""
    huge = "x" * (70 * 1024 * 1024)
    with factory(engine="sqlite") as sqlite, factory(engine="postgresql") as postgresql:
        try:
            world, other = await furnished(sqlite, huge), await furnished(postgresql, huge)
            assert world == other
            yield Engines(sqlite, postgresql, world)
        finally:
            await sqlite.close()
            await postgresql.close()


def named(call: str, arguments: Mapping[str, Any]) -> Callable[[Database], Any]:
    """The call of a service by its name, such as `usage.record`."""
    domain, verb = call.split(".")
    return lambda db: getattr(getattr(db, domain), verb)(**arguments)


async def answer(db: Database, work: Callable[[Database], Any]) -> Answer:
    """What a database says, inside of which `work` runs."""
    try:
        with db.use():
            result = work(db)
            if isinstance(result, Awaitable):
                result = await result
    except Exception as error:
        return Answer(type(error), str(error))
    return Answer(None, f"{result!r:.200}")


async def digest(db: Database) -> str:
    """Of all rows of all tables."""
    found = hashlib.sha256()
    for table in (*TABLES, *INTERNAL_TABLES):
        for row in await db.session.fetch(f'SELECT * FROM "{table}" ORDER BY "id"'):
            found.update(repr(tuple(dict(row).values())).encode())
    return found.hexdigest()


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


async def answer_undone(db: Database, work: Callable[[Database], Any]) -> Answer:
    with suppress(Undo):
        async with db.transaction():
            found = await answer(db, work)
            raise Undo
    return found
