"""The catalog as administrators change it: providers, their secrets, models and prices."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest

from agentdb import (
    ConfigurationError,
    ConflictError,
    Database,
    InvalidInputError,
    NotFoundError,
    Provider,
    Secret,
    StorageError,
)
from agentdb.records import User as UserRecord
from agentdb.secrets import Vault
from agentdb.types import Price

pytestmark = pytest.mark.agentdb(engine="both")

SEVERAL = json.dumps({"accessKeyId": "AKIA-hidden", "secretAccessKey": "hush, ünïcode", "region": "us-east-1"})


async def stored_secret(db: Database, name: str) -> str | None:
    with db.use():
        stored: str | None = (await Provider.get(name=name)).api_key
        return stored


# providers


async def test_providers_are_read(agent_db: Database) -> None:
    """One by name or id, all by id, none with a key."""
    provider = await agent_db.catalog.provider("mock")

    assert (provider.id, provider.name, provider.endpoint) == (99, "mock", None)
    assert await agent_db.catalog.provider(99) == provider
    assert [one.name for one in await agent_db.catalog.providers()] == ["bedrock", "google", "mock"]
    assert "api_key" not in type(provider).model_fields
    for unknown in ("Mock", "", 98):
        with pytest.raises(NotFoundError, match="No provider"):
            await agent_db.catalog.provider(unknown)


async def test_a_provider_is_made_and_changed(agent_db: Database) -> None:
    """Only what is named changes; a name is given once."""
    made = await agent_db.catalog.create_provider("databricks", endpoint="https://example.org/1")
    await agent_db.catalog.set_provider_secret("databricks", "hush")
    moved = await agent_db.catalog.update_provider("databricks", endpoint="https://example.org/2")
    renamed = await agent_db.catalog.update_provider(made.id, name="bricks")

    assert (made.name, made.endpoint) == ("databricks", "https://example.org/1")
    assert (moved.id, moved.name, moved.endpoint) == (made.id, "databricks", "https://example.org/2")
    assert (renamed.name, renamed.endpoint) == ("bricks", "https://example.org/2")
    assert await agent_db.catalog.provider("bricks") == renamed
    assert await agent_db.catalog.provider_secret("bricks") == Secret("hush")
    assert (await agent_db.catalog.update_provider("bricks", name="bricks", endpoint=None)).endpoint is None


async def test_a_provider_is_there_once(agent_db: Database) -> None:
    """Neither a new nor a renamed one takes another's name, not even all at once."""
    with pytest.raises(ConflictError, match="a provider called 'mock'"):
        await agent_db.catalog.create_provider("mock")
    with pytest.raises(ConflictError, match="a provider called 'mock'"):
        await agent_db.catalog.update_provider("google", name="mock", endpoint="x")
    with pytest.raises(NotFoundError):
        await agent_db.catalog.update_provider("nobody", endpoint="x")
    calls = [agent_db.catalog.create_provider("new") for _ in range(5)]
    results = await asyncio.gather(*calls, return_exceptions=True)

    assert sum(isinstance(one, ConflictError) for one in results) == 4
    assert [one.endpoint for one in await agent_db.catalog.providers()] == [None] * 4


# provider secrets


@pytest.mark.parametrize("secret", ["hush", Secret("hush"), Secret(SEVERAL), " with blanks\n"])
async def test_a_secret_comes_back_as_it_was(agent_db: Database, secret: Secret | str) -> None:
    """By name or id, wrapped; a JSON of several is just a text. The table holds none of it."""
    await agent_db.catalog.set_provider_secret("google", secret)
    plain = secret.reveal() if isinstance(secret, Secret) else secret
    found = await agent_db.catalog.provider_secret("google")
    stored = await stored_secret(agent_db, "google")

    assert found == Secret(plain) == await agent_db.catalog.provider_secret(2)
    assert stored is not None
    assert stored.startswith("agd1$")
    assert plain not in stored
    assert "hush" not in repr(found)
    assert await agent_db.catalog.provider_secret("mock") is None


