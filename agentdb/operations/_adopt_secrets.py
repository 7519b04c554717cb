"""Secrets that are stored as they are, and how they are put under the key in one go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from agentdb.engine import Row, Session
from agentdb.secrets import PREFIX, Keyring, place_of, unwrapped, wrapped

_BATCH: Final = 1000


class _Place(NamedTuple):
    """A column of secrets.

    Attributes:
        plain: Which rows hold a plain one, as a condition.
        cast: To the column's type, from text.
    """

    table: str
    column: str
    plain: str
    cast: str
    protect: Callable[[Keyring, int, str], str]

    @property
    def name(self) -> str:
        return f"{self.table}.{self.column}"


def _digest(keyring: Keyring, row_id: int, stored: str) -> str:
    return keyring.digest_api_key(stored)


def _seal(keyring: Keyring, row_id: int, stored: str) -> str:
    return keyring.seal(stored, table="Provider", column="apiKey", row_id=row_id)


def _seal_credential(keyring: Keyring, row_id: int, stored: str) -> str:
    text = unwrapped(stored, place=place_of("UserTool", "credential", row_id))
    return wrapped(keyring.seal(text, table="UserTool", column="credential", row_id=row_id))


# A rule deletes empty API keys; an empty key of a provider is no secret. A JSON null is no credential.
_KEY_IS_PLAIN: Final = f"""btrim("apiKey") <> '' AND "apiKey" NOT LIKE '{PREFIX}%'"""
_PLACES: Final = (
    _Place("User", "apiKey", _KEY_IS_PLAIN, "text", _digest),
    _Place("Provider", "apiKey", _KEY_IS_PLAIN, "text", _seal),
    _Place(
        "UserTool",
        "credential",
        r"""btrim("credential"::text) <> 'null' AND "credential"::text !~ '^\s*(\{\s*"sealed"\s*:\s*)?"agd1\$'""",
        "jsonb",
        _seal_credential,
    ),
)


async def count_plain(session: Session) -> dict[str, int]:
    """How many secrets are stored as they are, by place; places without any are left out."""
    counts = {}
    for place in _PLACES:
        rows = await session.fetch(
            f'SELECT count(*) AS "rows" FROM "{place.table}" WHERE {place.plain}'  # noqa: S608 - names of the schema
        )
        if rows[0]["rows"]:
            counts[place.name] = rows[0]["rows"]
    return counts


async def seal(session: Session, keyring: Keyring) -> None:
    """Protect all of them, in the caller's transaction, a batch by one statement."""
    for place in _PLACES:
        after = 0
        while rows := await _read(session, place, after):
            await _write(session, place, keyring, rows)
            after = rows[-1]["id"]


async def _read(session: Session, place: _Place, after: int) -> list[Row]:
    return list(
        await session.fetch(
            f'SELECT "id", "{place.column}"::text AS "stored" FROM "{place.table}" '  # noqa: S608 - names of the schema
            f'WHERE "id" > $1 AND {place.plain} ORDER BY "id" LIMIT {_BATCH} FOR NO KEY UPDATE',
            [after],
        )
    )


async def _write(session: Session, place: _Place, keyring: Keyring, rows: Sequence[Row]) -> None:
    protected = [place.protect(keyring, row["id"], row["stored"]) for row in rows]
    await session.fetch(
        f"""
        UPDATE "{place.table}" AS "row" SET "{place.column}" = "new"."stored"::{place.cast}
        FROM unnest($1::bigint[], $2::text[]) AS "new" ("id", "stored") WHERE "new"."id" = "row"."id"
        """,  # noqa: S608 - names of the schema
        [[row["id"] for row in rows], protected],
    )
