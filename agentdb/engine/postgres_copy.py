"""Copies of PostgreSQL databases, by `pg_dump`, and `pg_restore` with `psql`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from agentdb.engine.channel import settle
from agentdb.engine.native_copy import Facts, NativeCopy
from agentdb.engine.postgres import PostgresTarget
from agentdb.engine.postgres_programs import environment, find_program, run_program
from agentdb.engine.private_files import create_private
from agentdb.engine.threads import Told
from agentdb.errors import AgentDBError, StorageError, UnsupportedError

if TYPE_CHECKING:
    from agentdb.engine.client import Client
    from agentdb.engine.dialect import Target
    from agentdb.engine.snapshot import Snapshot

_PORTABLE: Final = "A portable backup can be made of any database, and restored into any."
_READY: Final = "agentdb_state"

_TABLES: Final = """
SELECT c.relname AS name
FROM pg_class AS c
WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace AND c.relname = ANY ($1::text[])
ORDER BY c.relname
"""


class PostgresCopy(NativeCopy):
    """An archive in the custom format of `pg_dump`. It has our tables alone: no owners, no rights."""

    kind: ClassVar[str] = "pg_dump"
    is_compressed: ClassVar[bool] = True
    leaves_out: ClassVar[tuple[str, ...]] = (_READY,)
    takes_all: ClassVar[bool] = False

    async def obstacle(self, client: Client) -> str | None:
        if _target(client).options.pooler != "none":
            return "pg_dump needs sessions of its own, which a pooler does not give. Name the server itself."
        major = await _major(client)
        if await _program("pg_dump", major) is None:
            return f"There is no pg_dump of PostgreSQL {major}, the version of the server. Install it."
        return None

    @asynccontextmanager
    async def copied(
        self, client: Client, file: Path, *, tables: Sequence[str], told: Told
    ) -> AsyncIterator[tuple[Snapshot, Facts]]:
        major = await _major(client)
        program = await _program("pg_dump", major)
        assert program is not None, "asked for in spite of an obstacle"
        async with client.snapshot() as snapshot:
            [exported] = await snapshot.rows("SELECT pg_export_snapshot() AS id, current_schema() AS of_schema")
            found = await snapshot.rows(_TABLES, [list(tables)])
            schema = _quoted(exported["of_schema"])
            arguments = [
                "--format=custom",
                "--no-password",
                "--no-owner",
                "--no-privileges",
                f"--snapshot={exported['id']}",
                f"--file={file}",
                *(f"--table={schema}.{_quoted(row['name'])}" for row in found),
                # Whoever restores it writes this row at the end: until then no service attaches.
                f"--exclude-table-data={schema}.{_quoted(_READY)}",
            ]
            dump = asyncio.create_task(run_program(program, arguments, _environment(client, major)))
            try:
                yield snapshot, {"major": str(major), "schema": exported["of_schema"]}
                await asyncio.shield(dump)
            finally:
                dump.cancel()
                await settle(_ended(dump))

    async def prove(self, file: Path, facts: Facts) -> str | None:
        program = await _program("pg_restore", int(facts["major"]))
        if program is None:
            return None
        try:
            # All of it is unpacked and turned into SQL, which nobody reads.
            await run_program(program, ["--file=/dev/null", str(file)], {})
        except AgentDBError as error:
            raise StorageError(f"The dump is damaged: {error}", reason="corrupt") from error
        return "pg_restore reads all of the dump."

    def as_target(self, file: Path) -> Target | None:
        return None

    def place_of(self, target: Target) -> Path | None:
        return None

    async def check_place(self, client: Client, facts: Facts) -> None:
        if _target(client).options.pooler != "none":
            raise UnsupportedError("pg_restore does not go through a pooler: name the server itself in the URL.")
        major = int(facts["major"])
        if await _major(client) < major:
            raise UnsupportedError(
                f"The backup is a dump of PostgreSQL {major}, this server is older. Restore it into a server of that "
                f"version or a newer one. {_PORTABLE}"
            )
        for name in ("pg_restore", "psql"):
            if await _program(name, major) is None:
                raise UnsupportedError(f"There is no {name} of PostgreSQL {major}. Install it. {_PORTABLE}")
        [row] = await client.rows("SELECT current_schema() AS of_schema")
        if row["of_schema"] != facts["schema"]:
            raise UnsupportedError(
                f"The backup is of the schema {facts['schema']!r}, and this database works in {row['of_schema']!r}. "
                f"Let search_path name the first one. {_PORTABLE}"
            )

    async def put(self, file: Path, client: Client, facts: Facts, *, tables: Sequence[str], told: Told) -> None:
        major = int(facts["major"])
        unpack, run = await _program("pg_restore", major), await _program("psql", major)
        assert unpack is not None, "check_place has found it"
        assert run is not None, "and this"
        script = file.with_name("script")
        create_private(script)
        await run_program(unpack, ["--no-owner", "--no-privileges", f"--file={script}", str(file)], {})
        # pg_restore itself clears away what the dump has. A table that came later may point to that, and then stays.
        schema = _quoted(facts["schema"])
        dropped = ", ".join(f"{schema}.{_quoted(name)}" for name in tables)
        arguments = [
            "--no-psqlrc",
            "--no-password",
            "--quiet",
            "--single-transaction",
            "--set=ON_ERROR_STOP=1",
            "--command=SET client_min_messages = warning",
            f"--command=DROP TABLE IF EXISTS {dropped}",
            f"--file={script}",
            "--output=/dev/null",
        ]
        await run_program(run, arguments, _environment(client, major))


async def _ended(dump: asyncio.Task[bytes]) -> None:
    await asyncio.wait({dump})
    if not dump.cancelled():
        dump.exception()  # the block's own error says more


async def _major(client: Client) -> int:
    [row] = await client.rows("SELECT current_setting('server_version_num')::int / 10000 AS major")
    return int(row["major"])


async def _program(name: str, major: int) -> Path | None:
    return await asyncio.to_thread(find_program, name, major=major)


def _environment(client: Client, major: int) -> dict[str, str]:
    from agentdb.engine.postgres_client import PostgresClient

    assert isinstance(client, PostgresClient)
    return environment(_target(client), client.server, major=major)


def _target(client: Client) -> PostgresTarget:
    target = client.target
    assert isinstance(target, PostgresTarget)
    return target


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
