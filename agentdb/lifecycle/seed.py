"""Reference data, written once and kept up to date without undoing anybody's edits.

A ledger, the table `agentdb_seed`, remembers for each seeded row its id and a digest of each column as last written.
A column is updated only while it still has that digest; a recorded row that is gone stays gone; a row that was there
before is adopted as it is. A user's own directory takes over what the packaged files wrote, never the other way round.
All of it is one transaction, which also writes the row that says the database is ready.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from agentdb.config import Settings
from agentdb.engine import Session
from agentdb.errors import ConfigurationError, InvalidInputError
from agentdb.lifecycle.seed_files import SEED_TABLES, read_seed_files
from agentdb.lifecycle.seed_writer import SeedCounts, SeedWriter
from agentdb.models import State, User
from agentdb.secrets import Vault

TEST_ADMIN_EMAIL: Final = "test@test.com"
_TEST_ADMIN_BUDGET: Final = Decimal(1000)


@dataclass(frozen=True, slots=True)
class SeedReport:
    """What one seeding did, by table."""

    directory: Path
    tables: Mapping[str, SeedCounts]
    test_admin_created: bool

    @property
    def has_changed(self) -> bool:
        """Whether any row was written."""
        return self.test_admin_created or any(one.inserted or one.updated for one in self.tables.values())


class Seeder:
    """Seeds one open database; the caller holds the migration lock."""

    def __init__(self, session: Session, vault: Vault, settings: Settings) -> None:
        self._session = session
        self._vault = vault
        self._settings = settings

    async def seed(
        self, directory: Path | None = None, *, version: str, compatible_since: str, reset: str | None = None
    ) -> SeedReport:
        """Write what the files of `directory`, or the packaged ones, say.

        Args:
            version: The newest migration, which the database has now and is ready for.
            compatible_since: The oldest migration whose package may go on using it.
            reset: A table whose rows are written as the files say, whatever was edited or deleted.

        Raises:
            SeedError: A file that cannot be used; the database is unchanged.
            InvalidInputError: No seeded table is called `reset`.
            ConfigurationError: `TEST_API_KEY` is set and there is no key to digest it with.
        """
        if reset is not None and reset not in {table.name for table in SEED_TABLES}:
            raise InvalidInputError(
                f"No seeded table is called {reset!r}. They are {', '.join(table.name for table in SEED_TABLES)}."
            )
        environ = {name: value.reveal() for name, value in self._settings.variables.items()}
        files = read_seed_files(
            directory or self._settings.seed_directory, env_names=self._settings.seed_env_names, environ=environ
        )
        self.check()
        with self._session.use():
            # READ COMMITTED, so that it sees what the previous holder of the lock committed.
            async with self._session.transaction(isolation="read committed"):
                # A server may still be at work for a seeding process that died, whose lock ended with its connection.
                await self._session.dialect.lock_table(self._session.client, State._meta.db_table)
                writer = SeedWriter(self._session, self._vault, files, reset)
                for table in SEED_TABLES:
                    await writer.write(table)
                report = SeedReport(files.directory, writer.counts, await self._create_test_admin(writer))
                said: dict[str, Any] = {
                    "schema_version": version,
                    "compatible_since": compatible_since,
                    "seed_digest": files.digest,
                }
                if report.has_changed or not await State.exists(**said):
                    await State.all().delete()
                    await State.create(**said, completed_at=datetime.now(UTC))
        return report

    def check(self) -> None:
        """Refuse what can be refused before anything is written.

        Raises:
            ConfigurationError: `TEST_API_KEY` is set and there is no key to digest it with.
        """
        if self._settings.test_api_key is not None and not self._vault.is_able:
            raise ConfigurationError(
                "TEST_API_KEY is set, but there is no key to keep it safe with. "
                "Set AGENTDB_SECRET_KEY or AGENTDB_SECRET_KEY_FILE, or unset TEST_API_KEY."
            )

    async def _create_test_admin(self, writer: SeedWriter) -> bool:
        key = self._settings.test_api_key
        if key is None or await User.exists(email=TEST_ADMIN_EMAIL):
            return False
        await User.create(
            email=TEST_ADMIN_EMAIL,
            first_name="Test",
            last_name="Admin",
            status="active",
            role_id=await writer.admin_role(),
            api_key=self._vault.protect_api_key(key.reveal()),
            budget=_TEST_ADMIN_BUDGET,
            remaining=_TEST_ADMIN_BUDGET,
        )
        return True
