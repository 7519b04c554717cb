"""Taking over a PostgreSQL database that the original JavaScript package made.

It has no foreign keys, no keys that keep people and models apart, doubles for money and `json` for JSON. A plan only
reads and tells what is wrong with rows and tables. Applying it is one transaction, under the lock of migrations and
with the tables closed to everybody else, which plans again, repairs, and ends with the schema that the migrations give:
else all of it is undone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agentdb.engine import Session
from agentdb.engine.dialect import APP
from agentdb.engine.introspection import Schema
from agentdb.engine.postgres_alterations import alterations
from agentdb.errors import SchemaError, UnavailableError
from agentdb.lifecycle.attach import check_original, read_applied
from agentdb.lifecycle.packaged import packaged_versions
from agentdb.lifecycle.schema import expected_schema
from agentdb.lifecycle.start import LOCK_TIMEOUT_S, check_at_head
from agentdb.models import TABLES
from agentdb.operations._adopt_obstacles import obstacles
from agentdb.operations._adopt_repairs import Rule, Rules
from agentdb.operations._adopt_secrets import count_plain
from agentdb.operations._adopt_steps import Work, adopting, carry_out, sealing
from agentdb.operations._adopt_tables import support_tables
from agentdb.operations.adoption_plan import AdoptionPlan, Change, Repair
from agentdb.operations.advance import Told
from agentdb.operations.key_use import current_keyring
from agentdb.secrets import Keyring, Vault
from agentdb.telemetry import fields, logger

TABLE_LOCK_S: Final = 10
"""How long it waits until nobody uses the tables. Others wait behind it meanwhile, so it is not long."""

_NOT_AVAILABLE: Final = "55P03"
_SAMPLE: Final = 5

_logger = logger("agentdb.migrate")


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
        self._keyring(seal_secrets=seal_secrets)
        is_ours = await self._is_ours()
        with self._session.use():
            async with self._session.client.transaction(isolation="repeatable read", is_patient=True):
                await self._session.client.execute_script("SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = 0")
                plan, _ = await self._planned(is_ours=is_ours, seal_secrets=seal_secrets)
                return plan

    async def apply(self, *, seal_secrets: bool = False, told: Told | None = None) -> AdoptionPlan:
        """Do what there is to do, all of it or nothing; what that was.

        Raises:
            SchemaError: There are obstacles, or the result is not what the migrations give; nothing was changed.
            UnavailableError: Somebody else migrates the database, or uses its tables.
            AgentDBError: As `plan`, or PostgreSQL refused a statement; nothing was changed.
        """
        keyring = self._keyring(seal_secrets=seal_secrets)
        session, dialect = self._session, self._session.dialect
        async with dialect.migration_lock(session.client, timeout_s=LOCK_TIMEOUT_S):
            is_ours = await self._is_ours()
            with session.use():
                async with dialect.migration(session.client):
                    if not is_ours:
                        await self._close_tables()
                    plan, work = await self._planned(is_ours=is_ours, seal_secrets=seal_secrets)
                    if plan.obstacles:
                        raise _refusal(plan)
                    if work is not None:
                        await carry_out(adopting(session, work, keyring), told)
                    elif keyring is not None and plan.is_needed:
                        await carry_out([sealing(session, keyring)], told)
        if work is not None:
            told_of = fields("adopted", version=plan.version)
            _logger.info("Adopted the database at %s.", session.target.shown, extra=told_of)
        return plan

    def _keyring(self, *, seal_secrets: bool) -> Keyring | None:
        """What secrets are put under, if they are."""
        return current_keyring(self._vault) if seal_secrets else None

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

    async def _planned(self, *, is_ours: bool, seal_secrets: bool) -> tuple[AdoptionPlan, Work | None]:
        """The plan, and what its steps need; None if the tables are those of agentdb already."""
        session, version = self._session, packaged_versions()[-1]
        plain = await count_plain(session)
        if is_ours:
            return AdoptionPlan(version, version, plain_secrets=plain, seals_secrets=seal_secrets), None
        found, expected = await session.dialect.catalogue.read(session.client), expected_schema(session.dialect)
        emails = await self._emails()
        rules, repairs = await self._repairs(found, expected)
        work = Work(rules, emails, alterations(found, expected), support_tables(found))
        plan = AdoptionPlan(
            None,
            version,
            repairs=(*repairs, *([_of_emails(emails)] if emails else ())),
            changes=(
                *(Change(change.kind, change.table, change.what) for change in work.alterations),
                *(Change("table", table, "made") for table in work.new_tables),
            ),
            obstacles=tuple(await obstacles(session.fetch, found, expected, emails)),
            plain_secrets=plain,
            seals_secrets=seal_secrets,
        )
        return plan, work

    async def _repairs(self, found: Schema, expected: Schema) -> tuple[list[Rule], list[Repair]]:
        """The rules that some row meets, and what they come to."""
        met, repairs = list[Rule](), list[Repair]()
        for rule in Rules(found, expected).all():
            row = (await self._session.fetch(rule.counting))[0]
            if row["rows"]:
                met.append(rule)
                change = rule.change or "deleted"
                repairs.append(Repair(rule.table, rule.what, change, row["rows"], tuple(row["sample"])))
        return met, repairs

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
        await self._session.client.execute_script(f"SET LOCAL lock_timeout = '{TABLE_LOCK_S}s'")
        try:
            await self._session.client.execute_script(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")
        except UnavailableError as error:
            if error.engine_code != _NOT_AVAILABLE:
                raise
            raise UnavailableError(
                f"Somebody else used the tables for over {TABLE_LOCK_S} s, so nothing was changed. Let the services "
                "pause, or try again when no long transaction is open.",
                engine_code=error.engine_code,
            ) from error


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
