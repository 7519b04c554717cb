"""Connecting to the one of several hosts that will do.

asyncpg takes several hosts too, but tries one after the other within one limit: a first one that is silent would use
all of it. And behind a pooler it takes what some server said once for what the present one is.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Final

import asyncpg

from agentdb.engine.dialect import ConnectionLostError
from agentdb.engine.postgres_errors import translated
from agentdb.engine.tls import Tls
from agentdb.engine.url import shown_authority
from agentdb.errors import AgentDBError, ConfigurationError

HEAD_START_S: Final = 0.5
"""A host that has not answered after so long goes on trying, beside the next one."""

_DEMANDS: Final = {"read-write": "takes writes", "primary": "is a primary"}

# A setting that the server tells with every connection, or asked of it where a pooler stands between.
_TOLD: Final = {
    "read-write": ("in_hot_standby", "default_transaction_read_only"),
    "primary": ("in_hot_standby",),
}
_ASKED: Final = {
    "read-write": "SELECT current_setting('transaction_read_only') = 'off'",
    "primary": "SELECT NOT pg_is_in_recovery()",
}


class Hosts:
    """The hosts of one handle.

    Args:
        places: Names, addresses or directories of sockets, with ports.
        tls: For all of them.
        attributes: `target_session_attrs`: "any", "read-write" or "primary".
        has_pooler: Whether something stands before the servers.
        within_s: For one connection, whichever hosts are tried for it.
        arguments: Of `asyncpg.connect`, beside those.
    """

    def __init__(
        self,
        places: Sequence[tuple[str, int]],
        *,
        tls: Tls,
        attributes: str,
        has_pooler: bool,
        within_s: float,
        arguments: Mapping[str, Any],
    ) -> None:
        self._places = list(places)
        self._tls = tls
        self._attributes = attributes
        self._has_pooler = has_pooler
        self._within_s = within_s
        self._arguments = arguments
        self._context: ssl.SSLContext | None = None

    async def connect(self, _: None = None, **arguments: Any) -> Any:
        """A connection to a host that will do; a pool calls it as it would call `asyncpg.connect`.

        Raises:
            ConfigurationError: TLS is not as demanded.
            UnavailableError: No host of several will do.
            Exception: The driver's error, where there is one host.
        """
        async with asyncio.timeout(self._within_s):
            if len(self._places) == 1:
                return await self._fitting(self._places[0], arguments)
            return await self._first_fitting(arguments)

    async def _first_fitting(self, arguments: Mapping[str, Any]) -> Any:
        left = list(self._places)
        trying: dict[asyncio.Task[Any], tuple[str, int]] = {}
        problems: dict[tuple[str, int], Exception] = {}
        try:
            while left or trying:
                if left:
                    place = left.pop(0)
                    trying[asyncio.create_task(self._fitting(place, arguments))] = place
                done, _ = await asyncio.wait(
                    trying, timeout=HEAD_START_S if left else None, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    place = trying.pop(task)
                    error = task.exception()
                    if error is None:
                        self._prefer(place)
                        return task.result()
                    if not isinstance(error, Exception) or _is_final(error):
                        raise error
                    problems[place] = error
        finally:
            await _give_up(trying)
        raise self._none(problems)

    def _prefer(self, place: tuple[str, int]) -> None:
        """The next connection tries it first."""
        self._places.sort(key=lambda other: other != place)

    async def _fitting(self, place: tuple[str, int], arguments: Mapping[str, Any]) -> Any:
        try:
            connection = await self._dialled(place, arguments)
        except OSError as error:
            problem = self._tls.problem(error, _shown(place))
            if problem is None:
                raise
            raise problem from error
        try:
            if await self._fits(connection):
                return connection
        except BaseException:
            connection.terminate()
            raise
        connection.terminate()
        raise ConnectionLostError(
            f"{_shown(place)} is not what target_session_attrs={self._attributes} asks for: no server there "
            f"{_DEMANDS[self._attributes]} now."
        )

    async def _dialled(self, place: tuple[str, int], arguments: Mapping[str, Any]) -> Any:
        host, port = place
        first: Exception | None = None
        for encrypted in self._tls.ways(host):
            if encrypted and self._context is None:
                self._context = await asyncio.to_thread(self._tls.context)
            try:
                return await asyncpg.connect(
                    host=host,
                    port=port,
                    ssl=self._context if encrypted else False,
                    # What the environment may say for asyncpg is not asked.
                    direct_tls=False,
                    target_session_attrs="any",
                    timeout=self._within_s,
                    **self._arguments,
                    **arguments,
                )
            except (OSError, asyncpg.PostgresError) as error:
                if first is not None:
                    raise (error if isinstance(error, asyncpg.PostgresError) else first) from None
                if not _may_go_the_other_way(error):
                    raise
                first = error
        assert first is not None
        raise first

    async def _fits(self, connection: Any) -> bool:
        if self._attributes == "any":
            return True
        settings = connection.get_settings()
        told = [getattr(settings, name, None) for name in _TOLD[self._attributes]]
        if self._has_pooler or None in told:
            return bool(await connection.fetchval(_ASKED[self._attributes], timeout=self._within_s))
        return all(value == "off" for value in told)

    def _none(self, problems: Mapping[tuple[str, int], Exception]) -> AgentDBError:
        ours = {
            place: error if isinstance(error, AgentDBError) else translated(error) or error
            for place, error in problems.items()
        }
        told = "; ".join(f"{_shown(place)}: {error}" for place, error in ours.items())
        is_ours_to_change = any(isinstance(error, ConfigurationError) for error in ours.values())
        kind = ConfigurationError if is_ours_to_change else ConnectionLostError
        return kind(f"No connection could be made to any of the {len(ours)} hosts. {told}")


def _may_go_the_other_way(error: Exception) -> bool:
    """Whether the same server may take a connection that is encrypted, or one that is not."""
    if isinstance(error, asyncpg.PostgresError):
        return error.sqlstate in {"28000", "08P01"}  # pg_hba.conf says so, or a pooler
    return type(error) is ConnectionError or isinstance(error, (ssl.SSLError, ConnectionResetError))


def _is_final(error: Exception) -> bool:
    """Whether every other host would say the same, and count it against us."""
    return isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "").startswith(("28", "3D"))


async def _give_up(trying: Mapping[asyncio.Task[Any], object]) -> None:
    for task in trying:
        task.cancel()
    for found in await asyncio.gather(*trying, return_exceptions=True):
        if not isinstance(found, BaseException):
            found.terminate()


def _shown(place: tuple[str, int]) -> str:
    return shown_authority(None, (place,))
