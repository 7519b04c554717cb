"""Every named statement: it is valid where it is meant to be, served by indexes, and used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

import agentdb.operations
import agentdb.services
from agentdb import Database
from agentdb.sql import Statement, Statements

pytestmark = pytest.mark.agentdb(engine="both")

DOMAINS = sorted(one.name.removesuffix(".sql") for one in files("agentdb.sql").iterdir() if one.name.endswith(".sql"))
STATEMENTS = {
    (domain, name, dialect): statement
    for domain in DOMAINS
    for (name, dialect), statement in Statements(domain).all.items()
}

SAMPLES: dict[str, Any] = {
    "api_key": "agd1$x",
    "action": "use",
    "budget": Decimal(1),
    "amount": Decimal(1),
    "before": datetime(2026, 1, 2, tzinfo=UTC),
    "content": '[{"text": "x"}]',
    "credential": '{"sealed": "agd1$x"}',
    "cost": Decimal(1),
    "email": "a@example.org",
    "email_as_typed": "A@example.org",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "authentication_type": "oauth",
    "custom_config": "{}",
    "default_model": "mock-model",
    "description": "x",
    "digest": "d",
    "digests": "{}",
    "endpoint": "https://x",
    "expires_at": datetime(2026, 1, 2, tzinfo=UTC),
    "held": Decimal(1),
    "highest": Decimal(2),
    "internal_name": "mock-model",
    "items": "[]",
    "lowest": Decimal(0),
    "model": "mock-model",
    "model_parameters": "{}",
    "name": "Standard Chat",
    "now": datetime(2026, 1, 1, tzinfo=UTC),
    "period": "2026-W01",
    "prompt_name": "agent:1",
    "provider": "mock",
    "provider_name": "mock",
    "request_id": "r",
    "role": "user",
    "role_name": "user",
    "resource": "chat",
    "scope": "all",
    "since": datetime(2026, 1, 1, tzinfo=UTC),
    "starts": '["2026-01-01 00:00:00.000000+00:00"]',
    "status": "active",
    **dict.fromkeys(
        ["sets_email", "sets_first_name", "sets_last_name", "sets_status", "sets_role", "sets_budget"], True
    ),
    "found": "agd1$x",
    "stored": "agd1$x",
    "stored_forms": '["agd1$x", "agd1$y"]',
    "stored_otherwise": "agd1$x",
    "transport_type": "http",
    "table_name": "Provider",
    "type": "chat",
    "until": datetime(2026, 1, 2, tzinfo=UTC),
    "user_ids": "[1]",
    **dict.fromkeys(["deleted", "starts_at_summary"], True),
    **dict.fromkeys(["by_user", "by_model", "by_agent", "by_type"], True),
    **{name: [1, 2] for name in ["conversation_list", "user_list", "parent_list", "agent_list", "message_list"]},
    **{name: [1, 2] for name in ["input_list", "output_list", "cache_read_list", "cache_write_list"]},
    **{name: ["user", "mock-model"] for name in ["role_list", "type_list", "model_list", "request_list"]},
    "content_list": ['[{"text": "x"}]'] * 2,
    "lowest_list": [Decimal(0)] * 2,
    "embedding": "[1.0, 0.0]",
    "ids": "[1, 2, 3]",
    "resource_ids": "[1, 2, 3]",
    "metadata": "{}",
    "prefix": "memories/",
    "s3_uri": "s3://x",
    "with_content": True,
    "with_embeddings": True,
    "title": "x",
    "contents": '[[{"text": "x"}]]',
    "roles": b"u",
    "parents": "[1]",
    "moment": datetime(2026, 1, 1, tzinfo=UTC),
    "operation": "conversations.start",
    "deleted_at": datetime(2026, 1, 1, tzinfo=UTC),
    "words": "x y",
    "pseudonym": "p",
}

DAY_COUNTS = (
    "userID",
    "inputTokens",
    "outputTokens",
    "cacheReadTokens",
    "cacheWriteTokens",
    "cost",
    "rows",
    "requests",
)

# Read whole on purpose: tens of rows.
SMALL = {"Model", "Provider", "Policy", "Role", "RolePolicy", "Prompt", "Tool"}
# Read whole on purpose: it is about all of them.
WHOLE = {
    ("usage", "lock_budgets", "User"),
    ("usage", "reset", "User"),
    ("secrets", "uses", "User"),
    ("secrets", "uses", "UserTool"),
    ("secrets", "seeded", "agentdb_seed"),
    ("maintenance", "count_unindexed", "Conversation"),
    ("maintenance", "count_unindexed", "Message"),
    ("maintenance", "count_unindexed", "agentdb_search_mark"),
}

FILL = "".join(
    f"""
    INSERT INTO "{table}" ({columns})
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 2000)
    SELECT {values} FROM numbers;
    ANALYZE "{table}";
    """
    for table, columns, values in (
        ("User", '"email", "apiKey"', "'u' || n, 'k' || n"),
        ("Agent", '"name", "userID"', "'a' || n, n"),
        ("UserAgent", '"userID", "agentID"', "n, 2001 - n"),
        ("AgentTool", '"toolID", "agentID"', "6, n + 3"),
        ("UserTool", '"userID", "toolID"', "n, 6"),
        ("Conversation", '"userID"', "n"),
        ("Message", '"conversationID"', "n"),
        ("Usage", '"userID", "messageID"', "n, n"),
        ("Resource", '"userID", "agentID", "messageID"', "n, n, n"),
        ("Vector", '"resourceID", "toolID"', "n, 6"),
        (
            "agentdb_reservation",
            '"userID", "amount", "held", "state", "expiresAt", "digest"',
            "n, 1, 1, 'held', '2026-01-01 00:00:00.000000+00:00', 'd'",
        ),
        ("agentdb_budget_reset", '"period", "scope", "users"', "'p' || n, 'all', 1"),
        ("agentdb_search", '"userID", "messageID", "words"', "n, n, 'w' || n"),
        ("agentdb_search_mark", '"conversationID", "messageID"', "n, n"),
        (
            "agentdb_usage_day",
            ", ".join(f'"{name}"' for name in (*DAY_COUNTS, "day")),
            "n, 1, 1, 1, 1, 1, 1, 1, '2026-01-01 12:00:00.000000+00:00'",
        ),
        ("agentdb_request", '"userID", "operation", "requestId", "digest", "resultID"', "n, 'x', 'r', 'd', n"),
    )
)


def sample(parameter: str) -> Any:
    """A value that fits the parameter; whatever is not named above is a number."""
    return SAMPLES.get(parameter, 1)


def of_engine(db: Database) -> Iterator[tuple[str, Statement]]:
    """The statements that this database's engine is meant to take."""
    for (domain, _, dialect), statement in STATEMENTS.items():
        if dialect in (None, db.session.dialect.name):
            yield domain, statement


