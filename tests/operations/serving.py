"""Handles of a furnished database as each service has them, and what every public call says to a service."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import agentdb
from agentdb import AccessDeniedError, AuthenticationError, Database
from agentdb.operations.grants import grants_sql, role_of
from agentdb.operations.ownership import Ownership, read_ownership
from agentdb.testing.factory import DatabaseFactory
from agentdb.testing.handle import TemporaryDatabase
from tests.faults.calls import NAMES
from tests.services.bad_calls import CALLS
from tests.services.bad_values import World
from tests.services.both_engines import Undo, furnished

SERVICES: Final = ("server", "gateway", "cms")


@dataclass(frozen=True, slots=True)
class Way:
    """How the services of a test connect.

    Attributes:
        has_roles: Each with the PostgreSQL role that `agentdb grants` makes for it.
        is_named: Each tells who it is, as `connect(service=...)`.
    """

    engine: str
    has_roles: bool = False
    is_named: bool = True

    def __str__(self) -> str:
        roles = " with roles" if self.has_roles else ""
        return f"{self.engine}{roles}{'' if self.is_named else ' alone'}"


GATES: Final = (Way("sqlite"), Way("postgresql"))
WAYS: Final = (*GATES, Way("postgresql", has_roles=True, is_named=False), Way("postgresql", has_roles=True))


@dataclass(frozen=True, slots=True)
class Workspace:
    """A furnished database, in which a reservation of Ada has expired.

    Attributes:
        owner: The handle of the owner of its tables.
        services: A handle for each service.
    """

    owner: TemporaryDatabase
    world: World
    services: Mapping[str, Database]


@asynccontextmanager
async def serving(factory: DatabaseFactory, way: Way) -> AsyncIterator[Workspace]:
    """A database and its services."""
    async with AsyncExitStack() as stack:
        owner = stack.enter_context(factory(engine=way.engine))
        stack.push_async_callback(owner.close)
        world = await furnished(owner, huge="")
        await owner.session.fetch(
            'UPDATE "agentdb_reservation" SET "expiresAt" = "createdAt" '
            f'WHERE "userID" = {world.user_id} AND "id" <> {world.reservation_id}'
        )
        urls = dict.fromkeys(SERVICES, owner.url)
        if way.has_roles:
            urls = await stack.enter_async_context(roles(owner, read_ownership()))
        handles = {
            service: await stack.enter_async_context(
                agentdb.connect(
                    urls[service], skip_sync=True, service=service if way.is_named else None, settings=owner.settings
                )
            )
            for service in SERVICES
        }
        yield Workspace(owner, world, handles)


@asynccontextmanager
async def roles(owner: TemporaryDatabase, ownership: Ownership) -> AsyncIterator[dict[str, str]]:
    """The URL of each service, whose role is there inside the block."""
    prefix = f"agentdb_{secrets.token_hex(4)}_"
    names = {service: role_of(service, prefix) for service in ownership.services}
    try:
        await owner.session.client.execute_script(grants_sql(ownership, prefix=prefix))
        yield {service: as_role(owner.url, name) for service, name in names.items()}
    finally:
        await without(owner, *names.values())


async def without(owner: Database, *names: str) -> None:
    """Remove these roles with all rights that they have."""
    for name in names:
        await owner.session.client.execute_script(f'DROP OWNED BY "{name}"; DROP ROLE "{name}"')


def as_role(url: str, name: str) -> str:
    """The URL of the same database for another role."""
    return re.sub(r"//(.*@)?", f"//{name}@", url)


async def refusal(db: Database, name: str, arguments: Mapping[str, Any]) -> AccessDeniedError | None:
    """Why a service may not make a call; None if it may. What it did is undone."""
    domain, verb = name.split(".")
    found: AccessDeniedError | None = None
    with suppress(Undo):
        async with db.transaction(timeout=60):
            try:
                await getattr(getattr(db, domain), verb)(**arguments)
            except AuthenticationError:
                assert name == "access.authenticate"  # its key is nobody's
            except AccessDeniedError as error:
                found = error
            raise Undo
    return found


async def served(workspace: Workspace) -> dict[str, set[str]]:
    """The services that each public call works for."""
    found: dict[str, set[str]] = {name: set() for name in NAMES}
    for service, db in workspace.services.items():
        for name in NAMES:
            if await refusal(db, name, CALLS[name].fine(workspace.world)) is None:
                found[name].add(service)
    return found
