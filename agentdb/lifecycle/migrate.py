"""The road from each released schema to the next: one file per version, applied by aerich, atomically.

aerich keeps what was applied in its own table, one row per version and app; which version a database is at is read
without aerich, whose import is slow.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agentdb.engine import Session
from agentdb.engine.dialect import APP, MissingRelationError
from agentdb.engine.orm import ALIAS, TortoiseSession, adopt
from agentdb.errors import AgentDBError, SchemaError, TransactionError, UnsupportedError
from agentdb.lifecycle.attach import check_original, read_applied
from agentdb.lifecycle.packaged import Direction, load_migration, migrations_directory, packaged_versions
from agentdb.telemetry import fields, logger

if TYPE_CHECKING:
    from aerich import Command

    from agentdb.engine.orm import TortoiseClient

_logger = logger("agentdb.migrate")


class Step(NamedTuple):
    """A version as the history shows it: applied or not, and whether this package knows it."""

    version: str
    is_applied: bool
    is_packaged: bool


class Migrator:
    """Moves one database between versions. The caller holds the dialect's migration lock.

    Args:
        app: Whose migrations: agentdb's own, or those of an app beside it.
        location: The directory that holds a directory for `app`; the packaged one by default.
    """

    def __init__(self, session: Session, *, app: str = APP, location: Path | None = None) -> None:
        self._session = session
        self._app = app
        self._location = location or migrations_directory()

    async def applied(self) -> tuple[str, ...]:
        """The versions that the database has, oldest first. A plain read, outside of a transaction."""
        return tuple(version for app, version in await self._rows() if app == self._app)

    async def pending(self) -> tuple[str, ...]:
        """The packaged versions that the database does not have."""
        applied = await self.applied()
        return tuple(version for version in self._packaged() if version not in applied)

    async def history(self) -> tuple[Step, ...]:
        """All versions, packaged or applied, oldest first."""
        applied, packaged = await self.applied(), self._packaged()
        versions = sorted({*applied, *packaged})
        return tuple(Step(version, version in applied, version in packaged) for version in versions)

    async def upgrade(self) -> tuple[str, ...]:
        """Apply what is pending, each version in a transaction of its own; which ones.

        Versions that this package does not know stay as they are.

        Raises:
            SchemaError: A version has no SQL for this engine or needs a newer schema of agentdb, or the tables are the
                original package's: nothing was changed. Or rows would violate a foreign key after it: that version was
                rolled back.
            TransactionError: The caller is in a transaction.
        """
        self._check_outside()
        pending = await self.pending()
        self._check("upgrade", pending)
        await self._check_required(pending)
        if self._app == APP and pending == self._packaged():
            await self._refuse_original()
        if not pending:
            return ()  # without importing aerich, which takes most of a second
        async with self._aerich() as (command, client):
            for version in pending:
                async with self._step(version):
                    await command._upgrade(client, f"{version}.py")
                told = fields("migration_applied", version=version, app=self._app)
                _logger.info("Applied migration %s of %s.", version, self._app, extra=told)
        return pending

    async def downgrade(self, version: str | None = None) -> tuple[str, ...]:
        """Undo the newest version, or all after `version`, newest first; which ones.

        Raises:
            SchemaError: `version` is not applied, or one to be undone is not packaged, has no SQL for this engine, or
                is needed by another app: nothing was changed.
            TransactionError: The caller is in a transaction.
        """
        self._check_outside()
        undone = self._after(version, await self.applied())
        self._check("downgrade", undone)
        await self._check_dependents(undone)
        if not undone:
            return ()
        async with self._aerich() as (command, _):
            for undo in undone:
                async with self._step(undo):
                    await command.downgrade(version=-1, delete=False)
                told = fields("migration_undone", version=undo, app=self._app)
                _logger.info("Took back migration %s of %s.", undo, self._app, extra=told)
        return undone

    async def mark(self) -> None:
        """Note all packaged versions as applied, in the caller's transaction, which has made what they make."""
        async with self._aerich() as (command, client):
            for version in self._packaged():
                await command._upgrade(client, f"{version}.py", fake=True)

    def _packaged(self) -> tuple[str, ...]:
        return packaged_versions(self._app, location=self._location)

    async def _rows(self) -> list[tuple[str, str]]:
        return await read_applied(self._session)

    def _after(self, version: str | None, applied: Sequence[str]) -> tuple[str, ...]:
        if version is None:
            return tuple(applied[-1:])
        if version not in applied:
            raise SchemaError(
                f"Migration {version} of {self._app} is not applied, so it cannot be gone back to. "
                f"Applied are: {', '.join(applied) or 'none'}.",
                found=applied[-1] if applied else None,
                expected=version,
            )
        return tuple(reversed(applied[applied.index(version) + 1 :]))

    def _check_outside(self) -> None:
        if self._session.client.joined() is not None:
            raise TransactionError("A migration has a transaction of its own. Leave yours first.")

    def _check(self, direction: Direction, versions: Sequence[str]) -> None:
        for version in versions:
            migration = load_migration(version, app=self._app, location=self._location)
            migration.check_body(direction, self._session.dialect.name)

    async def _check_required(self, versions: Sequence[str]) -> None:
        rows = await self._rows()
        for version in versions:
            required = load_migration(version, app=self._app, location=self._location).requires
            if required is not None and (APP, required) not in rows:
                raise SchemaError(
                    f"Migration {version} of {self._app} builds on {required} of {APP}, which is not applied. "
                    "Run `agentdb migrate` first.",
                    found=next((version for app, version in reversed(rows) if app == APP), None),
                    expected=required,
                )

    async def _refuse_original(self) -> None:
        try:
            await check_original(self._session)
        except (SchemaError, UnsupportedError):
            return
        raise SchemaError(
            "The original package made this database. Run `agentdb adopt` to see what taking it over needs, or use it "
            'as it is with connect(skip_sync=True, schema="original").',
            found="original",
            expected=self._packaged()[-1],
        )

    async def _check_dependents(self, versions: Sequence[str]) -> None:
        rows = await self._rows()
        dependents = sorted({app for app, _ in rows} - {self._app})
        is_last = len(versions) == len([app for app, _ in rows if app == self._app])
        if self._app == APP and is_last and dependents:
            raise SchemaError(
                f"The tables of {', '.join(dependents)} build on those of {APP}. Downgrade them first.",
                found=rows[-1][1],
                expected="none",
            )

    @asynccontextmanager
    async def _step(self, version: str) -> AsyncIterator[None]:
        try:
            async with self._session.dialect.migration(self._session.client):
                yield
                if self._app == APP:
                    await self._forget_ready()
        except AgentDBError as error:
            error.add_note(f"Migration {version} of {self._app} was rolled back.")
            raise

    async def _forget_ready(self) -> None:
        """The seed says again that the database is ready, in its own transaction."""
        client = self._session.client
        with suppress(MissingRelationError):
            async with client.transaction():
                await client.fetch('DELETE FROM "agentdb_state"')

    @asynccontextmanager
    async def _aerich(self) -> AsyncIterator[tuple[Command, TortoiseClient]]:
        """aerich, working on this database. It keeps app and directory on classes, so one at a time in this process."""
        from aerich import Command
        from aerich.migrate import Migrate
        from aerich.models import Aerich

        async with _turn():
            adopt(Aerich)
            tortoise = TortoiseSession(self._session.client, ["aerich.models"])
            command = Command({"apps": {self._app: {"default_connection": ALIAS}}}, app=self._app)
            Migrate.migrate_location = self._location / self._app
            with tortoise.entered():
                yield command, tortoise.client


_taken = threading.Lock()


@asynccontextmanager
async def _turn() -> AsyncIterator[None]:
    while not _taken.acquire(blocking=False):  # noqa: ASYNC110 - an asyncio lock serves one loop, threads have others
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        _taken.release()
