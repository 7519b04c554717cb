"""Making a database ready, once, however many processes start at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agentdb.config import Settings
from agentdb.engine import Session
from agentdb.engine.misread import reading
from agentdb.errors import SchemaError
from agentdb.lifecycle.attach import check_ready
from agentdb.lifecycle.audit import audit
from agentdb.lifecycle.intruders import refuse_intruders
from agentdb.lifecycle.migrate import Migrator
from agentdb.lifecycle.packaged import compatible_since, packaged_versions
from agentdb.lifecycle.seed import Seeder, SeedReport
from agentdb.lifecycle.seed_files import PACKAGED
from agentdb.lifecycle.unfinished import refuse_unfinished
from agentdb.lifecycle.vault import vault_of_owner
from agentdb.secrets import Vault

LOCK_TIMEOUT_S: Final = 120.0
"""How long a starting process waits for the one that is migrating and seeding."""


@dataclass(frozen=True, slots=True)
class StartReport:
    """What one start did.

    Attributes:
        applied: Migrations that it applied.
        key_file: The secret key that it made, if it made one.
    """

    applied: tuple[str, ...]
    seed: SeedReport
    key_file: Path | None


async def make_ready(session: Session, settings: Settings, *, is_audited: bool) -> tuple[Vault, StartReport]:
    """Migrate, seed and audit an open database under its lock.

    A database that a newer package has migrated is left as it is: older seeds would undo that package's.

    Raises:
        UnavailableError: Another process held the lock for over `LOCK_TIMEOUT_S`.
        SchemaError: A migration failed, the audit found something, the database is newer and does not admit this
            package, or it is still being filled from another one; what is wrong with what to do.
        StorageError: The disk is full, or the database damaged.
        ConfigurationError: A setting that the seeds need is missing; nothing was written.
        SeedError: A seed file cannot be used; the migrations stay, the seeds are as before.
    """
    async with session.dialect.migration_lock(session.client, timeout_s=LOCK_TIMEOUT_S):
        with reading():
            await refuse_intruders(session)
            await refuse_unfinished(session)
            vault, key_file = vault_of_owner(session, settings)
            migrator, seeder = Migrator(session), Seeder(session, vault, settings)
            if _is_newer(await migrator.applied()):
                await check_ready(session)
                return vault, StartReport((), SeedReport(settings.seed_directory or PACKAGED, {}, False), key_file)
            seeder.check()
            applied = await migrator.upgrade()
            report = await seeder.seed(None, **head())
            if is_audited:
                await check_audit(session, deep=bool(applied))
    return vault, StartReport(applied, report, key_file)


async def check_at_head(session: Session) -> None:
    """Let this package's seeds be written.

    Raises:
        SchemaError: Migrations are missing, or there are newer ones than this package's.
    """
    migrator = Migrator(session)
    applied, pending = await migrator.applied(), await migrator.pending()
    found = applied[-1] if applied else None
    if _is_newer(applied):
        raise SchemaError(
            f"Database schema is {found!r}, newer than this agentdb of {head()['version']!r}. "
            "Seed it with the package that migrated it.",
            found=found,
            expected=head()["version"],
        )
    if pending:
        raise SchemaError(found=found, expected=pending[-1])


def head() -> dict[str, str]:
    """What the ready row says once the newest packaged migration is there."""
    newest = packaged_versions()[-1]
    return {"version": newest, "compatible_since": compatible_since(newest)}


async def check_audit(session: Session, *, deep: bool) -> None:
    """
    Raises:
        SchemaError: The audit found something.
    """
    found = await audit(session, deep=deep)
    if not found.is_clean:
        raise SchemaError(
            "\n".join(
                [
                    "The database does not hold what its migrations promise (AGENTDB_SKIP_AUDIT=true starts anyway):",
                    *found.drift,
                    *found.orphans,
                ]
            ),
            found="drifted",
            expected=head()["version"],
        )


def _is_newer(applied: Sequence[str]) -> bool:
    packaged = packaged_versions()
    return bool(applied) and applied[-1] not in packaged and applied[-1] > packaged[-1]
