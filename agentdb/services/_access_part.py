"""What the parts of `AccessService` share: the vault, and how users and roles are found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from agentdb.config import Settings
from agentdb.engine import Session, Steps
from agentdb.errors import AuthenticationError, ConflictError, NotFoundError
from agentdb.events import Events
from agentdb.records import Role, User
from agentdb.secrets import Vault
from agentdb.services._input import id_or_name
from agentdb.services._service import Service
from agentdb.sql import Statements

T = TypeVar("T")

ACTIVE: Final = "active"
"""The one status with which a user may do anything."""

_STATEMENTS: Final = Statements("access")


class AccessPart(Service):
    """Some of the calls of `AccessService`."""

    def __init__(self, session: Session, *, events: Events, vault: Vault, settings: Settings) -> None:
        super().__init__(session, events=events)
        self._vault = vault
        self._default_budget = settings.default_budget_usd

    async def _write_alone(self, steps: Callable[[], Steps[T]], timeout: float | None) -> T:
        """Drive steps that begin with `lock_new_users`."""

        async def work() -> T:
            return await self._session.write(steps)

        # A later isolation level would look at the table as it was before the lock was waited for.
        return await self._session.unit(work, timeout_s=timeout, isolation="read committed")

    def _user(self, user_id: int) -> Steps[User]:
        row = yield from _STATEMENTS.row(self._session, "user", user_id=user_id, email=None, email_as_typed=None)
        if row is None:
            raise NotFoundError("user", user_id)
        return User.from_row(row)

    def _user_with(self, address: str, as_typed: str) -> Steps[User | None]:
        row = yield from _STATEMENTS.row(
            self._session, "user", user_id=None, email=address, email_as_typed=as_typed.strip()
        )
        return User.from_row(row) if row is not None else None

    def _check_free(self, address: str, as_typed: str, *, unless: int | None = None) -> Steps[None]:
        taken = yield from self._user_with(address, as_typed)
        if taken is not None and taken.id != unless:
            raise ConflictError(
                f"User {taken.id} has the e-mail address {address!r}. Use that user, or another address.",
                columns=("email",),
            )

    def _role(self, role: str | int) -> Steps[Role]:
        row = yield from _STATEMENTS.row(self._session, "role", **role_key(role))
        if row is None:
            raise NotFoundError("role", role)
        return Role.from_row(row)


def role_key(role: Any) -> dict[str, Any]:
    """A role's id or name, the other one None, as statements take them."""
    role_id, name = id_or_name(role, "role")
    return {"role_id": role_id, "role_name": name}


def check_active(user: User) -> None:
    """
    Raises:
        AuthenticationError: The user is not active.
    """
    if user.status != ACTIVE:
        raise AuthenticationError(f"User {user.id} is not active, the status is {user.status!r}.")
