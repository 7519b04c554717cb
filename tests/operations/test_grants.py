"""`agentdb grants`: the SQL that it prints leaves each role with the rights of the matrix and no others."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import agentdb
from agentdb import AccessDeniedError, AgentDBError, ConfigurationError, InvalidInputError
from agentdb.operations.grants import grants_sql, role_of
from agentdb.operations.ownership import Owned, Ownership, read_ownership
from agentdb.testing.factory import DatabaseFactory
from agentdb.testing.handle import TemporaryDatabase
from tests.cli.command_line import Command
from tests.cli.conftest import cli
from tests.operations.serving import SERVICES, as_role, without

__all__ = ["cli"]

_RIGHTS = """
SELECT c.relname || COALESCE('.' || a.attname, '') AS place, right_of.privilege_type AS verb
FROM pg_class c
LEFT JOIN LATERAL (
    SELECT NULL::name AS attname, c.relacl AS acl
    UNION ALL SELECT a.attname, a.attacl FROM pg_attribute a WHERE a.attrelid = c.oid
) a ON TRUE
CROSS JOIN LATERAL aclexplode(a.acl) AS right_of
JOIN pg_roles r ON r.oid = right_of.grantee
WHERE r.rolname = '{role}' AND c.relkind IN ('r', 'S')
"""


@pytest.fixture
async def database(agent_db_factory: DatabaseFactory) -> AsyncIterator[TemporaryDatabase]:
    """A PostgreSQL database, as its owner."""
    with agent_db_factory(engine="postgresql") as made:
        yield made
        await made.close()


async def rights_of(db: TemporaryDatabase, role: str) -> set[tuple[str, str]]:
    """What the server says that a role may do with tables, columns and sequences."""
    return {(row["verb"], row["place"]) for row in await db.session.fetch(_RIGHTS.format(role=role))}


def expected(owned: Owned) -> set[tuple[str, str]]:
    """What the matrix says."""
    return {
        *((verb, table) for table in owned.writes for verb in ("SELECT", "INSERT", "UPDATE", "DELETE")),
        *(("USAGE", f"{table}_id_seq") for table in owned.writes),
        *(("UPDATE", place) for place in owned.updates),
        *(("SELECT", place) for place in (*owned.reads, "agentdb_state", "aerich")),
    }


async def test_roles_have_the_rights_of_the_matrix_whatever_they_had(database: TemporaryDatabase) -> None:
    """It may be run again: what was given beside it is gone, what was taken is back, and names need not be plain."""
    prefix = f'it\'s "{secrets.token_hex(4)}" '
    matrix = read_ownership()
    names = {service: role_of(service, prefix) for service in matrix.services}
    client = database.session.client
    try:
        await client.execute_script(grants_sql(matrix, prefix=prefix))
        first = {service: await rights_of(database, name.replace("'", "''")) for service, name in names.items()}
        gateway = names["gateway"].replace('"', '""')
        await client.execute_script(f'GRANT ALL ON ALL TABLES IN SCHEMA public TO "{gateway}"')
        await client.execute_script(f'GRANT UPDATE ("email") ON "User" TO "{gateway}"')
        await client.execute_script(f'REVOKE ALL ON "Usage" FROM "{gateway}"')
        await client.execute_script(grants_sql(matrix, prefix=prefix, services=["gateway"]))
        again = await rights_of(database, names["gateway"].replace("'", "''"))
    finally:
        await without(database, *(name.replace('"', '""') for name in names.values()))

    assert first == {service: expected(owned) for service, owned in matrix.services.items()}
    assert again == first["gateway"]


async def test_a_role_may_attach_and_nothing_but_its_own(database: TemporaryDatabase) -> None:
    """Nor make tables, write the ledgers, or take more rights."""
    prefix = f"agentdb_{secrets.token_hex(4)}_"
    name = role_of("gateway", prefix)
    await database.session.client.execute_script(grants_sql(read_ownership(), prefix=prefix, services=["gateway"]))
    try:
        async with agentdb.connect(as_role(database.url, name), skip_sync=True, settings=database.settings) as db:
            health = await db.health(deep=True)
            for sql in (
                'DELETE FROM "agentdb_state"',
                'INSERT INTO "agentdb_seed" ("source") VALUES (1)',
                'ALTER TABLE "Usage" ADD "more" TEXT',
                'SELECT "content" FROM "Message"',
                'SELECT * FROM "Vector"',
                """SELECT setval('"Usage_id_seq"', 1)""",
            ):
                with pytest.raises(AccessDeniedError) as caught:
                    await db.session.fetch(sql)
                assert caught.value.engine_code == "42501", sql
    finally:
        await without(database, name)

    assert health.is_ready
    assert not health.is_deep
    assert [finding.code for finding in health.findings] == ["not-deep"]


async def test_the_owner_of_the_tables_is_no_role_of_a_service(database: TemporaryDatabase) -> None:
    """Else it would take its own rights away."""
    (row,) = await database.session.fetch("SELECT current_user AS name")
    matrix = Ownership({row["name"]: Owned(writes=("Usage",))}, None)
    with pytest.raises(AgentDBError, match="owns tables here"):
        await database.session.client.execute_script(grants_sql(matrix, prefix=""))

    await database.session.fetch('DELETE FROM "Usage"')


def test_the_command_prints_sql_and_no_password(cli: Command) -> None:
    """For all services or one, for people and for programs."""
    everybody, one = cli("grants"), cli("grants", "--service", "gateway", "--prefix", "x_", "--schema", "app")
    data = cli("grants", "--json").data

    assert everybody.code == one.code == 0
    assert everybody.out.strip() == grants_sql(read_ownership()) == data["sql"]
    assert [data["services"][name]["role"] for name in SERVICES] == [f"agentdb_{name}" for name in SERVICES]
    assert data["services"]["gateway"]["updates"] == ["User.remaining", "User.updatedAt"]
    assert 'SET LOCAL search_path TO "app";' in one.out
    assert '"x_gateway"' in one.out
    assert "server" not in one.out
    assert "PASSWORD '" not in everybody.out


def test_a_matrix_of_your_own_is_printed(cli: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the option or the setting."""
    file = tmp_path / "matrix.json"
    file.write_text(json.dumps({"billing": {"writes": ["Usage"], "reads": ["User.id", "User"]}}))
    by_option = cli("grants", "--ownership", str(file))
    monkeypatch.setenv("AGENTDB_OWNERSHIP", str(file))
    by_setting = cli("grants")

    assert by_option == by_setting
    assert 'GRANT SELECT ON TABLE\n    "User", "agentdb_state", "aerich"\nTO "agentdb_billing";' in by_option.out


def test_what_cannot_be_printed_says_why(cli: Command, tmp_path: Path) -> None:
    """One error, with status 1."""
    file = tmp_path / "matrix.toml"
    file.write_text('[billing]\nreads = ["User.salary"]\n')
    unknown, column = cli("grants", "--service", "nobody"), cli("grants", "--ownership", str(file))
    prefix = cli("grants", "--prefix", "x" * 60)

    assert [done.code for done in (unknown, column, prefix)] == [1, 1, 1]
    assert [done.out for done in (unknown, column, prefix)] == ["", "", ""]
    assert "names no service 'nobody'. It names: server, gateway, cms." in unknown.err
    assert "names User.salary for billing, and there is no such column. They are: id, createdAt" in column.err
    assert "A role has a name of 1 to 63 bytes" in prefix.err
    with pytest.raises(InvalidInputError):
        role_of("gateway", "a\nb")
    with pytest.raises(ConfigurationError):
        grants_sql(read_ownership(), services=["nobody"])
