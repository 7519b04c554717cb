"""SQLite's answers to a doctor."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agentdb.engine import file_findings
from agentdb.engine.diagnosis import Diagnosis, Finding, Vitals
from agentdb.engine.sqlite import SqliteTarget
from agentdb.engine.sqlite_files import beside

if TYPE_CHECKING:
    from agentdb.engine.client import Client
    from agentdb.engine.dialect import Target

WAL_RESET_FIXED: Final = (3, 51, 3)
LARGE_LOG: Final = 128 * 2**20
"""Our checkpoints empty the log at half of that, unless a reader or another process keeps them from it."""


class SqliteDiagnosis(Diagnosis):
    """Most of it concerns the file; a database in memory has little to be examined."""

    def of_place(self, target: Target) -> Iterator[Finding]:
        assert isinstance(target, SqliteTarget)
        path = target.path
        if path is None or not path.is_file():
            return
        files = [file for suffix in ("", "-wal", "-shm") if (file := beside(path, suffix)).exists()]
        for file in files:
            yield from file_findings.of_file(file)
        directory = beside(path, "").parent
        yield from file_findings.of_directory(directory)
        yield from file_findings.of_place(directory)
        yield from _of_log(beside(path, "-wal"))

    async def vitals(self, client: Client) -> Vitals:
        target = client.target
        assert isinstance(target, SqliteTarget)
        await client.fetch("SELECT count(*) FROM sqlite_schema")
        is_writable = target.path is None or (
            os.access(target.path, os.W_OK) and os.access(target.path.parent, os.W_OK)
        )
        return Vitals(sqlite3.sqlite_version, not is_writable, None)

    async def of_database(self, client: Client, *, deep: bool) -> list[Finding]:
        target = client.target
        assert isinstance(target, SqliteTarget)
        found = [*_of_options(target)]
        if target.path is not None:
            others = await asyncio.to_thread(file_findings.processes_with, target.path)
            found += wal_reset(sqlite3.sqlite_version_info, others)
            found += [*_of_journal((await client.fetch("PRAGMA journal_mode")).rows[0]["journal_mode"])]
        if deep:
            found += [*_of_pages([str(row["quick_check"]) for row in (await client.fetch(_QUICK_CHECK)).rows])]
        return found


def wal_reset(version: tuple[int, ...], others: tuple[int, ...] | None) -> list[Finding]:
    """The defect of a version, when `others` are the further processes that have the file open (None: unknown)."""
    if version >= WAL_RESET_FIXED:
        return []
    shown = ".".join(map(str, version))
    told = f"SQLite {shown} can damage a database when two processes empty its log at the same moment (rare)"
    advice = "Use a Python whose SQLite is 3.51.3 or newer; until then let one process alone open the file."
    if others:
        listed = ", ".join(map(str, others[:5]))
        return [Finding("sqlite-wal-reset", "warning", f"{told}, and other processes have it open: {listed}.", advice)]
    known = "nobody else has it open now" if others is not None else "whether others have it open is not known here"
    return [Finding("sqlite-wal-reset", "info", f"{told}; {known}.", advice)]


_QUICK_CHECK: Final = "PRAGMA quick_check(10)"


def _of_log(log: Path) -> Iterator[Finding]:
    size = log.stat().st_size if log.exists() else 0
    if size > LARGE_LOG:
        yield Finding(
            "log-large",
            "warning",
            f"The log {log} has {size // 2**20} MiB: something keeps it from being emptied.",
            "Look for a process with a read that never ends, or one that was stopped in the middle; "
            "the log is emptied soon after.",
        )


def _of_options(target: SqliteTarget) -> Iterator[Finding]:
    if target.options.readers == 0:
        yield Finding(
            "pool-size",
            "warning",
            "readers=0: every read waits for the writer.",
            "Remove readers=0 from the URL, unless the file system allows nothing else.",
        )


def _of_journal(mode: str) -> Iterator[Finding]:
    if mode != "wal":
        yield Finding(
            "journal-mode",
            "warning",
            f"The journal mode is {mode!r}: readers and writers wait for each other.",
            "Run `agentdb init` once while nobody else has it open; it sets write-ahead logging.",
        )


def _of_pages(told: list[str]) -> Iterator[Finding]:
    if told != ["ok"]:
        yield Finding(
            "damaged",
            "error",
            f"The file is damaged in {len(told)} places or more; first of them: {told[0]}.",
            "Stop its services, keep a copy, and restore a backup.",
        )
