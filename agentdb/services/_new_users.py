"""How users come to be: made by an administrator, or at their first login."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from functools import partial
from typing import Any, Final

from agentdb.engine import Steps
from agentdb.engine.values import now
from agentdb.records import CreatedUser, User
from agentdb.secrets import Secret, new_api_key
from agentdb.services._access_part import ACTIVE, AccessPart, check_active, role_key
from agentdb.services._input import budget_of, email_address, flag, optional_text, text
from agentdb.sql import Statements

FIRST_ROLE: Final = "admin"
DEFAULT_ROLE: Final = "user"

_STATEMENTS: Final = Statements("access")


class NewUsers(AccessPart):
    """Users who are made. Two never share an e-mail address."""

    async def create_user(
        self,
        *,
        email: str,
        first_name: str | None = None,
        last_name: str | None = None,
        role: str | int | None = DEFAULT_ROLE,
        status: str = ACTIVE,
        budget: Decimal | None = None,
        with_api_key: bool = False,
        timeout: float | None = None,
    ) -> CreatedUser:
        """Make a user, who has the whole budget left.

        Args:
            email: Kept stripped and casefolded; two users never share one.
            role: By name or id; None for a user without rights.
            status: Only `active` users can authenticate and log in.
            budget: US dollars; None is no limit.
            with_api_key: Whether to make an API key. The result shows it this once; the database keeps a digest.
            timeout: Seconds for the whole call.

        Raises:
            ConflictError: Somebody has this e-mail address.
            NotFoundError: No such role.
            InvalidInputError: Not an address, a negative budget, or a text that not every engine can keep.
            ConfigurationError: An API key was asked for and there is no secret key to protect it with.
            DeadlineError: `timeout` has passed; nobody was made.
        """
        api_key = new_api_key() if flag(with_api_key, "with_api_key") else None
        values = {
            "email": email_address(email),
            "first_name": optional_text(first_name, "first_name"),
            "last_name": optional_text(last_name, "last_name"),
            "status": text(status, "status"),
            "budget": budget_of(budget),
        }
        if role is not None:
            role_key(role)
        user = await self._write_alone(partial(self._create, values, api_key, role, email), timeout)
        return CreatedUser.model_validate({**dict(user), "api_key": api_key})

    async def login(
        self,
        *,
        email: str,
        first_name: str | None = None,
        last_name: str | None = None,
        timeout: float | None = None,
    ) -> User:
        """The user with an e-mail address that somebody else has verified, made at the first login.

        The very first user of a database gets the role `admin` and no limit. Everyone else gets the role `user` and the
        budget in AGENTDB_DEFAULT_BUDGET. A user who exists is left as is. However many logins come at once, one user is
        made.

        Args:
            first_name: Of a user who is made now; so is `last_name`.
            timeout: Seconds for the whole call.

        Raises:
            AuthenticationError: The user is not active.
            NotFoundError: The role is missing, because the database is not seeded.
            InvalidInputError: Not an address.
            DeadlineError: `timeout` has passed; nobody was made.
        """
        address = email_address(email)
        values = {
            "email": address,
            "first_name": optional_text(first_name, "first_name"),
            "last_name": optional_text(last_name, "last_name"),
            "status": ACTIVE,
            "api_key": None,
        }
        clock = asyncio.get_running_loop().time
        begun = clock()
        user = await self._query(partial(self._user_with, address, email), timeout)
        if user is None:
            left = (self._session.limits.within_s if timeout is None else timeout) - (clock() - begun)
            user = await self._write_alone(partial(self._log_in, values, email), left)
        check_active(user)
        return user

    def _create(
        self, values: dict[str, Any], api_key: Secret | None, role: str | int | None, as_typed: str
    ) -> Steps[User]:
        # In the transaction, so that a secret key which is exchanged meanwhile is noticed.
        stored = self._vault.protect_api_key(api_key.reveal()) if api_key else None
        yield from _STATEMENTS.rows(self._session, "lock_new_users")
        yield from self._check_free(values["email"], as_typed)
        return (yield from self._insert({**values, "api_key": stored}, role))

    def _log_in(self, values: dict[str, Any], as_typed: str) -> Steps[User]:
        yield from _STATEMENTS.rows(self._session, "lock_new_users")
        known = yield from self._user_with(values["email"], as_typed)
        if known is not None:
            return known
        if (yield from _STATEMENTS.row(self._session, "any_user")) is None:
            return (yield from self._insert({**values, "budget": None}, FIRST_ROLE))
        return (yield from self._insert({**values, "budget": self._default_budget}, DEFAULT_ROLE))

    def _insert(self, values: dict[str, Any], role: str | int | None) -> Steps[User]:
        role_id = None if role is None else (yield from self._role(role)).id
        (row,) = yield from _STATEMENTS.rows(self._session, "create_user", **values, role_id=role_id, now=now())
        return (yield from self._user(row["id"]))
