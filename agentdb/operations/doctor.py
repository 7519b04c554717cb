"""What is not as it should be with a database, and what to do about it, whether it can be opened or not.

The engine's `Diagnosis` answers what depends on the engine; here stands what does not: keys, schema, clocks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from agentdb.config import Settings
from agentdb.engine import Session, Target
from agentdb.engine.diagnosis import Finding
from agentdb.engine.file_findings import of_key_file
from agentdb.engine.values import now
from agentdb.errors import AgentDBError, ConfigurationError, MissingDriverError, SchemaError, StorageError
from agentdb.lifecycle.intruders import find_intruders
from agentdb.lifecycle.vault import vault_of
from agentdb.models.names import MODULES
from agentdb.operations.health import Health, Pulse, told
from agentdb.operations.stored_secrets import secret_findings
from agentdb.secrets import Vault

if TYPE_CHECKING:
    from agentdb.engine.introspection import Schema

LARGEST_SKEW: Final = timedelta(seconds=5)

_SEVERITIES: Final = ("error", "warning", "info")
_HEALTH_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Checkup:
    """What the doctor saw.

    Attributes:
        engine: "SQLite" or "PostgreSQL".
        source: Which setting named the database.
        location: Where it is, without secrets.
        is_deep: Every page and reference was read, and a row was written.
        health: How it is doing; None if it cannot be opened.
        findings: The worst first.
    """

    engine: str
    source: str
    location: str
    is_deep: bool
    health: Health | None
    findings: tuple[Finding, ...]

    @property
    def needs_care(self) -> bool:
        """Whether anything was found that is more than good to know."""
        return any(finding.severity != "info" for finding in self.findings)


async def examine(target: Target, settings: Settings, *, deep: bool = False) -> Checkup:
    """Examine a database. What cannot be reached, opened or read is a finding.

    It creates and changes nothing, except that with `deep` it writes a row and takes it away.

    Args:
        deep: Also read every page and reference, which takes long, and write a row.
    """
    examination = _Examination(target, settings, deep=deep)
    await examination.run()
    return Checkup(
        engine=target.dialect.title,
        source=target.source,
        location=target.shown,
        is_deep=deep,
        health=examination.health,
        findings=tuple(sorted(dict.fromkeys(examination.findings), key=_by_severity)),
    )


class _Examination:
    def __init__(self, target: Target, settings: Settings, *, deep: bool) -> None:
        self._target = target
        self._settings = settings
        self._deep = deep
        self.findings: list[Finding] = []
        self.health: Health | None = None

    async def run(self) -> None:
        try:
            self.findings += await asyncio.to_thread(self._of_files)
        except OSError as error:
            self.findings.append(_unread(f"The files of the database cannot be looked at: {error.strerror}."))
        try:
            session = Session(self._target, create=False)
            await session.open(MODULES)
        except AgentDBError as error:
            self.findings.append(_unopened(error))
            return
        try:
            self.findings += await self._of_open(session)
        finally:
            await session.close()

    def _of_files(self) -> list[Finding]:
        key_file = self._settings.secret_key_file or self._target.key_file
        of_key = [*of_key_file(key_file)] if key_file is not None and key_file.is_file() else []
        return [*self._target.dialect.diagnosis.of_place(self._target), *of_key]

    async def _of_open(self, session: Session) -> list[Finding]:
        self.health = await Pulse(session).take(deep=self._deep, timeout_s=_HEALTH_TIMEOUT_S)
        found = [*self.health.findings, *_of_versions(self.health)]
        vault, of_vault = self._vault(session)
        found += of_vault
        if self.health.status == "down":
            return found
        found += await _answers(self._of_engine(session))
        found += await _answers(_of_intruders(session))
        if self.health.schema_version is not None and not self.health.pending:
            found += await _answers(_of_schema(session, deep=self._deep))
            found += await _answers(secret_findings(session, vault, self._settings.secrets))
        return found

    def _vault(self, session: Session) -> tuple[Vault | None, list[Finding]]:
        try:
            vault = vault_of(session, self._settings)
        except ConfigurationError as error:
            return None, [Finding("secret-key-unusable", "error", told(error), "Correct the key, or where it is.")]
        if vault.mode == "plain":
            return vault, [_PLAIN_MODE]
        if vault.keyring is None and not self._target.is_ephemeral:
            return vault, [_NO_KEY]
        return vault, []

    async def _of_engine(self, session: Session) -> AsyncIterator[Finding]:
        diagnosis = session.dialect.diagnosis
        before = now()
        clock = (await diagnosis.vitals(session.client)).clock
        for finding in (
            *clock_skew(before, clock or before, now()),
            *await diagnosis.of_database(session.client, deep=self._deep),
        ):
            yield finding


def clock_skew(before: datetime, server: datetime, after: datetime) -> Iterator[Finding]:
    """What it means that the server's clock showed `server` at some time between `before` and `after` here."""
    skew = max(before - server, server - after)
    if skew > LARGEST_SKEW:
        yield Finding(
            "clock-skew",
            "warning",
            f"The clocks of the server and of this machine differ by {skew.total_seconds():.0f} s: "
            "times of rows made by different machines do not compare, and reservations expire early or late.",
            "Synchronise the clocks (NTP).",
        )


