"""Writing the rows of seed files, table by table, with a ledger of what was written.

A column is updated only while it still has the digest that the ledger has of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from tortoise.expressions import Q

from agentdb.engine import Session
from agentdb.engine.values import canonical_json
from agentdb.errors import ConfigurationError, StorageError
from agentdb.lifecycle.seed_files import SECRET_COLUMNS, SeedFiles, SeedRow, SeedTable
from agentdb.models import Agent, Prompt, Record, Role, SeedEntry
from agentdb.secrets import Vault
from agentdb.telemetry import fields, logger

_EDITED: Final = ""  # no digest: a column that is not ours to update

_logger = logger("agentdb.seed")


@dataclass(slots=True)
class SeedCounts:
    """What seeding did to one table, in rows.

    Attributes:
        adopted: Were there without us; left as they are.
        kept: Ours, with nothing new in the files.
        gone: Deleted by somebody since; left out.
    """

    inserted: int = 0
    updated: int = 0
    adopted: int = 0
    kept: int = 0
    gone: int = 0


@dataclass(slots=True)
class SeedWriter:
    """One seeding under way.

    Attributes:
        ids: Row ids by table and natural key; a row that is gone has none.
    """

    session: Session
    vault: Vault
    files: SeedFiles
    reset: str | None
    ids: dict[str, dict[str, int]] = field(default_factory=dict)
    counts: dict[str, SeedCounts] = field(default_factory=dict)
    _has_warned: bool = False

    async def write(self, table: SeedTable) -> None:
        self.ids[table.name] = {}
        rows = self.files.rows.get(table.name)
        if rows is None:
            return
        counts = self.counts[table.name] = SeedCounts()
        is_empty = await self._locked_if_empty(table)
        resolved = [(row, self._resolved(table, row)) for row in rows]
        ledger = await self._ledger(table)
        present = await _present(table, [values for _, values in resolved if values], ledger)
        if table.name == self.reset:
            ledger = await _without_gone(ledger, present)
        for row, values in resolved:
            entry = ledger.get(row.key)
            if values is None:
                counts.gone += 1
                continue
            record = present.get(entry.row_id) if entry else _match(table, values, present)
            if record is None and entry is not None:
                counts.gone += 1
                continue
            if record is None:
                record = await self._insert(table, row, values, honour_id=is_empty)
                counts.inserted += 1
            elif entry is None:
                await self._adopt(table, row, values, record)
                counts.adopted += 1
            elif await self._update(table, row, values, record, entry, fixed=self._fixed(table, values, present)):
                counts.updated += 1
            else:
                counts.kept += 1
            self.ids[table.name].setdefault(row.key, record.id)
        if is_empty:
            await self.session.dialect.advance_ids(self.session.client, table.name)

    async def admin_role(self) -> int | None:
        """The role that the files call admin, whatever it is called by now, else the one that is called so."""
        seeded = self.ids[Role.__name__].get("admin")
        role = None if seeded else await Role.get_or_none(name="admin")
        return role.id if role else seeded

    async def _ledger(self, table: SeedTable) -> dict[str, SeedEntry]:
        """What was written before, by natural key."""
        ledger: dict[str, SeedEntry] = {}
        async for entry in SeedEntry.filter(table_name=table.name):
            if entry.source == self.files.source:
                ledger[entry.key] = entry
            else:
                ledger.setdefault(entry.key, self._taken_over(table, entry))
        return ledger

    def _taken_over(self, table: SeedTable, entry: SeedEntry) -> SeedEntry:
        """A row of another source as if it were ours; what a user's own directory wrote is not ours to update."""
        return SeedEntry(
            source=self.files.source,
            table_name=entry.table_name,
            key=entry.key,
            row_id=entry.row_id,
            digests=_not_ours(table) if self.files.is_packaged else entry.digests,
        )

    def _fixed(self, table: SeedTable, values: Mapping[str, Any], present: Mapping[int, Record]) -> Collection[str]:
        """Columns that are not written: the natural key, unless a reset finds it free."""
        return () if table.name == self.reset and _match(table, values, present) is None else table.key

    async def _locked_if_empty(self, table: SeedTable) -> bool:
        """Whether the ids of the files may be used. Then nobody else inserts before the sequence is moved on."""
        if await table.model.exists():
            return False
        await self.session.dialect.lock_table(self.session.client, table.name)
        return not await table.model.exists()

    def _resolved(self, table: SeedTable, row: SeedRow) -> dict[str, Any] | None:
        """The row's values with ids of the database; None if a row it needs is gone."""
        values = dict(row.values)
        for column, parent in table.references.items():
            if values.get(column) is None:
                continue
            key = self.files.keys_by_id(parent.__name__)[values[column]]
            values[column] = self.ids[parent.__name__].get(key)
            if values[column] is None and column in table.key:
                return None
        return values

    async def _insert(self, table: SeedTable, row: SeedRow, values: dict[str, Any], *, honour_id: bool) -> Record:
        secrets = {column: values.pop(column) for column in _secrets(table, values)}
        given = values | ({"id": row.id} if honour_id and row.id is not None else {})
        record = await table.model.create(**_attributes(table, given))
        written = values | await self._write_secrets(table, record, secrets)
        digests = {column: column_digest(value) for column, value in written.items()}
        await self._remember(table, row, record, digests)
        return record

    async def _adopt(self, table: SeedTable, row: SeedRow, values: dict[str, Any], record: Record) -> None:
        entry = await self._remember(table, row, record, _not_ours(table))
        if table.name == self.reset:
            await self._update(table, row, values, record, entry, fixed=table.key)

    async def _update(
        self,
        table: SeedTable,
        row: SeedRow,
        values: Mapping[str, Any],
        record: Record,
        entry: SeedEntry,
        *,
        fixed: Collection[str],
    ) -> bool:
        present, digests = _columns(table, record), dict(entry.digests)
        is_reset = table.name == self.reset
        if is_reset:  # as if all of it were ours
            digests = {column: column_digest(present[column]) for column in values}
        secrets = _secrets(table, values)
        fresh = {
            column: value
            for column, value in values.items()
            if column not in fixed
            and not (column in secrets and value is None)  # an unset variable erases nothing
            and digests.get(column, _NULL)
            == column_digest(present[column])  # a column new to the files is ours while null
            and not (self._holds(table, record, column, value) if column in secrets else _same(present[column], value))
        }
        if not fresh and digests == entry.digests:
            return False
        if table.model is Prompt and "content" in fresh and await _is_somebodys(record) and not is_reset:
            record = await self._next_version(table, record, fresh)
        else:
            plain = {column: value for column, value in fresh.items() if column not in secrets}
            if plain:
                moved = {"updated_at": datetime.now(UTC)} | _attributes(table, plain)
                await table.model.filter(id=record.id).update(**moved)
        written = fresh | await self._write_secrets(table, record, {c: fresh[c] for c in secrets if c in fresh})
        entry.digests = digests | {column: column_digest(value) for column, value in written.items()}
        entry.row_id = record.id
        await entry.save()
        self.ids[table.name][row.key] = record.id
        return bool(fresh)

    async def _next_version(self, table: SeedTable, record: Record, fresh: Mapping[str, Any]) -> Record:
        """A changed text of a prompt that somebody's agent uses: theirs stays, seeded agents move on."""
        assert isinstance(record, Prompt)
        taken = [one.version or 0 async for one in Prompt.filter(name=record.name)]
        planned = [row.values["version"] for row in self.files.rows[table.name] if row.values["name"] == record.name]
        version = max([*taken, *planned]) + 1
        return await Prompt.create(**_attributes(table, fresh), name=record.name, version=version)

    async def _write_secrets(self, table: SeedTable, record: Record, secrets: Mapping[str, Any]) -> dict[str, Any]:
        """Seal `secrets` into a row that has an id now; what was stored, by column."""
        stored: dict[str, Any] = {}
        for column, text in secrets.items():
            if text is None:
                stored[column] = None
            elif self.vault.is_able:
                stored[column] = self.vault.protect(text, table=table.name, column=column, row_id=record.id)
            else:
                stored[column] = None
                self._warn_of_secret(table, column)
        if stored:
            await table.model.filter(id=record.id).update(**_attributes(table, stored))
        return stored

    def _warn_of_secret(self, table: SeedTable, column: str) -> None:
        if not self._has_warned:
            _logger.warning(
                "There is no secret key, so %s.%s is left empty. Set AGENTDB_SECRET_KEY or AGENTDB_SECRET_KEY_FILE, "
                "or AGENTDB_SECRETS=plain to store secrets as they are.",
                table.name,
                column,
                extra=fields("secret_left_empty", table=table.name, column=column),
            )
        self._has_warned = True

    def _holds(self, table: SeedTable, record: Record, column: str, text: str) -> bool:
        """Whether the secret is there already; without a key nothing can be compared or written."""
        stored = _columns(table, record)[column]
        if stored is None or not self.vault.is_able:
            return not self.vault.is_able
        try:
            return self.vault.reveal(stored, table=table.name, column=column, row_id=record.id).reveal() == text
        except (ConfigurationError, StorageError):  # under another key, plain or damaged: written anew
            return False

    async def _remember(self, table: SeedTable, row: SeedRow, record: Record, digests: dict[str, str]) -> SeedEntry:
        return await SeedEntry.create(
            source=self.files.source, table_name=table.name, key=row.key, row_id=record.id, digests=digests
        )


