"""Taking over a PostgreSQL database that the original JavaScript package made.

It has no foreign keys, no keys that keep people and models apart, doubles for money and `json` for JSON. A plan only
reads and tells what is wrong with rows and tables. Applying it is one transaction, under the lock of migrations and
with the tables closed to everybody else, which plans again, repairs, and ends with the schema that the migrations give:
else all of it is undone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple, TypeAlias

from agentdb.engine import Session
from agentdb.engine.dialect import APP
from agentdb.engine.introspection import Schema
from agentdb.engine.postgres_alterations import Alteration, alterations, table_statements
from agentdb.errors import AgentDBError, SchemaError, UnavailableError
from agentdb.lifecycle.attach import check_original, read_applied
from agentdb.lifecycle.migrate import Migrator
from agentdb.lifecycle.packaged import packaged_versions
from agentdb.lifecycle.schema import differences, expected_schema
from agentdb.lifecycle.start import LOCK_TIMEOUT_S, check_at_head, head
from agentdb.models import TABLES, State
from agentdb.operations._adopt_obstacles import Obstacle, obstacles
from agentdb.operations._adopt_repairs import Rule, Rules
from agentdb.operations._adopt_secrets import count_plain, seal
from agentdb.operations._adopt_tables import making, support_tables
from agentdb.operations.key_use import current_keyring
from agentdb.secrets import Vault
from agentdb.telemetry import fields, logger

TABLE_LOCK_S: Final = 10
"""How long it waits until nobody uses the tables. Others wait behind it meanwhile, so it is not long."""

_NOT_AVAILABLE: Final = "55P03"
_SAMPLE: Final = 5

Told: TypeAlias = Callable[[int, int, str], None]
"""Called with how many steps are done, of how many, and what the next one is."""

_logger = logger("agentdb.migrate")

__all__ = ["TABLE_LOCK_S", "Adopter", "AdoptionPlan", "Change", "Obstacle", "Repair"]


class Repair(NamedTuple):
    """Rows that are put right.

    Attributes:
        what: What is wrong with each, a clause about the row.
        change: What becomes of it.
        rows: How many.
        sample: Their first ids.
    """

    table: str
    what: str
    change: str
    rows: int
    sample: tuple[int, ...]


class Change(NamedTuple):
    """Something of the schema that is changed or made.

    Attributes:
        kind: "type", "column", "default", "null", "index", "foreign key" or "table".
    """

    kind: str
    table: str
    what: str


@dataclass(frozen=True, slots=True)
class AdoptionPlan:
    """What adopting a database takes.

    Attributes:
        found: The version of agentdb's schema that it has already; None if it is still the original's.
        version: The one that it has afterwards.
        repairs: What is wrong with its rows, in the order in which it is put right.
        changes: What is changed of its tables.
        obstacles: What keeps it from being adopted, until somebody has decided.
        plain_secrets: Secrets that are stored as they are, by place.
        seals_secrets: Whether they are put under the key.
    """

    found: str | None
    version: str
    repairs: tuple[Repair, ...] = ()
    changes: tuple[Change, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    plain_secrets: Mapping[str, int] = field(default_factory=dict)
    seals_secrets: bool = False

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to do."""
        return self.found is None or (self.seals_secrets and bool(self.plain_secrets))


class _Step(NamedTuple):
    what: str
    run: Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class _Work:
    """A plan, and what its steps need."""

    plan: AdoptionPlan
    found: Schema = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    emails: dict[int, str | None] = field(default_factory=dict)
    alterations: tuple[Alteration, ...] = ()
    new_tables: tuple[str, ...] = ()


