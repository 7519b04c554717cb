"""The calls on a database that the original package made: floats, no unique e-mails, no request ids, plain keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

import agentdb
from agentdb import (
    AuthenticationError,
    BudgetError,
    ConflictError,
    Database,
    InvalidInputError,
    NotFoundError,
    Secret,
    UnsupportedError,
)
from agentdb.config import Settings
from agentdb.types import Price

pytestmark = pytest.mark.agentdb(engine="postgresql", seed=False)

HELLO = [{"text": "Hello"}]

ROWS = """
INSERT INTO "Role" (id, name, "displayOrder") VALUES (1, 'admin', 2), (3, 'user', 0);
INSERT INTO "Policy" (id, name, resource, action) VALUES (1, 'Admin All', '*', '*'), (2, 'Use Chat', 'chat', 'use');
INSERT INTO "RolePolicy" ("roleID", "policyID") VALUES (1, 1), (3, 2);
INSERT INTO "Provider" (id, name, "apiKey") VALUES (1, 'bedrock', 'plain');
INSERT INTO "Model" (id, "providerID", name, "internalName", type, "cost1kInput", "cost1kOutput", "defaultParameters")
    VALUES (1, 1, 'Sonnet', 'us.anthropic.claude-sonnet-4-6', 'chat', 0.1, 0.015, '{"temperature": 1}'),
           (2, 1, 'Sonnet again', 'us.anthropic.claude-sonnet-4-6', 'chat', 9, 9, NULL);
INSERT INTO "Prompt" (id, name, version, content) VALUES (1, 'p', 1, 'Be kind.');
INSERT INTO "Agent" (id, "promptID", name) VALUES (1, 1, 'Standard Chat');
INSERT INTO "Tool" (id, name, type, "customConfig") VALUES (1, 'search', 'builtin', '{"a": 1}');
INSERT INTO "AgentTool" ("agentID", "toolID") VALUES (1, 1);
INSERT INTO "User" (id, email, status, "roleID", "apiKey", budget, remaining)
    VALUES (1, 'Ada@Example.org', 'active', 1, 'rsk_ada', 1, 0.3), (2, 'Ada@Example.org', 'active', 3, NULL, 5, NULL);
SELECT setval('"User_id_seq"', 2);
"""


# Columns that end in ID are integers; the types of the others are texts unless they are named below.
COLUMNS = {
    "User": "email firstName lastName status roleID apiKey budget remaining",
    "Role": "name displayOrder",
    "Policy": "name resource action",
    "RolePolicy": "roleID policyID",
    "Provider": "name apiKey endpoint",
    "Model": "providerID name internalName type description maxContext maxOutput maxReasoning"
    " cost1kInput cost1kOutput cost1kCacheRead cost1kCacheWrite defaultParameters",
    "Usage": "userID modelID type agentID messageID inputTokens outputTokens cacheReadTokens cacheWriteTokens cost",
    "Prompt": "name version content",
    "Agent": "userID modelID name description promptID modelParameters",
    "Tool": "name description type authenticationType endpoint transportType customConfig",
    "Conversation": "userID agentID title deleted deletedAt summaryMessageID",
    "Message": "conversationID parentID role messageContent",
    "Resource": "agentID messageID name type content s3Uri metadata",
    "Vector": "conversationID resourceID toolID order content embedding",
    "UserAgent": "userID agentID role",
    "UserTool": "userID toolID credential",
    "AgentTool": "toolID agentID",
}
FLOATS = ["budget", "remaining", "cost", "inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens"]
PRICES = ["cost1kInput", "cost1kOutput", "cost1kCacheRead", "cost1kCacheWrite"]
INTEGERS = ["displayOrder", "maxContext", "maxOutput", "maxReasoning", "version", "order"]
JSONS = [
    "defaultParameters",
    "modelParameters",
    "customConfig",
    "messageContent",
    "metadata",
    "embedding",
    "credential",
]
TYPES = {
    **dict.fromkeys(
        [*FLOATS, "cost1kInput", "cost1kOutput", "cost1kCacheRead", "cost1kCacheWrite"], "double precision"
    ),
    **dict.fromkeys(INTEGERS, "integer"),
    **dict.fromkeys([*JSONS, "credential"], "json"),
    "deleted": "boolean DEFAULT false",
    "deletedAt": "timestamptz",
    "summaryMessageID": "integer DEFAULT 0",
}


def schema() -> str:
    """The seventeen tables without a single constraint."""
    return "".join(
        f'CREATE TABLE "{table}" ("id" serial PRIMARY KEY, {", ".join(map(declared, columns.split()))}, '
        '"createdAt" timestamptz DEFAULT now(), "updatedAt" timestamptz DEFAULT now());'
        for table, columns in COLUMNS.items()
    )


def declared(column: str) -> str:
    """A column with its type; only that of messages is called content and is JSON."""
    kind = TYPES.get(column, "integer" if column.endswith("ID") else "text")
    return f'"{"content" if column == "messageContent" else column}" {kind}'


@asynccontextmanager
async def attached(url: str, rows: str) -> AsyncIterator[Database]:
    """A handle on the original's tables with these rows, in place of what was there."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"DROP SCHEMA public CASCADE; CREATE SCHEMA public; {schema()} {rows}")
    finally:
        await connection.close()
    settings = Settings.load(env_file=None)
    async with agentdb.connect(url, skip_sync=True, schema="original", settings=settings) as database:
        yield database


