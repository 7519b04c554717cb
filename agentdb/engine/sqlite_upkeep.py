"""SQLite's upkeep: of the file, its log, and what deleted rows leave in both."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from agentdb.engine.sqlite_client import SqliteClient
from agentdb.engine.upkeep import Space, Upkeep
from agentdb.engine.vectors import sqlite_vec
from agentdb.errors import UnsupportedError

if TYPE_CHECKING:
    from agentdb.engine.client import Client

_INCREMENTAL: Final = 2
_PAGES: Final = 1000
"""That are given back in one transaction."""

_SAMPLE: Final = 1000
"""Rows of an index that are looked at for the planner's statistics."""


class SqliteUpkeep(Upkeep):
    """On the writer's connection: other calls of this handle wait, and with VACUUM writers everywhere do."""

    async def space(self, client: Client) -> Space:
        return await _writer(client).alone(_space, writing=False)

    async def damage(self, client: Client) -> list[str]:
        return await _writer(client).alone(_damage, writing=False)

    async def analyze(self, client: Client, tables: Sequence[str]) -> None:
        await _writer(client).alone(_analyze)

    async def trim(self, client: Client) -> None:
        while await _writer(client).alone(_trim):
            pass

    async def checkpoint(self, client: Client) -> bool:
        return await _writer(client).alone(_checkpoint)

    async def vacuum(self, client: Client, tables: Sequence[str]) -> bool:
        await _writer(client).alone(_forget_words)
        await _writer(client).alone(_vacuum)
        return await _writer(client).alone(_checkpoint)

    async def create_vector_extension(self, client: Client) -> None:
        if sqlite_vec() is None:
            raise UnsupportedError(
                "sqlite-vec is not installed, or this Python loads no extensions of SQLite; embeddings are compared "
                'without it. Install it with: pip install "agentdb[vectors]"'
            )


def _writer(client: Client) -> SqliteClient:
    assert isinstance(client, SqliteClient)
    return client


def _value(raw: sqlite3.Connection, pragma: str) -> int:
    return int(raw.execute(f"PRAGMA {pragma}").fetchone()[0])


def _space(raw: sqlite3.Connection) -> Space:
    size = _value(raw, "page_size")
    return Space(size * _value(raw, "page_count"), size * _value(raw, "freelist_count"))


def _damage(raw: sqlite3.Connection) -> list[str]:
    told = [str(row[0]) for row in raw.execute("PRAGMA integrity_check(10)").fetchall()]
    return [] if told == ["ok"] else [f"The file is damaged: {one}." for one in told]


def _analyze(raw: sqlite3.Connection) -> None:
    raw.execute(f"PRAGMA analysis_limit = {_SAMPLE}")
    raw.execute("ANALYZE")


def _trim(raw: sqlite3.Connection) -> bool:
    """Give back some pages; whether there are more."""
    if _value(raw, "auto_vacuum") != _INCREMENTAL or not _value(raw, "freelist_count"):
        return False
    raw.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()
    return _value(raw, "freelist_count") > 0


def _vacuum(raw: sqlite3.Connection) -> None:
    # So that later runs can give pages back without it.
    raw.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
    # New pages are cleared then, too: they would hold what this process last had in that memory.
    before = _value(raw, "secure_delete")
    raw.execute("PRAGMA secure_delete = ON").fetchall()
    try:
        raw.execute("VACUUM")
    finally:
        raw.execute(f"PRAGMA secure_delete = {before}").fetchall()


def _checkpoint(raw: sqlite3.Connection) -> bool:
    is_busy, _, _ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not is_busy


def _forget_words(raw: sqlite3.Connection) -> None:
    """Merge the index of words, which else keeps those of deleted messages beside the note that they are deleted."""
    if raw.execute("SELECT 1 FROM sqlite_schema WHERE name = 'agentdb_search_fts'").fetchone():
        raw.execute("INSERT INTO agentdb_search_fts (agentdb_search_fts) VALUES ('optimize')")
