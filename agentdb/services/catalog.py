"""What language models there are, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from agentdb.engine import Row
from agentdb.errors import NotFoundError
from agentdb.records import Model
from agentdb.services._input import optional_text, text
from agentdb.services._service import Service
from agentdb.sql import Statements

_STATEMENTS: Final = Statements("catalog")


class CatalogService(Service):
    """Models and their providers."""

    async def model(self, internal_name: str, *, timeout: float | None = None) -> Model:
        """The model that calls name so, with its provider and prices.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such model.
            DeadlineError: `timeout` has passed.
        """
        name = text(internal_name, "internal_name")
        row = await self._read(partial(_STATEMENTS.first, self._session, "model", internal_name=name), timeout)
        if row is None:
            raise NotFoundError("model", name)
        return Model.from_row(row)

    async def models(
        self,
        *,
        type: str | None = None,  # noqa: A002 - the column's name
        provider: str | None = None,
        timeout: float | None = None,
    ) -> tuple[Model, ...]:
        """The models, by the ids of their providers and then their own; those without a provider come last.

        Args:
            type: Only models of this type, such as `chat`.
            provider: Only models of the provider with this name.
            timeout: Seconds for the whole call.

        Raises:
            DeadlineError: `timeout` has passed.
        """
        kind, name = optional_text(type, "type"), optional_text(provider, "provider")

        async def work() -> Sequence[Row]:
            return await _STATEMENTS.fetch(self._session, "models", type=kind, provider=name)

        return tuple(map(Model.from_row, await self._read(work, timeout)))