@pytest.fixture
async def original(agent_db_url: str) -> AsyncIterator[Database]:
    """The original's tables with a few rows."""
    async with attached(agent_db_url, ROWS) as database:
        yield database


async def stored(db: Database, table: str) -> list[dict[str, Any]]:
    return [dict(row) for row in await db.session.fetch(f'SELECT * FROM "{table}" ORDER BY "id"')]


async def test_a_user_is_known_by_the_plain_key(original: Database) -> None:
    """With the rights of the role."""
    identity = await original.access.authenticate("rsk_ada")

    assert (identity.id, identity.remaining) == (1, Decimal("0.3"))
    assert identity.allows("anything", "at all")
    with pytest.raises(AuthenticationError):
        await original.access.authenticate("")


async def test_the_oldest_of_two_equal_users_logs_in(original: Database) -> None:
    """The address is found as it was typed then; whoever is new is made once."""
    assert (await original.access.login(email="Ada@Example.org")).id == 1

    users = await asyncio.gather(*(original.access.login(email="new@example.org") for _ in range(20)))
    assert len(set(users)) == 1
    assert (users[0].role_id, users[0].budget, users[0].remaining) == (3, Decimal(5), Decimal(5))
    with pytest.raises(ConflictError):
        await original.access.create_user(email="NEW@example.org")
    assert len(await stored(original, "User")) == 3


async def test_users_are_administered(original: Database) -> None:
    """Floats move exactly; nothing relies on a constraint that is not there."""
    user = await original.access.update_user(1, budget=Decimal("2.5"), first_name="Ada", role="user")

    assert (user.budget, user.remaining, user.role_id) == (Decimal("2.5"), Decimal("1.8"), 3)
    assert (await original.access.update_user(2, budget=Decimal(7))).remaining == Decimal(7)
    with pytest.raises(ConflictError):
        await original.access.update_user(2, email="Ada@Example.org")
    key = await original.access.rotate_api_key(1)
    assert (await original.access.authenticate(key)).access == {"chat": {"use"}}
    await asyncio.gather(*(original.access.grant("user", "Admin All") for _ in range(3)))
    await original.access.revoke("user", "Admin All")
    assert [policy.id for policy in await original.access.policies(role=3)] == [2]
    page = await original.access.users(search="ADA", sort="budget", descending=False)
    assert [(one.id, one.budget) for one in page.items] == [(1, Decimal("2.5")), (2, Decimal(7))]


async def test_secrets_are_plain_there(original: Database) -> None:
    """As the original package reads and writes them."""
    assert await original.catalog.provider_secret("bedrock") == Secret("plain")
    await original.catalog.set_provider_secret("bedrock", '{"a": "b"}')

    assert (await stored(original, "Provider"))[0]["apiKey"] == '{"a": "b"}'
    await original.catalog.update_model("us.anthropic.claude-sonnet-4-6", price=Price(Decimal("0.2")))
    assert [row["cost1kInput"] for row in await stored(original, "Model")] == [0.2, 9.0]


async def test_the_catalog_is_read(original: Database) -> None:
    """Prices are decimals although they were floats; the oldest of two equal names counts."""
    model = await original.catalog.model("us.anthropic.claude-sonnet-4-6")

    assert (model.id, model.price.input, model.price.output) == (1, Decimal("0.1"), Decimal("0.015"))
    assert model.default_parameters == {"temperature": 1}
    assert [one.id for one in await original.catalog.models(provider="bedrock")] == [1, 2]


async def test_an_agent_is_resolved(original: Database) -> None:
    """With the default model."""
    agent = await original.agents.resolve("Standard Chat", user_id=1)

    assert agent.prompt is not None
    assert (agent.prompt.content, agent.model.id) == ("Be kind.", 1)
    assert [(tool.name, tool.custom_config) for tool in agent.tools] == [("search", {"a": 1})]
    assert await original.agents.resolve(1, user_id=None) == agent


