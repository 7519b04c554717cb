"""A connection to PostgreSQL as a channel: what asyncpg does not tell by itself about cancelled commits."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from agentdb.engine.channel import Result
from agentdb.engine.flight import InterruptibleChannel
from agentdb.errors import OutcomeUnknownError, TransactionError

if TYPE_CHECKING:
    from agentdb.engine.postgres_pool import PostgresPool

_COUNTED: Final = re.compile(r"\s*(INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_RETURNING: Final = re.compile(r"\bRETURNING\b", re.IGNORECASE)


@lru_cache(maxsize=1024)
def _is_counted(sql: str) -> bool:
    """Whether a statement gives no rows but their number."""
    return bool(_COUNTED.match(sql)) and not _RETURNING.search(sql)


class PostgresConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg ships no types
    """
    Attributes:
        is_unconfirmed: A commit was made here, and nobody waited until its standbys had it too.
    """

    is_unconfirmed = False

    def get_reset_query(self) -> str:
        # The stock one costs a round trip on every release and undoes session state that we never make.
        return ""

    def _process_log_message(self, fields: dict[str, str], last_query: str) -> None:
        # A cancelled wait for a synchronous standby is reported as success with a warning, and lost in a failover.
        if fields.get("R") == "SyncRepWaitForLSN":
            self.is_unconfirmed = True
        super()._process_log_message(fields, last_query)


class PostgresChannel(InterruptibleChannel):
    """One pooled connection.

    Args:
        connection: The pool's proxy of it.
        age: How often the pool had been renewed when it was taken.
    """

    def __init__(self, pool: PostgresPool, connection: Any, *, age: int, control_timeout_s: float) -> None:
        self.pool = pool
        self.age = age
        self.connection = connection
        self._raw: PostgresConnection = connection._con  # a proxy makes every call twice
        self._control_timeout_s = control_timeout_s

    async def execute(self, sql: str, values: Sequence[Any]) -> Result:
        if _is_counted(sql):
            status: str = await self._raw.execute(sql, *values)
            self._check_confirmed()
            return Result([], int(status.rpartition(" ")[2]))
        rows = await self._raw.fetch(sql, *values)
        self._check_confirmed()
        return Result(rows, len(rows))

    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        await self._raw.executemany(sql, rows)
        self._check_confirmed()

    async def execute_script(self, sql: str) -> None:
        await self._raw.execute(sql)
        self._check_confirmed()

    async def control(self, sql: str, *, within_s: float | None = None) -> None:
        timeout_s = self._control_timeout_s
        status = await self._raw.execute(sql, timeout=timeout_s if within_s is None else min(timeout_s, within_s))
        self._check_confirmed()
        if (sql, status) == ("COMMIT", "ROLLBACK"):  # no error: that is how PostgreSQL ends a failed transaction
            raise TransactionError("A statement of this transaction failed unnoticed, so it was rolled back.")

    def interrupt(self) -> None:
        self._raw._cancel_current_command(asyncio.get_running_loop().create_future())

    def abandon(self) -> None:
        self._raw.terminate()

    @property
    def is_whole(self) -> bool:
        """Whether the next one can use it as it is."""
        raw = self._raw
        return not (raw.is_closed() or raw.is_in_transaction() or raw._cancellations or raw._protocol._is_cancelling())

    async def calm(self, within_s: float) -> None:
        """Wait for requests to stop a statement that are still on their way: they would meet the next one."""
        if not self._raw._cancellations:
            return
        _, late = await asyncio.wait(set(self._raw._cancellations), timeout=within_s)
        if late:
            self.abandon()

    def _check_confirmed(self) -> None:
        if self._raw.is_unconfirmed:
            self._raw.is_unconfirmed = False
            raise OutcomeUnknownError(
                "It is stored on this server, but the wait for its standbys was cancelled: a failover may lose it. "
                "Repeat it only with the same request_id."
            )
