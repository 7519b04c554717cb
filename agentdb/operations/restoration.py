"""Putting a backup in the place of a database: whole and compared, or not at all.

Where a copy of the database is itself one that can be opened, as a SQLite file, it is made ready beside its place and
then takes it. Anywhere else the rows are written in one transaction, or by the engine's own program in one. A service
cannot attach before the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agentdb.config import Settings
from agentdb.engine import Client, Session, Target, resolve
from agentdb.engine.native_copy import Facts
from agentdb.errors import ConflictError, SchemaError, StorageError, UnsupportedError
from agentdb.lifecycle.migrate import Migrator
from agentdb.lifecycle.packaged import packaged_versions
from agentdb.lifecycle.start import LOCK_TIMEOUT_S
from agentdb.lifecycle.vault import vault_of
from agentdb.models.names import TABLE_NAMES
from agentdb.operations.advance import Told, in_thread, nobody
from agentdb.operations.archive import Archive, archive_path
from agentdb.operations.drafts import draft_directory, writing
from agentdb.operations.manifest import Manifest, TableFacts
from agentdb.operations.occupants import rows_there
from agentdb.operations.opened import opened
from agentdb.operations.portable import (
    ArchiveRows,
    OwnRows,
    RowSource,
    SnapshotRows,
    check_tables,
    fill,
    write_state,
)
from agentdb.operations.verification import (
    check_copy,
    extracted,
    known_tables,
    native_of,
    temporary_place,
    verify_archive,
)


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What one restore did.

    Attributes:
        kind: Of the backup.
        location: Where it was put, without secrets.
        replaced: Rows that stood there before, by table; they are gone.
        is_ready: Whether services of this package may attach now.
        pending: Migrations that the restored database lacks.
        missing_keys: Secret keys that are needed for what is in it, and that are not at hand here.
        key_file: Where a key belongs that no setting names; None on a server.
    """

    path: Path
    kind: str
    engine: str
    location: str
    schema_version: str
    tables: Mapping[str, TableFacts]
    replaced: Mapping[str, int]
    is_ready: bool
    pending: tuple[str, ...]
    missing_keys: tuple[str, ...]
    key_file: Path | None


async def restore(
    path: str | Path,
    url: str | None = None,
    *,
    replace: bool = False,
    settings: Settings | None = None,
    told: Told = nobody,
) -> RestoreReport:
    """Put a backup into a database, which is made if it is missing.

    Stop the services of that database before. The backup is verified first, and what was restored afterwards.

    Args:
        url: Of the database; see the settings for what counts when None.
        replace: Also into a database that holds something. What it holds is lost when the restore succeeds, and stays
            when it does not.
        settings: Read from the environment when None.
        told: Called with what is worked on, how much of it is done, and how much there is.

    Raises:
        StorageError: The backup is damaged, or there is no room; the database is as it was.
        ConflictError: The database holds something, and `replace` does not say that it may go.
        UnavailableError: Services use the database, or it cannot be reached.
        SchemaError: The backup is of a schema that this package cannot restore.
        UnsupportedError: The backup cannot be restored into this engine; says which can.
    """
    settings = settings or Settings.load()
    target = resolve(url, settings)
    if target.is_ephemeral:
        raise UnsupportedError("A database in memory ends with its handle: name a file or a server to restore into.")
    file = archive_path(path)
    with closing(await in_thread(lambda count: Archive(file, told=count), "reading", told)) as archive:
        return await _Restoration(archive, target, settings, told).run(replace=replace)


