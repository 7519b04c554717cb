"""Whether a backup is whole, without restoring it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from agentdb.engine.location import native_copy_of
from agentdb.engine.native_copy import NativeCopy
from agentdb.engine.private_files import create_private
from agentdb.errors import UnsupportedError
from agentdb.lifecycle.packaged import packaged_versions
from agentdb.operations.advance import Told, in_thread, nobody
from agentdb.operations.archive import Archive, archive_path, damaged
from agentdb.operations.drafts import draft_directory, writing
from agentdb.operations.manifest import TableFacts
from agentdb.operations.portable import check_lines, check_tables
from agentdb.operations.tables import Table, carried_tables

_SEALED: Final = "Every bit of the file is as it was written (SHA-256)."
_SAME_COPY: Final = "The copy in it is the one that was taken (SHA-256)."
_SAME_ROWS: Final = "Every table has the rows, by number and content (SHA-256), that the database had."
_COMPARED_LATER: Final = "The rows by their content: they are compared when it is restored."
_OTHER_SCHEMA: Final = "The rows by their content: the backup is of another schema version."


class _Found(NamedTuple):
    proves: tuple[str, ...]
    leaves_open: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verification:
    """A backup that is whole.

    Attributes:
        kind: "portable", or "sqlite" or "pg_dump" for a copy by the engine's own means.
        is_ready: Whether services might attach to the database that it is of.
        tables: Rows by table; empty for a database that was older than the agentdb that made the backup.
        key_ids: The secret keys that protect what is in it. They are not in it.
        proves: What was seen, a sentence each.
        leaves_open: What only restoring it would show.
    """

    path: Path
    kind: str
    bytes: int
    created_at: datetime
    agentdb: str
    engine: str
    schema_version: str
    is_ready: bool
    tables: Mapping[str, TableFacts]
    key_ids: tuple[str, ...]
    proves: tuple[str, ...]
    leaves_open: tuple[str, ...]


async def verify(path: str | Path, *, beside: Path | None = None, told: Told = nobody) -> Verification:
    """Read all of a backup and compare it with what it says of itself. Nothing is restored.

    Args:
        beside: A file in whose directory a copy is unpacked, to be read; else that is where temporary files are.

    Raises:
        StorageError: It is no backup, cut off, or damaged, or there is no room to unpack it.
        UnsupportedError: It is of a format that came later.
        InvalidInputError: `path` is none.
    """
    file = archive_path(path)
    with closing(await in_thread(lambda count: Archive(file, told=count), "reading", told)) as archive:
        return await verify_archive(archive, beside=beside, told=told)


async def verify_archive(archive: Archive, *, beside: Path | None = None, told: Told) -> Verification:
    """The same of one that is open."""
    manifest = archive.manifest
    if manifest.is_portable:
        proves, leaves_open = await _check_portable(archive, told)
    else:
        with draft_directory(beside or temporary_place(archive)) as directory:
            file = await extracted(archive, directory, told=told)
            proves, leaves_open = await check_copy(archive, file, told=told)
    return Verification(
        path=archive.path,
        kind=manifest.kind,
        bytes=archive.size,
        created_at=manifest.created_at,
        agentdb=manifest.agentdb,
        engine=manifest.engine,
        schema_version=manifest.schema_version,
        is_ready=manifest.state is not None,
        tables=manifest.tables,
        key_ids=manifest.key_ids,
        proves=(_SEALED, *proves),
        leaves_open=leaves_open,
    )


async def _check_portable(archive: Archive, told: Told) -> _Found:
    tables = known_tables(archive)
    for name in archive.manifest.tables:
        check = partial(check_lines, archive, name, tables.get(name))
        await in_thread(lambda count, check=check: check(told=count), f"reading {name}", told)  # type: ignore[misc]  # its default
    return _Found((_SAME_ROWS,), () if tables else (_OTHER_SCHEMA,))


def temporary_place(archive: Archive) -> Path:
    """Where what is in it is unpacked that is not to stay."""
    return Path(tempfile.gettempdir()) / archive.path.name


async def extracted(archive: Archive, directory: Path, *, told: Told) -> Path:
    """The engine's own copy as a file in `directory`.

    Raises:
        StorageError: It is not what the manifest says, or there is no room for it.
    """
    file = directory / "copy"
    with writing(file):
        create_private(file)
        await in_thread(lambda count: archive.extract_copy(file, told=count), "unpacking", told)
    return file


async def check_copy(archive: Archive, file: Path, *, told: Told) -> _Found:
    """Read all of a copy that was extracted.

    Raises:
        StorageError: It is damaged.
        UnsupportedError: No engine knows copies of this kind.
    """
    native, tables = native_of(archive), known_tables(archive)
    shown = await native.prove(file, archive.copy_facts.facts)
    target = native.as_target(file)
    proves = [_SAME_COPY, *([shown] if shown else [])]
    leaves_open = [] if shown else [f"Whether {native.kind} can read the copy: the program is not installed here."]
    if not tables:
        return _Found(tuple(proves), (*leaves_open, _OTHER_SCHEMA))
    if target is None:
        return _Found(tuple(proves), (*leaves_open, _COMPARED_LATER))
    client = target.dialect.client(target, create=False)
    await client.connect()
    try:
        async with client.snapshot() as snapshot:
            await check_tables(snapshot, archive.manifest.tables, told=told)
    finally:
        await client.close()
    return _Found((*proves, _SAME_ROWS), tuple(leaves_open))


def native_of(archive: Archive) -> NativeCopy:
    """Who knows the copy in it.

    Raises:
        UnsupportedError: No engine.
    """
    native = native_copy_of(archive.manifest.kind)
    if native is None:
        raise UnsupportedError(
            f"The backup is of the kind {archive.manifest.kind!r}, which this agentdb does not know. Use agentdb "
            f"{archive.manifest.agentdb}, which made it."
        )
    return native


def known_tables(archive: Archive) -> Mapping[str, Table]:
    """The tables by name, if the backup is of the schema of this package; else none.

    Raises:
        StorageError: The backup lacks some.
    """
    manifest = archive.manifest
    if manifest.schema_version != packaged_versions()[-1]:
        return {}
    tables = {table.name: table for table in carried_tables()}
    if tables.keys() != manifest.tables.keys():
        raise damaged(archive.path, "it does not have the tables of its schema")
    return tables
