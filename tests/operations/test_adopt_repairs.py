"""Each repair of a database without foreign keys, on damage that was planted, and on damage that was drawn."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

import pytest

from agentdb.database import look
from agentdb.operations.adoption_plan import AdoptionPlan
from tests.counts import COUNTS
from tests.lifecycle.places import Place, Places, configured
from tests.operations.originals import SOUND, make_original

Rows: TypeAlias = dict[int, dict[str, Any]]

DAMAGE: Final = r"""
INSERT INTO "User" ("id", "email", "roleID", "apiKey", "remaining") VALUES
    (3, NULL, 999, NULL, 0.1::float8 + 0.2::float8), (4, E'\t Carl@Example.ORG ', 3, ' ', 1), (5, '', 3, NULL, 1),
    (6, 'STRASSE@stra' || chr(223) || 'e.de', 3, NULL, 1);
INSERT INTO "RolePolicy" ("id", "roleID", "policyID") VALUES (101, NULL, 1), (102, 1, 999);
INSERT INTO "Model" ("id", "providerID") VALUES (101, 999);
INSERT INTO "Agent" ("id", "userID", "modelID", "promptID") VALUES (101, 999, 1, 1), (102, NULL, 999, 999);
INSERT INTO "AgentTool" ("id", "agentID", "toolID") VALUES (101, 101, 1), (102, 1, NULL);
INSERT INTO "UserAgent" ("id", "userID", "agentID") VALUES (101, 1, 101), (102, 999, 1);
INSERT INTO "UserTool" ("id", "userID", "toolID") VALUES (101, 999, 2), (102, 1, 999);
INSERT INTO "Conversation" ("id", "userID", "agentID", "summaryMessageID") VALUES
    (101, 1, 101, 0), (102, NULL, 1, NULL), (103, 999, 1, 0), (104, 1, NULL, 1), (105, 1, 1, 104);
INSERT INTO "Message" ("id", "conversationID", "parentID", "content") VALUES
    (101, 102, NULL, '[]'), (102, 999, NULL, '[]'), (103, NULL, NULL, '[]'), (104, 105, 1, NULL), (105, 1, 999, 'null'),
    (106, 1, 2, '[{"text": "a\u0000b\ud83d\ude00c\ud83dd\ude00e\\u0000\\\u0000\ud83d\ud83d\ude00"}]'),
    (107, 1, 2, '["\\u0000 \\\\ud83d \u00e9"]'), (108, 105, NULL, '[]');
INSERT INTO "Resource" ("id", "agentID", "messageID") VALUES
    (101, NULL, 2), (102, 1, 1), (103, 101, 999), (104, 101, 3), (105, NULL, 101), (106, NULL, 104);
INSERT INTO "Vector" ("id", "conversationID", "resourceID", "toolID") VALUES
    (101, NULL, 101, NULL), (102, 2, 102, NULL), (103, 102, 999, 999), (104, 999, NULL, 1), (105, 2, 103, NULL),
    (106, NULL, NULL, NULL), (107, 1, 101, 999);
INSERT INTO "Usage" ("id", "userID", "modelID", "agentID", "messageID", "inputTokens", "cost") VALUES
    (101, 999, 999, 101, 101, 1.9, 0.00000000012), (102, 2, 1, NULL, NULL, 2, 0.1);
