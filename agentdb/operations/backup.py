"""One file that a whole database can be restored from, taken while services go on."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from agentdb.engine import Session
from agentdb.engine.native_copy import NativeCopy
from agentdb.engine.private_files import create_private, publish
from agentdb.engine.sqlite_files import SQLITES_OWN, beside
from agentdb.engine.threads import Told as ToldCount
from agentdb.engine.values import now
from agentdb.errors import ConflictError, InvalidInputError, SchemaError, UnsupportedError, excerpt
from agentdb.lifecycle.migrate import Migrator
from agentdb.lifecycle.packaged import packaged_versions
from agentdb.lifecycle.unfinished import refuse_unfinished
from agentdb.models.names import TABLE_NAMES
from agentdb.operations.advance import Told, in_thread, nobody
from agentdb.operations.archive import ArchiveWriter, archive_path
from agentdb.operations.drafts import draft_directory, writing
from agentdb.operations.manifest import PORTABLE, BackupFormat, CopyFacts, Manifest, TableFacts
from agentdb.operations.portable import read_state, read_tables
from agentdb.operations.verification import verify
from agentdb.secrets import Vault

T = TypeVar("T")

_Write: TypeAlias = Callable[[ArchiveWriter, Path, str], Awaitable[Manifest]]


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What one backup holds.

    Attributes:
        kind: "portable", or "sqlite" or "pg_dump" for a copy by the engine's own means.
        why_portable: Why the engine's own means could not be used, where they were wanted.
        is_ready: Whether services might attach to the database.
        tables: Rows by table; empty for a database that is older than this package, whose rows it does not read.
        key_ids: The secret keys that protect what is in it. They are not in it.
        key_file: Where the key lies, if it lies beside the database.
        proves: What was checked when it was there.
    """

    path: Path
    kind: str
    why_portable: str | None
    bytes: int
    created_at: datetime
    engine: str
    schema_version: str
    is_ready: bool
    tables: Mapping[str, TableFacts]
    key_ids: tuple[str, ...]
    key_file: Path | None
    proves: tuple[str, ...]


async def back_up(
    session: Session,
    vault: Vault,
    path: str | Path,
    *,
    format: BackupFormat = "auto",  # noqa: A002 - as the command names it
    overwrite: bool = False,
    told: Told | None = None,
) -> BackupReport:
    """Write a backup; `Database.backup` tells the rest."""
    return await _Backup(session, vault, archive_path(path), told or nobody).run(format, overwrite=overwrite)


