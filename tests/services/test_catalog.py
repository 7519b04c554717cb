"""Models, prices and providers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from agentdb import Database, DeadlineError, InvalidInputError, Model, NotFoundError, Provider
from agentdb.types import Price

pytestmark = pytest.mark.agentdb(engine="both")


async def test_a_model_is_found_by_its_internal_name(agent_db: Database) -> None:
    """With exact prices and its provider, whose key is no part of it."""
    model = await agent_db.catalog.model("mock-model")

    assert (model.id, model.name, model.internal_name, model.type) == (99, "Mock Model", "mock-model", "chat")
    assert (model.max_context, model.max_output, model.max_reasoning) == (1_000_000, 100_000, 500_000)
    assert model.price == Price(Decimal("1e-7"), Decimal("5e-7"), Decimal("1e-8"), Decimal("1.2e-7"))
    assert model.provider is not None
    assert (model.provider.id, model.provider.name) == (99, "mock")
    assert "api_key" not in type(model.provider).model_fields
    assert model.default_parameters is None


async def test_a_missing_price_is_zero(agent_db: Database) -> None:
    """A model without cache prices costs nothing for cached tokens."""
    model = await agent_db.catalog.model("us.meta.llama4-scout-17b-instruct-v1:0")

    assert model.price == Price(Decimal("0.00017"), Decimal("0.00066"), Decimal(0), Decimal(0))


async def test_default_parameters_are_parsed(agent_db: Database) -> None:
    """JSON, whichever way the engine keeps it."""
    with agent_db.use():
        await Model.filter(internal_name="mock-model").update(default_parameters={"temperature": 0.5, "stop": ["x"]})

    assert (await agent_db.catalog.model("mock-model")).default_parameters == {"temperature": 0.5, "stop": ["x"]}


async def test_a_model_may_have_no_provider(agent_db: Database) -> None:
    """It lost it when the provider was deleted."""
    with agent_db.use():
        await Provider.filter(name="mock").delete()

    assert (await agent_db.catalog.model("mock-model")).provider is None


@pytest.mark.parametrize("name", ["mock", "Mock-Model", "mock-model "])
async def test_an_unknown_model_is_an_error(agent_db: Database, name: str) -> None:
    """Names are compared exactly."""
    with pytest.raises(NotFoundError, match="No model"):
        await agent_db.catalog.model(name)


@pytest.mark.parametrize("name", ["", None, 7, "\x00", "\ud800"])
async def test_a_model_name_is_a_text(agent_db: Database, name: Any) -> None:
    """The same error on every engine."""
    with pytest.raises(InvalidInputError):
        await agent_db.catalog.model(name)


@pytest.mark.parametrize("value", [7, "\x00", "\ud800"])
async def test_a_filter_is_a_text(agent_db: Database, value: Any) -> None:
    """The same error on every engine."""
    with pytest.raises(InvalidInputError):
        await agent_db.catalog.models(type=value)
    with pytest.raises(InvalidInputError):
        await agent_db.catalog.models(provider=value)


async def test_models_come_in_one_order(agent_db: Database) -> None:
    """By provider, then by id; those without a provider last, on every engine."""
    with agent_db.use():
        await Model.create(name="Homeless", internal_name="homeless", type="embedding")
        await Model.create(name="Late", internal_name="late", type="embedding", provider_id=1)
    models = await agent_db.catalog.models()

    assert [model.internal_name for model in models][-2:] == ["mock-model", "homeless"]
    assert [model.id for model in models][:5] == [1, 2, 3, 4, 5]
    assert models[5].internal_name == "late"
    assert len(models) == 10


async def test_models_are_filtered_by_type_and_provider(agent_db: Database) -> None:
    """Both must hold; a filter that nothing passes gives nothing."""
    with agent_db.use():
        await Model.create(name="Vectors", internal_name="vectors", type="embedding", provider_id=1)

    assert [model.internal_name for model in await agent_db.catalog.models(type="embedding")] == ["vectors"]
    assert len(await agent_db.catalog.models(provider="bedrock")) == 6
    assert len(await agent_db.catalog.models(provider="bedrock", type="chat")) == 5
    assert await agent_db.catalog.models(provider="nobody") == ()
    assert await agent_db.catalog.models(type="") == ()


async def test_a_deadline_ends_the_call(agent_db: Database) -> None:
    """Reads have one too."""
    with pytest.raises(DeadlineError):
        await agent_db.catalog.model("mock-model", timeout=0)
    with pytest.raises(DeadlineError):
        await agent_db.catalog.models(timeout=0)
