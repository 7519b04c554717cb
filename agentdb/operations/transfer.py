"""Moving a database to another engine or place: all rows with their ids and times, or nothing that looks ready.

The rows are copied in batches from one state of the source. A note in the target tells after each how far it came, so
a transfer that was killed goes on there. What the two hold is compared before the target's ready row is written, which
is the last thing: until then no service attaches, and no other process makes it ready.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from agentdb.config import Settings
from agentdb.engine import Session, Target, resolve
from agentdb.engine.diagnosis import Finding
from agentdb.engine.url import parse_url
from agentdb.errors import ConfigurationError, SchemaError
from agentdb.lifecycle.attach import read_readiness
from agentdb.lifecycle.intruders import refuse_intruders
from agentdb.lifecycle.packaged import packaged_versions
from agentdb.lifecycle.start import LOCK_TIMEOUT_S, check_at_head
from agentdb.lifecycle.vault import vault_of
from agentdb.operations.advance import Told, nobody
from agentdb.operations.contents import Content, read_contents
from agentdb.operations.move import Move
from agentdb.operations.opened import opened
from agentdb.operations.stored_secrets import secret_findings


@dataclass(frozen=True, slots=True)
class Transfer:
    """What a transfer did.

    Attributes:
        source: Where the data was, without secrets; so is `target`.
        applied: Migrations that the target got.
        rows: How many the target has, by table. What a search makes again from the messages is not among them.
        digests: SHA-256 of their contents, equal in both; None if they were not compared.
        is_resumed: It went on where an earlier one ended; False if the source had changed since, so that it began anew.
        was_done: The target held the same already, and nothing was written.
        changed: Tables of the source that were written to meanwhile. What was written is not in the target.
        key_file: The source's secret key, if it lies in a file beside it.
        findings: Of the target's secrets: what its services cannot read with the keys at hand.
    """

    source: str
    target: str
    applied: tuple[str, ...]
    rows: Mapping[str, int]
    digests: Mapping[str, str] | None
    is_resumed: bool
    was_done: bool
    changed: tuple[str, ...]
    key_file: Path | None
    findings: tuple[Finding, ...]


async def transfer(
    source: str | None,
    target: str,
    *,
    replace: bool = False,
    verify: bool = True,
    settings: Settings | None = None,
    told: Told = nobody,
) -> Transfer:
    """Copy all data of `source` to `target`, which is made and migrated if need be, and is ready afterwards.

    Stop the services of both first: what is written to the source meanwhile does not arrive. The source is only read.
    It may be killed at any point and run again, with the same arguments: it goes on. It holds the target's migration
    lock.

    Args:
        source: A URL; None is the configured database.
        replace: Delete whatever the target holds.
        verify: Compare contents and references before the target becomes ready. A transfer that goes on always does,
            because the source may have changed in between.
        told: Called after every batch with what is done to which table, how many rows, and of how many.

    Raises:
        ConfigurationError: Both are the same database, one of them is in memory, or a URL is none.
        ConflictError: The target holds rows, or the beginning of another transfer: nothing was changed. Or it does not
            hold the same as the source after all: it is not made ready.
        SchemaError: The source is not ready, or not at this package's newest migration; or the target is newer.
        InvalidInputError: The source holds a value that not every engine can keep; which rows.
        UnavailableError: Another process is migrating or seeding the target.
        AgentDBError: What cannot be read, reached, opened or written.
    """
    settings = settings or Settings.load()
    parse_url(target)  # to `resolve`, None is the configured database
    here, there = resolve(source, settings), resolve(target, settings)
    _check_lasting(here, there)
    async with opened(here, create=False) as ours:
        await _check_source(ours)
        await there.dialect.prepare(there, create_database=True)
        async with opened(there, create=True) as theirs:
            origin = await ours.dialect.identity(ours.client)
            if await theirs.dialect.identity(theirs.client) == origin:
                raise ConfigurationError(
                    f"Source and target are the same database, at {there.shown}. Name another target."
                )
            async with (
                there.dialect.migration_lock(theirs.client, timeout_s=LOCK_TIMEOUT_S),
                ours.client.snapshot() as snapshot,
            ):
                move = Move(ours, theirs, snapshot, origin=origin, replace=replace, verify=verify, told=told)
                await move.run()
            changed = await _changed(ours, move.contents)
            findings = tuple([one async for one in _secret_findings(theirs, settings)])
    return Transfer(
        source=here.shown,
        target=there.shown,
        applied=move.applied,
        rows={name: found.rows for name, found in move.contents.items()},
        digests=move.digests,
        is_resumed=move.is_resumed,
        was_done=move.was_done,
        changed=changed,
        key_file=_key_file(ours, settings),
        findings=findings,
    )


def _check_lasting(*targets: Target) -> None:
    for one in targets:
        if one.is_ephemeral:
            raise ConfigurationError(
                "A database in memory ends with the handle that made it, so nothing can be moved from or to it. "
                "Name a file or a server."
            )


async def _check_source(session: Session) -> None:
    await refuse_intruders(session)
    await check_at_head(session)
    if await read_readiness(session) is None:
        raise SchemaError(
            f"The source at {session.target.shown} is not ready: its seeds or its own transfer are not finished. "
            "Run `agentdb init` on it, or finish the transfer to it.",
            found=None,
            expected=packaged_versions()[-1],
        )


async def _changed(source: Session, before: Mapping[str, Content]) -> tuple[str, ...]:
    async with source.client.snapshot() as snapshot:
        after = await read_contents(snapshot)
    return tuple(name for name, found in after.items() if found != before[name])


async def _secret_findings(session: Session, settings: Settings) -> AsyncIterator[Finding]:
    try:
        vault = vault_of(session, settings)
    except ConfigurationError as error:
        yield Finding("secret-key-unusable", "error", str(error), "Correct the key, or where it is.")
        return
    async for finding in secret_findings(session, vault, settings.secrets):
        yield finding


def _key_file(source: Session, settings: Settings) -> Path | None:
    is_set = settings.secret_key is not None or settings.secret_key_file is not None
    path = source.target.key_file
    return path if path is not None and not is_set and path.exists() else None