async def test_a_secret_is_replaced_and_removed(agent_db: Database) -> None:
    """The one before is gone; nobody else's changes."""
    await agent_db.catalog.set_provider_secret("mock", "other")
    await agent_db.catalog.set_provider_secret("google", "first")
    await agent_db.catalog.set_provider_secret("google", "second")
    second = await agent_db.catalog.provider_secret("google")
    await agent_db.catalog.set_provider_secret("google", None)

    assert second == Secret("second")
    assert await agent_db.catalog.provider_secret("google") is None
    assert await stored_secret(agent_db, "google") is None
    assert await agent_db.catalog.provider_secret("mock") == Secret("other")


async def test_a_secret_copied_to_another_row_does_not_open(agent_db: Database) -> None:
    """It is bound to its place."""
    await agent_db.catalog.set_provider_secret("google", "hush")
    with agent_db.use():
        await Provider.filter(name="mock").update(api_key=await stored_secret(agent_db, "google"))

    with pytest.raises(StorageError, match=r"Provider\.apiKey of row 99") as caught:
        await agent_db.catalog.provider_secret("mock")
    assert caught.value.reason == "corrupt"


async def test_plain_text_is_no_secret_where_it_is_not_accepted(agent_db: Database) -> None:
    """The error says how to accept it, and does not show it."""
    with agent_db.use():
        await Provider.filter(name="google").update(api_key="hush")

    with pytest.raises(ConfigurationError, match="plain text") as caught:
        await agent_db.catalog.provider_secret("google")
    assert "hush" not in str(caught.value)