class Adopter:
    """Takes over one open database."""

    def __init__(self, session: Session, vault: Vault) -> None:
        self._session = session
        self._vault = vault

    async def plan(self, *, seal_secrets: bool = False) -> AdoptionPlan:
        """What there is to do. Reads only, in one snapshot, in a transaction in which the server refuses to write.

        Raises:
            UnsupportedError: The original package never ran on this engine.
            SchemaError: It is neither a database of the original package nor one of agentdb's present version.
            ConfigurationError: There is no key to put secrets under.
        """
        self._check_key(seal_secrets)
        is_ours = await self._is_ours()
        with self._session.use():
            async with self._session.client.transaction(isolation="repeatable read", is_patient=True):
                await self._script("SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = 0")
                return (await self._work(is_ours=is_ours, seal_secrets=seal_secrets)).plan

    async def apply(self, *, seal_secrets: bool = False, told: Told | None = None) -> AdoptionPlan:
        """Do what there is to do, all of it or nothing; what that was.

        Raises:
            SchemaError: There are obstacles, or the result is not what the migrations give; nothing was changed.
            UnavailableError: Somebody else migrates the database, or uses its tables.
            AgentDBError: As `plan`, or PostgreSQL refused a statement; nothing was changed.
        """
        self._check_key(seal_secrets)
        client, dialect = self._session.client, self._session.dialect
        async with dialect.migration_lock(client, timeout_s=LOCK_TIMEOUT_S):
            is_ours = await self._is_ours()
            with self._session.use():
                async with dialect.migration(client):
                    if not is_ours:
                        await self._close_tables()
                    work = await self._work(is_ours=is_ours, seal_secrets=seal_secrets)
                    if work.plan.obstacles:
                        raise _refusal(work.plan)
                    if work.plan.is_needed:
                        await self._carry_out(work, told)
        if work.plan.is_needed:
            _logger.info(
                "Adopted the database at %s.",
                self._session.target.shown,
                extra=fields("adopted", version=work.plan.version),
            )
        return work.plan

    def _check_key(self, seal_secrets: bool) -> None:
        if seal_secrets:
            current_keyring(self._vault)

    async def _is_ours(self) -> bool:
        """Whether agentdb has made or adopted it. Outside of a transaction, which a missing table would end.

        Raises:
            UnsupportedError: The original package never ran on this engine.
            SchemaError: It has, with another version than this one, or it is nobody's.
        """
        await check_original(self._session)
        applied = [version for app, version in await read_applied(self._session) if app == APP]
        if applied:
            await check_at_head(self._session)
        return bool(applied)

    async def _work(self, *, is_ours: bool, seal_secrets: bool) -> _Work:
        version = packaged_versions()[-1]
        if is_ours:
            secrets = await count_plain(self._session)
            return _Work(AdoptionPlan(version, version, plain_secrets=secrets, seals_secrets=seal_secrets))
        found = await self._session.dialect.catalogue.read(self._session.client)
        expected = expected_schema(self._session.dialect)
        emails = await self._emails()
        rules, repairs = await self._repairs(found, expected)
        if emails:
            repairs.append(_of_emails(emails))
        changes, new_tables = alterations(found, expected), support_tables(found)
        plan = AdoptionPlan(
            None,
            version,
            tuple(repairs),
            (
                *(Change(change.kind, change.table, change.what) for change in changes),
                *(Change("table", table, "made") for table in new_tables),
            ),
            tuple(await obstacles(self._session.fetch, found, expected, emails)),
            await count_plain(self._session),
            seal_secrets,
        )
        return _Work(plan, found, rules, emails, tuple(changes), new_tables)

    async def _repairs(self, found: Schema, expected: Schema) -> tuple[tuple[Rule, ...], list[Repair]]:
        """The rules that some row meets, and what they come to."""
        met, repairs = list[Rule](), list[Repair]()
        for rule in Rules(found, expected).all():
            row = (await self._session.fetch(rule.counting))[0]
            if row["rows"]:
                met.append(rule)
                change = rule.change or "deleted"
                repairs.append(Repair(rule.table, rule.what, change, row["rows"], tuple(row["sample"])))
        return tuple(met), repairs

    async def _emails(self) -> dict[int, str | None]:
        """Addresses as services look for them, by the id of their user, where they are stored in another form."""
        rows = await self._session.fetch(
            # Whatever is not printable ASCII without capitals may change; the rest cannot.
            """SELECT "id", "email" FROM "User" WHERE "email" = '' OR "email" COLLATE "C" ~ '[^!-@\\[-~]'"""
        )
        kept = {row["id"]: row["email"].strip().casefold() or None for row in rows}
        return {row["id"]: kept[row["id"]] for row in rows if kept[row["id"]] != row["email"]}

    async def _close_tables(self) -> None:
        names = ", ".join(f'"{name}"' for name in TABLES)
        await self._script(f"SET LOCAL lock_timeout = '{TABLE_LOCK_S}s'")
        try:
            await self._script(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")
        except UnavailableError as error:
            if error.engine_code != _NOT_AVAILABLE:
                raise
            raise UnavailableError(
                f"Somebody else used the tables for over {TABLE_LOCK_S} s, so nothing was changed. Let the services "
                "pause, or try again when no long transaction is open.",
                engine_code=error.engine_code,
            ) from error

    async def _carry_out(self, work: _Work, told: Told | None) -> None:
        steps = self._steps(work)
        for done, step in enumerate(steps):
            if told is not None:
                told(done, len(steps), step.what)
            try:
                await step.run()
            except AgentDBError as error:
                error.add_note(f"That was when it came to this: {step.what}. Nothing was changed.")
                raise
        if told is not None:
            told(len(steps), len(steps), "done")

    def _steps(self, work: _Work) -> list[_Step]:
        if work.plan.found is not None:
            return [self._sealing()]
        rules = [(rule, rule.statement) for rule in work.rules]
        made = "\n;".join(making(work.new_tables, self._session.dialect))
        return [
            *(self._scripted(f"{rule.table} {rule.what}", sql) for rule, sql in rules if sql and not rule.is_late),
            *([_Step("e-mails of users", partial(self._write_emails, work.emails))] if work.emails else ()),
            *(self._scripted(f"columns of {table}", sql) for table, sql in table_statements(work.alterations)),
            *(self._scripted(f"{rule.table} {rule.what}", sql) for rule, sql in rules if sql and rule.is_late),
            *(
                self._scripted(f"{change.kind} of {change.table}", change.sql)
                for change in work.alterations
                if change.kind in ("index", "foreign key")
            ),
            self._scripted("tables of agentdb", made),
            *([self._sealing()] if work.plan.seals_secrets else ()),
            _Step("schema version", self._mark),
            _Step("a look at the result", self._check_result),
        ]

    def _scripted(self, what: str, sql: str) -> _Step:
        return _Step(what, partial(self._script, sql))

    def _sealing(self) -> _Step:
        return _Step("secrets", lambda: seal(self._session, current_keyring(self._vault)))

    async def _script(self, sql: str) -> None:
        await self._session.client.execute_script(sql)

    async def _write_emails(self, emails: Mapping[int, str | None]) -> None:
        await self._session.fetch(
            """
            UPDATE "User" AS "row" SET "email" = "new"."email"
            FROM unnest($1::bigint[], $2::text[]) AS "new" ("id", "email") WHERE "new"."id" = "row"."id"
            """,
            [[*emails], [*emails.values()]],
        )

    async def _mark(self) -> None:
        await Migrator(self._session).mark()
        await State.all().delete()
        made = head()
        await State.create(
            schema_version=made["version"],
            compatible_since=made["compatible_since"],
            completed_at=datetime.now(UTC),
        )
        for table in TABLES:
            await self._session.dialect.advance_ids(self._session.client, table)

    async def _check_result(self) -> None:
        found = await self._session.dialect.catalogue.read(self._session.client)
        left = differences(found, expected_schema(self._session.dialect))
        if left:
            raise SchemaError(
                f"The result would not be what the migrations give: {' '.join(left[:_SAMPLE])}",
                found="drifted",
                expected=head()["version"],
            )


def _of_emails(emails: Mapping[int, str | None]) -> Repair:
    what = "has an e-mail with capitals or white space, or an empty one"
    return Repair("User", what, "it is stripped and casefolded, or null", len(emails), tuple(sorted(emails)[:_SAMPLE]))


def _refusal(plan: AdoptionPlan) -> SchemaError:
    told = [
        f"{one.what if not one.rows else f'{one.table}: {one.what} ({one.rows} rows, such as {_listed(one.sample)})'}. "
        f"{one.advice}"
        for one in plan.obstacles[:_SAMPLE]
    ]
    more = f"\nAnd {len(plan.obstacles) - _SAMPLE} more." if len(plan.obstacles) > _SAMPLE else ""
    shown = "\n".join(told)
    return SchemaError(
        f"Nothing was changed, since these things are yours to decide:\n{shown}{more}",
        found="original",
        expected=plan.version,
    )


def _listed(ids: tuple[int, ...]) -> str:
    return ", ".join(map(str, ids))
