"""The command that takes over a database of the original package."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from agentdb.cli.asking import Yes, check_somebody_answers, is_agreed
from agentdb.cli.commands import AsJson, place_data, place_shown
from agentdb.cli.output import Table, answer
from agentdb.cli.progress import progress_shown
from agentdb.database import look
from agentdb.engine.dialect import Target

if TYPE_CHECKING:
    from agentdb.operations.adoption_plan import AdoptionPlan

_KINDS = ("type", "column", "default", "null", "index", "foreign key", "table")


def adopt(
    url: Annotated[
        str | None,
        Parameter(name="--url", help="The database, as postgresql://user@host/database; else as for other commands."),
    ] = None,
    *,
    apply: Annotated[bool, Parameter(negative="", help="Do it. Without, nothing is changed or locked.")] = False,
    seal_secrets: Annotated[
        bool,
        Parameter(
            negative="",
            help="Also protect plain secrets with the key. The original's services then cannot use them any more.",
        ),
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> int:
    """Take over a PostgreSQL database that the original JavaScript package made: show what that takes, or do it.

    Exits with 1 where something has to be decided first.
    """
    is_asked = apply and not yes
    if is_asked:
        check_somebody_answers()
    target, plan = asyncio.run(_run(url, apply=apply and not is_asked, seal_secrets=seal_secrets))
    if is_asked and plan.is_needed and not plan.obstacles:
        if not as_json:
            _answer(target, plan, is_done=False, as_json=False)
        if not is_agreed(f"Adopt {target.shown}? It cannot be undone: make a backup first."):
            return 1
        target, plan = asyncio.run(_run(url, apply=True, seal_secrets=seal_secrets))
        if not as_json:  # who answered has seen the rest
            print(_outcome(plan, is_done=True))
            return 0
        is_asked = False
    _answer(target, plan, is_done=apply and not is_asked, as_json=as_json)
    return 1 if plan.obstacles else 0


async def _run(url: str | None, *, apply: bool, seal_secrets: bool) -> tuple[Target, AdoptionPlan]:
    async with await look(url) as db:
        with progress_shown() as told:
            plan = await db.adopt(apply=apply, seal_secrets=seal_secrets, told=told)
        return db.session.target, plan


def _answer(target: Target, plan: AdoptionPlan, *, is_done: bool, as_json: bool) -> None:
    answer(
        {
            **place_data(target),
            "is_needed": plan.is_needed,
            "is_done": is_done,
            "found": plan.found,
            "version": plan.version,
            "repairs": [repair._asdict() for repair in plan.repairs],
            "changes": [change._asdict() for change in plan.changes],
            "obstacles": [obstacle._asdict() for obstacle in plan.obstacles],
            "plain_secrets": plan.plain_secrets,
            "seals_secrets": plan.seals_secrets,
        },
        place_shown(target),
        *_shown(plan),
        _outcome(plan, is_done=is_done),
        as_json=as_json,
    )


def _shown(plan: AdoptionPlan) -> Iterator[str | Table]:
    if plan.repairs:
        yield "Rows:"
        yield Table(
            [(one.table, one.what, one.change, one.rows, _listed(one.sample)) for one in plan.repairs],
            ("table", "a row that", "what becomes of it", "rows", "such as"),
        )
    if plan.changes:
        yield "Tables:"
        yield Table(_changes(plan), ("change", "table", "what"))
    if plan.plain_secrets:
        yield _secrets_shown(plan)
    if plan.obstacles:
        yield "To be decided first:"
        yield Table(
            [(one.table, one.what, one.rows or "", _listed(one.sample), one.advice) for one in plan.obstacles],
            ("table", "what was found", "rows", "such as", "what to do"),
        )


def _changes(plan: AdoptionPlan) -> list[tuple[str, str, str]]:
    """A line for each kind and table."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in sorted(plan.changes, key=lambda change: _KINDS.index(change.kind)):
        found.setdefault((one.kind, one.table), []).append(one.what)
    return [(kind, table, "; ".join(several)) for (kind, table), several in found.items()]


def _secrets_shown(plan: AdoptionPlan) -> str:
    counts = ", ".join(f"{rows} in {place}" for place, rows in plan.plain_secrets.items())
    if plan.seals_secrets:
        return f"Plain secrets: {counts}. They are put under the key; the original's services cannot use them any more."
    return (
        f"Plain secrets: {counts}. They stay as they are, for the original's services. Let services of agentdb run "
        "with AGENTDB_SECRETS=plain, and run this command with --seal-secrets when the original's are gone."
    )


def _outcome(plan: AdoptionPlan, *, is_done: bool) -> str:
    if not plan.is_needed:
        return f"Nothing to do: this is a database of agentdb, at {plan.version}."
    if is_done and plan.found:
        return "The secrets are under the key now."
    if is_done:
        return f"Adopted: the database is at {plan.version}, and services may attach. Run `agentdb check` to see it."
    if plan.obstacles:
        return "Nothing was changed. It can be adopted once the above is decided."
    return "Nothing was changed. Make a backup, let the services pause, and run the command with --apply."


def _listed(ids: Sequence[int]) -> str:
    return ", ".join(map(str, ids))
