"""What is wrong with the rows of a database without foreign keys, and how each of it is put right.

The rules are those with which the original package later repaired its own databases, in its order: what has lost its
owner goes, a reference that may be empty is emptied, what can be derived is derived. Each rule is a condition on one
table that also holds before the rules above it were applied: a row that will go counts as gone. So a plan that only
reads counts exactly what applying it changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from agentdb.engine.introspection import Column, Schema
from agentdb.engine.postgres_alterations import has_lone_escapes


class Rule(NamedTuple):
    """One repair.

    Attributes:
        what: About a row, for people.
        where: Which rows, as a condition on the alias `row`.
        change: What becomes of them, for people; empty for rows that are deleted.
        sql: What is set; empty where converting the column does it.
        is_late: It needs columns that are added meanwhile.
    """

    table: str
    what: str
    where: str
    change: str = ""
    sql: str = ""
    is_late: bool = False

    @property
    def counting(self) -> str:
        """A statement for how many rows there are, and the first ids."""
        sample = '(array_agg("row"."id" ORDER BY "row"."id"))[1:5]'
        return f'SELECT count(*) AS "rows", {sample} AS "sample" FROM "{self.table}" AS "row" WHERE {self.where}'  # noqa: S608 - names of the schema

    @property
    def statement(self) -> str | None:
        """The statement that does it; None where converting the column does it."""
        if not self.change:
            return f'DELETE FROM "{self.table}" AS "row" WHERE {self.where}'  # noqa: S608 - names of the schema
        if not self.sql:
            return None
        return f'UPDATE "{self.table}" AS "row" SET {self.sql} WHERE {self.where}'  # noqa: S608 - names of the schema


_OF_USER: Final = '({row}."userID" IS NULL OR EXISTS (SELECT FROM "User" AS "u" WHERE "u"."id" = {row}."userID"))'
_CONVERSATION: Final = 'EXISTS (SELECT FROM "User" AS "u" WHERE "u"."id" = {row}."userID")'
_MESSAGE: Final = (
    'EXISTS (SELECT FROM "Conversation" AS "c" JOIN "User" AS "u" ON "u"."id" = "c"."userID" '
    'WHERE "c"."id" = {row}."conversationID")'
)
_JUNCTIONS: Final = (
    ("RolePolicy", "roleID", "policyID"),
    ("UserAgent", "userID", "agentID"),
    ("UserTool", "userID", "toolID"),
    ("AgentTool", "toolID", "agentID"),
)
_OF_VECTOR: Final = ("resourceID", "conversationID", "toolID")
# References within a conversation have rules of their own.
_NULLABLE: Final = (
    ("User", ("roleID",)),
    ("Model", ("providerID",)),
    ("Agent", ("modelID", "promptID")),
    ("Conversation", ("agentID",)),
    ("Resource", ("agentID", "messageID", "conversationID")),
    ("Vector", _OF_VECTOR),
    # The original deletes the usage of a missing user; here usage outlives all that it points to.
    ("Usage", ("userID", "modelID", "agentID", "messageID")),
)
_OF_MESSAGE: Final = (
    'FROM "Message" AS "m" JOIN "Conversation" AS "c" ON "c"."id" = "m"."conversationID" '
    'JOIN "User" AS "u" ON "u"."id" = "c"."userID" WHERE "m"."id" = {message}'
)


class Rules:
    """The rules for one database.

    Args:
        found: Its tables. A rule about a column that is not there is left out.
        expected: What they should be.
    """

    def __init__(self, found: Schema, expected: Schema) -> None:
        self._found = found
        self._expected = expected
        self._has_owners = {"userID", "conversationID"} <= found["Resource"].columns.keys()
        # Which rows stay, as a condition on {row}. Of tables that are not named, all do.
        self._stay = {"Agent": _OF_USER, "Conversation": _CONVERSATION, "Message": _MESSAGE} | (
            {"Resource": _OF_USER} if self._has_owners else {}
        )

    def all(self) -> list[Rule]:
        """All of them, in the order in which they are applied."""
        return [
            *self._deletions(),
            *(
                self._emptied(table, column)
                for table, columns in _NULLABLE
                for column in columns
                if column in self._found[table].columns
            ),
            self._within("Message", "parentID", "conversationID"),
            self._within("Conversation", "summaryMessageID", "id"),
            *self._derived(),
            Rule("Vector", "belongs to nothing", self._no(" AND ", _OF_VECTOR)),
            Rule(
                "User",
                "has an empty API key",
                """btrim("row"."apiKey") = ''""",
                "apiKey becomes null",
                '"apiKey" = NULL',
            ),
            *self._conversions(),
        ]

    def _deletions(self) -> Iterator[Rule]:
        yield Rule("Agent", "belongs to a missing user", f"NOT {self._stays('Agent')}")
        yield Rule("Conversation", "has no owner, or a missing one", f"NOT {self._stays('Conversation')}")
        yield Rule("Message", "has no conversation", f"NOT {self._stays('Message')}")
        if self._has_owners:
            yield Rule("Resource", "belongs to a missing user", f"NOT {self._stays('Resource')}")
        for table, *ends in _JUNCTIONS:
            what = f"has no {_target(ends[0])} or no {_target(ends[1])}"
            yield Rule(table, what, self._no(" OR ", ends))

    def _emptied(self, table: str, column: str) -> Rule:
        return Rule(
            table,
            f"points with {column} to no {_target(column)}",
            f'{self._stays(table)} AND "row"."{column}" IS NOT NULL AND NOT {self._points(column)}',
            f"{column} becomes null",
            f'"{column}" = NULL',
        )

    def _within(self, table: str, column: str, conversation: str) -> Rule:
        same = (
            f'EXISTS (SELECT FROM "Message" AS "m" WHERE "m"."id" = "row"."{column}" '
            f'AND "m"."conversationID" = "row"."{conversation}")'
        )
        return Rule(
            table,
            f"points with {column} to no message of the same conversation",
            f'{self._stays(table)} AND "row"."{column}" IS NOT NULL AND NOT {same}',
            f"{column} becomes null",
            f'"{column}" = NULL',
        )

    def _derived(self) -> Iterator[Rule]:
        of_message = _OF_MESSAGE.replace("{message}", '"row"."messageID"')
        talk, user = (f'(SELECT "c"."{column}" {of_message})' for column in ("id", "userID"))
        agent = f'(SELECT "c"."agentID" {of_message} AND {self._points("agentID", "c")})'
        stays = f"{self._stays('Resource')} AND {self._points('messageID')}"
        yield Rule(
            "Resource",
            "has a message and no agent",
            f"{stays} AND NOT {self._points('agentID')} AND {agent} IS NOT NULL",
            "agentID is that of the message's conversation",
            f'"agentID" = {agent}',
        )
        owners = f'("row"."conversationID", "row"."userID") IS DISTINCT FROM ({talk}, {user})'
        yield Rule(
            "Resource",
            "has a message",
            f"{stays} AND {owners}" if self._has_owners else stays,
            "userID and conversationID are those of the message",
            f'"conversationID" = {talk}, "userID" = {user}',
            is_late=True,
        )
        of_resource = self._conversation_of_resource()
        yield Rule(
            "Vector",
            "belongs to a resource of another conversation",
            f'{of_resource} <> COALESCE("row"."conversationID", 0)',
            "conversationID is that of the resource",
            f'"conversationID" = {of_resource}',
        )

    def _conversation_of_resource(self) -> str:
        of_message = _OF_MESSAGE.replace("{message}", '"r"."messageID"')
        of_message = f'(SELECT "c"."id" {of_message})'
        own = (
            f'(SELECT "o"."id" FROM "Conversation" AS "o" '  # noqa: S608 - names of the schema
            f'WHERE "o"."id" = "r"."conversationID" AND {self._stays("Conversation", "o")})'
        )
        found = f"COALESCE({of_message}, {own})" if self._has_owners else of_message
        return (
            f'(SELECT {found} FROM "Resource" AS "r" '  # noqa: S608 - names of the schema
            f'WHERE "r"."id" = "row"."resourceID" AND {self._stays("Resource", "r")})'
        )

    def _conversions(self) -> Iterator[Rule]:
        for table, expected in self._expected.items():
            columns = self._found[table].columns if table in self._found else {}
            for name, column in expected.columns.items():
                if name in columns and columns[name].type != column.type:
                    yield from _conversion(table, columns[name], column)

    def _no(self, joined: str, columns: Sequence[str]) -> str:
        """References that have no row which stays, joined by AND or OR."""
        missing = [f"NOT {self._points(column)}" for column in columns]
        return f"({joined.join(missing)})"

    def _stays(self, table: str, row: str = "row") -> str:
        return self._stay.get(table, "TRUE").replace("{row}", f'"{row}"')

    def _points(self, column: str, row: str = "row") -> str:
        """Whether a reference has a row that stays."""
        target = _target(column)
        return (
            f'EXISTS (SELECT FROM "{target}" AS "p" WHERE "p"."id" = "{row}"."{column}" AND {self._stays(target, "p")})'
        )


def _conversion(table: str, found: Column, expected: Column) -> Iterator[Rule]:
    """What a conversion changes beyond the type."""
    name, value = found.name, f'"row"."{found.name}"'
    if (found.type, expected.type) == ("json", "jsonb"):
        yield Rule(
            table, f"has characters in {name} that jsonb cannot hold", has_lone_escapes(value), "they become U+FFFD"
        )
    if (found.type, expected.type) == ("double precision", "bigint"):
        yield Rule(table, f"has a fraction in {name}", f"{value} <> trunc({value})", "it is cut off")
    if (found.type, expected.type) == ("double precision", "numeric(20,10)"):
        # What is beyond the range is an obstacle, and is not looked at here.
        rounded = f"{value} <> round({value}::numeric, 10)::double precision"
        where = f"CASE WHEN {value} BETWEEN -1e9 AND 1e9 THEN {rounded} ELSE FALSE END"
        yield Rule(table, f"has more than ten decimals in {name}", where, "it is rounded")


def _target(column: str) -> str:
    return column[0].upper() + column[1:].removesuffix("ID")
