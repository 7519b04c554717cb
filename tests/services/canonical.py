"""Answers and contents of databases in a form in which equal ones are equal: JSON and decimals by value, types told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from agentdb import Database
from agentdb.config import Secret
from agentdb.errors import AgentDBError
from agentdb.models import INTERNAL_TABLES, TABLES
from agentdb.records import ChunkHit
from agentdb.records.base import FrozenRecord
from agentdb.types import Page
from tests.services.drawn_values import START

SIMILARITY: Final = 1e-6
"""By so much two engines may differ in how near two embeddings are."""

# The clock of a sequence stands still before this; what comes after is a database's own time of a row.
_END: Final = START + timedelta(days=5 * 365)
_SECRETS: Final = {"User": "api_key", "Provider": "api_key", "UserTool": "credential"}
# Nobody is told their ids, which a statement of PostgreSQL may use up without a row.
_IDS_OF_NOBODY: Final = {"agentdb_request", "agentdb_search", "agentdb_search_mark", "agentdb_budget_reset"}


def canonical(value: Any) -> Any:
    """Equal for what is the same to a caller."""
    match value:
        case bool() | str() | None:
            return value
        case int() | float():
            return ("number", Decimal(value))
        case Decimal():
            return ("money", str(value))
        case datetime():
            return value.isoformat() if value < _END else "a real time"
        case Secret():
            return "a secret"
        case Page():
            return {"items": canonical(value.items), "has more": value.next_cursor is not None}
        case FrozenRecord():
            parts = {name: canonical(getattr(value, name)) for name in type(value).model_fields}
            return {"record": type(value).__name__, **parts}
        case Mapping():
            return {key: canonical(item) for key, item in value.items()}
        case frozenset():
            return sorted(value)
        case Sequence():
            return [canonical(item) for item in value]
    assert is_dataclass(value), type(value)
    return {"event": type(value).__name__, **{one.name: canonical(getattr(value, one.name)) for one in fields(value)}}


def canonical_error(error: AgentDBError) -> Any:
    """Its class, its message, and its facts but for the engine's own names of them."""
    facts = {name: canonical(fact) for name, fact in vars(error).items() if name not in ("engine_code", "constraint")}
    return {"error": type(error).__name__, "message": str(error), **facts}


def are_same_hits(ours: Sequence[ChunkHit], theirs: Sequence[ChunkHit]) -> bool:
    """The contract of a similarity search: the same hits, as near up to 1e-6, in any order where they are as near.

    Of those that are as near as the last one each may have found others.
    """
    if len(ours) != len(theirs):
        return False
    near = [[one.similarity or 0 for one in hits] for hits in (ours, theirs)]
    if any(abs(one - other) > SIMILARITY for one, other in zip(*near, strict=True)):
        return False
    least = min((*near[0], *near[1]), default=0) + SIMILARITY
    certain = [{one.id: one for one in hits if (one.similarity or 0) > least} for hits in (ours, theirs)]
    shown = [
        {key: canonical(one.model_copy(update={"similarity": None})) for key, one in hits.items()} for hits in certain
    ]
    return shown[0] == shown[1]


async def contents(db: Database) -> Mapping[str, Any]:
    """The rows of all tables, by the order of their ids where these mean something."""
    return {name: await _rows(db, name) for name in (*TABLES, *INTERNAL_TABLES)}


async def _rows(db: Database, table: str) -> Any:
    model = {**TABLES, **INTERNAL_TABLES}[table]
    columns = {
        name: field for name, field in model._meta.fields_map.items() if name in model._meta.fields_db_projection
    }
    if table in _IDS_OF_NOBODY:
        del columns["id"]
    rows = [
        {name: field.to_python_value(row[field.source_field or name]) for name, field in columns.items()}
        for row in await db.session.fetch(f'SELECT * FROM "{table}" ORDER BY "id"')
    ]
    if secret := _SECRETS.get(table):
        rows = [{**row, secret: row[secret] is not None} for row in rows]
    shown = canonical(rows)
    return sorted(shown, key=str) if table in _IDS_OF_NOBODY else shown
