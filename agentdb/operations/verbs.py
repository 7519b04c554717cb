"""What an operator does with an open database: migrate, seed, look, keep in order, back up, move, erase."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from agentdb.config import Settings
from agentdb.engine import Session
from agentdb.secrets import Vault

if TYPE_CHECKING:
    from agentdb.lifecycle.audit import Audit
    from agentdb.lifecycle.owner import Owner, Status
    from agentdb.lifecycle.seed import SeedReport
    from agentdb.operations.adoption_plan import AdoptionPlan
    from agentdb.operations.advance import Told
    from agentdb.operations.backup import BackupReport
    from agentdb.operations.erasure import Erasure
    from agentdb.operations.export import Export
    from agentdb.operations.health import Health, Pulse
    from agentdb.operations.key_use import KeyUse
    from agentdb.operations.maintenance import Maintenance
    from agentdb.operations.manifest import BackupFormat
    from agentdb.operations.rotation import Rotation
    from agentdb.services.conversations import ConversationService
    from agentdb.services.usage import UsageService


class OperatorVerbs(ABC):
    """Each imports what it needs when it is first called: services that only attach never do."""

    session: Session
    settings: Settings
    _vault: Vault

    @property
    @abstractmethod
    def conversations(self) -> ConversationService:
        """Of the same database; so is `usage`."""

    @property
    @abstractmethod
    def usage(self) -> UsageService: ...

    async def migrate(self) -> tuple[str, ...]:
        """Apply the packaged migrations that are missing; which ones. Seed afterwards: until then it is not ready."""
        return await self._owner.migrate()

    async def downgrade(self, version: str | None = None) -> tuple[str, ...]:
        """Undo the newest migration, or all after `version`; which ones."""
        return await self._owner.downgrade(version)

    async def seed(self, directory: str | Path | None = None, *, reset: str | None = None) -> SeedReport:
        """Write reference data from `directory`, or the configured or packaged one.

        Args:
            reset: A table whose rows are written as the files say, whatever was edited or deleted.

        Raises:
            SeedError: A file that cannot be used; the database is unchanged.
            SchemaError: The database is not at this package's newest migration.
        """
        return await self._owner.seed(self._vault, Path(directory) if directory else None, reset=reset)

    async def check(self) -> Audit:
        """Compare the schema with the migrations', and look for rows that point to nothing."""
        return await self._owner.check()

    async def status(self) -> Status:
        """Engine, place, schema version and row counts."""
        return await self._owner.status()

    async def health(self, *, deep: bool = False, timeout: float = 5.0) -> Health:
        """How the database is doing, within `timeout` seconds. One that is broken or gone is an answer, no error.

        Args:
            deep: Also write a row, commit it, read it back and take it away. Any number of processes may do so at once.

        Raises:
            InvalidInputError: `timeout` is no number of seconds greater than 0.
            TransactionError: Inside a transaction of this handle, on a closed one, or in another event loop.
        """
        return await self._pulse.take(deep=deep, timeout_s=timeout)

    async def maintain(
        self,
        *,
        purge_deleted_after_days: int | None = None,
        keep_messages_days: int | None = None,
        keep_usage_days: int | None = None,
        check: bool = True,
        vacuum: bool = False,
        vector_index: bool = False,
        dry_run: bool = False,
        told: Told | None = None,
    ) -> Maintenance:
        """Check the database, give expired reservations back, index for search, refresh the planner's statistics.

        And remove what is older than so many whole days in UTC: today and the days before it are kept. It goes in short
        transactions, services go on meanwhile, and it may be killed and run again. A damaged database is only checked.

        Args:
            purge_deleted_after_days: Destroy conversations that were deleted before that.
            keep_messages_days: Remove older messages with their resources. A conversation with newer ones keeps its
                context: from its summary on, or else its newest 1000 messages. A repeated `request_id` of a removed
                message is a new one.
            keep_usage_days: Remove older usage and keep its sums by day, user, model, agent and type, which reports
                add; `usage.list` has it no more, and a repeated `request_id` of it is a new one.
            check: Read all pages and references.
            vacuum: Rewrite a SQLite file without what deleted rows left, during which nobody can write; on PostgreSQL
                VACUUM the tables, during which everybody can.
            vector_index: Create the extension pgvector. There is no index of embeddings: searches are exact, and
                inside of what one user has.
            dry_run: Only count what would be removed, and check.
            told: Called with what is worked on, and how many rows of it are done.

        Raises:
            InvalidInputError: A number of days that is not from 1 to 36,500.
            SchemaError: The database is not at this package's newest migration.
            TransactionError: Inside a transaction of this handle.
            UnsupportedError: `vector_index`, where there is no such extension.
            UnavailableError: The database was busy for too long. What was done is kept; run it again.
        """
        from agentdb.operations.maintenance import Maintainer, Policy, check_flags

        check_flags(check=check, vacuum=vacuum, vector_index=vector_index, dry_run=dry_run)
        policy = Policy(
            purge_deleted_after_days=purge_deleted_after_days,
            keep_messages_days=keep_messages_days,
            keep_usage_days=keep_usage_days,
            checks=check,
            vacuums=vacuum,
            vector_index=vector_index,
        )
        maintainer = Maintainer(self.session, usage=self.usage, conversations=self.conversations)
        return await maintainer.maintain(policy, is_dry=dry_run, told=told)

    async def erase_user(self, user_id: int) -> Erasure:
        """Remove all that a person has in any table, in one transaction, and clear it from the database's files.

        Sums of their usage stay by UTC day, under a random pseudonym that is kept nowhere else. Their agents go, also
        those that others use: others' conversations stay, without their agent. Calls for them that run meanwhile get
        NotFoundError. A SQLite file is rewritten, during which nobody can write. On PostgreSQL the tables are vacuumed:
        until the server writes over them, their pages and its write-ahead log may still hold remains that no query
        shows. Backups of before are not touched.

        Raises:
            NotFoundError: No such user, or erased before.
            InvalidInputError: `user_id` is no int.
            SchemaError: The database is not at this package's newest migration.
            TransactionError: Inside a transaction of this handle.
            UnavailableError: The database was busy for too long; nothing was erased. Call it again.
        """
        from agentdb.operations.erasure import Eraser

        return await Eraser(self.session).erase(user_id)

    async def export_user(self, user_id: int, file: str | Path | BinaryIO) -> Export:
        """Write all that a person has in any table as JSON, without secrets; see `agentdb.operations.export`.

        Args:
            file: A new file, made so that only its owner may read it, or an open one that can be sought in.

        Raises:
            NotFoundError: No such user.
            InvalidInputError: `user_id` is no int, or `file` no such file.
            StorageError: There is such a file already, or it cannot be written.
            SchemaError: The database is not at this package's newest migration.
        """
        from agentdb.operations.export import Exporter

        exporter = Exporter(self.session)
        if isinstance(file, (str, Path)):
            return await exporter.to_path(user_id, Path(file))
        return await exporter.to_file(user_id, file)

    async def rotate_key(self, *, revoke_unused: bool = False) -> Rotation:
        """Move all secrets to the current secret key, so that an earlier one can be thrown away.

        A key in the settings is exchanged by its owner: the new one goes to AGENTDB_SECRET_KEY and the old one to
        AGENTDB_SECRET_KEY_PREVIOUS, for every service, before this is called. A key file beside the database is
        exchanged here, and services that are open read the new one when they need it.

        It may be killed at any point and run again. Sealed secrets move at once. Digests of API keys move as the keys
        are used, and the earlier key is needed until all of them have moved.

        Args:
            revoke_unused: API keys that have not been used since stop working now.

        Raises:
            ConfigurationError: There is no secret key, or its file cannot be exchanged.
            SchemaError: The database is not at this package's newest migration.
            UnavailableError: The database was busy for too long. Run it again.
        """
        from agentdb.operations.rotation import Rotator  # which imports Tortoise

        return await Rotator(self.session, self._vault).rotate(revoke_unused=revoke_unused)

    async def key_use(self) -> KeyUse:
        """How many secrets are stored under which key.

        Raises:
            ConfigurationError: There is no secret key.
            SchemaError: The database is not at this package's newest migration.
        """
        from agentdb.operations.key_use import read_key_use

        return await read_key_use(self.session, self._vault)

    async def adopt(
        self,
        *,
        apply: bool = False,
        seal_secrets: bool = False,
        told: Told | None = None,
    ) -> AdoptionPlan:
        """Take over a PostgreSQL database that the original package made, or only tell what that takes.

        With `apply` its rows are repaired and its tables become those of the migrations, in one transaction that keeps
        everybody else out; it is ready afterwards, and the original's services can go on using it. Without, nothing is
        changed or locked. A database that is agentdb's already needs nothing.

        Args:
            seal_secrets: Also put secrets that are stored as they are under the key: the original's services then no
                longer find or read them.
            told: Called with what the next step is, how many are done, and of how many.

        Raises:
            UnsupportedError: The original package never ran on this engine.
            SchemaError: It is no database of the original package, or something has to be decided first.
            ConfigurationError: There is no key to put secrets under.
            UnavailableError: Somebody else migrates the database, or uses its tables. Nothing was changed.
        """
        from agentdb.operations.adopt import Adopter

        adopter = Adopter(self.session, self._vault)
        if apply:
            return await adopter.apply(seal_secrets=seal_secrets, told=told)
        return await adopter.plan(seal_secrets=seal_secrets)

    async def backup(
        self,
        path: str | Path,
        *,
        format: BackupFormat = "auto",  # noqa: A002 - as the command names it
        overwrite: bool = False,
        told: Told | None = None,
    ) -> BackupReport:
        """Write all that the database holds into one file, of one moment, while services go on; and verify it.

        The file is private (0600) and appears whole or not at all. What is committed before the call is in it. Secrets
        stay protected in it, and the secret key is not: keep that apart. `agentdb.restore` puts it back.

        Args:
            format: "native" is a copy by the engine's own means: a SQLite file, or what `pg_dump` gives. "portable" is
                made of lines that any engine can be filled from. "auto" is native where that can be had.
            overwrite: A file of that name is replaced when the backup is there.
            told: Called with what is worked on, how much of it is done, and how much there is.

        Raises:
            ConflictError: There is a file of that name.
            StorageError: The disk is full, or the file cannot be written there, or the database is damaged.
            SchemaError: The database is empty, unfinished, or newer than this package.
            UnsupportedError: There is no native copy of this database.
            AccessDeniedError: The handle is a service's, which may not read all tables.
            InvalidInputError: `path` is none, or is a file of the database itself.
        """
        from agentdb.operations.backup import back_up

        return await back_up(self.session, self._vault, path, format=format, overwrite=overwrite, told=told)

    @cached_property
    def _pulse(self) -> Pulse:
        from agentdb.operations.health import Pulse

        return Pulse(self.session)

    @cached_property
    def _owner(self) -> Owner:
        return owner_of(self.session, self.settings)


def owner_of(session: Session, settings: Settings) -> Owner:
    """Who may change the database as a whole."""
    # The migrator, the seeder and the audit take 140 ms with Tortoise. Who only attaches never needs them.
    from agentdb.lifecycle.owner import Owner

    return Owner(session, settings)