class _Backup:
    def __init__(self, session: Session, vault: Vault, path: Path, told: Told) -> None:
        self._session = session
        self._vault = vault
        self._path = path.absolute()
        self._told = told
        self._native: NativeCopy = session.dialect.native_copy

    async def run(self, format: BackupFormat, *, overwrite: bool) -> BackupReport:  # noqa: A002 - as the command names it
        if format not in ("auto", "native", "portable"):
            raise InvalidInputError(f"A backup's format is auto, native or portable, found {excerpt(format)}.")
        self._check_rights()
        self._refuse_own()
        if not overwrite:
            _refuse_existing(self._path)
        schema_version = await self._schema_version()
        obstacle = None if format == "portable" else await self._native.obstacle(self._session.client)
        is_native = format != "portable" and obstacle is None
        if format == "native" and obstacle is not None:
            raise UnsupportedError(f"{obstacle} A backup with --format portable needs nothing but agentdb.")
        if not is_native:
            _check_readable(schema_version, obstacle)
        with draft_directory(self._path) as directory:
            draft = directory / "archive"
            write = self._write_native if is_native else self._write_portable
            manifest = await self._written(draft, write, schema_version)
            verified = await verify(draft, beside=self._path, told=self._told)
            with writing(self._path):
                if not await self._in_thread(lambda _: publish(draft, self._path, overwrite=overwrite)):
                    _refuse_existing(self._path)
        return BackupReport(
            path=self._path,
            kind=manifest.kind,
            why_portable=obstacle,
            bytes=verified.bytes,
            created_at=manifest.created_at,
            engine=manifest.engine,
            schema_version=schema_version,
            is_ready=manifest.state is not None,
            tables=manifest.tables,
            key_ids=manifest.key_ids,
            key_file=self._vault.key_file.path if self._vault.key_file else None,
            proves=verified.proves,
        )

    def _check_rights(self) -> None:
        # A copy of the file asks no statement by itself.
        rights = self._session.client.rights
        if rights is not None and (denied := rights.denied("read", TABLE_NAMES)):
            raise rights.refusal("db.backup", denied)

    def _refuse_own(self) -> None:
        target, place = self._session.target, Path(os.path.realpath(self._path))
        storage, keys = target.storage, self._vault.key_file
        if storage is None:
            return
        names = (*SQLITES_OWN, ".migrate-lock")
        own = [storage, *(beside(storage, name) for name in names), *([keys.path, keys.previous] if keys else [])]
        if any(place.is_relative_to(os.path.realpath(one)) for one in own):
            raise InvalidInputError(f"{self._path} is a file of the database itself. Name another one.")

    async def _written(self, draft: Path, write: _Write, schema_version: str) -> Manifest:
        with writing(self._path):
            create_private(draft)
            with closing(ArchiveWriter(draft)) as archive:
                manifest = await write(archive, draft.parent, schema_version)
                await self._in_thread(lambda told: archive.finish(manifest, told=told))
        return manifest

    async def _schema_version(self) -> str:
        applied = await Migrator(self._session).applied()
        if not applied:
            raise SchemaError(
                f"The database at {self._session.target.shown} is empty: there is nothing to back up. See --url.",
                found=None,
                expected=packaged_versions()[-1],
            )
        await refuse_unfinished(self._session)
        if applied[-1] not in packaged_versions():
            raise SchemaError(
                f"Database schema is {applied[-1]!r}, newer than this agentdb. Back it up with the agentdb that "
                "migrated it.",
                found=applied[-1],
                expected=packaged_versions()[-1],
            )
        return applied[-1]

    async def _write_portable(self, archive: ArchiveWriter, _: Path, schema_version: str) -> Manifest:
        began = now()
        async with self._session.client.snapshot() as snapshot:
            tables = await read_tables(snapshot, told=self._told, archive=archive)
            return self._manifest(PORTABLE, began, schema_version, await read_state(snapshot), tables)

    async def _write_native(self, archive: ArchiveWriter, directory: Path, schema_version: str) -> Manifest:
        native, began, file = self._native, now(), directory / "copy"
        create_private(file)
        copied = native.copied(self._session.client, file, tables=TABLE_NAMES, told=partial(self._told, "copying"))
        async with copied as (snapshot, facts):
            is_known = schema_version == packaged_versions()[-1]
            tables = await read_tables(snapshot, told=self._told) if is_known else {}
            manifest = self._manifest(native.kind, began, schema_version, await read_state(snapshot), tables)
        size, sha256 = await self._in_thread(
            lambda told: archive.add_copy(native.kind, file, is_compressed=native.is_compressed, told=told)
        )
        copy_facts = CopyFacts(bytes=size, sha256=sha256, facts=dict(facts))
        return manifest.model_copy(update={"copy_facts": copy_facts})

    def _manifest(
        self,
        kind: str,
        began: datetime,
        schema_version: str,
        state: dict[str, Any] | None,
        tables: dict[str, TableFacts],
    ) -> Manifest:
        return Manifest(
            kind=kind,
            created_at=began,
            agentdb=version("agentdb"),
            engine=self._session.dialect.title,
            schema_version=schema_version,
            key_ids=self._vault.key_ids,
            state=state,
            tables=tables,
        )

    async def _in_thread(self, work: Callable[[ToldCount], T]) -> T:
        return await in_thread(work, "writing", self._told)


def _check_readable(schema_version: str, obstacle: str | None) -> None:
    newest = packaged_versions()[-1]
    if schema_version != newest:
        raise SchemaError(
            f"Database schema is {schema_version!r}, and a portable backup is made by the agentdb of that schema "
            f"alone. {obstacle or 'Leave out --format portable.'}",
            found=schema_version,
            expected=newest,
        )


def _refuse_existing(path: Path) -> None:
    if os.path.lexists(path):
        raise ConflictError(f"{path} is there already. Name another file, or let it be replaced with --overwrite.")