async def test_a_conversation_is_held(original: Database) -> None:
    """A summary of 0 is none; who and where is checked without the help of foreign keys."""
    talk = await original.conversations.start(user_id=1, agent_id=1)
    message = await original.conversations.append(talk.id, user_id=1, role="user", content=HELLO)
    child = await original.conversations.append(
        talk.id, user_id=1, role="assistant", content=HELLO, parent_id=message.id, expected_parent=message.id
    )
    page = await original.conversations.history(talk.id, user_id=1)

    assert page.items == (message, child)
    assert message.request_id is None
    for user_id, agent_id in ((999, None), (1, 999)):
        with pytest.raises(NotFoundError):
            await original.conversations.start(user_id=user_id, agent_id=agent_id)
    with pytest.raises(NotFoundError):
        await original.conversations.history(talk.id, user_id=2)
    with pytest.raises(NotFoundError):
        await original.conversations.append(talk.id, user_id=2, role="user", content=HELLO)
    assert len(await stored(original, "Message")) == 2


async def test_floats_are_charged_exactly(original: Database) -> None:
    """0.3 is three times 0.1, then nothing is left."""
    for left in ("0.2", "0.1", "0"):
        charge = await original.usage.record(
            user_id=1, model="us.anthropic.claude-sonnet-4-6", input_tokens=1000, enforce_budget=True
        )
        assert (charge.cost_usd, charge.remaining) == (Decimal("0.1"), Decimal(left))
    with pytest.raises(BudgetError):
        await original.usage.record(
            user_id=1, model="us.anthropic.claude-sonnet-4-6", input_tokens=1, enforce_budget=True
        )
    rows = await stored(original, "Usage")

    assert [row["cost"] for row in rows] == [0.1, 0.1, 0.1]
    assert (await stored(original, "User"))[0]["remaining"] == 0.0
    assert await original.usage.remaining(1) == 0
    assert await original.usage.remaining(2) == Decimal(5)


async def test_no_float_is_overspent(original: Database) -> None:
    """50 enforced charges at once of a budget for 3."""
    calls = [
        original.usage.record(user_id=1, model="us.anthropic.claude-sonnet-4-6", input_tokens=1000, enforce_budget=True)
        for _ in range(50)
    ]
    results = await asyncio.gather(*calls, return_exceptions=True)

    assert sum(isinstance(one, BudgetError) for one in results) == 47
    assert len(await stored(original, "Usage")) == 3
    assert await original.usage.remaining(1) == 0


async def test_exactly_once_needs_what_is_not_there(original: Database) -> None:
    """A request_id is refused with what to do, rather than ignored."""
    talk = await original.conversations.start(user_id=1)
    calls = [
        original.conversations.start(user_id=1, request_id="r"),
        original.conversations.append(talk.id, user_id=1, role="user", content=HELLO, request_id="r"),
        original.usage.record(user_id=1, model="us.anthropic.claude-sonnet-4-6", request_id="r"),
    ]
    for call in calls:
        with pytest.raises(UnsupportedError, match="agentdb adopt"):
            await call

    assert len(await stored(original, "Conversation")) == 1
    assert await stored(original, "Message") == await stored(original, "Usage") == []


async def test_ids_have_32_bits_there(original: Database) -> None:
    """A larger one is refused, as the driver cannot send it."""
    with pytest.raises(InvalidInputError):
        await original.usage.remaining(2**40)


async def test_usage_is_listed_and_summed(original: Database) -> None:
    """Floats as exact amounts, and rows without request_ids; what needs our own tables says so."""
    model = "us.anthropic.claude-sonnet-4-6"
    items = [{"model": model, "input_tokens": tokens} for tokens in (1000, 2000)]
    await original.usage.record_many(items, user_id=1)
    since, until = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
    (totals,) = await original.usage.report(by=("user", "model"), since=since, until=until)
    rows = (await original.usage.list(user_id=1)).items

    assert (totals.user_id, totals.model, totals.cost_usd, totals.requests) == (1, model, Decimal("0.3"), 2)
    assert [(row.cost_usd, row.input_tokens) for row in rows] == [(Decimal("0.2"), 2000), (Decimal("0.1"), 1000)]
    for call in (
        original.usage.reserve(user_id=1, amount_usd=1),
        original.usage.settle(1, user_id=1, model=model),
        original.usage.release(1, user_id=1),
        original.usage.expire_reservations(),
        original.usage.reset_budgets(period="a"),
    ):
        with pytest.raises(UnsupportedError, match="agentdb adopt"):
            await call
