"""The SQL that gives each service a PostgreSQL role of its own, with the rights of the ownership matrix and no others.

It can be run again: whatever a role could do with our tables is taken from it first, in the same transaction. Deletions
that foreign keys spread, and references that they set to null, are done with the rights of the tables' owner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Final

from agentdb.engine.postgres import dialect
from agentdb.errors import ConfigurationError, InvalidInputError
from agentdb.lifecycle.schema import expected_schema
from agentdb.models.names import TABLE_NAMES
from agentdb.operations.ownership import Owned, Ownership, unknown_service

_LONGEST: Final = 63
"""Bytes of a name; PostgreSQL cuts longer ones off, so that two could become one."""

_HEAD: Final = """\
-- Roles of the services of agentdb, with the least rights that each needs.
-- Run it in the database, as the owner of its tables: psql --set ON_ERROR_STOP=1 --file grants.sql "$URL"
-- It may be run again, and has to be after a migration that brings tables. A new role has no password:
-- ALTER ROLE ... PASSWORD, or a line of pg_hba.conf, lets a service in."""

_ROLE: Final = """\
DO $agentdb$
BEGIN
    IF EXISTS (SELECT FROM pg_tables WHERE schemaname = {schema} AND tableowner = {role}) THEN
        RAISE EXCEPTION '% owns tables here, so it is no role of a service', {role};
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {role}) THEN
        EXECUTE format('CREATE ROLE %I LOGIN', {role});
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), {role});
END
$agentdb$;"""


def role_of(service: str, prefix: str) -> str:
    """The name of a service's role.

    Raises:
        InvalidInputError: PostgreSQL does not take it.
    """
    name = f"{prefix}{service}"
    if not 0 < len(name.encode()) <= _LONGEST or not name.isprintable():
        raise InvalidInputError(f"A role has a name of 1 to {_LONGEST} bytes, found {name!r}. Choose another prefix.")
    return name


def grants_sql(
    ownership: Ownership, *, services: Sequence[str] = (), prefix: str = "agentdb_", schema: str = "public"
) -> str:
    """The statements, in one transaction.

    Args:
        services: Those that it is about; all of the matrix when there is none.
        prefix: What the names of roles begin with.
        schema: Where the tables are.

    Raises:
        ConfigurationError: The matrix names no such service, or a column that is not there.
        InvalidInputError: A name that PostgreSQL does not take.
    """
    for service in services:
        if service not in ownership.services:
            raise unknown_service(service, ownership)
    _check_columns(ownership)
    roles = [
        "\n".join(_of_role(role_of(service, prefix), ownership.services[service], schema))
        for service in services or ownership.services
    ]
    return "\n\n".join([_HEAD, f"BEGIN;\nSET LOCAL search_path TO {_quoted(schema)};", *roles, "COMMIT;"])


def _of_role(name: str, owned: Owned, schema: str) -> Iterator[str]:
    role = _quoted(name)
    yield _ROLE.format(role=_text(name), schema=_text(schema))
    yield f"GRANT USAGE ON SCHEMA {_quoted(schema)} TO {role};"
    yield _granted("REVOKE ALL ON TABLE", TABLE_NAMES, f"FROM {role}")
    yield _granted("REVOKE ALL ON SEQUENCE", map(_ids_of, TABLE_NAMES), f"FROM {role}")
    if owned.writes:
        yield _granted("GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE", owned.writes, f"TO {role}")
        yield _granted("GRANT USAGE ON SEQUENCE", map(_ids_of, owned.writes), f"TO {role}")
    yield from _of_columns("UPDATE", owned.updatable, role)
    yield from _of_columns("SELECT", owned.readable, role)


def _of_columns(verb: str, tables: Mapping[str, Sequence[str] | None], role: str) -> Iterator[str]:
    whole = [table for table, columns in tables.items() if columns is None]
    if whole:
        yield _granted(f"GRANT {verb} ON TABLE", whole, f"TO {role}")
    for table, columns in tables.items():
        if columns is not None:
            yield f"GRANT {verb} ({', '.join(map(_quoted, columns))}) ON TABLE {_quoted(table)} TO {role};"


def _granted(what: str, names: Iterable[str], whom: str) -> str:
    """One statement, its names below each other as far as a line takes them."""
    lines = wrap(", ".join(map(_quoted, names)), 100, break_long_words=False, break_on_hyphens=False)
    return "\n    ".join([what, *lines]) + f"\n{whom};"


def _check_columns(ownership: Ownership) -> None:
    tables = expected_schema(dialect)
    for service, owned in ownership.services.items():
        for table, columns in (*owned.readable.items(), *owned.updatable.items()):
            known = tables[table].columns if table in tables else columns or ()
            unknown = [column for column in columns or () if column not in known]
            if unknown:
                raise ConfigurationError(
                    f"The ownership matrix names {table}.{unknown[0]} for {service}, and there is no such column. "
                    f"They are: {', '.join(known)}."
                )


def _ids_of(table: str) -> str:
    """The sequence that makes the ids of a table."""
    return f"{table}_id_seq"


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _text(value: str) -> str:
    doubled = value.replace("'", "''")
    return f"'{doubled}'"
