"""How `.sql` files are read and compiled."""

from __future__ import annotations

from typing import Any

import pytest

from agentdb.engine import Abilities, Dialect
from agentdb.engine.location import dialect_of
from agentdb.sql import Statement, StatementError, Statements, parse

SQLITE = dialect_of("sqlite")
POSTGRES = dialect_of("postgresql")
ORIGINAL = Abilities(request_ids=False, unique_identity=False, support_tables=False, resource_owners=False)


def compiled(text: str, dialect: Dialect = POSTGRES, abilities: Abilities | None = None) -> tuple[str, tuple[str, ...]]:
    result = Statement("x", None, text).compiled(dialect, abilities or Abilities())
    return result.sql, result.parameters


def test_parameters_become_placeholders() -> None:
    """In the order of their first use; one that is used twice travels once."""
    text = 'SELECT :b FROM "T" WHERE "a" = :a AND "b" = :b'

    assert compiled(text) == ('SELECT $1 FROM "T" WHERE "a" = $2 AND "b" = $1', ("b", "a"))
    assert compiled(text, SQLITE) == ('SELECT ?1 FROM "T" WHERE "a" = ?2 AND "b" = ?1', ("b", "a"))


@pytest.mark.parametrize(
    "text",
    [
        "SELECT x::text",
        "SELECT ':a'",
        "SELECT 'it''s :a'",
        'SELECT ":a"',
        'SELECT "say "":a"""',
        "SELECT 1 /* :a */",
        "SELECT 1 -- :a",
        "SELECT array[1:2]",
    ],
)
def test_not_every_colon_is_a_parameter(text: str) -> None:
    """Casts, texts, quoted names and comments are left alone."""
    assert compiled(text) == (text, ())


def test_a_cast_of_a_parameter_is_both() -> None:
    """The parameter is replaced, the cast stays."""
    assert compiled("SELECT :a::numeric, ':b', :c") == ("SELECT $1::numeric, ':b', $2", ("a", "c"))


def test_a_part_is_left_out_where_the_ability_is_missing() -> None:
    """Its parameters too, and the numbers of the others close up."""
    text = "SELECT :a /* if request_ids */ , :b /* end */ , :c"

    assert compiled(text) == ("SELECT $1  , $2  , $3", ("a", "b", "c"))
    assert compiled(text, abilities=ORIGINAL) == ("SELECT $1  , $2", ("a", "c"))
    assert Statement("x", None, text).parameters == {"a", "b", "c"}


def test_what_is_left_out_is_named_by_a_call_all_the_same() -> None:
    """Else a mistake would show only on a database of the other kind."""
    text = "SELECT :a /* if request_ids */ , :b /* end */ , :c"
    made = Statement("x", None, text).compiled(POSTGRES, ORIGINAL)

    assert list(made.values({"c": 3, "b": 2, "a": 1})) == [1, 3]
    for wrong in ({"a": 1, "c": 3}, {"a": 1, "c": 3, "d": 4}, {"a": 1, "b": 2, "d": 4}):
        with pytest.raises(KeyError):
            made.values(wrong)


def test_each_ability_is_asked_for_itself() -> None:
    """One may be missing while another is there."""
    text = "/* if request_ids */ a /* end */ /* if support_tables */ b /* end */"

    assert compiled(text, abilities=Abilities(request_ids=False))[0].split() == ["b"]


def test_a_file_holds_named_statements() -> None:
    """Comments explain them and are not sent; what stands before the first name is about the file."""
    found = parse(
        "-- About the file.\n\n-- name: one\n-- Why.\nSELECT 1;\n\n"
        "-- name: two (sqlite)\nSELECT\n    -- inside\n    2;\n-- name: two (postgres)\nSELECT 3;\n",
        source="x.sql",
    )

    assert {key: one.text for key, one in found.items()} == {
        ("one", None): "SELECT 1",
        ("two", "sqlite"): "SELECT\n    2",
        ("two", "postgres"): "SELECT 3",
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;", "a stands twice"),
        ("-- name: a\n-- only a comment\n", "a is empty"),
        ("-- name: a\nSELECT /* if wings */ 1 /* end */;", r"unknown abilities \['wings'\]"),
        ("-- name: a\nSELECT /* if request_ids */ 1;", "do not belong together"),
        ("-- name: a\nSELECT 1 /* end */;", "do not belong together"),
        ("-- name: a\nSELECT /* if request_ids */ 1 /* if request_ids */ 2 /* end */;", "do not belong together"),
    ],
)
def test_a_wrong_file_is_told(text: str, problem: str) -> None:
    """With the file and the statement."""
    with pytest.raises(StatementError, match=f"x.sql: .*{problem}"):
        parse(text, source="x.sql")


class Recorder:
    """A session that keeps what it is sent."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.abilities = Abilities()
        self.compiled: dict[tuple[str, str], Any] = {}
        self.sent: list[tuple[str, list[Any]]] = []

    def check_rights(self, sql: str) -> None:
        """Everybody may do everything."""

    async def fetch(self, sql: str, values: list[Any]) -> list[dict[str, Any]]:
        self.sent.append((sql, values))
        return [{"first": 1}, {"first": 2}]


async def test_values_travel_in_the_order_of_the_placeholders() -> None:
    """Whatever the order in which they are given."""
    session: Any = Recorder(POSTGRES)
    rows = await Statements("catalog").fetch(session, "models", provider="p", type="t")

    (sql, values) = session.sent[0]
    assert list(values) == ["t", "p"]
    assert sql.index("$1") < sql.index("$2")
    assert list(rows) == [{"first": 1}, {"first": 2}]
    assert await Statements("catalog").first(session, "models", provider="p", type="t") == {"first": 1}


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({}, r"missing parameters \['internal_name'\], unknown parameters \[\]"),
        ({"name": "x"}, r"missing parameters \['internal_name'\], unknown parameters \['name'\]"),
        ({"internal_name": "x", "id": 1}, r"missing parameters \[\], unknown parameters \['id'\]"),
    ],
)
async def test_values_that_are_not_named_are_a_mistake(values: dict[str, Any], problem: str) -> None:
    """A null by forgetfulness would be a wrong answer."""
    session: Any = Recorder(SQLITE)

    with pytest.raises(StatementError, match=f"catalog.model: {problem}"):
        await Statements("catalog").fetch(session, "model", **values)
    assert session.sent == []


async def test_an_unknown_statement_is_a_mistake() -> None:
    """Told with the file and the engine."""
    session: Any = Recorder(SQLITE)

    with pytest.raises(StatementError, match=r"catalog.sql has no statement 'modle' for sqlite"):
        await Statements("catalog").fetch(session, "modle")


def test_a_statement_of_one_engine_is_found_by_that_engine() -> None:
    """And by no other."""
    statements = Statements("access")
    sessions: list[Any] = [Recorder(SQLITE), Recorder(POSTGRES)]
    sqlite, postgres = (statements.compiled(session, "lock_user").sql for session in sessions)

    assert "FOR NO KEY UPDATE" not in sqlite
    assert "FOR NO KEY UPDATE" in postgres
