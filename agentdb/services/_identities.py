"""Who is calling, and what they may do: asked with every request."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from agentdb.engine import Row, Steps
from agentdb.engine.values import checked, json_text
from agentdb.errors import AccessDeniedError, AgentDBError, AuthenticationError, InvalidInputError, NotFoundError
from agentdb.records import Identity, User
from agentdb.records.access import rights_of, stored_rights
from agentdb.secrets import Secret
from agentdb.services._access_part import ACTIVE, AccessPart, check_active, role_key
from agentdb.services._input import identifier, text
from agentdb.sql import Statements

_STATEMENTS: Final = Statements("access")
_MOVED_WITHIN_S: Final = 0.25
"""Nobody waits longer for what a later call can do as well."""


class Identities(AccessPart):
    """Identities and what they allow, each in one statement."""

    _may_not_move = False

    async def authenticate(self, api_key: str | Secret, *, timeout: float | None = None) -> Identity:
        """The user of an API key with role, policies and access map.

        While a secret key is exchanged, a key that still stands under the earlier one is found as well. It is moved to
        the current one then, if this handle has written before: one that only reads goes on doing so.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            AuthenticationError: The key is unknown, or its user is not active.
            ConfigurationError: There is no secret key to look it up with.
            DeadlineError: `timeout` has passed.
        """
        key = api_key.reveal() if isinstance(api_key, Secret) else api_key
        if not isinstance(key, str):
            raise InvalidInputError(f"api_key is a text or a Secret, found {type(key).__name__}.")
        identity = await self._known_by(key, timeout) if key and _is_storable(key) else None
        if identity is None:
            raise AuthenticationError("No user has this API key. Check it, or issue a new one.")
        check_active(identity)
        return identity

    async def identity(self, user_id: int, *, timeout: float | None = None) -> Identity:
        """The same of a user whom somebody else has authenticated, such as the owner of a session.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such user.
            AuthenticationError: The user is not active.
            DeadlineError: `timeout` has passed.
        """
        identity = await self._identity(timeout, user_id=identifier(user_id, "user_id"))
        if identity is None:
            raise NotFoundError("user", user_id)
        check_active(identity)
        return identity

    async def allows(self, user: int | User, resource: str, action: str, *, timeout: float | None = None) -> bool:
        """Whether a user may do `action` on `resource` now: an active one with a policy for it. `*` allows all.

        To ask several times about one moment, take `identity` and ask that.

        Args:
            user: The id, or a record whose id counts: rights and status are read anew.
            resource: Compared exactly, as is `action`.
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such user.
            InvalidInputError: A name that is no text, or empty.
            DeadlineError: `timeout` has passed.
        """
        user_id = user.id if isinstance(user, User) else identifier(user, "user")
        values = {"user_id": user_id, "resource": text(resource, "resource"), "action": text(action, "action")}
        row = await self._query(partial(_STATEMENTS.row, self._session, "allows", **values), timeout)
        if row is None:
            raise NotFoundError("user", user_id)
        return row["status"] == ACTIVE and bool(row["isGranted"])

    async def access_of_role(self, role: str | int, *, timeout: float | None = None) -> Mapping[str, frozenset[str]]:
        """The actions that a role allows on each resource, wildcards written out; for visitors without a user.

        Args:
            role: By name or id.
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such role.
            DeadlineError: `timeout` has passed.
        """
        rows = await self._query(partial(_STATEMENTS.rows, self._session, "rights_of_role", **role_key(role)), timeout)
        if not rows:
            raise NotFoundError("role", role)
        columns = ("id", "name", "resource", "action", "isGranted")
        return rights_of([[row[column] for column in columns] for row in rows if row["id"] is not None]).access

    async def _known_by(self, api_key: str, timeout: float | None) -> Identity | None:
        stored = self._vault.lookup_values(api_key)
        if not stored:
            return None
        if self._vault.previous:
            found = await self._in_any_form(stored, timeout)
        else:
            found = await self._identity(timeout, stored=stored[0], otherwise=stored[-1])
        if found is None and self._vault.renew():
            return await self._known_by(api_key, timeout)
        return found

    async def _in_any_form(self, stored: tuple[str, ...], timeout: float | None) -> Identity | None:
        def steps() -> Steps[Row | None]:
            return _STATEMENTS.row(self._session, "identity_in_any_form", stored_forms=json_text(stored))

        row = await self._query(steps, timeout)
        if row is None:
            return None
        if row["storedForm"] != stored[0] and self._vault.mode == "sealed":
            await self._moved(row["id"], row["storedForm"], stored[0])
        return _identity_of(row)

    async def _moved(self, user_id: int, found: str, api_key: str) -> None:
        """Let an API key stand under the current secret key. Somebody else, or a later call, may do it as well."""
        if self._may_not_move or not self._session.has_written or self._session.client.joined() is not None:
            return
        values = {"user_id": user_id, "found": found, "api_key": api_key}
        try:
            await self._write(partial(_STATEMENTS.rows, self._session, "move_api_key", **values), _MOVED_WITHIN_S)
        except AccessDeniedError:  # a service that does not write users leaves it to the one that does
            self._may_not_move = True
        except AgentDBError:
            pass

    async def _identity(
        self,
        timeout: float | None,
        *,
        user_id: int | None = None,
        stored: str | None = None,
        otherwise: str | None = None,
    ) -> Identity | None:
        def steps() -> Steps[Row | None]:
            return _STATEMENTS.row(
                self._session, "identity", user_id=user_id, stored=stored, stored_otherwise=otherwise
            )

        row = await self._query(steps, timeout)
        return _identity_of(row) if row is not None else None


def _identity_of(row: Row) -> Identity:
    rights = stored_rights(row["rights"])
    # A map of its own: the caller's changes stay the caller's.
    return Identity.from_row(row, policies=rights.policies, access=dict(rights.access))


def _is_storable(key: str) -> bool:
    # What no database can keep is nobody's key, rather than an error of its own.
    try:
        checked(key)
    except InvalidInputError:
        return False
    return True
