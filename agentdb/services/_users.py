"""Users one by one: read, and changed a field at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, Final, NoReturn

from agentdb.engine import Steps
from agentdb.engine.money import LIMIT
from agentdb.engine.values import now
from agentdb.errors import InvalidInputError, UnsupportedError
from agentdb.records import User
from agentdb.services._access_part import AccessPart, role_key
from agentdb.services._deadline import within
from agentdb.services._input import budget_of, email_address, identifier, optional_text, text
from agentdb.sql import Statements
from agentdb.types import UNSET, Unset

_STATEMENTS: Final = Statements("access")
_CHECKS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "email": email_address,
    "first_name": lambda name: optional_text(name, "first_name"),
    "last_name": lambda name: optional_text(name, "last_name"),
    "status": lambda status: text(status, "status"),
    "budget": budget_of,
}


class Users(AccessPart):
    """Users with their roles, for the user's own profile and for administrators."""

    async def user(self, user_id: int, *, timeout: float | None = None) -> User:
        """A user with role and balance.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such user.
            DeadlineError: `timeout` has passed.
        """
        return await self._query(partial(self._user, identifier(user_id, "user_id")), timeout)

    async def find_user(self, *, email: str, timeout: float | None = None) -> User | None:
        """The user with an e-mail address, in whatever case it is written; None if there is none.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            InvalidInputError: Not an address.
            DeadlineError: `timeout` has passed.
        """
        return await self._query(partial(self._user_with, email_address(email), email), timeout)

    async def update_user(
        self,
        user_id: int,
        *,
        email: str | Unset = UNSET,
        first_name: str | Unset | None = UNSET,
        last_name: str | Unset | None = UNSET,
        status: str | Unset = UNSET,
        role: str | int | Unset | None = UNSET,
        budget: Decimal | Unset | None = UNSET,
        timeout: float | None = None,
    ) -> User:
        """Change the fields that are named, and no others; the user as it is now.

        What was spent of a budget stays spent: with a budget of 10 and 4 left, a budget of 12 leaves 6. A user who had
        no limit starts with all of a new budget, and lifting the limit forgets what was spent.

        Args:
            status: `active`, or any other word, such as `inactive`, to lock the user out at once.
            role: By name or id; None takes all rights away.
            budget: US dollars; None lifts the limit.
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such user or role.
            ConflictError: Somebody else has this e-mail address.
            InvalidInputError: Not an address, an empty status, a negative budget, a balance that would be beyond
                ±900,000,000, or a text that not every engine can keep.
            DeadlineError: `timeout` has passed; nothing was changed.
        """
        identifier(user_id, "user_id")
        given = {
            "email": email,
            "first_name": first_name,
            "last_name": last_name,
            "status": status,
            "budget": budget,
        }
        changes = {name: _CHECKS[name](value) for name, value in given.items() if value is not UNSET}
        if role is not UNSET and role is not None:
            role_key(role)
        steps = partial(self._update, user_id, changes, role)
        if email is UNSET:
            return await self._write(steps, timeout)
        return await self._write_alone(partial(self._update_address, user_id, email, steps), timeout)

    async def update_profile(
        self, user_id: int, *, first_name: str | None, last_name: str | None, timeout: float | None = None
    ) -> User:
        """Change what users may change of themselves: the names.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such user.
            InvalidInputError: A text that not every engine can keep.
            DeadlineError: `timeout` has passed; nothing was changed.
        """
        return await self.update_user(user_id, first_name=first_name, last_name=last_name, timeout=timeout)

    async def delete_user(self, user_id: int, *, timeout: float | None = None) -> NoReturn:
        """Refuse: what a user has spent and said would go, or belong to nobody.

        Raises:
            UnsupportedError: It says what to do instead.
            DeadlineError: `timeout` leaves no time.
        """
        async with within(timeout, self._session):
            user_id = identifier(user_id, "user_id")
        raise UnsupportedError(
            f"User {user_id} is not deleted, because usage and conversations would lose their "
            'owner. Deactivate with update_user(..., status="inactive"), or erase the personal data.'
        )

    def _update_address(self, user_id: int, email: str, update: Callable[[], Steps[User]]) -> Steps[User]:
        yield from _STATEMENTS.rows(self._session, "lock_new_users")
        yield from self._check_free(email_address(email), email, unless=user_id)
        return (yield from update())

    def _update(self, user_id: int, changes: dict[str, Any], role: str | int | Unset | None) -> Steps[User]:
        role_id = None if role is UNSET or role is None else (yield from self._role(role)).id
        touched = yield from _STATEMENTS.row(
            self._session,
            "update_user",
            user_id=user_id,
            **{name: changes.get(name) for name in _CHECKS},
            **{f"sets_{name}": name in changes for name in _CHECKS},
            role_id=role_id,
            sets_role=role is not UNSET,
            lowest=-LIMIT,
            highest=LIMIT,
            now=now(),
        )
        user = yield from self._user(user_id)
        if touched is None:
            raise InvalidInputError(
                f"User {user_id} has {user.remaining} of {user.budget} US dollars left; "
                f"with a budget of {changes['budget']} that would leave the range of ±{LIMIT}."
            )
        return user
