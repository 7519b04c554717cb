"""What answers: providers and their language models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tortoise.fields import SET_NULL, ForeignKeyNullableRelation, ReverseRelation, TextField

from agentdb.models.base import Record
from agentdb.models.fields import JsonField, MoneyField, NamedIndex, NumberField, reference

if TYPE_CHECKING:
    from agentdb.models.agents import Agent
    from agentdb.models.usage import Usage


class Provider(Record):
    """A service that runs models. `api_key` is sealed."""

    name = TextField(null=True)
    api_key = TextField(null=True)
    endpoint = TextField(null=True)

    models: ReverseRelation[Model]

    class Meta:
        indexes = (NamedIndex("name", is_unique=True),)


class Model(Record):
    """A language model. Prices are US dollars per 1,000 tokens; `internal_name` is what a call names."""

    provider: ForeignKeyNullableRelation[Provider] = reference("Provider", SET_NULL, related_name="models")
    provider_id: int | None
    name = TextField(null=True)
    internal_name = TextField(null=True)
    type = TextField(null=True)
    description = TextField(null=True)
    max_context = NumberField(null=True)
    max_output = NumberField(null=True)
    max_reasoning = NumberField(null=True)
    cost1k_input = MoneyField(null=True)
    cost1k_output = MoneyField(null=True)
    cost1k_cache_read = MoneyField(null=True)
    cost1k_cache_write = MoneyField(null=True)
    default_parameters = JsonField(null=True)

    agents: ReverseRelation[Agent]
    usages: ReverseRelation[Usage]

    class Meta:
        indexes = (NamedIndex("internal_name", is_unique=True), NamedIndex("provider_id"))