"""
"""One row or more for each rule, and for rules that meet in one row."""

NULL: Final = "becomes null"
REPAIRS: Final = [
    ("Agent", "belongs to a missing user", "deleted", (101,)),
    ("Conversation", "has no owner, or a missing one", "deleted", (102, 103)),
    ("Message", "has no conversation", "deleted", (101, 102, 103)),
    ("RolePolicy", "has no Role or no Policy", "deleted", (101, 102)),
    ("UserAgent", "has no User or no Agent", "deleted", (101, 102)),
    ("UserTool", "has no User or no Tool", "deleted", (101, 102)),
    ("AgentTool", "has no Tool or no Agent", "deleted", (101, 102)),
    ("User", "points with roleID to no Role", f"roleID {NULL}", (3,)),
    ("Model", "points with providerID to no Provider", f"providerID {NULL}", (101,)),
    ("Agent", "points with modelID to no Model", f"modelID {NULL}", (102,)),
    ("Agent", "points with promptID to no Prompt", f"promptID {NULL}", (102,)),
    ("Conversation", "points with agentID to no Agent", f"agentID {NULL}", (101,)),
    ("Resource", "points with agentID to no Agent", f"agentID {NULL}", (103, 104)),
    ("Resource", "points with messageID to no Message", f"messageID {NULL}", (103, 105)),
    ("Vector", "points with resourceID to no Resource", f"resourceID {NULL}", (103,)),
    ("Vector", "points with conversationID to no Conversation", f"conversationID {NULL}", (103, 104)),
    ("Vector", "points with toolID to no Tool", f"toolID {NULL}", (103, 107)),
    ("Usage", "points with userID to no User", f"userID {NULL}", (101,)),
    ("Usage", "points with modelID to no Model", f"modelID {NULL}", (101,)),
    ("Usage", "points with agentID to no Agent", f"agentID {NULL}", (101,)),
    ("Usage", "points with messageID to no Message", f"messageID {NULL}", (101,)),
    ("Message", "points with parentID to no message of the same conversation", f"parentID {NULL}", (104, 105)),
    (
        "Conversation",
        "points with summaryMessageID to no message of the same conversation",
        f"summaryMessageID {NULL}",
        (101, 104),
    ),
    ("Resource", "has a message and no agent", "agentID is that of the message's conversation", (101, 104, 106)),
    ("Resource", "has a message", "userID and conversationID are those of the message", (101, 102, 104, 106)),
    (
        "Vector",
        "belongs to a resource of another conversation",
        "conversationID is that of the resource",
        (101, 102),
    ),
    ("Vector", "belongs to nothing", "deleted", (103, 106)),
    ("User", "has an empty API key", f"apiKey {NULL}", (4,)),
    ("User", "has more than ten decimals in remaining", "it is rounded", (3,)),
    ("Message", "has characters in content that jsonb cannot hold", "they become U+FFFD", (106,)),
    ("Usage", "has a fraction in inputTokens", "it is cut off", (101,)),
    ("Usage", "has more than ten decimals in cost", "it is rounded", (101,)),
    (
        "User",
        "has an e-mail with capitals or white space, or an empty one",
        "it is stripped and casefolded, or null",
        (4, 5, 6),
    ),
]


async def adopted(place: Place, *, apply: bool) -> AdoptionPlan:
    """Adopt a database, or only plan it; adopted it is sound."""
    async with await look(place.url, settings=configured()) as db:
        plan = await db.adopt(apply=apply)
        if apply:
            assert (await db.check()).is_clean
    return plan


async def test_every_repair_is_planned_and_done(server_places: Places) -> None:
    """With how many rows there are and which, and to what they come."""
    place = server_places.empty()
    await make_original(place, SOUND, DAMAGE)
    plan = await adopted(place, apply=False)
    done = await adopted(place, apply=True)

    assert sorted((one.table, one.what, one.change, one.sample) for one in plan.repairs) == sorted(REPAIRS)
    assert [one.rows for one in plan.repairs] == [len(one.sample) for one in plan.repairs]
    assert done == plan
    assert await stored(place, "User", "email", "roleID", "apiKey", "remaining", above=2) == [
        (3, None, None, None, Decimal("0.3")),
        (4, "carl@example.org", 3, None, 1),
        (5, None, 3, None, 1),
        (6, "strasse@strasse.de", 3, None, 1),
    ]
    assert await stored(place, "Agent", "userID", "modelID", "promptID") == [(102, None, None, None)]
    assert await stored(place, "Conversation", "agentID", "summaryMessageID") == [
        (101, None, None),
        (104, None, None),
        (105, 1, 104),
    ]
    assert await stored(place, "Message", "conversationID", "parentID", "content") == [
        (104, 105, None, None),
        (105, 1, None, "null"),
        (106, 1, 2, '[{"text": "a\ufffdb\U0001f600c\ufffdd\ufffde\\\\u0000\\\\\ufffd\ufffd\U0001f600"}]'),
        (107, 1, 2, '["\\\\u0000 \\\\\\\\ud83d \xe9"]'),
        (108, 105, None, "[]"),
    ]
    assert await stored(place, "Resource", "userID", "agentID", "conversationID", "messageID") == [
        (101, 2, 2, 1, 2),
        (102, 2, 1, 1, 1),
        (103, None, None, None, None),
        (104, 1, 1, 2, 3),
        (105, None, None, None, None),
        (106, 1, 1, 105, 104),
    ]
    assert await stored(place, "Vector", "conversationID", "resourceID", "toolID") == [
        (101, 1, 101, None),
        (102, 1, 102, None),
        (104, None, None, 1),
        (105, 2, 103, None),
        (107, 1, 101, None),
    ]
    assert await stored(place, "Usage", "userID", "modelID", "agentID", "messageID", "inputTokens", "cost") == [
        (101, None, None, None, None, 1, Decimal("0.0000000001")),
        (102, 2, 1, None, None, 2, Decimal("0.1")),
    ]
    for table in ("RolePolicy", "UserAgent", "UserTool", "AgentTool"):
        assert await stored(place, table) == []


async def stored(place: Place, table: str, *columns: str, above: int = 100) -> list[tuple[Any, ...]]:
    """The planted rows that are left, by id."""
    names = ", ".join(f'"{column}"' for column in ("id", *columns))
    return await place.rows(f'SELECT {names} FROM "{table}" WHERE "id" > $1 ORDER BY "id"', above)


REFERENCES: Final[dict[str, dict[str, str]]] = {
    "User": {"roleID": "Role"},
    "Model": {"providerID": "Provider"},
    "Agent": {"userID": "User", "modelID": "Model", "promptID": "Prompt"},
    "Conversation": {"userID": "User", "agentID": "Agent", "summaryMessageID": "Message"},
    "Message": {"conversationID": "Conversation", "parentID": "Message"},
    "Resource": {"agentID": "Agent", "messageID": "Message"},
    "Vector": {"conversationID": "Conversation", "resourceID": "Resource", "toolID": "Tool"},
    "Usage": {"userID": "User", "modelID": "Model", "agentID": "Agent", "messageID": "Message"},
    "RolePolicy": {"roleID": "Role", "policyID": "Policy"},
    "UserAgent": {"userID": "User", "agentID": "Agent"},
    "UserTool": {"userID": "User", "toolID": "Tool"},
    "AgentTool": {"toolID": "Tool", "agentID": "Agent"},
}
OWNERS: Final = {"userID": "User", "conversationID": "Conversation"}
"""What later versions of the original keep of a resource too."""
TARGETS: Final = ("Role", "Policy", "Provider", "Prompt", "Tool", "User", "Model", "Agent", "Conversation", "Message")


@pytest.mark.parametrize("seed", range(COUNTS.damaged_originals))
async def test_drawn_damage_is_repaired_as_the_original_did(server_places: Places, seed: int) -> None:
    """Step by step, in the original's own order, gives the same rows and the same counts."""
    has_owners = seed % 2 == 1
    references = REFERENCES | ({"Resource": REFERENCES["Resource"] | OWNERS} if has_owners else {})
    owners = """ALTER TABLE "Resource" ADD "userID" integer, ADD "conversationID" integer"""
    drawn = draw(random.Random(seed), references)
    place = server_places.empty()
    await make_original(place, *([owners] if has_owners else []), *insertions(drawn))
    plan = await adopted(place, apply=False)
    done = await adopted(place, apply=True)
    counts = step_by_step(drawn, references)

    assert done == plan
    assert plan.obstacles == ()
    assert {(one.table, one.what): one.rows for one in plan.repairs} == counts
    for table, rows in drawn.items():
        columns = [*(REFERENCES | {"Resource": REFERENCES["Resource"] | OWNERS}).get(table, {})]
        expected = [(key, *(row.get(column) for column in columns)) for key, row in sorted(rows.items())]
        assert await stored(place, table, *columns, above=0) == expected


