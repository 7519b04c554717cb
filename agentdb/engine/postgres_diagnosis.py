"""PostgreSQL's answers to a doctor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from agentdb.engine import file_findings
from agentdb.engine.diagnosis import Diagnosis, Finding, Severity, Vitals
from agentdb.engine.postgres import PostgresTarget
from agentdb.engine.tls import is_here

if TYPE_CHECKING:
    from agentdb.engine.client import Client
    from agentdb.engine.dialect import Target
    from agentdb.engine.steps import Row

_VITALS: Final = """
    SELECT current_setting('server_version') AS "version", clock_timestamp() AS "clock",
        pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS "is_read_only"
"""

_SETTINGS: Final = """
    SELECT "name", "setting" FROM pg_settings
    WHERE "name" IN ('fsync', 'full_page_writes', 'synchronous_commit', 'autovacuum', 'max_connections',
        'superuser_reserved_connections', 'reserved_connections', 'server_version_num')
"""

# Sessions of other roles show their existence to everybody, though not what they do.
_CLIENTS: Final = """
    SELECT (SELECT count(*) FROM pg_stat_activity WHERE "backend_type" IS NOT DISTINCT FROM 'client backend') AS "all",
        (SELECT "rolconnlimit" FROM pg_roles WHERE "rolname" = current_user) AS "of_role",
        (SELECT "datconnlimit" FROM pg_database WHERE "datname" = current_database()) AS "of_database"
"""

_INVALID_INDEXES: Final = """
    SELECT "name".relname AS "index", "table".relname AS "table"
    FROM pg_index AS "index"
    JOIN pg_class AS "name" ON "name".oid = "index".indexrelid
    JOIN pg_class AS "table" ON "table".oid = "index".indrelid
    WHERE "table".relnamespace = current_schema()::regnamespace AND NOT "index".indisvalid
    ORDER BY "table".relname, "name".relname
"""

_WHAT_IS_LOST: Final[Mapping[str, tuple[Severity, str]]] = {
    "fsync": ("error", "a power failure can destroy the database"),
    "full_page_writes": ("error", "a power failure can leave half-written pages"),
    "synchronous_commit": ("warning", "a crash of the server loses the last commits that it acknowledged"),
    "autovacuum": ("warning", "tables and indexes grow without end, and plans go stale"),
}


class PostgresDiagnosis(Diagnosis):
    """Most of it concerns the server's settings."""

    def of_place(self, target: Target) -> Iterator[Finding]:
        assert isinstance(target, PostgresTarget)
        if target.directory is not None:
            if target.directory.is_dir():
                yield from file_findings.of_place(target.directory)
            return
        strangers = [host for host, _ in target.hosts if not is_here(host)]
        if strangers and target.options.sslmode not in ("verify-ca", "verify-full"):
            yield Finding(
                "tls-unverified",
                "warning",
                f"With sslmode={target.options.sslmode} nobody checks that {', '.join(strangers)} is who it says: "
                "passwords and conversations may go to somebody in between.",
                "Add sslmode=verify-full to the URL, and the server's root certificate where it is not a public one.",
            )

    async def vitals(self, client: Client) -> Vitals:
        told = (await client.fetch(_VITALS)).rows[0]
        return Vitals(told["version"].split()[0], told["is_read_only"], told["clock"])

    async def of_database(self, client: Client, *, deep: bool) -> list[Finding]:
        target = client.target
        assert isinstance(target, PostgresTarget)
        settings = {row["name"]: row["setting"] for row in (await client.fetch(_SETTINGS)).rows}
        clients = (await client.fetch(_CLIENTS)).rows[0]
        return [
            *_of_settings(settings),
            *_of_version(int(settings["server_version_num"])),
            *_of_pool(target.options.pool_size, _room(settings, clients), clients["all"] - _own(client)),
            *_of_indexes((await client.fetch(_INVALID_INDEXES)).rows),
        ]


def _of_settings(settings: Mapping[str, str]) -> Iterator[Finding]:
    for name, (severity, lost) in _WHAT_IS_LOST.items():
        if settings.get(name) == "off":
            yield Finding(
                f"{name.replace('_', '-')}-off",
                severity,
                f"{name} is off: {lost}.",
                f"Set {name} = on, in the server's configuration or wherever it is switched off for this role or "
                "database.",
            )


def _of_version(number: int) -> Iterator[Finding]:
    if number < 140_000:
        yield Finding(
            "server-old",
            "warning",
            f"The server is PostgreSQL {number // 10_000}; agentdb is tested from 14 on.",
            "Upgrade the server.",
        )


def _of_pool(size: int, room: int, others: int) -> Iterator[Finding]:
    if size == 1:
        yield Finding(
            "pool-size",
            "warning",
            "pool_size is 1: whoever holds a transaction keeps every other call of this handle waiting.",
            "Set AGENTDB_POOL_SIZE, or pool_size in the URL, to 2 or more.",
        )
    if size > room:
        yield Finding(
            "pool-size",
            "warning",
            f"pool_size is {size}, and the server admits {room} connections of this role to this database.",
            f"Set AGENTDB_POOL_SIZE to at most {room} by the number of handles, raise the limit, or use a pooler.",
        )
    elif others + size > room:
        yield Finding(
            "pool-crowded",
            "info",
            f"{others} other connections and a full pool of {size} are more than the {room} that the server admits.",
            "Make pools smaller, raise max_connections, or use a pooler.",
        )


def _of_indexes(rows: Sequence[Row]) -> Iterator[Finding]:
    for row in rows:
        yield Finding(
            "index-invalid",
            "warning",
            f"The index {row['index']} of {row['table']} was not finished: it costs each write and serves no read.",
            f'REINDEX INDEX CONCURRENTLY "{row["index"]}", or drop it if it is not ours.',
        )


def _room(settings: Mapping[str, str], clients: Row) -> int:
    reserved = int(settings.get("superuser_reserved_connections", 0)) + int(settings.get("reserved_connections", 0))
    limits: list[int] = [limit for limit in (clients["of_role"], clients["of_database"]) if limit and limit > 0]
    return min([int(settings["max_connections"]) - reserved, *limits])


def _own(client: Client) -> int:
    connections = client.connections
    return connections.in_use + connections.idle
