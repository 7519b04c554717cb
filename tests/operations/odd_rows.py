"""A database whose rows break naive copies: characters, decimals, times, JSON, and references to what comes later."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

import orjson

from agentdb import Database
from agentdb.models import Conversation, Message, Resource, Usage, UsageDay, User
from tests.services.both_engines import furnished

TEXTS: Final = (
    "",
    " ",
    "NULL",
    "\\N",
    "\\x00",
    "a \"quoted\" 'text' with ; -- and %s, $1, ?1, :id",
    "tab\t, line\n, return\r, both\r\n, form\f, bell\x07, delete\x7f, next\x85",
    "\ufefflater \u2028 line \u2029 paragraph",
    "e\u0301 is not \u00e9, \u212b is not \u00c5, \ufb01 is not fi",
    "\u202eright to left\u202c \u05d0\u05d1\u05d2",
    "\U0001f469\u200d\U0001f680 \U0001f1e9\U0001f1ea \U0010ffff \uffff",
    "2026-01-01",
    "00012",
    "1e5",
)
AMOUNTS: Final = (
    "900000000",
    "-900000000",
    "0.0000000001",
    "-0.0000000001",
    "0",
    "0.1",
    "123456789.0123456789",
    "1E+3",
)
TIMES: Final = (
    datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    datetime(1582, 10, 10, 1, 2, 3, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2024, 2, 29, 12, 0, 0, 100000, tzinfo=UTC),
    datetime(2026, 3, 29, 1, 30, 0, 0, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999998, tzinfo=UTC),
)
VALUES: Final[tuple[Any, ...]] = (
    2**63 - 1,
    -(2**63),
    2.0**63,
    -(2.0**63),
    2.0**53,
    2.0**60,
    -(2.0**62),
    1e22,
    1e300,
    -1.7976931348623157e308,
    5e-324,
    0.1,
    1.0,
    -0.0,
    0.30000000000000004,
    True,
    "",
    "5",
    [],
    {},
    [None, [None], {"": None}],
    {"b": 1, "a": 2, "\u00e9": 3, "\U0001f600": 4, "\ue000": 5, "A": 6},
    {'quoted \\ " \u2028': "\u0001\u001f\ud7ff\ue000"},
    [[[[[[[[[[{"deep": [1, 1.0, "1"]}]]]]]]]]]],
    [{"text": "Hello"}, {"toolUse": {"input": {"source": "print('\\n')"}}}],
    [0.1, 0.25, -1.5, 3.0, 1e-7] * 20,
)
_SUMS: Final[dict[str, Any]] = dict.fromkeys(
    ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "rows", "requests"), 2**63 - 1
)


async def odd_rows(db: Database) -> int:
    """Furnish `db`, then write the odd rows. Gives the id of a message that is deleted: no other may ever have it."""
    world = await furnished(db, huge="")
    with db.use():
        talk = await Conversation.create(user_id=world.user_id, title="", created_at=TIMES[0])
        for text in TEXTS:
            await Resource.create(user_id=world.user_id, name=text, content=text, metadata={text: text})
        for amount in AMOUNTS:
            await Usage.create(user_id=world.user_id, cost=Decimal(amount), input_tokens=2**63 - 1)
            await UsageDay.create(user_id=world.user_id, cost=Decimal(amount), day=TIMES[0], **_SUMS)
        for at, moment in enumerate(TIMES):
            await User.create(email=f"{at}@example.org", created_at=moment, remaining=Decimal("-0.0000000001"))
        messages = [await Message.create(conversation_id=talk.id, content=value, role="user") for value in VALUES]
        await Message.create(conversation_id=talk.id, content=None)
        for one, later in pairwise(messages):
            await Message.filter(id=one.id).update(parent_id=later.id)
        await Message.filter(id=messages[-1].id).update(parent_id=messages[-1].id)
        await Conversation.filter(id=talk.id).update(summary_message_id=messages[-1].id)
    parameters = [db.session.dialect.placeholder(at) for at in (1, 2)]
    await db.session.client.fetch(
        f'INSERT INTO "Message" ("conversationID", "content") VALUES ({", ".join(parameters)})',
        [talk.id, orjson.dumps(None).decode()],
    )
    with db.use():
        gone = await Message.create(conversation_id=talk.id)
        await gone.delete()
    gone_id: int = gone.id
    return gone_id
