"""Roles and policies: who may do what is data, and administrators change it."""

from __future__ import annotations

from functools import partial
from typing import Any, Final, TypeVar

import agentdb.models as tables
from agentdb.errors import ConflictError, NotFoundError
from agentdb.records import Policy, Role
from agentdb.services._access_part import AccessPart
from agentdb.services._input import id_or_name, optional_identifier, text, unique_name
from agentdb.sql import Statements

T = TypeVar("T", "tables.Role", "tables.Policy")

_STATEMENTS: Final = Statements("access")


class Roles(AccessPart):
    """Roles, and the policies that they grant. Each is named by its name or id."""

    async def roles(self, *, timeout: float | None = None) -> tuple[Role, ...]:
        """All roles by their display order; those without one come last.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            DeadlineError: `timeout` has passed.
        """

        async def work() -> list[Role]:
            return list(map(_role_of, await tables.Role.all()))

        roles = await self._read(work, timeout)
        return tuple(sorted(roles, key=lambda role: (role.display_order is None, role.display_order or 0, role.id)))

    async def policies(self, *, role: str | int | None = None, timeout: float | None = None) -> tuple[Policy, ...]:
        """All policies, or those that a role grants, by id.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such role.
            DeadlineError: `timeout` has passed.
        """
        if role is not None:
            id_or_name(role, "role")

        async def work() -> tuple[Policy, ...]:
            wanted = tables.Policy.all()
            if role is not None:
                granted = tables.RolePolicy.filter(role_id=(await _found(tables.Role, "role", role)).id)
                wanted = wanted.filter(id__in=await granted.values_list("policy_id", flat=True))
            return tuple(map(_policy_of, await wanted.order_by("id")))

        return await self._read(work, timeout)

    async def create_role(self, name: str, *, display_order: int | None = None, timeout: float | None = None) -> Role:
        """Make a role that grants nothing yet.

        Args:
            display_order: Its place in lists; it is not a rank.
            timeout: Seconds for the whole call.

        Raises:
            ConflictError: There is a role of that name.
            InvalidInputError: A name that is empty or that not every engine can keep.
            DeadlineError: `timeout` has passed; nothing was made.
        """
        values: dict[str, Any] = {
            "name": unique_name(name, "name"),
            "display_order": optional_identifier(display_order, "display_order"),
        }

        async def work() -> Role:
            await _check_unused(tables.Role, "role", name)
            return _role_of(await tables.Role.create(**values))

        return await self._unit(work, timeout)

    async def delete_role(self, role: str | int, *, timeout: float | None = None) -> None:
        """Delete a role that nobody has, with what it grants.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such role.
            ConflictError: Users have it, who would lose their rights without a word.
            DeadlineError: `timeout` has passed; nothing was deleted.
        """
        id_or_name(role, "role")

        async def work() -> None:
            found = await _found(tables.Role, "role", role, is_locked=True)
            users = await tables.User.filter(role_id=found.id).count()
            if users:
                raise ConflictError(f"{users} users have the role {found.name!r}. Give them another one first.")
            if not self._session.abilities.support_tables:  # else its foreign key does it, whoever may write policies
                await tables.RolePolicy.filter(role_id=found.id).delete()
            await tables.Role.filter(id=found.id).delete()

        await self._unit(work, timeout)

    async def create_policy(self, name: str, *, resource: str, action: str, timeout: float | None = None) -> Policy:
        """Make a policy that no role grants yet.

        Args:
            resource: What it is about; `*` for everything.
            action: What may be done to it; `*` for everything.
            timeout: Seconds for the whole call.

        Raises:
            ConflictError: There is a policy of that name.
            InvalidInputError: A text that is empty or that not every engine can keep.
            DeadlineError: `timeout` has passed; nothing was made.
        """
        values: dict[str, Any] = {
            "name": unique_name(name, "name"),
            "resource": text(resource, "resource"),
            "action": text(action, "action"),
        }

        async def work() -> Policy:
            await _check_unused(tables.Policy, "policy", name)
            return _policy_of(await tables.Policy.create(**values))

        return await self._unit(work, timeout)

    async def delete_policy(self, policy: str | int, *, timeout: float | None = None) -> None:
        """Delete a policy that no role grants.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such policy.
            ConflictError: Roles grant it, which would then allow less without a word.
            DeadlineError: `timeout` has passed; nothing was deleted.
        """
        id_or_name(policy, "policy")

        async def work() -> None:
            found = await _found(tables.Policy, "policy", policy, is_locked=True)
            roles = await tables.RolePolicy.filter(policy_id=found.id).count()
            if roles:
                raise ConflictError(f"{roles} roles grant the policy {found.name!r}. Revoke it from them first.")
            await tables.Policy.filter(id=found.id).delete()

        await self._unit(work, timeout)

    async def grant(self, role: str | int, policy: str | int, *, timeout: float | None = None) -> None:
        """Let a role grant a policy from now on. Granting it again changes nothing.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such role or policy.
            DeadlineError: `timeout` has passed; nothing was granted.
        """
        await self._unit(partial(self._grant, *_checked(role, policy)), timeout)

    async def revoke(self, role: str | int, policy: str | int, *, timeout: float | None = None) -> None:
        """Let a role no longer grant a policy. Revoking it again changes nothing.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such role or policy.
            DeadlineError: `timeout` has passed; nothing was revoked.
        """
        await self._unit(partial(_revoke, *_checked(role, policy)), timeout)

    async def _grant(self, role: str | int, policy: str | int) -> None:
        role_id, policy_id = await _ids(role, policy)
        await _STATEMENTS.fetch(self._session, "grant", role_id=role_id, policy_id=policy_id)


async def _revoke(role: str | int, policy: str | int) -> None:
    role_id, policy_id = await _ids(role, policy)
    await tables.RolePolicy.filter(role_id=role_id, policy_id=policy_id).delete()


def _checked(role: str | int, policy: str | int) -> tuple[str | int, str | int]:
    id_or_name(role, "role")
    id_or_name(policy, "policy")
    return role, policy


async def _ids(role: str | int, policy: str | int) -> tuple[int, int]:
    return (await _found(tables.Role, "role", role)).id, (await _found(tables.Policy, "policy", policy)).id


async def _found(table: type[T], what: str, key: str | int, *, is_locked: bool = False) -> T:
    wanted = table.filter(name=key) if isinstance(key, str) else table.filter(id=key)
    # A lock also waits for those who are just referring to the row.
    found = await (wanted.select_for_update() if is_locked else wanted).order_by("id").first()
    if found is None:
        raise NotFoundError(what, key)
    return found


async def _check_unused(table: type[tables.Role | tables.Policy], what: str, name: str) -> None:
    if await table.filter(name=name).exists():
        raise ConflictError(f"There is a {what} called {name!r}. Choose another name.", columns=("name",))


def _role_of(row: Any) -> Role:
    return Role(id=row.id, name=row.name, display_order=row.display_order)


def _policy_of(row: Any) -> Policy:
    return Policy(id=row.id, name=row.name, resource=row.resource, action=row.action)
