"""Who is calling, and what they may do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Final, TypeVar

from agentdb.config import Settings
from agentdb.engine import Row, Session
from agentdb.engine.money import dollars
from agentdb.engine.values import checked
from agentdb.errors import AuthenticationError, ConflictError, InvalidInputError, NotFoundError
from agentdb.events import Events
from agentdb.models import Role as RoleTable
from agentdb.models import User as UserTable
from agentdb.records import CreatedUser, Identity, Policy, User
from agentdb.records.access import access_map
from agentdb.records.base import nested
from agentdb.secrets import Secret, Vault, new_api_key
from agentdb.services._input import email_address, identifier, optional_text, text
from agentdb.services._service import Service
from agentdb.sql import Statements

T = TypeVar("T")

ACTIVE: Final = "active"
"""The one status with which a user may do anything."""

FIRST_ROLE: Final = "admin"
DEFAULT_ROLE: Final = "user"

_STATEMENTS: Final = Statements("access")


class AccessService(Service):
    """Users, API keys and rights."""

    def __init__(self, session: Session, *, events: Events, vault: Vault, settings: Settings) -> None:
        super().__init__(session, events=events)
        self._vault = vault
        self._default_budget = settings.default_budget_usd

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
        api_key = new_api_key() if with_api_key else None
        values: dict[str, Any] = {
            "email": email_address(email),
            "first_name": optional_text(first_name, "first_name"),
            "last_name": optional_text(last_name, "last_name"),
            "status": text(status, "status"),
            "budget": None if budget is None else _budget(budget),
            "api_key": self._vault.protect_api_key(api_key.reveal()) if api_key else None,
        }
        wanted_role = role if role is None or isinstance(role, str) else identifier(role, "role")

        async def work() -> CreatedUser:
            await _STATEMENTS.fetch(self._session, "lock_new_users")
            taken = await self._find(values["email"], email)
            if taken is not None:
                raise ConflictError(
                    f"User {taken.id} has the e-mail address {values['email']!r}. Use that user, or another address.",
                    columns=("email",),
                )
            user = await _insert(values, await _role_id(wanted_role))
            return CreatedUser.model_validate({**dict(user), "api_key": api_key})

        return await self._write_alone(work, timeout)

    async def authenticate(self, api_key: str | Secret, *, timeout: float | None = None) -> Identity:
        """The user of an API key with role, policies and access map, in one statement.

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
        rows = await self._read(partial(self._rows_of_key, key), timeout) if key else ()
        if not rows:
            raise AuthenticationError("No user has this API key. Check it, or issue a new one.")
        identity = _identity_of(rows)
        _check_active(identity)
        return identity

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
        names = {
            "first_name": optional_text(first_name, "first_name"),
            "last_name": optional_text(last_name, "last_name"),
        }

        async def work() -> User:
            await _STATEMENTS.fetch(self._session, "lock_new_users")
            return await self._find(address, email) or await self._insert_at_login({"email": address, **names})

        clock = asyncio.get_running_loop().time
        begun = clock()
        user = await self._read(partial(self._find, address, email), timeout)
        if user is None:
            user = await self._write_alone(work, None if timeout is None else timeout - (clock() - begun))
        _check_active(user)
        return user

    async def _write_alone(self, work: Callable[[], Awaitable[T]], timeout: float | None) -> T:
        # A later isolation level would look at the table as it was before the lock was waited for.
        return await self._session.unit(work, timeout_s=timeout, isolation="read committed")

    async def _find(self, address: str, as_typed: str) -> User | None:
        row = await _STATEMENTS.first(self._session, "user_by_email", email=address, email_as_typed=as_typed.strip())
        return User.from_row(row) if row is not None else None

    async def _insert_at_login(self, values: dict[str, Any]) -> User:
        is_first = not await UserTable.exists()
        return await _insert(
            {**values, "status": ACTIVE, "budget": None if is_first else self._default_budget},
            await _role_id(FIRST_ROLE if is_first else DEFAULT_ROLE),
        )

    async def _rows_of_key(self, key: str) -> Sequence[Row]:
        stored = self._vault.lookup_values(key)
        if not stored or not _is_storable(key):
            return ()
        return await _STATEMENTS.fetch(self._session, "authenticate", stored=stored[0], stored_otherwise=stored[-1])


def _is_storable(key: str) -> bool:
    # What no database can keep is nobody's key, rather than an error of its own.
    try:
        checked(key)
    except InvalidInputError:
        return False
    return True


def _budget(value: Any) -> Decimal:
    budget = dollars(value)
    if budget < 0:
        raise InvalidInputError(f"A budget is 0 US dollars or more, found {budget}. None is no limit.")
    return budget


async def _role_id(role: str | int | None) -> int | None:
    if role is None:
        return None
    wanted = RoleTable.filter(name=role) if isinstance(role, str) else RoleTable.filter(id=role)
    found = await wanted.order_by("id").first()
    if found is None:
        raise NotFoundError("role", role)
    role_id: int = found.id
    return role_id


async def _insert(values: dict[str, Any], role_id: int | None) -> User:
    # Without a balance: null is the full budget.
    row = await UserTable.create(**values, role_id=role_id)
    return User.model_validate({**row.to_dict(), "remaining": row.budget})


def _identity_of(rows: Sequence[Row]) -> Identity:
    # A key that is stored plain need not be unique in a database made by the original package: the oldest user wins.
    parts = [nested(row) for row in rows if row["id"] == rows[0]["id"]]
    stored = [(Policy.model_validate(part["policy"]), part["isGranted"]) for part in parts if part["policy"]]
    granted = tuple(policy for policy, is_granted in stored if is_granted)
    known = tuple(policy for policy, _ in stored)
    return Identity.model_validate({**parts[0], "policies": granted, "access": access_map(granted, known)})


def _check_active(user: User) -> None:
    if user.status != ACTIVE:
        raise AuthenticationError(f"User {user.id} is not active, the status is {user.status!r}.")