async def explained(db: Database, statement: Statement, how: str) -> list[str]:
    """What the engine says about a statement, as it stands for this database."""
    compiled = statement.compiled(db.session.dialect, db.session.abilities)
    rows = await db.session.fetch(f"{how} {compiled.sql}", [sample(name) for name in compiled.parameters])
    return [" ".join(map(str, dict(row).values())) for row in rows]


async def test_every_statement_is_valid_on_its_engines(agent_db: Database) -> None:
    """The engine can prepare it against the migrated schema."""
    for domain, statement in of_engine(agent_db):
        assert await explained(agent_db, statement, "EXPLAIN"), f"{domain}.{statement.name}"


async def test_every_statement_is_served_by_indexes(agent_db: Database) -> None:
    """No table that grows is read whole, neither by itself nor through an index."""
    read_whole = {"sqlite": read_whole_by_sqlite, "postgres": read_whole_by_postgres}[agent_db.session.dialect.name]
    # In small tables the planner takes the shortest way, which is to read them.
    await agent_db.session.client.execute_script(FILL)
    found = {
        (domain, statement.name, table)
        for domain, statement in of_engine(agent_db)
        for table in await read_whole(agent_db, statement)
    }

    assert {one for one in found - WHOLE if one[2] not in SMALL} == set()


async def read_whole_by_sqlite(db: Database, statement: Statement) -> set[str]:
    """Tables that a plan scans. It names them by their alias."""
    plan = await explained(db, statement, "EXPLAIN QUERY PLAN")
    aliases = {found[1] for line in plan if (found := re.search(r"\bSCAN (\w+)", line))}
    named = dict(re.findall(r'(?:FROM|JOIN|UPDATE) "(\w+)" ?(\w*)', statement.text))
    return {table for table, alias in named.items() if {table, alias} & aliases}


async def read_whole_by_postgres(db: Database, statement: Statement) -> set[str]:
    """Tables that a plan reads without a condition on an index."""
    plan = "\n".join(await explained(db, statement, "EXPLAIN"))
    parts = re.split(r"\n *->|\n *SubPlan|\n *InitPlan", plan)
    scans = {found[1]: part for part in parts if (found := re.search(r'Scan(?: using "\w+")? on "(\w+)"', part))}
    return {table for table, part in scans.items() if "Index Cond" not in part and "Bitmap" not in part}


@pytest.mark.parametrize(("domain", "name", "dialect"), STATEMENTS, ids=str)
def test_every_statement_is_called(domain: str, name: str, dialect: str | None) -> None:
    """By its name, from the services or the tools of an operator."""
    paths = [path for room in (agentdb.services, agentdb.operations) for path in room.__path__]
    sources = [file.read_text() for path in paths for file in Path(path).glob("*.py")]

    assert any(f'Statements("{domain}")' in source and f'"{name}"' in source for source in sources)


def test_a_statement_that_gives_ids_ends_with_them() -> None:
    """So that an engine which knows them anyway can leave that out."""
    sources = [path.read_text() for path in Path(agentdb.services.__file__).parent.glob("*.py")]
    calls = re.compile(r'(?:inserted|insert|insert_each|update)\(\s*[\w.]+,\s*"(\w+)"')
    names = {name for source in sources for name in calls.findall(source)}
    texts = [
        statement.text
        for (domain, name, _), statement in STATEMENTS.items()
        if domain in ("conversations", "usage") and name in names
    ]

    assert names == {"append", "append_many", "record", "record_many", "touch"}
    assert texts
    assert all(text.startswith(("INSERT INTO", "UPDATE")) and text.endswith('RETURNING "id"') for text in texts)


@pytest.mark.parametrize(("domain", "name", "dialect"), STATEMENTS, ids=str)
def test_a_statement_for_one_engine_has_its_counterpart(domain: str, name: str, dialect: str | None) -> None:
    """Otherwise a call would work on one of them only; and the parameters are the same."""
    twins = [other for other in STATEMENTS if other[:2] == (domain, name)]
    if domain == "batches" or (domain, name) == ("turns", "finish"):
        # Only for engines that merge writes; the others have another way.
        return

    assert {dialect for _, _, dialect in twins} in ({None}, {"sqlite", "postgres"})
    assert len({STATEMENTS[twin].parameters for twin in twins}) == 1
