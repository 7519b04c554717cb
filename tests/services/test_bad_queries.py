"""Bad input in ordinary Tortoise queries through `db.use()`: the same answers as from the services."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from agentdb import InvalidInputError
from agentdb.models import Conversation, Message, Role, User
from agentdb.testing.factory import DatabaseFactory
from tests.services.bad_values import BEYOND, MONEY, OPTIONAL_OBJECT, OPTIONAL_TIME, UNSTORABLE, Bad
from tests.services.both_engines import both_opened

Query = Callable[[Any], Any]

TEXTS: Mapping[str, Query] = {
    "create": lambda value: User.create(first_name=value),
    "bulk_create": lambda value: User.bulk_create([User(first_name="a"), User(first_name=value)]),
    "update": lambda value: User.all().update(first_name=value),
    "filter": lambda value: User.filter(first_name=value).count(),
    "in": lambda value: User.filter(first_name__in=["a", value]).count(),
}
# Tortoise puts a sign before the text, which moves what is in it.
PATTERNS: Mapping[str, Query] = {
    "icontains": lambda value: User.filter(first_name__icontains=value).exists(),
    "startswith": lambda value: User.filter(first_name__startswith=value).count(),
}
NUMBERS: Mapping[str, Query] = {
    "create": lambda value: Role.create(display_order=value),
    "update": lambda value: Role.all().update(display_order=value),
    "get_or_none": lambda value: Role.get_or_none(id=value),
    "filter": lambda value: Role.filter(id__gt=value).count(),
    "in": lambda value: Role.filter(id__in=[1, value]).count(),
    "of another row": lambda value: Conversation.create(user_id=value),
}
AMOUNTS: Mapping[str, Query] = {
    "create": lambda value: User.create(budget=value),
    "update": lambda value: User.all().update(budget=value),
    "filter": lambda value: User.filter(budget__gt=value).count(),
}
OBJECTS: Mapping[str, Query] = {
    "create": lambda value: Message.create(conversation_id=1, content=value),
    "bulk_create": lambda value: Message.bulk_create([Message(conversation_id=1, content=value)]),
    "update": lambda value: Message.all().update(content=value),
}
TIMES: Mapping[str, Query] = {
    "update": lambda value: Conversation.all().update(created_at=value),
    "filter": lambda value: Conversation.filter(created_at__gt=value).count(),
    "range": lambda value: Conversation.filter(created_at__range=(value, value)).count(),
}

# Columns take negative amounts and any JSON.
CASES: Sequence[tuple[Mapping[str, Query], Sequence[Bad]]] = (
    (TEXTS, UNSTORABLE),
    (PATTERNS, [replace(bad, says=bad.says.partition(",")[0]) for bad in UNSTORABLE]),
    (NUMBERS, BEYOND),
    (AMOUNTS, [bad for bad in MONEY if bad.label != "-1"]),
    (OBJECTS, [bad for bad in OPTIONAL_OBJECT.refused if bad.says != "is an object, found"]),
    (TIMES, OPTIONAL_TIME.refused),
)


async def test_bad_values_are_refused(agent_db_factory: DatabaseFactory) -> None:
    """Before any engine sees them, whatever the query does with them."""
    async with both_opened(agent_db_factory) as engines:
        before, odd = await engines.digests(), []
        for queries, refused in CASES:
            for name, query in queries.items():
                for bad in refused:
                    found = await engines.answers(asked(query, bad.value(engines.world)))
                    if found[0] != found[1] or found[0].error is not InvalidInputError or bad.says not in found[0].text:
                        odd.append((name, bad.label, found))

        assert odd == []
        assert await engines.digests() == before


def asked(query: Query, value: Any) -> Query:
    """The query with a value, for whichever database is in use."""
    return lambda _: query(value)
