"""What only the owner of a database does: migrate, seed, look whether all is well."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agentdb.config import Settings
from agentdb.engine import Session
from agentdb.engine.misread import reading
from agentdb.lifecycle.attach import read_readiness
from agentdb.lifecycle.audit import Audit, audit
from agentdb.lifecycle.intruders import refuse_intruders
from agentdb.lifecycle.migrate import Migrator
from agentdb.lifecycle.packaged import packaged_versions
from agentdb.lifecycle.seed import Seeder, SeedReport
from agentdb.lifecycle.start import LOCK_TIMEOUT_S, StartReport, check_at_head, head, make_ready
from agentdb.lifecycle.unfinished import refuse_unfinished
from agentdb.models import TABLES
from agentdb.secrets import Vault


@dataclass(frozen=True, slots=True)
class Status:
    """What `db.status()` sees.

    Attributes:
        engine: "SQLite" or "PostgreSQL".
        source: Which setting named the database.
        location: Where it is, without secrets.
        schema_version: The migration it was made ready at; None if it is not ready.
        pending: Packaged migrations that it does not have yet.
        row_counts: Rows by table; empty while tables are missing.
    """

    engine: str
    source: str
    location: str
    schema_version: str | None
    expected_version: str
    completed_at: datetime | None
    pending: tuple[str, ...]
    row_counts: dict[str, int]

    @property
    def is_ready(self) -> bool:
        """Whether services of this package may attach."""
        return self.schema_version is not None and not self.pending


class Owner:
    """The verbs of one open database; `Database` tells what each promises."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings

    async def make_ready(self, *, is_audited: bool) -> tuple[Vault, StartReport]:
        return await make_ready(self._session, self._settings, is_audited=is_audited)

    async def migrate(self) -> tuple[str, ...]:
        async with self._locked():
            with reading():
                await refuse_intruders(self._session)
                return await Migrator(self._session).upgrade()

    async def downgrade(self, version: str | None) -> tuple[str, ...]:
        async with self._locked():
            return await Migrator(self._session).downgrade(version)

    async def seed(self, vault: Vault, directory: Path | None, *, reset: str | None) -> SeedReport:
        async with self._locked():
            with reading():
                await refuse_intruders(self._session)
                await refuse_unfinished(self._session)
                await check_at_head(self._session)
                return await Seeder(self._session, vault, self._settings).seed(directory, reset=reset, **head())

    async def check(self) -> Audit:
        with reading():
            return await audit(self._session, deep=True)

    async def status(self) -> Status:
        target = self._session.target
        readiness = await read_readiness(self._session)
        pending = await Migrator(self._session).pending()
        return Status(
            engine=target.dialect.title,
            source=target.source,
            location=target.shown,
            schema_version=readiness.version if readiness else None,
            expected_version=packaged_versions()[-1],
            completed_at=readiness.completed_at if readiness else None,
            pending=pending,
            row_counts={} if pending else await self._row_counts(),
        )

    def _locked(self) -> AbstractAsyncContextManager[None]:
        return self._session.dialect.migration_lock(self._session.client, timeout_s=LOCK_TIMEOUT_S)

    async def _row_counts(self) -> dict[str, int]:
        # Table names are ours; one statement, so that the counts belong together.
        counts = " UNION ALL ".join(
            f'SELECT {position} AS "position", count(*) AS "rows" FROM "{name}"'  # noqa: S608 - both are ours
            for position, name in enumerate(TABLES)
        )
        rows = await self._session.fetch(f"{counts} ORDER BY 1")
        return {name: row["rows"] for name, row in zip(TABLES, rows, strict=True)}
