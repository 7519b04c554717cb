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
    "content": '[{"text": "x"}]',
    "cost": Decimal(1),
    "email": "a@example.org",
    "email_as_typed": "A@example.org",
    "default_model": "mock-model",
    "highest": Decimal(2),
    "internal_name": "mock-model",
    "lowest": Decimal(0),
    "model": "mock-model",
    "name": "Standard Chat",
    "now": datetime(2026, 1, 1, tzinfo=UTC),
    "provider": "mock",
    "request_id": "r",
    "role": "user",
    "stored": "agd1$x",
    "stored_otherwise": "agd1$x",
    "type": "chat",
}

# Read whole on purpose: tens of rows.
SMALL = {"Model", "Provider", "Policy", "Role", "RolePolicy", "Prompt", "Tool"}

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
        ("Usage", '"userID"', "n"),
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

    assert {one for one in found if one[2] not in SMALL} == set()


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
    """By its name, from the services."""
    sources = [path.read_text() for path in Path(agentdb.services.__file__).parent.glob("*.py")]

    assert any(f'Statements("{domain}")' in source and f'"{name}"' in source for source in sources)


@pytest.mark.parametrize(("domain", "name", "dialect"), STATEMENTS, ids=str)
def test_a_statement_for_one_engine_has_its_counterpart(domain: str, name: str, dialect: str | None) -> None:
    """Otherwise a call would work on one of them only; and the parameters are the same."""
    twins = [other for other in STATEMENTS if other[:2] == (domain, name)]

    assert {dialect for _, _, dialect in twins} in ({None}, {"sqlite", "postgres"})
    assert len({STATEMENTS[twin].parameters for twin in twins}) == 1
