"""What language models there are, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any, Final

import agentdb.models as tables
from agentdb.engine.values import now
from agentdb.errors import ConflictError, NotFoundError
from agentdb.records import Model
from agentdb.services._input import amount, count, id_or_name, json_object, optional_text, refused, text, unique_name
from agentdb.services._providers import stored_provider
from agentdb.services._service import Service
from agentdb.sql import Statements
from agentdb.types import UNSET, Price, Unset

_STATEMENTS: Final = Statements("catalog")
_TEXTS: Final = frozenset({"name", "type", "description"})


class Models(Service):
    """Models with their providers and prices."""

    async def model(self, internal_name: str, *, timeout: float | None = None) -> Model:
        """The model that calls name so, with its provider and prices, in one statement.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such model.
            DeadlineError: `timeout` has passed.
        """
        model = await self.find_model(internal_name, timeout=timeout)
        if model is None:
            raise NotFoundError("model", internal_name)
        return model

    async def find_model(self, internal_name: str, *, timeout: float | None = None) -> Model | None:
        """The model that calls name so; None if there is none.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            DeadlineError: `timeout` has passed.
        """
        name = text(internal_name, "internal_name")
        row = await self._query(partial(_STATEMENTS.row, self._session, "model", internal_name=name), timeout)
        return Model.from_row(row) if row is not None else None

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
        values = {"type": optional_text(type, "type"), "provider": optional_text(provider, "provider")}
        steps = partial(_STATEMENTS.rows, self._session, "models", **values)
        return tuple(Model.from_rows(await self._query(steps, timeout)))

    async def price(self, internal_name: str, *, timeout: float | None = None) -> Price:
        """What a model costs, in US dollars per 1,000 tokens of each kind.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such model.
            DeadlineError: `timeout` has passed.
        """
        return (await self.model(internal_name, timeout=timeout)).price

    async def create_model(
        self,
        internal_name: str,
        *,
        provider: str | int | None,
        name: str | None = None,
        type: str | None = "chat",  # noqa: A002 - the column's name
        description: str | None = None,
        max_context: int | None = None,
        max_output: int | None = None,
        max_reasoning: int | None = None,
        price: Price = Price(),  # noqa: B008 - it is a tuple
        default_parameters: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Model:
        """Make a model that calls can name.

        Args:
            provider: By name or id; None if nobody provides it.
            max_context: In tokens, as are `max_output` and `max_reasoning`.
            price: US dollars per 1,000 tokens of each kind.
            default_parameters: JSON for the provider's API.
            timeout: Seconds for the whole call.

        Raises:
            ConflictError: There is a model of that name.
            NotFoundError: No such provider.
            InvalidInputError: A price or number below 0, or a value that not every engine can keep.
            DeadlineError: `timeout` has passed; nothing was made.
        """
        values = _model_values(
            name=name,
            type=type,
            description=description,
            max_context=max_context,
            max_output=max_output,
            max_reasoning=max_reasoning,
            price=price,
            default_parameters=default_parameters,
        )
        values["internal_name"] = unique_name(internal_name, "internal_name")
        if provider is not None:
            id_or_name(provider, "provider")

        async def work() -> Model:
            if await tables.Model.filter(internal_name=internal_name).exists():
                raise ConflictError(
                    f"There is a model called {internal_name!r}. Update it, or choose another name.",
                    columns=("internalName",),
                )
            await tables.Model.create(**(values | await _provided_by(provider)))
            return await self._stored_model(internal_name)

        return await self._unit(work, timeout)

    async def update_model(
        self,
        internal_name: str,
        *,
        provider: str | int | Unset | None = UNSET,
        name: str | Unset | None = UNSET,
        type: str | Unset | None = UNSET,  # noqa: A002 - the column's name
        description: str | Unset | None = UNSET,
        max_context: int | Unset | None = UNSET,
        max_output: int | Unset | None = UNSET,
        max_reasoning: int | Unset | None = UNSET,
        price: Price | Unset = UNSET,
        default_parameters: Mapping[str, Any] | Unset | None = UNSET,
        timeout: float | None = None,
    ) -> Model:
        """Change the fields that are named, and no others; the model as it is now.

        A new price counts for calls that are recorded from now on; what was charged stays. The internal name stays too,
        because agents and callers use it.

        Args:
            timeout: Seconds for the whole call.

        Raises:
            NotFoundError: No such model or provider.
            InvalidInputError: A price or number below 0, or a value that not every engine can keep.
            DeadlineError: `timeout` has passed; nothing was changed.
        """
        text(internal_name, "internal_name")
        changes = _model_values(
            name=name,
            type=type,
            description=description,
            max_context=max_context,
            max_output=max_output,
            max_reasoning=max_reasoning,
            price=price,
            default_parameters=default_parameters,
        )
        if provider is not UNSET and provider is not None:
            id_or_name(provider, "provider")

        async def work() -> Model:
            model = await self._stored_model(internal_name)
            await tables.Model.filter(id=model.id).update(**changes, **await _provided_by(provider), updated_at=now())
            return await self._stored_model(internal_name)

        return await self._unit(work, timeout)

    async def _stored_model(self, internal_name: str) -> Model:
        row = await _STATEMENTS.first(self._session, "model", internal_name=internal_name)
        if row is None:
            raise NotFoundError("model", internal_name)
        return Model.from_row(row)


async def _provided_by(provider: str | int | Unset | None) -> dict[str, int | None]:
    if provider is UNSET:
        return {}
    return {"provider_id": None if provider is None else (await stored_provider(provider)).id}


def _model_values(*, price: Any, default_parameters: Any, **others: Any) -> dict[str, Any]:
    """The checked values of a model by attribute, those that are not set left out."""
    values: dict[str, Any] = {
        what: optional_text(value, what) if what in _TEXTS else _optional_count(value, what)
        for what, value in others.items()
        if value is not UNSET
    }
    if price is not UNSET:
        values |= _price_values(price)
    if default_parameters is not UNSET:
        json_object(default_parameters, "default_parameters")
        values["default_parameters"] = default_parameters
    return values


def _price_values(price: Any) -> dict[str, Decimal]:
    if not isinstance(price, Price):
        raise refused("price", "a Price", price)
    return {f"cost1k_{kind}": amount(rate, f"price.{kind}") for kind, rate in price._asdict().items()}


def _optional_count(value: Any, what: str) -> int | None:
    return None if value is None else count(value, what)