async def _present(
    table: SeedTable, wanted: Sequence[Mapping[str, Any]], ledger: Mapping[str, SeedEntry]
) -> dict[int, Record]:
    """The rows that the ledger or a natural key may mean, locked, so that no edit slips in between look and update."""
    column = table.key[0]
    attribute = table.model._meta.fields_db_projection_reverse[column]
    recorded = Q(id__in=[entry.row_id for entry in ledger.values()])
    filters: Any = {f"{attribute}__in": [values[column] for values in wanted]}
    natural = Q(**filters)
    found = table.model.filter(recorded | natural).order_by("id").select_for_update()
    return {record.id: record async for record in found}


async def _without_gone(ledger: Mapping[str, SeedEntry], present: Mapping[int, Record]) -> dict[str, SeedEntry]:
    """Forget the rows that somebody deleted, so that they are written again."""
    gone = [entry for entry in ledger.values() if entry.row_id not in present]
    await SeedEntry.filter(id__in=[entry.id for entry in gone if entry.id]).delete()
    return {key: entry for key, entry in ledger.items() if entry.row_id in present}


def _match(table: SeedTable, values: Mapping[str, Any], present: Mapping[int, Record]) -> Record | None:
    """A row that nobody recorded, found by its natural key."""
    wanted = {column: values[column] for column in table.key} | dict(table.only)
    for record in present.values():
        columns = _columns(table, record)
        if all(columns[column] == value for column, value in wanted.items()):
            return record
    return None


async def _is_somebodys(prompt: Record) -> bool:
    return await Agent.filter(prompt_id=prompt.id, user_id__isnull=False).exists()


def _not_ours(table: SeedTable) -> dict[str, str]:
    """The digests of a row that somebody else wrote: none of its columns is updated."""
    return dict.fromkeys(table.columns(), _EDITED)


def _columns(table: SeedTable, record: Record) -> dict[str, Any]:
    projection = table.model._meta.fields_db_projection
    return {column: getattr(record, attribute) for attribute, column in projection.items()}


def _attributes(table: SeedTable, values: Mapping[str, Any]) -> dict[str, Any]:
    by_column = table.model._meta.fields_db_projection_reverse
    return {by_column[column]: value for column, value in values.items()}


def _secrets(table: SeedTable, values: Mapping[str, Any]) -> list[str]:
    return [column for column in values if (table.name, column) in SECRET_COLUMNS]


def _same(left: Any, right: Any) -> bool:
    return column_digest(left) == column_digest(right)


def column_digest(value: Any) -> str:
    """What the ledger keeps of a column's value."""
    match value:
        case Decimal():
            value = f"{value:.10f}"
        case datetime():
            value = value.astimezone(UTC).isoformat()
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


_NULL: Final = column_digest(None)
