"""SQLite and PostgreSQL answer the same, whatever is asked of them and in whatever order."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, TypeAlias

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from agentdb import Database, NotFoundError
from agentdb.records import Charge
from agentdb.services._service import Service
from agentdb.testing.factory import DatabaseFactory
from agentdb.types import Page, Price
from tests.counts import COUNTS, SIZE
from tests.services.drawn_calls import CALLS
from tests.services.drawn_sequences import sequences
from tests.services.operations import Block, Call, Operation, Seen, Wait
from tests.services.twins import DifferenceError, Twins

Lie: TypeAlias = Callable[[Any], Any]
Spoil: TypeAlias = Callable[[Database], None]

LENGTH: Final = 40
# Beside the simplest one. After its first ten, hypothesis would mostly vary those that it has drawn.
SEQUENCES_OF_ROUND: Final = 8
ROUNDS: Final = COUNTS.operation_sequences // SEQUENCES_OF_ROUND
SETTINGS: Final = settings(
    max_examples=1 + SEQUENCES_OF_ROUND,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

ADA, BOB, EVE = (Seen("user", number) for number in range(3))
AGENT: Final = {"agent_id": Seen("agent", 0), "user_id": ADA}
TALK: Final = {"conversation_id": Seen("conversation", 0), "user_id": ADA}
CHUNKS: Final = [{"content": "Cats purr", "embedding": [1, 0.5]}, {"content": "Dogs bark", "embedding": [0.5, 1]}]
CHEAP, DEAR = Price(Decimal("0.0000000007"), Decimal(1)), Price(Decimal(1), Decimal("2.5"))

# Every sequence begins with these, so that most of what follows is about something.
BEGINNING: Final[Sequence[Operation]] = (
    Call("access.create_user", {"email": "ada@example.org", "budget": Decimal(4), "with_api_key": True}),
    Call("access.create_user", {"email": "bob@example.org", "first_name": "Bob"}),
    Call("access.create_user", {"email": "eve@example.org", "budget": Decimal("0.5")}),
    Call("catalog.create_model", {"internal_name": "odd", "provider": "mock", "price": CHEAP}),
    Call("catalog.create_model", {"internal_name": "dear", "provider": None, "price": DEAR}),
    Call("catalog.create_provider", {"name": "Ünique"}),
    Call("access.create_role", {"name": "Rôle"}),
    Call("access.create_policy", {"name": "Pölicy", "resource": "notes", "action": "*"}),
    Call("agents.create_tool", {"user_id": ADA, "name": "Tööl"}),
    Call("agents.create", {"user_id": ADA, "name": "Cats", "prompt": "Talk of cats.", "tools": ["search", "Tööl"]}),
    Call("agents.share", {**AGENT, "with_user_id": BOB, "role": "editor"}),
    Call("agents.list", {"user_id": ADA}),
    Call("conversations.start", {**AGENT, "title": "Ada's"}),
    Call("conversations.start", {"user_id": BOB}),
    Call("conversations.start", {"user_id": EVE}),
    Call("conversations.append", {**TALK, "role": "user", "content": [{"text": "A Cat, a café"}]}),
    Call("conversations.append", {**TALK, "role": "assistant", "content": [{"text": "中文"}], "request_id": "k1"}),
    Call("knowledge.store", {**AGENT, "name": "memories/a", "chunks": CHUNKS}),
    Call("usage.record", {"user_id": ADA, "model": "odd", "input_tokens": 1001, "request_id": "k1"}),
    Call("usage.reserve", {"user_id": ADA, "amount_usd": 1}),
)

QUESTIONS: Final[Sequence[Operation]] = (
    Call("access.user", {"user_id": ADA}),
    Call("access.allows", {"user": ADA, "resource": "chat", "action": "use"}),
    Call("usage.remaining", {"user_id": ADA}),
    Call("conversations.history", TALK),
    Call("conversations.search", {"query": "cat", "user_id": ADA}),
    Call("conversations.get", {"conversation_id": 404, "user_id": ADA}),
    Call("knowledge.similar", {"embedding": [1, 0], "user_id": ADA}),
)
LIES: Final[Mapping[str, tuple[str, Lie]]] = {
    "another value": ("access.user", lambda user: user.model_copy(update={"last_name": ""})),
    "a number for a truth": ("access.allows", int),
    "another decimal": ("usage.remaining", lambda left: left + Decimal("1e-10")),
    "a float": ("usage.remaining", float),
    "another order": ("conversations.history", lambda page: Page(page.items[::-1])),
    "one page more": ("conversations.history", lambda page: Page(page.items, "a cursor")),
    "a hit left out": ("conversations.search", lambda hits: hits[1:]),
    "an error left out": ("conversations.get", lambda error: None),
    "another message": ("conversations.get", lambda error: NotFoundError("conversation", 405)),
    "less similar": (
        "knowledge.similar",
        lambda hits: [one.model_copy(update={"similarity": one.similarity - 1e-5}) for one in hits],
    ),
    "a similar one left out": ("knowledge.similar", lambda hits: hits[:1]),
}


def lying(name: str, lie: Lie) -> Spoil:
    """Let what a method gives, or the error of what it does not find, be turned into something else."""

    def spoil(db: Database) -> None:
        service, method = name.split(".")
        honest = getattr(getattr(db, service), method)

        async def lies(**arguments: Any) -> Any:
            try:
                told = await honest(**arguments)
            except NotFoundError as error:
                told = error
            result = lie(told)
            if isinstance(result, Exception):
                raise result
            return result

        setattr(getattr(db, service), method, lies)

    return spoil


def play(
    factory: DatabaseFactory,
    operations: Sequence[Operation],
    *,
    has_pgvector: bool = False,
    spoil: Spoil = lambda _: None,
) -> None:
    """Do operations with two new databases, after those that come first in every sequence.

    Args:
        has_pgvector: Whether PostgreSQL compares embeddings itself.
        spoil: What is done to the handle of PostgreSQL, to be found out.

    Raises:
        DifferenceError: They do not answer the same, or do not hold the same in the end.
    """

    async def compare(sqlite: Database, postgres: Database) -> None:
        if has_pgvector:
            await postgres.session.client.execute_script("CREATE EXTENSION vector")
        spoil(postgres)
        await Twins(sqlite, postgres).play([*BEGINNING, *operations])

    with factory(engine="sqlite") as sqlite, factory(engine="postgresql") as postgres:
        asyncio.run(compare(sqlite, postgres))


def each_of_round(
    number: int, check: Callable[[list[Operation], bool], None], *, phases: Sequence[Phase] = tuple(Phase)
) -> None:
    """Check the sequences of a round, with and without pgvector; one that fails is made short, and shown."""
    checked = settings(SETTINGS, phases=phases)(given(sequences(LENGTH), st.booleans())(check))
    (seed(number)(checked) if SIZE == "ci" else checked)()


@pytest.mark.parametrize("number", range(ROUNDS))
def test_both_engines_give_the_same_answers(agent_db_factory: DatabaseFactory, number: int) -> None:
    """Of all services, in any order: the same records and errors, events and, in the end, rows."""

    def check(operations: list[Operation], has_pgvector: bool) -> None:
        play(agent_db_factory, operations, has_pgvector=has_pgvector)

    each_of_round(number, check)


# that it can fail


def test_every_public_method_is_asked(agent_db_factory: DatabaseFactory) -> None:
    """One that is added to a service is missed here until sequences call it."""
    with agent_db_factory(engine="sqlite") as db:
        found = {
            f"{name}.{method}"
            for name, service in inspect.getmembers(db)
            if isinstance(service, Service)
            for method, _ in inspect.getmembers(service, callable)
            if not method.startswith("_")
        }

    assert found == set(CALLS)


def test_what_is_the_same_passes(agent_db_factory: DatabaseFactory) -> None:
    """The questions to which some answers are wrong below, in transactions and after some time too."""
    blocks = [Block(tuple(QUESTIONS), end) for end in ("commit", "roll back", "first error")]

    play(agent_db_factory, [*QUESTIONS, Wait(timedelta(days=1)), *blocks])


@pytest.mark.parametrize("what", LIES)
def test_a_wrong_answer_is_found(agent_db_factory: DatabaseFactory, what: str) -> None:
    """However small the difference is."""
    method, lie = LIES[what]

    with pytest.raises(DifferenceError, match=rf"(?s){method}\([^\n]*\nanswer of SQLite"):
        play(agent_db_factory, QUESTIONS, spoil=lying(method, lie))


def test_a_forgotten_write_is_found(agent_db_factory: DatabaseFactory) -> None:
    """Also if no answer shows it."""

    async def forget(*_: object, **__: object) -> None:
        pass

    with pytest.raises(DifferenceError, match="table User of SQLite"):
        play(
            agent_db_factory,
            [Call("access.revoke_api_key", {"user_id": ADA})],
            spoil=lambda db: setattr(db.access, "revoke_api_key", forget),
        )


def test_a_lost_event_is_found(agent_db_factory: DatabaseFactory) -> None:
    """Events are part of what is compared."""
    with pytest.raises(DifferenceError, match="events of SQLite"):
        play(agent_db_factory, [], spoil=lambda db: setattr(db.events, "publish", lambda event: None))


def test_random_sequences_find_a_rare_difference(agent_db_factory: DatabaseFactory) -> None:
    """A cost that is wrong in its last decimal, and only above a cent."""

    def off(charge: Any) -> Any:
        is_wrong = isinstance(charge, Charge) and charge.cost_usd > Decimal("0.01")
        return charge.model_copy(update={"cost_usd": charge.cost_usd + Decimal("1e-10")}) if is_wrong else charge

    def check(operations: list[Operation], _: bool) -> None:
        play(agent_db_factory, operations, spoil=lying("usage.record", off))

    with pytest.raises(DifferenceError, match=r"usage\.record"):
        for number in range(ROUNDS):
            each_of_round(number, check, phases=[Phase.generate])
