"""PostgreSQL's answers: a server, or one embedded in a directory."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from pydantic import PositiveInt

from agentdb.config import HomePath, Secret, Settings, SslMode
from agentdb.engine.dialect import (
    Dialect,
    Options,
    Read,
    Target,
    common_options,
    read_options,
)
from agentdb.engine.postgres_catalogue import PostgresCatalogue
from agentdb.engine.tls import Tls, usual_sslmode
from agentdb.engine.url import Url, shown_authority
from agentdb.engine.vectors import PGVECTOR_IS_THERE
from agentdb.errors import (
    AgentDBError,
    ConfigurationError,
    MissingDriverError,
)

if TYPE_CHECKING:
    from agentdb.engine.client import Client
    from agentdb.engine.diagnosis import Diagnosis
    from agentdb.engine.introspection import Catalogue
    from agentdb.engine.native_copy import NativeCopy
    from agentdb.engine.orm import TortoiseClient
    from agentdb.engine.upkeep import Upkeep

_EMBEDDED: Final = "postgresql+embedded"


class PostgresOptions(Options):
    """What a postgresql URL may say.

    Attributes:
        pool_size: Connections at most.
        pooler: "transaction" for PgBouncer in transaction mode: no prepared statements, no session state.
        isolation: Of transactions that do not state their own.
        sslmode: As libpq names it; see `agentdb.engine.tls`.
        sslrootcert: Authorities that a server's certificate may be by: a file, or "system".
        sslcert: Our own certificate.
        sslkey: Its key.
        target_session_attrs: Which hosts will do; "read-write" for one that takes writes.
        application_name: Shown in the server's views and log.
    """

    pool_size: PositiveInt
    pooler: Literal["none", "transaction"]
    isolation: Literal["read committed", "repeatable read", "serializable"]
    sslmode: SslMode
    sslrootcert: HomePath | None = None
    sslcert: HomePath | None = None
    sslkey: HomePath | None = None
    target_session_attrs: Literal["any", "read-write", "primary"]
    application_name: str = "agentdb"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresTarget(Target):
    """A database of a server, or of the server embedded in `directory`."""

    hosts: tuple[tuple[str, int | None], ...]
    user: str | None
    password: Secret | None
    database: str
    directory: Path | None
    postgres_options: PostgresOptions

    @property
    def options(self) -> PostgresOptions:
        return self.postgres_options

    @property
    def shown(self) -> str:
        if self.directory:
            return f"{_EMBEDDED}:///{self.directory}"
        return f"postgresql://{shown_authority(self.user, self.hosts)}/{self.database}"

    @property
    def storage(self) -> Path | None:
        return self.directory

    @property
    def key_file(self) -> Path | None:
        return self.directory.with_name(f"{self.directory.name}.key") if self.directory else None

    @property
    def is_ephemeral(self) -> bool:
        return False


class PostgresDialect(Dialect):
    """PostgreSQL 14 or newer, through asyncpg."""

    name: ClassVar[str] = "postgres"
    title: ClassVar[str] = "PostgreSQL"
    merges_writes: ClassVar[bool] = True

    def target(self, url: Url, settings: Settings, *, source: str) -> PostgresTarget:
        hosts = () if url.scheme == _EMBEDDED else url.hosts or (("localhost", None),)
        options = read_options(PostgresOptions, _defaults(settings, url, hosts), url)
        tls_of(options).check()
        if url.scheme == _EMBEDDED:
            if url.hosts or not url.path:
                raise ConfigurationError(
                    "An embedded PostgreSQL is named by its directory: "
                    f"{_EMBEDDED}:///relative or {_EMBEDDED}:////absolute."
                )
            return PostgresTarget(
                dialect=self,
                source=source,
                hosts=(),
                user=None,
                password=None,
                database="postgres",
                directory=Path(url.path).absolute(),
                postgres_options=options,
            )
        return PostgresTarget(
            dialect=self,
            source=source,
            hosts=hosts,
            user=url.user,
            password=url.password,
            database=url.path or "postgres",
            directory=None,
            postgres_options=options,
        )

    def client(self, target: Target, *, create: bool) -> Client:
        if importlib.util.find_spec("asyncpg") is None:
            raise MissingDriverError(provider="postgresql", package="asyncpg", extra="postgres")
        from agentdb.engine.postgres_client import PostgresClient

        assert isinstance(target, PostgresTarget)
        return PostgresClient(target, create=create)

    def tortoise_client(self, client: Client) -> TortoiseClient:
        from agentdb.engine.postgres_orm import PostgresTortoiseClient

        return PostgresTortoiseClient(client)

    async def prepare(self, target: Target, *, create_database: bool) -> None:
        assert isinstance(target, PostgresTarget)
        if create_database and target.directory is None:
            from agentdb.engine.postgres_client import make_database

            await make_database(target)

    def migration_lock(self, client: Client, *, timeout_s: float) -> AbstractAsyncContextManager[None]:
        from agentdb.engine.postgres_migration import alone

        return alone(client, timeout_s=timeout_s)

    def migration(self, client: Client) -> AbstractAsyncContextManager[None]:
        from agentdb.engine.postgres_migration import work

        return work(client)

    @property
    def catalogue(self) -> Catalogue:
        return PostgresCatalogue()

    @property
    def diagnosis(self) -> Diagnosis:
        from agentdb.engine.postgres_diagnosis import PostgresDiagnosis

        return PostgresDiagnosis()

    @property
    def native_copy(self) -> NativeCopy:
        from agentdb.engine.postgres_copy import PostgresCopy

        return PostgresCopy()

    @property
    def upkeep(self) -> Upkeep:
        from agentdb.engine.postgres_upkeep import PostgresUpkeep

        return PostgresUpkeep()

    async def lock_table(self, client: Client, table: str) -> None:
        await client.execute_script(f'LOCK TABLE "{table}" IN SHARE ROW EXCLUSIVE MODE')

    async def identity(self, client: Client) -> str:
        (allowed,) = await client.rows("SELECT has_function_privilege('pg_control_system()', 'EXECUTE') AS is_allowed")
        # Who may not ask for the name of the server's data is told since when it runs: no other does since then.
        server = "(SELECT system_identifier FROM pg_control_system())" if allowed["is_allowed"] else _RUNS_SINCE
        (found,) = await client.rows(
            f"SELECT {server}::text AS server, oid::text AS database FROM pg_database "  # noqa: S608 - one of the two
            "WHERE datname = current_database()"
        )
        return f"server {found['server']} {found['database']}"

    async def last_id(self, read: Read, table: str) -> int:
        rows = await read(
            "SELECT pg_sequence_last_value(pg_get_serial_sequence($1, 'id')::regclass) AS last_id", [f'"{table}"']
        )
        return rows[0]["last_id"] or 0

    async def advance_ids(self, client: Client, table: str, *, at_least: int = 0) -> None:
        await client.fetch(
            f"""
            SELECT setval(sequence, NULLIF(GREATEST(
                (SELECT max("id") FROM "{table}"), pg_sequence_last_value(sequence), $2::bigint), 0))
            FROM (SELECT pg_get_serial_sequence($1, 'id')::regclass AS sequence) AS of_the_ids
            """,  # noqa: S608 - the table's name is ours
            [f'"{table}"', at_least],
        )

    async def empty_tables(self, client: Client, tables: Sequence[str]) -> None:
        # Row by row, each deletion would look for rows that point to it. Tables of others that do are an error.
        listed = ", ".join(f'"{table}"' for table in tables)
        await client.execute_script(f"TRUNCATE {listed}")

    async def original_columns(self, client: Client) -> tuple[set[tuple[str, str]], set[str]]:
        rows = (await client.fetch(_ORIGINAL_COLUMNS)).rows
        columns = {(row["of_table"], row["name"]) for row in rows if row["kind"] == "column"}
        return columns, {row["name"] for row in rows if row["kind"] == "index"}

    async def enable_vectors(self, client: Client) -> bool:
        return bool((await client.fetch(PGVECTOR_IS_THERE)).rows[0]["is_there"])

    def placeholder(self, position: int) -> str:
        return f"${position}"

    @property
    def begin_snapshot(self) -> str:
        # Limits that an administrator gave the role are meant for queries and for those who forget a transaction.
        return (
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
            "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; "
            f"{AS_LONG_AS_IT_TAKES}"
        )

    def begin(self, isolation: str | None) -> str:
        return f"BEGIN ISOLATION LEVEL {_ISOLATION_LEVELS[isolation]}" if isolation else "BEGIN"

    def translate(self, error: Exception) -> AgentDBError | None:
        from agentdb.engine.postgres_errors import translated

        return translated(error)


AS_LONG_AS_IT_TAKES: Final = (
    "SELECT set_config('transaction_timeout', '0', true) WHERE current_setting('server_version_num')::int >= 170000"
)
"""Takes an administrator's limit off the transaction that it stands in; older servers know no such limit."""

