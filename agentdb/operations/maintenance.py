"""What keeps a database in order: checked, small, quick, and without what is older than its owner wants to keep."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from agentdb.engine import Client, Session
from agentdb.engine.upkeep import Space, Upkeep
from agentdb.engine.values import now
from agentdb.errors import InvalidInputError, TransactionError
from agentdb.lifecycle.start import check_at_head
from agentdb.models import INTERNAL_TABLES, TABLES
from agentdb.operations.advance import Told, nobody
from agentdb.operations.retention import Removed, Retention, cut
from agentdb.sql import Statements

if TYPE_CHECKING:
    from agentdb.services.conversations import ConversationService
    from agentdb.services.usage import UsageService

_STATEMENTS: Final = Statements("maintenance")
_PATIENCE_S: Final = 30 * 24 * 3600.0
"""No deadline, for calls that have one."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What is removed, and what is done beside it.

    Attributes:
        purge_deleted_after_days: Deleted conversations are destroyed after so many days.
        keep_messages_days: Older messages are removed, where no context needs them.
        keep_usage_days: Older usage is removed, and its sums by day are kept.
        checks: Every page and reference is read.
        vacuums: What deleted rows took is given back.
        vector_index: The extension that compares embeddings is created.
    """

    purge_deleted_after_days: int | None = None
    keep_messages_days: int | None = None
    keep_usage_days: int | None = None
    checks: bool = True
    vacuums: bool = False
    vector_index: bool = False

    def cuts(self) -> dict[str, datetime | None]:
        """From when on things are kept, by attribute.

        Raises:
            InvalidInputError: Not a whole number of days.
        """
        days = {
            "purge_deleted_after_days": self.purge_deleted_after_days,
            "keep_messages_days": self.keep_messages_days,
            "keep_usage_days": self.keep_usage_days,
        }
        return {name: None if value is None else cut(value, name) for name, value in days.items()}


@dataclass(frozen=True, slots=True)
class Maintenance:
    """What was done, or with `is_dry_run` what would be.

    Attributes:
        problems: Damaged pages and rows that point to nothing. If there are any, nothing else was done.
        expired_reservations: Given back to their users.
        usage_rows: Removed; their sums by day are kept.
        messages: Removed because of their age, with their `resources` and these `chunks`.
        purged: Conversations that were destroyed, with all that belonged to them.
        indexed_messages: Made ready for search.
        space_before: Bytes that it took.
        space_after: Bytes that it takes now; the same for a dry run.
        free: Bytes among them that hold nothing; None where the engine does not tell.
        is_log_whole: False if somebody kept the log from being folded into the file.
    """

    is_dry_run: bool
    problems: tuple[str, ...]
    expired_reservations: int
    usage_rows: int
    messages: Removed
    purged: Removed
    indexed_messages: int
    space_before: int
    space_after: int
    free: int | None
    is_log_whole: bool


class Maintainer:
    """Keeps one open database in order."""

    def __init__(self, session: Session, *, usage: UsageService, conversations: ConversationService) -> None:
        self._session = session
        self._usage = usage
        self._conversations = conversations

    async def maintain(self, policy: Policy, *, is_dry: bool, told: Told | None) -> Maintenance:
        """`Database.maintain` tells all."""
        if self._session.client.joined() is not None:
            raise TransactionError("Maintenance has transactions of its own. Leave yours first.")
        cuts, told = policy.cuts(), told or nobody
        await check_at_head(self._session)
        before = await self._upkeep.space(self._client)
        problems = await self._problems(told) if policy.checks else ()
        if problems:
            return Maintenance(
                is_dry, problems, 0, 0, Removed(), Removed(), 0, before.used, before.used, before.free, True
            )
        if policy.vector_index and not is_dry:
            told("vector extension", 0, None)
            await self._upkeep.create_vector_extension(self._client)
        told("reservations", 0, None)
        expired = await self._expired(is_dry=is_dry)
        removing = Retention(self._session, is_dry=is_dry)
        usage, messages, purged = 0, Removed(), Removed()
        # Usage first: without its message a request may no longer be told from others.
        if before_day := cuts["keep_usage_days"]:
            usage = await _counted("usage", removing.usage(before_day), told)
        if before_day := cuts["keep_messages_days"]:
            messages = await _summed("messages", removing.messages(before_day), told)
        if before_day := cuts["purge_deleted_after_days"]:
            purged = await _summed("deleted conversations", removing.binned(before_day), told)
        told("search", 0, None)
        indexed = await self._indexed(is_dry=is_dry)
        after, is_whole = before, True
        if not is_dry:
            after, is_whole = await self._tidied(policy, told)
        return Maintenance(
            is_dry, (), expired, usage, messages, purged, indexed, before.used, after.used, after.free, is_whole
        )

    @property
    def _client(self) -> Client:
        return self._session.client

    @property
    def _upkeep(self) -> Upkeep:
        return self._session.dialect.upkeep

    async def _problems(self, told: Told) -> tuple[str, ...]:
        from agentdb.lifecycle.audit import audit

        told("check", 0, None)
        damaged = await self._upkeep.damage(self._client)
        return tuple(damaged or (await audit(self._session, deep=True)).orphans)

    async def _expired(self, *, is_dry: bool) -> int:
        if not is_dry:
            return await self._usage.expire_reservations(timeout=_PATIENCE_S)
        return await self._count("count_expired", "reservations", now=now())

    async def _indexed(self, *, is_dry: bool) -> int:
        if not is_dry:
            return await self._conversations.index_messages(timeout=_PATIENCE_S)
        return await self._count("count_unindexed", "messages")

    async def _count(self, statement: str, column: str, **values: Any) -> int:
        (row,) = await self._session.query(partial(_STATEMENTS.rows, self._session, statement, **values))
        return int(row[column])

    async def _tidied(self, policy: Policy, told: Told) -> tuple[Space, bool]:
        """The room that it takes in the end, and whether the log is folded in."""
        upkeep, client = self._upkeep, self._client
        tables = (*TABLES, *INTERNAL_TABLES)
        if policy.vacuums:
            told("vacuum", 0, None)
            await upkeep.vacuum(client, tables)
        else:
            await upkeep.trim(client)
        told("analyze", 0, None)
        await upkeep.analyze(client, tables)
        is_whole = await upkeep.checkpoint(client)
        return await upkeep.space(client), is_whole


async def _counted(what: str, slices: AsyncIterator[int], told: Told) -> int:
    total = 0
    told(what, total, None)
    async for removed in slices:
        total += removed
        told(what, total, None)
    return total


async def _summed(what: str, slices: AsyncIterator[Removed], told: Told) -> Removed:
    total = Removed()
    told(what, 0, None)
    async for removed in slices:
        total = total.plus(removed)
        told(what, total.messages, None)
    return total


def check_flags(**flags: Any) -> None:
    """
    Raises:
        InvalidInputError: One is neither True nor False.
    """
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise InvalidInputError(f"{name} is True or False, found {type(value).__name__}.")
