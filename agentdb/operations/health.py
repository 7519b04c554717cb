"""How a database is doing, for probes: it answers within its time, whatever state the database is in."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter
from typing import Any, Final, Literal, TypeAlias

from agentdb.engine import Session
from agentdb.engine.channel import settle
from agentdb.engine.diagnosis import Connections, Finding
from agentdb.engine.dialect import APP
from agentdb.engine.steps import Query, Steps
from agentdb.engine.values import now, seconds
from agentdb.errors import (
    AccessDeniedError,
    AgentDBError,
    DeadlineError,
    InvalidInputError,
    OutcomeUnknownError,
    StorageError,
    TransactionError,
    excerpt,
)
from agentdb.lifecycle.attach import objection, read_applied, read_readiness
from agentdb.lifecycle.packaged import packaged_versions
from agentdb.telemetry import redact

HealthState: TypeAlias = Literal["ok", "degraded", "down"]

# No table of this name is ever seeded, so nobody else reads these rows of the ledger.
_LEDGER: Final = "agentdb health"
_LEFT_BEHIND: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Health:
    """What `db.health()` saw.

    Attributes:
        engine: "SQLite" or "PostgreSQL".
        location: Where it is, without secrets.
        version: Of the server, or of the SQLite library; None if it gave no answer.
        schema_version: The migration that it was made ready at; None if it is not ready, or was not read.
        pending: Packaged migrations that it does not have.
        is_ready: Services of this package may attach.
        is_deep: A row was written, committed, read back and taken away.
        read_s: Seconds that one short read took; None if it gave no answer.
        write_s: Seconds that all of the deep look took; None if there was none, or it failed.
        connections: Of this handle, when the look began.
        findings: What is not as it should be. An "error" means down, a "warning" degraded.
    """

    engine: str
    location: str
    version: str | None
    schema_version: str | None
    pending: tuple[str, ...]
    is_ready: bool
    is_deep: bool
    read_s: float | None
    write_s: float | None
    connections: Connections
    findings: tuple[Finding, ...]

    @property
    def status(self) -> HealthState:
        """ "down" when it serves nobody, "degraded" when it serves some calls or soon may not, else "ok"."""
        severities = {finding.severity for finding in self.findings}
        return "down" if "error" in severities else "degraded" if "warning" in severities else "ok"


class Pulse:
    """Takes the health of one open database."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._left: set[asyncio.Task[None]] = set()

    async def take(self, *, deep: bool, timeout_s: float) -> Health:
        """Look at the database, for at most so many seconds.

        Raises:
            InvalidInputError: `timeout_s` is no number of seconds greater than 0.
            TransactionError: Inside a transaction of this handle, on a closed one, or in another event loop.
        """
        if seconds(timeout_s) <= 0:
            raise InvalidInputError(f"timeout is a number of seconds greater than 0, found {excerpt(timeout_s)}.")
        if self._session.client.joined() is not None:
            raise TransactionError("Health is looked at from outside of a transaction. Leave yours first.")
        look = _Look(self._session)
        task = asyncio.ensure_future(look.run(deep=deep))
        try:
            await asyncio.wait({task}, timeout=timeout_s)
        finally:
            self._leave(task)
        if not task.done():
            look.found(_late(timeout_s, look))
        elif not task.cancelled():
            task.result()
        return look.health()

    def _leave(self, task: asyncio.Task[None]) -> None:
        """End a look that is still under way, without waiting for what the driver does about that."""
        if not task.done():
            task.cancel()
            self._left.add(task)
            task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._left.discard(task)
        if not task.cancelled():
            task.exception()  # it was too late to matter


