"""What a directory of seed files holds, read and checked before anything is written.

One CSV file for each table, under the schema's own column names. The column `id` only connects the files: a number in
`roleID` means the row with that id in `roles.csv`. A directory need not have all files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tortoise.fields import BooleanField, TextField
from tortoise.fields.base import Field

from agentdb.engine.values import canonical_json
from agentdb.errors import SeedError
from agentdb.lifecycle.csv_file import Column, Row, read_rows
from agentdb.models import (
    Agent,
    AgentTool,
    Model,
    Policy,
    Prompt,
    Provider,
    Record,
    Role,
    RolePolicy,
    Tool,
)
from agentdb.models.fields import JsonField, MoneyField, NumberField, TimestampField

PACKAGED: Final = Path(__file__).parent / "data"
"""The seed files that come with agentdb."""

SECRET_COLUMNS: Final[Collection[tuple[str, str]]] = frozenset({("Provider", "apiKey")})
"""Columns that are sealed on the way into the database, as (table, column)."""

_PACKAGED_SOURCE: Final = "agentdb"

_KINDS: Final = {
    TextField: "text",
    NumberField: "integer",
    MoneyField: "money",
    BooleanField: "boolean",
    JsonField: "json",
    TimestampField: "timestamp",
}


@dataclass(frozen=True, slots=True)
class SeedTable:
    """One file and the table it fills.

    Attributes:
        key: Columns that tell two rows apart; they are matched, never updated.
        references: Columns that hold the `id` of a row of another file, with the table it fills.
        only: Columns with the one value that a seeded row has: a private tool named like a builtin one is another row.
    """

    model: type[Record]
    file: str
    key: tuple[str, ...]
    references: Mapping[str, type[Record]]
    only: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.model.__name__

    def columns(self) -> dict[str, Column]:
        """The columns that the file may have."""
        meta = self.model._meta
        # A relation's column is a field of its own only once Tortoise has connected the models.
        relations = {meta.fields_map[name].source_field or "" for name in meta.fk_fields} | set(self.references)
        return dict.fromkeys(relations - {""}, Column("integer")) | {
            column: Column(kind=_kind(meta.fields_map[attribute]), holds_secret=(self.name, column) in SECRET_COLUMNS)
            for attribute, column in meta.fields_db_projection.items()
        }


# In the order in which they are written: parents first.
SEED_TABLES: Final = (
    SeedTable(Role, "roles.csv", ("name",), {}, {}),
    SeedTable(Policy, "policies.csv", ("name",), {}, {}),
    SeedTable(RolePolicy, "role-policies.csv", ("roleID", "policyID"), {"roleID": Role, "policyID": Policy}, {}),
    SeedTable(Provider, "providers.csv", ("name",), {}, {}),
    SeedTable(Model, "models.csv", ("internalName",), {"providerID": Provider}, {}),
    SeedTable(Prompt, "prompts.csv", ("name", "version"), {}, {}),
    SeedTable(Agent, "agents.csv", ("name",), {"modelID": Model, "promptID": Prompt}, {"userID": None}),
    SeedTable(Tool, "tools.csv", ("name",), {}, {"type": "builtin"}),
    SeedTable(AgentTool, "agent-tools.csv", ("toolID", "agentID"), {"toolID": Tool, "agentID": Agent}, {}),
)


@dataclass(frozen=True, slots=True)
class SeedRow:
    """One row of a file.

    Attributes:
        key: Its natural key in words, stable however the ids in the files change.
        values: By column, without `id`; references still hold ids of the files.
    """

    file: str
    line: int
    id: int | None
    key: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SeedFiles:
    """A directory, read.

    Attributes:
        source: Under which name the ledger keeps what was written from here.
        digest: Of every file that took part.
    """

    directory: Path
    source: str
    rows: Mapping[str, tuple[SeedRow, ...]]
    digest: str

    @property
    def is_packaged(self) -> bool:
        """Whether these are the files that come with agentdb."""
        return self.source == _PACKAGED_SOURCE

    def keys_by_id(self, table: str) -> Mapping[int, str]:
        """Natural keys by the ids of the file of `table`."""
        return {row.id: row.key for row in self.rows.get(table, ()) if row.id is not None}


def read_seed_files(directory: Path | None, *, env_names: Collection[str], environ: Mapping[str, str]) -> SeedFiles:
    """Read `directory`, or the packaged files.

    Raises:
        SeedError: No such directory, none of the files in it, or a file or row that cannot be used.
    """
    where = directory or PACKAGED
    if not where.is_dir():
        raise SeedError("there is no such directory", file=str(where))
    present = [table for table in SEED_TABLES if (where / table.file).exists()]
    if not present:
        raise SeedError(f"none of {', '.join(table.file for table in SEED_TABLES)} is here", file=str(where))
    rows: dict[str, tuple[SeedRow, ...]] = {}
    for table in present:
        found = read_rows(where / table.file, columns=table.columns(), env_names=env_names, environ=environ)
        rows[table.name] = _checked(table, where / table.file, found, rows)
    return SeedFiles(where, _PACKAGED_SOURCE if directory is None else "directory", rows, _digest(rows))


def _checked(
    table: SeedTable, path: Path, found: list[Row], parents: Mapping[str, tuple[SeedRow, ...]]
) -> tuple[SeedRow, ...]:
    rows: list[SeedRow] = []
    lines_by_key: dict[str, int] = {}
    lines_by_id: dict[int, int] = {}
    for one in found:
        values = dict(one.values)
        row_id = values.pop("id", None)
        _check_id(path, one.line, row_id)
        _check_only(table, path, one.line, values)
        row = SeedRow(str(path), one.line, row_id, _key(table, path, one.line, values, parents), values)
        _check_once(row, lines_by_key, row.key, f"the key {row.key!r}", None)
        if row_id is not None:
            _check_once(row, lines_by_id, row_id, f"the id {row_id}", "id")
        rows.append(row)
    return tuple(rows)


def _check_id(path: Path, line: int, row_id: int | None) -> None:
    if row_id is not None and row_id < 1:
        raise SeedError(f"an id is 1 or greater, found {row_id}", file=str(path), line=line, column="id")


def _check_once(row: SeedRow, seen: dict[Any, int], value: Any, what: str, column: str | None) -> None:
    if value in seen:
        raise SeedError(f"{what} stands in line {seen[value]} already", file=row.file, line=row.line, column=column)
    seen[value] = row.line


def _check_only(table: SeedTable, path: Path, line: int, values: dict[str, Any]) -> None:
    for column, value in table.only.items():
        if values.setdefault(column, value) != value:
            raise SeedError(
                f"a seeded {table.name} has {value!r} here, found {values[column]!r}",
                file=str(path),
                line=line,
                column=column,
            )


def _key(
    table: SeedTable, path: Path, line: int, values: Mapping[str, Any], parents: Mapping[str, tuple[SeedRow, ...]]
) -> str:
    parts = []
    for column, parent in table.references.items():
        number = values.get(column)
        if number is None:
            continue
        key = next((row.key for row in parents.get(parent.__name__, ()) if row.id == number), None)
        if key is None:
            raise SeedError(
                f"{number} is the id of no row for {parent.__name__}", file=str(path), line=line, column=column
            )
        if column in table.key:
            parts.append(key)
    for column in table.key:
        if values.get(column) in (None, ""):
            raise SeedError(
                "a value is needed, because it tells the row apart", file=str(path), line=line, column=column
            )
        if column not in table.references:
            parts.append(str(values[column]))
    # A list where a name alone does not tell: a separator could stand in a name too.
    return parts[0] if len(parts) == 1 else canonical_json(parts)


def _digest(rows: Mapping[str, tuple[SeedRow, ...]]) -> str:
    digest = hashlib.sha256()
    for table, found in rows.items():
        for row in found:
            shown = {name: value for name, value in row.values.items() if (table, name) not in SECRET_COLUMNS}
            digest.update(repr((table, row.key, sorted(shown.items()))).encode())
    return digest.hexdigest()


def _kind(field: Field[Any]) -> Any:
    return next(kind for type_, kind in _KINDS.items() if isinstance(field, type_))
