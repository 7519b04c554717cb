"""Who provides language models, and the secrets that they ask for."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import agentdb.models as tables
from agentdb.engine import Session
from agentdb.engine.values import now
from agentdb.errors import ConflictError, NotFoundError
from agentdb.events import Events
from agentdb.records import Provider
from agentdb.secrets import Secret, Vault
from agentdb.services._input import id_or_name, optional_text, secret_text, unique_name
from agentdb.services._service import Service
from agentdb.sql import Statements
from agentdb.types import UNSET, Unset

_STATEMENTS: Final = Statements("catalog")


class Providers(Service):
    """Providers. Their secrets are given only when asked for by name."""

    def __init__(self, session: Session, *, events: Events, vault: Vault) -> None:
        super().__init__(session, events=events)
        self._vault = vault

    async def provider(self, provider: str | int, *, timeout: float | None = None) -> Provider:
        """A provider by name or id.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such provider.
            DeadlineError: `timeout` has passed.
        """
        row = await self._query(partial(_STATEMENTS.row, self._session, "provider", **_provider_key(provider)), timeout)
        if row is None:
            raise NotFoundError("provider", provider)
        return Provider.from_row(row)

    async def providers(self, *, timeout: float | None = None) -> tuple[Provider, ...]:
        """All providers by id.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            DeadlineError: `timeout` has passed.
        """
        steps = partial(_STATEMENTS.rows, self._session, "providers")
        return tuple(Provider.from_rows(await self._query(steps, timeout)))

    async def provider_secret(self, provider: str | int, *, timeout: float | None = None) -> Secret | None:
        """The secret that a provider's API asks for, as it was set; None if there is none.

        A provider that asks for several keeps them in one text, such as JSON.

        Args:
            provider: By name or id.
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such provider.
            ConfigurationError: It is sealed and the secret key is missing or another one.
            StorageError: What is stored was changed, or belongs to another row.
            DeadlineError: `timeout` has passed.
        """
        row = await self._query(
            partial(_STATEMENTS.row, self._session, "provider_secret", **_provider_key(provider)), timeout
        )
        if row is None:
            raise NotFoundError("provider", provider)
        if not row["apiKey"]:
            return None
        return self._vault.reveal(row["apiKey"], table="Provider", column="apiKey", row_id=row["id"])

    async def create_provider(
        self, name: str, *, endpoint: str | None = None, timeout: float | None = None
    ) -> Provider:
        """Make a provider, without a secret.

        Args:
            endpoint: Where its API is, if that is not known from the name.
            timeout: Seconds for the whole call.

        Raises:
            ConflictError: There is a provider of that name.
            InvalidInputError: A text that is empty or that not every engine can keep.
            DeadlineError: `timeout` has passed; nothing was made.
        """
        values: dict[str, Any] = {"name": unique_name(name, "name"), "endpoint": optional_text(endpoint, "endpoint")}

        async def work() -> Provider:
            await _check_free(name)
            return _provider_of(await tables.Provider.create(**values))

        return await self._unit(work, timeout)

    async def update_provider(
        self,
        provider: str | int,
        *,
        name: str | Unset = UNSET,
        endpoint: str | Unset | None = UNSET,
        timeout: float | None = None,
    ) -> Provider:
        """Change the fields that are named, and no others; the provider as it is now.

        Args:
            provider: By name or id.
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such provider.
            ConflictError: Another provider has that name.
            InvalidInputError: A text that is empty or that not every engine can keep.
            DeadlineError: `timeout` has passed; nothing was changed.
        """
        id_or_name(provider, "provider")
        changes: dict[str, Any] = {}
        if name is not UNSET:
            changes["name"] = unique_name(name, "name")
        if endpoint is not UNSET:
            changes["endpoint"] = optional_text(endpoint, "endpoint")

        async def work() -> Provider:
            found = await stored_provider(provider)
            if "name" in changes:
                await _check_free(changes["name"], unless=found.id)
            await tables.Provider.filter(id=found.id).update(**changes, updated_at=now())
            return _provider_of(await stored_provider(found.id))

        return await self._unit(work, timeout)

    async def set_provider_secret(
        self, provider: str | int, secret: Secret | str | None, *, timeout: float | None = None
    ) -> None:
        """Keep what a provider's API asks for, sealed for its row; None removes it. The one before is gone.

        Args:
            provider: By name or id.
            secret: Any text, such as one key, or several as JSON.
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such provider.
            InvalidInputError: Not a text, empty, or not valid Unicode; the error does not show it.
            ConfigurationError: There is no secret key to seal it with.
            DeadlineError: `timeout` has passed; nothing was changed.
        """
        id_or_name(provider, "provider")
        plain = secret_text(secret, "secret")

        async def work() -> None:
            found = await stored_provider(provider)
            await tables.Provider.filter(id=found.id).update(api_key=self._sealed(plain, found.id), updated_at=now())

        await self._unit(work, timeout)

    def _sealed(self, secret: str | None, provider_id: int) -> str | None:
        if secret is None:
            return None
        return self._vault.protect(secret, table="Provider", column="apiKey", row_id=provider_id)


async def stored_provider(provider: str | int) -> tables.Provider:
    """The row of a provider by name or id, in a unit of work.

    Raises:
        NotFoundError: No such provider.
    """
    wanted = tables.Provider.filter(name=provider) if isinstance(provider, str) else tables.Provider.filter(id=provider)
    found = await wanted.order_by("id").first()
    if found is None:
        raise NotFoundError("provider", provider)
    return found


def _provider_of(row: tables.Provider) -> Provider:
    return Provider(id=row.id, name=row.name, endpoint=row.endpoint)


def _provider_key(provider: Any) -> dict[str, Any]:
    provider_id, name = id_or_name(provider, "provider")
    return {"provider_id": provider_id, "provider_name": name}


async def _check_free(name: str, *, unless: int | None = None) -> None:
    taken = await tables.Provider.filter(name=name).first()
    if taken is not None and taken.id != unless:
        raise ConflictError(f"There is a provider called {name!r}. Choose another name.", columns=("name",))