class _Look:
    """One look, which knows at any time what it has seen so far."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.connections = session.client.connections
        self._findings: list[Finding] = []
        self._seen: dict[str, Any] = {}

    @property
    def has_read(self) -> bool:
        """Whether the database has answered."""
        return "read_s" in self._seen

    def found(self, finding: Finding) -> None:
        """Something is not as it should be."""
        self._findings.append(finding)

    def health(self) -> Health:
        """What has been seen."""
        nothing: dict[str, Any] = {
            "version": None,
            "schema_version": None,
            "pending": (),
            "is_ready": False,
            "is_deep": False,
            "read_s": None,
            "write_s": None,
        }
        target = self._session.target
        return Health(
            engine=target.dialect.title,
            location=target.shown,
            connections=self.connections,
            findings=tuple(self._findings),
            **(nothing | self._seen),
        )

    async def run(self, *, deep: bool) -> None:
        """
        Raises:
            TransactionError: The handle is closed, or belongs to another event loop.
        """
        try:
            await self._read()
        except TransactionError:
            raise
        except Exception as error:
            self.found(_no_answer(error, self.connections))
            return
        if not deep:
            return
        if not self._session.abilities.support_tables or self._seen["schema_version"] is None:
            self.found(_NOT_DEEP)
            return
        try:
            await self._write()
        except TransactionError:
            raise
        except Exception as error:
            self.found(_no_write(error))

    async def _read(self) -> None:
        begun = perf_counter()
        vitals = await self._session.dialect.diagnosis.vitals(self._session.client)
        self._seen |= {"read_s": perf_counter() - begun, "version": vitals.version}
        if vitals.is_read_only:
            self.found(_READ_ONLY)
        if not self._session.abilities.support_tables:
            self._seen["is_ready"] = True  # its own package has no such row, and attaching has looked at the tables
            return
        readiness = await read_readiness(self._session)
        applied = [version for app, version in await read_applied(self._session) if app == APP]
        refusal = objection(readiness, self._session.target.shown)
        self._seen |= {
            "schema_version": readiness and readiness.version,
            "pending": tuple(version for version in packaged_versions() if version not in applied),
            "is_ready": refusal is None,
        }
        if refusal is not None:
            self.found(Finding("not-ready", "warning", str(refusal), "Run `agentdb status` and `agentdb init`."))

    async def _write(self) -> None:
        """Prove a commit: what is read back was written by a transaction of its own, on another connection if it can.

        Each look has a key of its own, so any number of them may run at once; what one of them left behind when its
        process was killed, a later one takes away.
        """
        begun, key, number = perf_counter(), secrets.token_hex(16), secrets.randbits(48)
        is_stored = True
        try:
            try:
                await self._session.write(lambda: self._insert(key, number))
            except AgentDBError as error:
                is_stored = isinstance(error, OutcomeUnknownError)
                raise
            rows = await self._session.query(lambda: self._stored(key), is_short=True)
        finally:
            if is_stored:  # or may be, when it was cancelled
                await settle(self._session.write(lambda: self._delete(key)))  # also if it is cancelled only now
        if rows != [number]:
            self.found(_LOST)
            return
        self._seen |= {"write_s": perf_counter() - begun, "is_deep": True}

    def _insert(self, key: str, number: int) -> Steps[None]:
        yield self._query(
            'INSERT INTO "agentdb_seed" ("source", "tableName", "key", "rowID", "digests") '
            "VALUES ({}, {}, {}, {}, '{{}}') ON CONFLICT DO NOTHING",
            _LEDGER,
            _LEDGER,
            key,
            number,
        )

    def _stored(self, key: str) -> Steps[list[int]]:
        rows = yield self._query(
            'SELECT "rowID" FROM "agentdb_seed" WHERE "source" = {} AND "tableName" = {} AND "key" = {}',
            _LEDGER,
            _LEDGER,
            key,
        )
        return [row["rowID"] for row in rows]

    def _delete(self, key: str) -> Steps[None]:
        yield self._query(
            'DELETE FROM "agentdb_seed" WHERE "source" = {} AND "tableName" = {} AND ("key" = {} OR "createdAt" < {})',
            _LEDGER,
            _LEDGER,
            key,
            now() - _LEFT_BEHIND,
        )

    def _query(self, sql: str, *values: Any) -> Query:
        places = map(self._session.dialect.placeholder, range(1, len(values) + 1))
        query = Query(sql.format(*places), values)
        self._session.check_rights(query.sql)
        return query


def told(error: Exception) -> str:
    """What an error says, without secrets. Of one that is not ours only its kind is told: it may hold anything."""
    if not isinstance(error, AgentDBError):
        return f"{type(error).__name__}."
    name = next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == AgentDBError.__module__)
    return f"{name}: {redact(str(error))}"


def _no_answer(error: Exception, connections: Connections) -> Finding:
    if isinstance(error, StorageError) and error.reason in ("full", "read-only"):
        return Finding(f"storage-{error.reason}", "warning", told(error), "Free some space, or make it writable.")
    if isinstance(error, DeadlineError) and connections.are_all_taken:
        return _ALL_TAKEN
    if isinstance(error, StorageError):
        return Finding(f"storage-{error.reason}", "error", told(error), "Restore a backup, or correct the path.")
    return Finding("no-answer", "error", told(error), "Look whether the server runs, and can be reached from here.")


def _no_write(error: Exception) -> Finding:
    if isinstance(error, StorageError):
        is_damaged = error.reason == "corrupt"
        advice = "Restore a backup." if is_damaged else "Free some space, or make it writable; reads go on."
        return Finding(f"storage-{error.reason}", "error" if is_damaged else "warning", told(error), advice)
    if isinstance(error, AccessDeniedError):
        return Finding("not-deep", "info", told(error), "Take the deep look as the owner of the database.")
    return Finding("no-write", "warning", told(error), "Reads go on. Look who holds a lock, and at the server's log.")


def _late(timeout_s: float, look: _Look) -> Finding:
    shown = f"{timeout_s:.4g} s"
    if look.has_read:
        return Finding(
            "no-write", "warning", f"Reading works, the rest was not done within {shown}.", "Look who holds a lock."
        )
    if look.connections.are_all_taken:
        return _ALL_TAKEN
    return Finding(
        "no-answer",
        "error",
        f"No answer within {shown}.",
        "Look whether the server runs, and can be reached from here.",
    )


_ALL_TAKEN: Final = Finding(
    "pool-full",
    "warning",
    "Every connection of this handle is in use, and none was given back in time.",
    "Look for transactions that stay open, or set AGENTDB_POOL_SIZE to more.",
)
_READ_ONLY: Final = Finding(
    "storage-read-only",
    "warning",
    "The database cannot be written to: the server is a standby or read-only, or its file or directory is.",
    "Connect to the primary, or correct the permissions.",
)
_LOST: Final = Finding(
    "write-lost",
    "error",
    "A row that was committed was not there when it was read back.",
    "Look whether reads go to another server than writes, and stop writing until you know.",
)
_NOT_DEEP: Final = Finding(
    "not-deep",
    "info",
    "Nothing was written: this database has no table for it, as one of the original package, or is not ready.",
    "Run `agentdb adopt` or `agentdb init` on it for a deep look.",
)