def _by_severity(finding: Finding) -> int:
    return _SEVERITIES.index(finding.severity)


async def _answers(findings: AsyncIterator[Finding]) -> list[Finding]:
    found = []
    try:
        async for finding in findings:
            found.append(finding)  # noqa: PERF401 - what was found before an error counts
    except AgentDBError as error:
        found.append(_damaged(error) if _is_damage(error) else _unread(told(error)))
    return found


async def _of_intruders(session: Session) -> AsyncIterator[Finding]:
    for sentence in await find_intruders(session):
        yield Finding(
            "intruder",
            "error",
            sentence,
            "Drop it if you know where it comes from; else restore a backup. Until then nothing attaches.",
        )


async def _of_schema(session: Session, *, deep: bool) -> AsyncIterator[Finding]:
    from agentdb.lifecycle.audit import audit
    from agentdb.lifecycle.schema import differences, expected_schema, read_schema

    found, expected = await read_schema(session), expected_schema(session.dialect)
    missing = [*_missing_indexes(found, expected)]
    for table, index in missing:
        yield Finding(
            "index-missing",
            "warning",
            f"The index {index} of {table} is missing: what it serves reads the whole table, and what it kept unique "
            "is so no longer.",
            "Make it again as the migrations do; `agentdb check` shows all that differs.",
        )
    without = {f"Table {table}: index {index} is missing." for table, index in missing}
    for sentence in differences(found, expected):
        if sentence not in without:
            yield Finding("drift", "warning", sentence, "Bring the schema back to that of the migrations by hand.")
    for sentence in (await audit(session, deep=True)).orphans if deep else ():
        yield Finding("orphans", "error", sentence, "Remove these rows, or restore what they point to.")


def _missing_indexes(found: Schema, expected: Schema) -> Iterable[tuple[str, str]]:
    for name, table in expected.items():
        if name in found:
            yield from ((name, index) for index in table.indexes if index not in found[name].indexes)


def _of_versions(health: Health) -> Iterator[Finding]:
    if health.schema_version is not None and health.pending:
        yield Finding(
            "pending-migrations",
            "warning",
            f"Migrations are missing: {', '.join(health.pending)}.",
            "Run `agentdb migrate` and `agentdb seed`, or `agentdb init` for both.",
        )


def _unopened(error: AgentDBError) -> Finding:
    if _is_damage(error):
        return _damaged(error)
    kinds: tuple[tuple[type[AgentDBError], str, str], ...] = (
        (MissingDriverError, "driver-missing", "Install it."),
        (SchemaError, "no-database", "Correct the path, or run `agentdb init` to make it."),
        (StorageError, "cannot-open", "Correct the path or the permissions, or restore a backup."),
    )
    for kind, code, advice in kinds:
        if isinstance(error, kind):
            return Finding(code, "error", told(error), advice)
    return Finding("cannot-open", "error", told(error), "Look whether the server runs, and admits you from here.")


def _is_damage(error: AgentDBError) -> bool:
    return isinstance(error, StorageError) and error.reason == "corrupt"


def _damaged(error: AgentDBError) -> Finding:
    return Finding("damaged", "error", told(error), "Stop its services, keep a copy, and restore a backup.")


def _unread(problem: str) -> Finding:
    return Finding("not-examined", "warning", problem, "Part of the examination was left out. Correct it and repeat.")


_NO_KEY: Final = Finding(
    "secret-key-missing",
    "warning",
    "There is no secret key: API keys cannot be made or looked up, and no credential can be sealed or opened.",
    "Set AGENTDB_SECRET_KEY or AGENTDB_SECRET_KEY_FILE to the key that this database was made with.",
)
_PLAIN_MODE: Final = Finding(
    "secrets-plain",
    "info",
    "AGENTDB_SECRETS=plain: API keys and credentials are stored as they are.",
    "Leave the setting out, and store them again, to have them protected.",
)