dialect: Final = PostgresDialect()


def tls_of(options: PostgresOptions) -> Tls:
    """What the options say about TLS."""
    return Tls(sslmode=options.sslmode, sslrootcert=options.sslrootcert, sslcert=options.sslcert, sslkey=options.sslkey)


def _defaults(settings: Settings, url: Url, hosts: Sequence[tuple[str, int | None]]) -> dict[str, object]:
    names = ("pool_size", "pooler", "isolation")
    # Who names an authority in the URL wants it to be asked, on this machine too.
    usual = "verify-full" if "sslrootcert" in url.options else usual_sslmode(hosts)
    return {
        **common_options(settings),
        **{name: getattr(settings, name) for name in names},
        "sslmode": settings.pgsslmode or usual,
        "sslrootcert": settings.pgsslrootcert,
        "sslcert": settings.pgsslcert,
        "sslkey": settings.pgsslkey,
        "target_session_attrs": "read-write" if len(hosts) > 1 else "any",
    }


_RUNS_SINCE: Final = "pg_postmaster_start_time()"

_ORIGINAL_COLUMNS: Final = """
SELECT 'column' AS kind, c.relname AS of_table, a.attname AS name
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace
UNION ALL
SELECT 'index', t.relname, i.relname
FROM pg_index AS x
JOIN pg_class AS i ON i.oid = x.indexrelid
JOIN pg_class AS t ON t.oid = x.indrelid
WHERE x.indisunique AND t.relnamespace = current_schema()::regnamespace
"""

_ISOLATION_LEVELS: Final = {
    "read committed": "READ COMMITTED",
    "repeatable read": "REPEATABLE READ",
    "serializable": "SERIALIZABLE",
}
