"""API keys: shown once when they are made, kept as digests, and gone for good when replaced."""

from __future__ import annotations

from functools import partial
from typing import Final

from agentdb.engine import Steps
from agentdb.engine.values import now
from agentdb.errors import ConflictError, NotFoundError
from agentdb.secrets import Secret, new_api_key
from agentdb.services._access_part import AccessPart
from agentdb.services._input import identifier
from agentdb.sql import Statements

_STATEMENTS: Final = Statements("access")


class ApiKeys(AccessPart):
    """One API key for each user, or none."""

    async def issue_api_key(self, user_id: int, *, timeout: float | None = None) -> Secret:
        """Make an API key for a user who has none. The result shows it this once; the database keeps a digest.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such user.
            ConflictError: The user has a key, which still works.
            ConfigurationError: There is no secret key to protect it with.
            DeadlineError: `timeout` has passed; no key was made.
        """
        api_key = new_api_key()
        await self._write(partial(self._issue, identifier(user_id, "user_id"), api_key), timeout)
        return api_key

    async def rotate_api_key(self, user_id: int, *, timeout: float | None = None) -> Secret:
        """Give a user a new API key, shown this once. The old one, if any, stops at once and never comes back.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such user.
            ConfigurationError: There is no secret key to protect it with.
            DeadlineError: `timeout` has passed; the old key still works.
        """
        api_key = new_api_key()
        await self._write(partial(self._replace, identifier(user_id, "user_id"), api_key), timeout)
        return api_key

    async def revoke_api_key(self, user_id: int, *, timeout: float | None = None) -> None:
        """Let a user's API key stop at once. A user who has none stays without.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such user.
            DeadlineError: `timeout` has passed; the key still works.
        """
        await self._write(partial(self._replace, identifier(user_id, "user_id"), None), timeout)

    def _issue(self, user_id: int, api_key: Secret) -> Steps[None]:
        # In the transaction, so that a secret key which is exchanged meanwhile is noticed.
        stored = self._vault.protect_api_key(api_key.reveal())
        issued = yield from _STATEMENTS.row(self._session, "issue_api_key", user_id=user_id, api_key=stored, now=now())
        if issued is None:
            user = yield from self._user(user_id)
            raise ConflictError(f"User {user.id} has an API key. Rotate it, or revoke it first.", columns=("apiKey",))

    def _replace(self, user_id: int, api_key: Secret | None) -> Steps[None]:
        stored = None if api_key is None else self._vault.protect_api_key(api_key.reveal())
        row = yield from _STATEMENTS.row(self._session, "replace_api_key", user_id=user_id, api_key=stored, now=now())
        if row is None:
            raise NotFoundError("user", user_id)