def draw(dice: random.Random, references: Mapping[str, Mapping[str, str]]) -> dict[str, Rows]:
    """Rows whose references point to a row, to none, or are empty."""
    tables = (*TARGETS, "Resource", "Vector", "Usage", "RolePolicy", "UserAgent", "UserTool", "AgentTool")
    drawn: dict[str, Rows] = {table: {} for table in tables}
    for table in tables:
        pairs = set()
        for key in range(1, 16):
            row = {column: dice.choice([None, *range(20)]) for column in references.get(table, {})}
            if table in ("RolePolicy", "UserAgent", "UserTool", "AgentTool"):
                if (pair := tuple(row.values())) in pairs:
                    continue
                pairs.add(pair)
            drawn[table][key] = row
    return drawn


def insertions(drawn: Mapping[str, Rows]) -> list[str]:
    """The statements that store them."""
    return [
        f'INSERT INTO "{table}" ({", ".join(f"{chr(34)}{name}{chr(34)}" for name in ("id", *row))}) '
        f"VALUES ({', '.join('NULL' if value is None else str(value) for value in (key, *row.values()))})"
        for table, rows in drawn.items()
        for key, row in rows.items()
    ]


def step_by_step(drawn: dict[str, Rows], references: Mapping[str, Mapping[str, str]]) -> Counter[tuple[str, str]]:
    """Repair rows in place; how many each step changed."""
    counts: Counter[tuple[str, str]] = Counter()

    def delete(table: str, what: str, gone: set[int]) -> None:
        counts[table, what] += len(gone)
        drawn[table] = {key: row for key, row in drawn[table].items() if key not in gone}

    def dangles(row: dict[str, Any], column: str, target: str) -> bool:
        return row[column] is not None and row[column] not in drawn[target]

    def lost(table: str, column: str, target: str, *, may_be_null: bool = False) -> set[int]:
        return {
            key
            for key, row in drawn[table].items()
            if dangles(row, column, target) or (row[column] is None and not may_be_null)
        }

    delete("Agent", "belongs to a missing user", lost("Agent", "userID", "User", may_be_null=True))
    delete("Conversation", "has no owner, or a missing one", lost("Conversation", "userID", "User"))
    delete("Message", "has no conversation", lost("Message", "conversationID", "Conversation"))
    if "userID" in references["Resource"]:
        delete("Resource", "belongs to a missing user", lost("Resource", "userID", "User", may_be_null=True))
    for table in ("RolePolicy", "UserAgent", "UserTool", "AgentTool"):
        (one, first), (other, second) = references[table].items()
        delete(table, f"has no {first} or no {second}", lost(table, one, first) | lost(table, other, second))
    for table, columns in references.items():
        for column, target in columns.items():
            if column in ("parentID", "summaryMessageID"):
                continue
            for row in drawn[table].values():
                if dangles(row, column, target):
                    row[column] = None
                    counts[table, f"points with {column} to no {target}"] += 1
    for table, column in (("Message", "parentID"), ("Conversation", "summaryMessageID")):
        for key, row in drawn[table].items():
            conversation = row["conversationID"] if table == "Message" else key
            found = drawn["Message"].get(row[column])
            if row[column] is not None and (found is None or found["conversationID"] != conversation):
                row[column] = None
                counts[table, f"points with {column} to no message of the same conversation"] += 1
    for row in drawn["Resource"].values():
        if row["messageID"] is not None:
            before = row.get("conversationID"), row.get("userID")
            row["conversationID"] = drawn["Message"][row["messageID"]]["conversationID"]
            conversation = drawn["Conversation"][row["conversationID"]]
            row["userID"] = conversation["userID"]
            counts["Resource", "has a message"] += (row["conversationID"], row["userID"]) != before
            if row["agentID"] is None and conversation["agentID"] is not None:
                row["agentID"] = conversation["agentID"]
                counts["Resource", "has a message and no agent"] += 1
    for row in drawn["Vector"].values():
        resource = drawn["Resource"].get(row["resourceID"], {})
        if resource.get("conversationID") not in (None, row["conversationID"]):
            row["conversationID"] = resource["conversationID"]
            counts["Vector", "belongs to a resource of another conversation"] += 1
    nothing = {key for key, row in drawn["Vector"].items() if not any(row.values())}
    delete("Vector", "belongs to nothing", nothing)
    return +counts