class _Restoration:
    def __init__(self, archive: Archive, target: Target, settings: Settings, told: Told) -> None:
        self._archive = archive
        self._manifest: Manifest = archive.manifest
        self._target = target
        self._settings = settings
        self._native = target.dialect.native_copy
        self._is_own = archive.manifest.kind == self._native.kind
        self._told = told

    async def run(self, *, replace: bool) -> RestoreReport:
        self._check_schema()
        keys = vault_of(Session(self._target, create=False), self._settings).key_ids
        await self._target.dialect.prepare(self._target, create_database=True)
        place = self._native.place_of(self._target)
        replaced = await (self._put_aside(place, replace) if place else self._put_in_place(replace))
        manifest = self._manifest
        pending = tuple(one for one in packaged_versions() if one > manifest.schema_version)
        return RestoreReport(
            path=self._archive.path,
            kind=manifest.kind,
            engine=self._target.dialect.title,
            location=self._target.shown,
            schema_version=manifest.schema_version,
            tables=manifest.tables,
            replaced=replaced,
            is_ready=manifest.state is not None and not pending,
            pending=pending,
            missing_keys=tuple(one for one in manifest.key_ids if one not in keys),
            key_file=self._target.key_file,
        )

    def _check_schema(self) -> None:
        version, packaged = self._manifest.schema_version, packaged_versions()
        if version not in packaged:
            raise SchemaError(
                f"The backup is of the schema {version!r}, which this agentdb of {packaged[-1]!r} does not know. "
                f"Restore it with agentdb {self._manifest.agentdb}, which made it, or a newer one.",
                found=version,
                expected=packaged[-1],
            )
        if version != packaged[-1] and not self._is_own:
            raise SchemaError(
                f"The backup is of the schema {version!r}, and its rows can only be written by the agentdb of that "
                f"schema. Restore it with agentdb {self._manifest.agentdb}, and migrate the database then.",
                found=version,
                expected=packaged[-1],
            )

    async def _put_aside(self, place: Path, replace: bool) -> Mapping[str, int]:
        client = self._target.dialect.client(self._target, create=True)  # it is not opened: nobody may have it open
        async with self._target.dialect.migration_lock(client, timeout_s=LOCK_TIMEOUT_S):
            replaced = await self._occupied_place(place, replace)
            with draft_directory(place) as directory:
                if self._is_own:
                    file = await extracted(self._archive, directory, told=self._told)
                    await check_copy(self._archive, file, told=self._told)
                else:
                    file = await self._made(directory)
                with writing(place):
                    await self._put(file, client, {})
        return replaced

    async def _put_in_place(self, replace: bool) -> Mapping[str, int]:
        async with (
            opened(self._target, create=True) as session,
            session.dialect.migration_lock(session.client, timeout_s=LOCK_TIMEOUT_S),
        ):
            replaced = await self._occupied(session, replace)
            if self._is_own:
                await self._put_dump(session)
            else:
                async with self._rows() as rows:
                    await self._fill(session, rows)
        return replaced

    async def _put_dump(self, session: Session) -> None:
        facts = self._archive.copy_facts.facts
        await self._native.check_place(session.client, facts)
        with draft_directory(temporary_place(self._archive)) as directory:
            file = await extracted(self._archive, directory, told=self._told)
            await check_copy(self._archive, file, told=self._told)
            await self._put(file, session.client, facts)
        # The tables are others now than those that the session's connections know.
        async with opened(self._target, create=True) as fresh:
            if known_tables(self._archive):
                async with fresh.client.snapshot() as snapshot:
                    await check_tables(snapshot, self._manifest.tables, told=self._told)
            async with fresh.client.transaction():
                await write_state(fresh.client, self._manifest.state)

    async def _put(self, file: Path, client: Client, facts: Facts) -> None:
        await self._native.put(file, client, facts, tables=TABLE_NAMES, told=partial(self._told, "putting"))

    async def _made(self, directory: Path) -> Path:
        """The rows as a copy of the engine's own kind, in `directory`."""
        file = directory / "made"
        target = self._native.as_target(file)
        assert target is not None, "it is put aside"
        async with self._rows() as rows, opened(target, create=True) as session:
            await self._fill(session, rows)
        return file

    async def _fill(self, session: Session, rows: RowSource) -> None:
        """Migrate it, and put the rows there: all of them, compared, or none."""
        migrator, client = Migrator(session), session.client
        unknown = [step.version for step in await migrator.history() if step.is_applied and not step.is_packaged]
        if unknown:
            raise SchemaError(
                f"The database has the migration {unknown[-1]!r}, which this agentdb does not know. Restore into it "
                "with the agentdb that migrated it.",
                found=unknown[-1],
                expected=packaged_versions()[-1],
            )
        await migrator.upgrade()
        async with client.transaction(isolation="read committed", is_patient=True):
            await fill(client, rows, told=self._told)
            await check_tables(OwnRows(client), rows.facts, told=self._told)
            await write_state(client, self._manifest.state)

    @asynccontextmanager
    async def _rows(self) -> AsyncIterator[RowSource]:
        """All rows of the backup, which has been verified."""
        if self._manifest.is_portable:
            await verify_archive(self._archive, told=self._told)
            yield ArchiveRows(self._archive)
            return
        with draft_directory(temporary_place(self._archive)) as directory:
            target = native_of(self._archive).as_target(directory / "copy")
            if target is None:
                raise UnsupportedError(
                    f"The backup is a copy by {self._manifest.kind}, which only {self._manifest.engine} can take. "
                    "A backup with --format portable can be restored into any engine; `agentdb transfer` copies from "
                    "one to another."
                )
            file = await extracted(self._archive, directory, told=self._told)
            await check_copy(self._archive, file, told=self._told)
            async with opened(target, create=True) as session, session.client.snapshot() as snapshot:
                yield SnapshotRows(snapshot, self._manifest.tables)

    async def _occupied_place(self, place: Path, replace: bool) -> Mapping[str, int]:
        if not await asyncio.to_thread(place.exists):
            return {}
        try:
            async with opened(self._target, create=False) as session:
                return await self._occupied(session, replace)
        except StorageError as error:
            if error.reason not in ("corrupt", "unreadable"):
                raise
            raise StorageError(
                f"What is at {place} cannot be read: {error} To restore there, move it away, together with what lies "
                "beside it under its name and -wal or -shm. Nothing was changed.",
                reason=error.reason,
                engine_code=error.engine_code,
            ) from error

    async def _occupied(self, session: Session, replace: bool) -> Mapping[str, int]:
        """How many rows the tables have that would be replaced."""
        found = await rows_there(session, of_others=self._native.takes_all)
        if found and not replace:
            told = ", ".join(f"{name} {rows}" for name, rows in [*found.items()][:4])
            raise ConflictError(
                f"The database at {self._target.shown} is not empty (rows: {told}{', ...' if len(found) > 4 else ''}). "
                "Name another one, or let what it holds be replaced with --replace. Nothing was changed."
            )
        return found
