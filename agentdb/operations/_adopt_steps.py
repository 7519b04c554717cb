"""The steps that carry out a plan to adopt a database, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple

from agentdb.engine import Session
from agentdb.engine.postgres_alterations import Alteration, table_statements
from agentdb.errors import AgentDBError, SchemaError
from agentdb.lifecycle.migrate import Migrator
from agentdb.lifecycle.schema import differences, expected_schema
from agentdb.lifecycle.start import head
from agentdb.models import TABLES, State
from agentdb.operations._adopt_repairs import Rule
from agentdb.operations._adopt_secrets import seal
from agentdb.operations._adopt_tables import making
from agentdb.operations.advance import Told
from agentdb.secrets import Keyring

_SHOWN: Final = 5


class Step(NamedTuple):
    """One part of the work, and what it is about."""

    what: str
    run: Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Work:
    """What the steps need to know.

    Attributes:
        rules: That some row meets, in the order in which they are applied.
        emails: New addresses by the id of their user.
        new_tables: Tables of agentdb's own that are made.
    """

    rules: Sequence[Rule]
    emails: Mapping[int, str | None]
    alterations: Sequence[Alteration]
    new_tables: Sequence[str]


async def carry_out(steps: Sequence[Step], told: Told | None) -> None:
    """Take the steps. What fails says at which one."""
    for done, step in enumerate(steps):
        if told is not None:
            told(step.what, done, len(steps))
        try:
            await step.run()
        except AgentDBError as error:
            error.add_note(f"That was when it came to this: {step.what}. Nothing was changed.")
            raise
    if told is not None:
        told("steps", len(steps), len(steps))  # not yet committed


def adopting(session: Session, work: Work, keyring: Keyring | None) -> list[Step]:
    """What makes an original database one of agentdb; with a key also its secrets."""
    rules = [(rule, rule.statement) for rule in work.rules]
    made = ";\n".join(making(work.new_tables, session.dialect))
    script = partial(_scripted, session)
    return [
        *(script(f"{rule.table} {rule.what}", sql) for rule, sql in rules if sql and not rule.is_late),
        *([Step("e-mails of users", partial(_write_emails, session, work.emails))] if work.emails else ()),
        *(script(f"columns of {table}", sql) for table, sql in table_statements(work.alterations)),
        *(script(f"{rule.table} {rule.what}", sql) for rule, sql in rules if sql and rule.is_late),
        *(
            script(f"{change.kind} of {change.table}", change.sql)
            for change in work.alterations
            if change.kind in ("index", "foreign key")
        ),
        script("tables of agentdb", made),
        *([sealing(session, keyring)] if keyring else ()),
        Step("schema version", partial(_mark, session)),
        Step("a look at the result", partial(_check_result, session)),
    ]


def sealing(session: Session, keyring: Keyring) -> Step:
    """What puts plain secrets under the key."""
    return Step("secrets", partial(seal, session, keyring))


def _scripted(session: Session, what: str, sql: str) -> Step:
    return Step(what, partial(session.client.execute_script, sql))


async def _write_emails(session: Session, emails: Mapping[int, str | None]) -> None:
    await session.fetch(
        """
        UPDATE "User" AS "row" SET "email" = "new"."email"
        FROM unnest($1::bigint[], $2::text[]) AS "new" ("id", "email") WHERE "new"."id" = "row"."id"
        """,
        [[*emails], [*emails.values()]],
    )


async def _mark(session: Session) -> None:
    """Say which version it has, and that it is ready. New ids go on after the greatest one."""
    await Migrator(session).mark()
    made = head()
    await State.all().delete()
    await State.create(
        schema_version=made["version"], compatible_since=made["compatible_since"], completed_at=datetime.now(UTC)
    )
    for table in TABLES:
        await session.dialect.advance_ids(session.client, table)


async def _check_result(session: Session) -> None:
    found = await session.dialect.catalogue.read(session.client)
    left = differences(found, expected_schema(session.dialect))
    if left:
        raise SchemaError(
            f"The result would not be what the migrations give: {' '.join(left[:_SHOWN])}",
            found="drifted",
            expected=head()["version"],
        )
