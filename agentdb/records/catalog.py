"""Language models and who provides them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, TypeAlias

from pydantic import PlainSerializer, PlainValidator

from agentdb.records.base import FrozenRecord, Json, Moment, money
from agentdb.types import Price


def price_of(stored: Price | Mapping[str, Any] | None) -> Price:
    """Stored prices by kind as dollars; a price that is missing is zero."""
    if isinstance(stored, Price):
        return stored
    return _decoded(**stored) if stored else Price()


# By type too: a stored 5 counts 1e-10 dollars on one engine, and a Decimal of 5 is five dollars from the other.
@lru_cache(maxsize=1024, typed=True)
def _decoded(**stored: Any) -> Price:
    return Price(**{kind: money(value or 0) for kind, value in stored.items()})


StoredPrice: TypeAlias = Annotated[
    Price, PlainValidator(price_of), PlainSerializer(lambda price: price._asdict(), when_used="json")
]


class Provider(FrozenRecord):
    """A service that runs models. Its key is never part of it."""

    id: int
    name: str | None = None
    endpoint: str | None = None


class Model(FrozenRecord):
    """A language model.

    Attributes:
        internal_name: What a call names.
        type: `chat`, `embedding` and the like.
        max_context: In tokens, as are `max_output` and `max_reasoning`.
        price: US dollars per 1,000 tokens of each kind.
        default_parameters: JSON for the provider's API.
    """

    id: int
    name: str | None = None
    internal_name: str
    type: str | None = None
    description: str | None = None
    max_context: int | None = None
    max_output: int | None = None
    max_reasoning: int | None = None
    price: StoredPrice = Price()
    default_parameters: Json = None
    provider: Provider | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None
