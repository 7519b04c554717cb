"""Joining a database that another service owns: look, compare versions, touch nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import agentdb.models as tables
from agentdb.engine import Abilities, Session, Target
from agentdb.engine.dialect import MissingRelationError
from agentdb.engine.misread import MISREAD, corrupt
from agentdb.engine.values import instant
from agentdb.errors import SchemaError, UnavailableError
from agentdb.lifecycle.intruders import refuse_intruders
from agentdb.lifecycle.packaged import packaged_versions
from agentdb.telemetry import fields, logger

_POLL_S: Final = 0.2
_REQUEST_IDS: Final = frozenset(
    (table, column) for table in ("Message", "Usage") for column in ("requestId", "requestIndex")
)
_RESOURCE_OWNERS: Final = frozenset({("Resource", "userID"), ("Resource", "conversationID")})
_IDENTITIES: Final = ("User_email_idx", "User_apiKey_idx", "Model_internalName_idx")

_logger = logger("agentdb.migrate")


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the database says of itself.

    Attributes:
        version: The migration it was made ready at.
        compatible_since: The oldest one whose package may use it.
        completed_at: When its owner had finished.
    """

    version: str
    compatible_since: str
    completed_at: datetime


async def read_readiness(session: Session) -> Readiness | None:
    """The ready row; None while the database is empty, or still being migrated or seeded.

    Raises:
        StorageError: It says what no agentdb wrote.
    """
    try:
        rows = await session.fetch('SELECT "schemaVersion", "compatibleSince", "completedAt" FROM "agentdb_state"')
    except MissingRelationError:
        return None
    if not rows:
        return None
    try:
        found = Readiness(rows[0]["schemaVersion"], rows[0]["compatibleSince"], instant(rows[0]["completedAt"]))
        _number(found.version), _number(found.compatible_since)
    except MISREAD as error:
        raise corrupt(error) from None
    return found


async def read_applied(session: Session) -> list[tuple[str, str]]:
    """The migrations that the database has, as (app, version), oldest first. A plain read."""
    try:
        rows = await session.fetch('SELECT "app", "version" FROM "aerich" ORDER BY "id"')
    except MissingRelationError:
        return []
    return [(row["app"], row["version"].removesuffix(".py")) for row in rows]


def objection(found: Readiness | None, shown: str) -> SchemaError | None:
    """Why a service of this package's version may not use the database at `shown`; None if it may."""
    ours = packaged_versions()[-1]
    if found is None:
        return SchemaError(
            f"The database at {shown} is not ready: it is empty, or its owner is still migrating or "
            "seeding it. Run `agentdb init`, connect without skip_sync, or wait for the owner with wait_s.",
            found=None,
            expected=ours,
        )
    if _number(found.version) < _number(ours):
        return SchemaError(found=found.version, expected=ours)
    if _number(found.compatible_since) > _number(ours):
        return SchemaError(
            f"Database schema is {found.version!r}, which no longer admits this agentdb of {ours!r}. "
            "Upgrade the package.",
            found=found.version,
            expected=ours,
        )
    return None


async def check_ready(session: Session) -> None:
    """Let a service of this package's version use the database.

    Raises:
        SchemaError: It is empty, not ready, older, or newer and no longer compatible; or what agentdb did not make
            stands in the place of a table, or acts on one.
        StorageError: It is damaged.
    """
    await refuse_intruders(session)
    found, ours = await read_readiness(session), packaged_versions()[-1]
    refusal = objection(found, session.target.shown)
    if refusal is not None:
        raise refusal
    if found is not None and _number(found.version) > _number(ours):
        _logger.warning(
            "The database is at %s, newer than this agentdb of %s, and admits it.",
            found.version,
            ours,
            extra=fields("newer_schema", version=found.version, expected=ours),
        )


async def attach(target: Target, modules: tuple[str, ...], *, wait_s: float) -> Session:
    """Open a session on a ready database, waiting up to `wait_s` for its owner.

    Raises:
        SchemaError: Still not ready; nothing was created.
        UnavailableError: Still not reachable.
    """
    deadline = asyncio.get_running_loop().time() + wait_s
    while True:
        session = Session(target, create=False)
        try:
            await session.open(modules)
            await check_ready(session)
            return session
        except (SchemaError, UnavailableError):
            await session.close()
            if asyncio.get_running_loop().time() >= deadline:
                raise
            await asyncio.sleep(_POLL_S)
        except BaseException:
            await session.close()
            raise


async def attach_original(target: Target, modules: tuple[str, ...]) -> Session:
    """Open a session on a database that the original package made, and note what it lacks.

    Raises:
        SchemaError: A table or column of the seventeen is missing.
        UnsupportedError: The original package never ran on this engine.
    """
    session = Session(target, create=False)
    await session.open(modules)
    try:
        session.abilities = await check_original(session)
        return session
    except BaseException:
        await session.close()
        raise


async def check_original(session: Session) -> Abilities:
    """Look whether the original package made this database, and what it lacks, by one read of the catalogue.

    Raises:
        SchemaError: A table or column of the seventeen is missing.
        UnsupportedError: The original package never ran on this engine.
    """
    with session.use():
        columns, unique_indexes = await session.dialect.original_columns(session.client)
    missing = sorted(_original_columns() - columns)
    if missing:
        shown = ", ".join(f"{table}.{column}" for table, column in missing[:5])
        raise SchemaError(
            f"This is no database of the original package: {len(missing)} columns are missing, such as {shown}.",
            found=None,
            expected="original",
        )
    return Abilities(
        request_ids=columns >= _REQUEST_IDS,
        unique_identity=unique_indexes.issuperset(_IDENTITIES),
        support_tables={table for table, _ in columns}.issuperset(tables.INTERNAL_TABLES),
        resource_owners=columns >= _RESOURCE_OWNERS,
    )


def _original_columns() -> set[tuple[str, str]]:
    ours = {(name, column) for name, model in tables.TABLES.items() for column in model._meta.db_fields}
    return ours - _REQUEST_IDS - _RESOURCE_OWNERS


def _number(version: str) -> int:
    return int(version.split("_", 1)[0])
