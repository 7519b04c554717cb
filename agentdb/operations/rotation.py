"""Exchanging the secret key of a database, while services use it.

What is sealed is opened with the key that it names and sealed again with the current one: a batch in one transaction,
each value only if it is still the one that was read. So it can be killed at any point and run again, and whoever has
both keys reads everything at every moment in between.

A digest of an API key cannot be turned back. It moves when its key is used (see `access.authenticate`), or it is
revoked; until then the earlier key is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

import orjson

from agentdb.engine import Row, Session, Steps
from agentdb.engine.values import json_text, now
from agentdb.errors import ConfigurationError, StorageError
from agentdb.lifecycle.seed_writer import column_digest
from agentdb.lifecycle.start import LOCK_TIMEOUT_S, check_at_head
from agentdb.operations.key_use import KeyUse, current_keyring, read_key_use
from agentdb.secrets import Vault, is_sealed, key_id_of, place_of, unwrapped, wrapped
from agentdb.sql import Statements

_STATEMENTS: Final = Statements("secrets")
_BATCH: Final = 200
_ENOUGH: Final = 10
"""Passes over a table, each of which takes what somebody wrote under an earlier key since."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """What one rotation did.

    Attributes:
        moved: Secrets that are sealed with the current key now, by place.
        revoked: API keys that nobody had used since the key was exchanged, and that nobody can use any more.
        damaged: Ids of rows whose secret does not open, by place; left as they are.
        is_begun: Whether the key file beside the database got its new key now.
        use: What is needed afterwards.
    """

    moved: Mapping[str, int]
    revoked: int
    damaged: Mapping[str, tuple[int, ...]]
    is_begun: bool
    use: KeyUse

    @property
    def is_done(self) -> bool:
        """Whether nothing that is stored needs an earlier key."""
        return not self.use.remaining


class _Sealed(NamedTuple):
    """A column of sealed values, with its statements."""

    table: str
    column: str
    read: str
    move: str

    @property
    def name(self) -> str:
        return f"{self.table}.{self.column}"


_COLUMNS: Final = (
    _Sealed("Provider", "apiKey", "provider_secrets", "move_provider_secret"),
    _Sealed("UserTool", "credential", "credentials", "move_credential"),
)


class _Batch(NamedTuple):
    last_id: int | None
    moved: int
    damaged: tuple[int, ...]


class Rotator:
    """Moves the secrets of one open database to its vault's current key."""

    def __init__(self, session: Session, vault: Vault) -> None:
        self._session = session
        self._vault = vault

    async def rotate(self, *, revoke_unused: bool) -> Rotation:
        """Move what can be moved; `Database.rotate_key` tells the rest."""
        current_keyring(self._vault)
        async with self._session.dialect.migration_lock(self._session.client, timeout_s=LOCK_TIMEOUT_S):
            await check_at_head(self._session)
            key_file, is_begun = self._vault.key_file, False
            if key_file is not None:
                is_begun = not key_file.is_being_exchanged
                if is_begun and revoke_unused:
                    raise ConfigurationError(
                        "No exchange of the key is under way, so no API key could be used since: all of them would "
                        "stop working. Exchange the key first, and revoke later what was not used."
                    )
                key_file.exchange()
                self._vault.reload()
            results = {column.name: await self._column(column) for column in _COLUMNS}
            revoked = await self._revoked() if revoke_unused else 0
            use = await read_key_use(self._session, self._vault)
            if key_file is not None and not use.remaining and key_file.is_settled:
                key_file.forget_previous()
                self._vault.reload()
                use = await read_key_use(self._session, self._vault)
        return Rotation(
            moved={name: moved for name, (moved, _) in results.items()},
            revoked=revoked,
            damaged={name: damaged for name, (_, damaged) in results.items() if damaged},
            is_begun=is_begun,
            use=use,
        )

    async def _column(self, column: _Sealed) -> tuple[int, tuple[int, ...]]:
        """How many values moved, and which rows are damaged."""
        total = 0
        for _ in range(_ENOUGH):
            moved, damaged = await self._pass(column)
            total += moved
            if not moved:
                break
        return total, damaged

    async def _pass(self, column: _Sealed) -> tuple[int, tuple[int, ...]]:
        moved, damaged, after = 0, list[int](), 0
        while True:
            batch = await self._session.write(partial(self._batch, column, after))
            moved += batch.moved
            damaged += batch.damaged
            if batch.last_id is None:
                return moved, tuple(damaged)
            after = batch.last_id

    def _batch(self, column: _Sealed, after: int) -> Steps[_Batch]:
        rows = yield from _STATEMENTS.rows(self._session, column.read, after_id=after, limit=_BATCH)
        moved, damaged = 0, list[int]()
        for row in rows:
            if row["stored"] is None:
                continue
            try:
                fresh = self._sealed_again(column, row)
            except StorageError:
                damaged.append(row["id"])
                continue
            if fresh is not None:
                moved += yield from self._move(column, row, fresh)
        return _Batch(rows[-1]["id"] if rows else None, moved, tuple(damaged))

    def _sealed_again(self, column: _Sealed, row: Row) -> str | None:
        """The value under the current key; None if it is already, or its key is not at hand, or it is plain."""
        sealed, current = _value_in(column, row), current_keyring(self._vault)
        key_id = key_id_of(sealed)
        if key_id is None and is_sealed(sealed):
            raise StorageError(f"{column.name} of row {row['id']} is damaged.", reason="corrupt")
        earlier = next((one for one in self._vault.previous if one.key_id == key_id), None)
        if earlier is None:
            return None
        place: dict[str, Any] = {"table": column.table, "column": column.column, "row_id": row["id"]}
        return current.seal(earlier.open(sealed, **place), **place)

    def _move(self, column: _Sealed, row: Row, fresh: str) -> Steps[int]:
        values = {"stored": fresh} if column.table == "Provider" else {"credential": wrapped(fresh)}
        moved = yield from _STATEMENTS.rows(self._session, column.move, row_id=row["id"], found=row["stored"], **values)
        if moved:
            yield from self._remember(column, row, fresh)
        return len(moved)

    def _remember(self, column: _Sealed, row: Row, fresh: str) -> Steps[None]:
        """Let the seeds know their value again, or they would take it for one that somebody edited."""
        entries = yield from _STATEMENTS.rows(self._session, "seeded", table_name=column.table, row_id=row["id"])
        before = column_digest(row["stored"])
        for entry in entries:
            digests = entry["digests"]
            digests = orjson.loads(digests) if isinstance(digests, (str, bytes)) else digests
            if digests.get(column.column) == before:
                changed = json_text({**digests, column.column: column_digest(fresh)})
                yield from _STATEMENTS.rows(self._session, "remember_seeded", entry_id=entry["id"], digests=changed)

    async def _revoked(self) -> int:
        total, after = 0, 0
        while True:
            last_id, revoked = await self._session.write(partial(self._revoke, after))
            total += revoked
            if last_id is None:
                return total
            after = last_id

    def _revoke(self, after: int) -> Steps[tuple[int | None, int]]:
        """The last id that was looked at, and how many API keys were revoked."""
        earlier, revoked = {one.key_id for one in self._vault.previous}, 0
        rows = yield from _STATEMENTS.rows(self._session, "api_keys", after_id=after, limit=_BATCH)
        for row in rows:
            if row["stored"] is not None and key_id_of(row["stored"]) in earlier:
                found = yield from _STATEMENTS.rows(
                    self._session, "revoke_unused", user_id=row["id"], found=row["stored"], now=now()
                )
                revoked += len(found)
        return (rows[-1]["id"] if rows else None), revoked


def _value_in(column: _Sealed, row: Row) -> str:
    if column.table == "Provider":
        return str(row["stored"])
    return unwrapped(row["stored"], place=place_of(column.table, column.column, row["id"]))
