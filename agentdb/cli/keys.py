"""The commands about the secret key."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from agentdb.cli.commands import AsJson, Url, place_data, place_shown
from agentdb.cli.output import Table, answer
from agentdb.database import look

if TYPE_CHECKING:
    from agentdb.operations.key_use import KeyUse
    from agentdb.operations.rotation import Rotation


async def rotate_key(
    *,
    revoke_unused: Annotated[
        bool, Parameter(negative="", help="API keys that nobody has used since the key was exchanged stop working.")
    ] = False,
    status: Annotated[bool, Parameter(negative="", help="Only tell which keys are needed; change nothing.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Protect all secrets with a new secret key. It may be interrupted at any point and run again.

    A key file beside the database is exchanged by this command. A key in the settings is exchanged by you: put the new
    one into AGENTDB_SECRET_KEY and the old one into AGENTDB_SECRET_KEY_PREVIOUS, for all services, and run this then.
    """
    async with await look(url) as db:
        target = db.session.target
        if status:
            use, done = await db.key_use(), None
        else:
            done = await db.rotate_key(revoke_unused=revoke_unused)
            use = done.use
    answer(
        {
            **place_data(target),
            **({} if done is None else {"moved": done.moved, "revoked": done.revoked, "damaged": done.damaged}),
            **asdict(use),
            "remaining": use.remaining,
            "is_done": not use.remaining,
        },
        place_shown(target),
        _counts_shown(use, done),
        *([_damage_shown(done)] if done and done.damaged else ()),
        *([f"{done.revoked} API keys were not used since, and stopped working."] if done and revoke_unused else ()),
        *([f"New key in {use.key_file}\nBack it up, apart from the database."] if done and done.is_begun else ()),
        _advice(use),
        as_json=as_json,
    )
    return 1 if done and done.damaged else 0


def _counts_shown(use: KeyUse, done: Rotation | None) -> Table:
    rows = []
    for place, counts in use.counts.items():
        others = sum(use.remaining.get(place, {}).values())
        moved = [done.moved.get(place, 0)] if done else []
        rows.append((place, *moved, counts.get(use.key_id, 0), others))
    headings = ("secrets", *(["moved now"] if done else []), f"under key {use.key_id}", "under other keys")
    return Table(rows, headings)


def _damage_shown(done: Rotation) -> str:
    rows = "; ".join(f"{place}: row {', '.join(map(str, ids))}" for place, ids in done.damaged.items())
    return f"Does not open, and was left as it is: {rows}. Store these secrets again, or restore them from a backup."


def _advice(use: KeyUse) -> str:
    if not use.remaining and use.previous_key_file is not None:
        return (
            f"The earlier key stays in {use.previous_key_file} until no transaction can need it. "
            "Run the command again in a minute to have it removed; backups of before need it too."
        )
    if not use.remaining and use.key_file is None:
        return (
            f"All secrets are under the key {use.key_id}, and no other key is needed. To exchange it, set "
            "AGENTDB_SECRET_KEY to a new one and AGENTDB_SECRET_KEY_PREVIOUS to this one, for all services."
        )
    if not use.remaining:
        return "No other key is needed. If AGENTDB_SECRET_KEY_PREVIOUS is set, remove it."
    waiting = use.remaining.get("User.apiKey", {})
    needed = (
        f"Other keys are still needed: {', '.join(sorted({key for one in use.remaining.values() for key in one}))}."
    )
    if use.remaining.keys() != {"User.apiKey"}:
        return f"{needed} Set AGENTDB_SECRET_KEY_PREVIOUS to the one of them that you have, and run the command again."
    return (
        f"{needed} {sum(waiting.values())} API keys move when they are used. Run the command again later, or with "
        "--revoke-unused to let those that were not used stop."
    )
