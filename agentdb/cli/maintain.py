"""Keeping a database in order."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from cyclopts import Parameter

from agentdb.cli.asking import Yes, is_agreed
from agentdb.cli.commands import AsJson, Url, place_data, place_shown
from agentdb.cli.output import Table, answer
from agentdb.cli.progress import progress_shown
from agentdb.config import Settings
from agentdb.database import look
from agentdb.engine import Target, resolve

if TYPE_CHECKING:
    from agentdb.operations.maintenance import Maintenance

Days: TypeAlias = Annotated[int | None, Parameter(negative="")]


def maintain(
    *,
    purge_deleted_after: Annotated[Days, Parameter(help="Destroy conversations that were deleted DAYS ago.")] = None,
    keep_messages: Annotated[
        Days, Parameter(help="Remove messages older than DAYS; a conversation that goes on keeps its context.")
    ] = None,
    keep_usage: Annotated[Days, Parameter(help="Remove usage older than DAYS; its sums by day stay.")] = None,
    vacuum: Annotated[
        bool,
        Parameter(negative="", help="Rewrite a SQLite file, while nobody can write; VACUUM the tables of a server."),
    ] = False,
    vector_index: Annotated[bool, Parameter(negative="", help="Create the extension pgvector.")] = False,
    check: Annotated[bool, Parameter(help="Read all pages and references, which takes long.")] = True,
    dry_run: Annotated[bool, Parameter(negative="", help="Only check, and count what would be removed.")] = False,
    url: Url = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> int:
    """Check the database, give expired reservations back, index for search, and remove what is too old.

    Services go on meanwhile, and it may be interrupted and run again. Damage exits with 1, and nothing is removed then.
    """
    removes = {
        "purge_deleted_after_days": purge_deleted_after,
        "keep_messages_days": keep_messages,
        "keep_usage_days": keep_usage,
    }
    target = resolve(url, Settings.load())
    asks = any(days is not None for days in removes.values()) and not (yes or dry_run)
    if asks and not is_agreed(f"Remove what is older from {target.shown}, for good?"):
        return 1
    options = {**removes, "vacuum": vacuum, "vector_index": vector_index, "check": check, "dry_run": dry_run}
    done = asyncio.run(_maintain(url, options))
    answer({**place_data(target), **_data(done)}, *_shown(target, done), as_json=as_json)
    return 1 if done.problems else 0


async def _maintain(url: str | None, options: dict[str, Any]) -> Maintenance:
    with progress_shown() as told:
        async with await look(url) as db:
            return await db.maintain(**options, told=told)


def _data(done: Maintenance) -> dict[str, object]:
    return {**asdict(done), "messages": done.messages._asdict(), "purged": done.purged._asdict()}


def _shown(target: Target, done: Maintenance) -> list[str | Table]:
    if done.problems:
        told = "\n".join(done.problems)
        return [place_shown(target), told, "Nothing was changed. Stop its services, keep a copy, and restore a backup."]
    rows = [
        ("reservations that expired, given back", done.expired_reservations),
        ("rows of usage removed, their sums kept", done.usage_rows),
        ("messages removed", done.messages.messages),
        ("resources removed with them", done.messages.resources),
        ("deleted conversations destroyed", done.purged.conversations),
        ("messages destroyed with them", done.purged.messages),
        ("resources destroyed with them", done.purged.resources),
        ("messages indexed for search", done.indexed_messages),
        ("bytes before", done.space_before),
        ("bytes now", done.space_after),
    ]
    return [
        place_shown(target),
        Table(rows, ("what", "how many")),
        *(["This was a dry run: nothing was changed."] if done.is_dry_run else ()),
        *(_free_shown(done)),
        *([] if done.is_log_whole else ["Somebody reads an earlier state, so the log is not folded in yet."]),
    ]


def _free_shown(done: Maintenance) -> list[str]:
    if not done.free or done.free * 10 < done.space_after:
        return []
    return [f"{done.free} bytes of it hold nothing. --vacuum gives them back."]