async def test_a_secret_needs_a_key(agent_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one nothing is stored, least of all as it is."""
    await agent_db.catalog.set_provider_secret("google", "hush")
    before = await stored_secret(agent_db, "google")
    monkeypatch.setattr(agent_db.catalog, "_vault", Vault(None))

    with pytest.raises(ConfigurationError, match="AGENTDB_SECRET_KEY"):
        await agent_db.catalog.set_provider_secret("google", "other")
    with pytest.raises(ConfigurationError, match="AGENTDB_SECRET_KEY"):
        await agent_db.catalog.provider_secret("google")
    assert await stored_secret(agent_db, "google") == before


@pytest.mark.parametrize("secret", ["", b"hush", 7, "hush\x00", "hush\ud800", Secret("")])
async def test_a_secret_is_a_text(agent_db: Database, secret: Any) -> None:
    """The error does not show it."""
    with pytest.raises(InvalidInputError) as caught:
        await agent_db.catalog.set_provider_secret("google", secret)

    assert "hush" not in str(caught.value)
    assert await stored_secret(agent_db, "google") is None


async def test_a_secret_belongs_to_a_provider(agent_db: Database) -> None:
    """An unknown one has none, and gets none."""
    with pytest.raises(NotFoundError, match="No provider 'nobody'"):
        await agent_db.catalog.provider_secret("nobody")
    with pytest.raises(NotFoundError, match="No provider 'nobody'"):
        await agent_db.catalog.set_provider_secret("nobody", "hush")


# models


async def test_a_model_is_made(agent_db: Database) -> None:
    """With everything that a call needs, read back the same."""
    price = Price(Decimal("0.0031"), Decimal("0.015"), Decimal("1e-10"), Decimal(2))
    made = await agent_db.catalog.create_model(
        "new-model",
        provider="google",
        name="New",
        type="embedding",
        description="Newest",
        max_context=3072,
        max_output=0,
        price=price,
        default_parameters={"temperature": 0.5, "stop": ["x"]},
    )

    assert made == await agent_db.catalog.model("new-model")
    assert (made.internal_name, made.name, made.type, made.description) == ("new-model", "New", "embedding", "Newest")
    assert (made.max_context, made.max_output, made.max_reasoning) == (3072, 0, None)
    assert made.price == price == await agent_db.catalog.price("new-model")
    assert made.default_parameters == {"temperature": 0.5, "stop": ["x"]}
    assert made.provider is not None
    assert made.provider.name == "google"


async def test_a_model_may_be_made_of_little(agent_db: Database) -> None:
    """It is for chat and costs nothing."""
    made = await agent_db.catalog.create_model("bare", provider=None)

    assert (made.type, made.provider, made.name, made.default_parameters) == ("chat", None, None, None)
    assert made.price == Price()
    with pytest.raises(ConflictError, match="a model called 'bare'"):
        await agent_db.catalog.create_model("bare", provider="mock")
    with pytest.raises(NotFoundError, match="No provider 'nobody'"):
        await agent_db.catalog.create_model("other", provider="nobody")
    assert await agent_db.catalog.find_model("other") is None


async def test_only_named_fields_of_a_model_change(agent_db: Database) -> None:
    """None empties a field, and what is not named stays."""
    before = await agent_db.catalog.model("mock-model")
    changed = await agent_db.catalog.update_model("mock-model", description="x", max_reasoning=None, provider="google")
    cleared = await agent_db.catalog.update_model("mock-model", provider=None, default_parameters={"a": 1})

    assert (changed.description, changed.max_reasoning) == ("x", None)
    assert changed.provider is not None
    assert changed.provider.name == "google"
    kept = ("id", "name", "internal_name", "type", "max_context", "max_output", "price", "created_at")
    assert [getattr(cleared, name) for name in kept] == [getattr(before, name) for name in kept]
    assert (cleared.provider, cleared.default_parameters, cleared.description) == (None, {"a": 1}, "x")


async def test_a_new_price_counts_from_now_on(agent_db: Database, ada: UserRecord) -> None:
    """What was charged stays."""
    first = await agent_db.usage.record(user_id=ada.id, model="mock-model", input_tokens=10_000)
    await agent_db.catalog.update_model("mock-model", price=Price(input=Decimal("0.1")))
    second = await agent_db.usage.record(user_id=ada.id, model="mock-model", input_tokens=10_000)

    assert (first.cost_usd, second.cost_usd) == (Decimal("0.000001"), Decimal(1))
    assert (await agent_db.catalog.price("mock-model")).output == 0


@pytest.mark.parametrize(
    "values",
    [
        {"name": "\x00"},
        {"type": 7},
        {"description": "\ud800"},
        {"max_context": -1},
        {"max_output": 2**63},
        {"max_reasoning": 1.5},
        {"price": None},
        {"price": (1, 2, 3, 4)},
        {"price": Price(Decimal(-1))},
        {"price": Price(Decimal("NaN"))},
        {"price": Price(0.1)},  # type: ignore[arg-type]  # it is refused
        {"price": Price(Decimal("0.00000000001"))},
        {"default_parameters": [1]},
        {"default_parameters": {"a": float("nan")}},
        {"default_parameters": {"a": "\x00"}},
        {"provider": 1.5},
        {"provider": "\x00"},
    ],
)
async def test_bad_input_makes_and_changes_no_model(agent_db: Database, values: dict[str, Any]) -> None:
    """The same error on every engine."""
    before = await agent_db.catalog.models()
    with pytest.raises(InvalidInputError):
        await agent_db.catalog.create_model("new", **{"provider": None, **values})
    with pytest.raises(InvalidInputError):
        await agent_db.catalog.update_model("mock-model", **values)

    assert await agent_db.catalog.models() == before


async def test_an_unknown_model_cannot_be_changed(agent_db: Database) -> None:
    """Nor has it a price."""
    with pytest.raises(NotFoundError, match="No model 'x'"):
        await agent_db.catalog.update_model("x", name="y")
    with pytest.raises(NotFoundError, match="No model 'x'"):
        await agent_db.catalog.price("x")
    assert await agent_db.catalog.find_model("x") is None


@pytest.mark.parametrize("key", [None, 1.5, True, 2**63, "\x00", "\ud800"])
async def test_a_provider_is_a_name_or_an_id(agent_db: Database, key: Any) -> None:
    """The same error on every engine."""
    catalog = agent_db.catalog
    calls: list[Any] = [catalog.provider(key), catalog.provider_secret(key), catalog.update_provider(key)]
    for call in [*calls, catalog.set_provider_secret(key, "hush")]:
        with pytest.raises(InvalidInputError):
            await call
