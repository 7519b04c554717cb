"""What a statement does to which tables, read from its text."""

from __future__ import annotations

import re

import pytest

from agentdb.engine.access_scopes import Access
from agentdb.engine.accesses import accesses
from agentdb.models.names import TABLE_NAMES
from agentdb.sql import Statements

DOMAINS = (
    *("access", "agents", "batches", "catalog", "conversations", "knowledge", "maintenance", "search", "secrets"),
    *("turns", "usage"),
)

CASES = {
    'SELECT u."id" FROM "User" u': {"SELECT user id"},
    'SELECT * FROM "User"': {"SELECT user *"},
    'SELECT COUNT(*) FROM "User"': {"SELECT user"},
    'SELECT 2 * 3 FROM "User"': {"SELECT user"},
    'SELECT u.* FROM "Agent" a, "User" AS u WHERE a."id" = u."id"': {"SELECT agent id", "SELECT user * id"},
    'SELECT "User"."email" FROM "User"': {"SELECT user email"},
    'SELECT "email" AS "apiKey" FROM "User" ORDER BY "apiKey"': {"SELECT user email"},
    'SELECT "apiKey" AS "apiKey" FROM "Provider"': {"MENTION provider apikey", "SELECT provider"},
    "SELECT * FROM user": {"SELECT user *"},
    'SELECT * FROM main."User"': {"SELECT user *"},
    "SELECT * FROM [User]": {"SELECT user *"},
    "SELECT * FROM `User` LIMIT 1": {"SELECT user *"},
    'SELECT \'FROM "User"\' -- FROM "User"': set(),
    'SELECT E\'\\\' FROM "Agent"\', "id" FROM "User"': {"SELECT user id"},
    'SELECT $$ DELETE FROM "User" $$ /* DELETE FROM "User" */': set(),
    'SELECT 1 FROM "User" u WHERE u."id" IS DISTINCT FROM "email"': {"SELECT user email id"},
    'SELECT (SELECT u."id") FROM "User" u': {"SELECT user id"},
    "SELECT 1 FROM json_each(:ids)": set(),
    'WITH gone AS (DELETE FROM "Usage" RETURNING "id") SELECT * FROM gone': {
        "DELETE usage",
        "MENTION gone * gone",
        "SELECT gone *",
        "SELECT usage id",
    },
    'INSERT INTO "Role" ("name") VALUES (1) RETURNING "id"': {"INSERT role", "SELECT role id"},
    'INSERT INTO "Role" ("name") SELECT p."name" FROM "Policy" p': {"INSERT role", "SELECT policy name"},
    'INSERT OR REPLACE INTO "Role" VALUES (1)': {"INSERT role"},
    'REPLACE INTO "Role" VALUES (1)': {"INSERT role"},
    'INSERT INTO "Role" ("id") VALUES (1) ON CONFLICT ("id") DO UPDATE SET "name" = excluded."name"': {
        "INSERT role",
        "SELECT role id",
        "UPDATE role name",
    },
    'UPDATE "User" SET "remaining" = "budget", "updatedAt" = :now WHERE "id" = 1': {
        "UPDATE user remaining",
        "UPDATE user updatedat",
        "SELECT user budget id",
    },
    'UPDATE "User" u SET ("email", "status") = (SELECT r."name", 1 FROM "Role" r)': {
        "UPDATE user email status",
        "SELECT role name",
    },
    'UPDATE OR IGNORE "User" SET "email" = 1': {"UPDATE user email"},
    'DELETE FROM "Message" USING "Conversation" c WHERE c."id" = 1': {"DELETE message", "SELECT conversation id"},
    'SELECT 1 FROM "User" FOR UPDATE': {"LOCK user", "SELECT user"},
    'SELECT 1 FROM "User" FOR NO KEY UPDATE SKIP LOCKED': {"LOCK user", "SELECT user"},
    'SELECT 1 FROM "User" u, "Agent" a FOR KEY SHARE OF a': {"LOCK agent", "SELECT agent", "SELECT user"},
    'SELECT 1 FROM (SELECT 1 FROM "User" FOR SHARE) x, "Agent"': {"LOCK user", "SELECT agent", "SELECT user"},
    'SELECT 1; DELETE FROM "User"': {"DELETE user"},
    'DROP TABLE "User"': {"DROP"},
    'SELECT 1; TRUNCATE "User"': {"TRUNCATE"},
    "DO $$ BEGIN END $$": {"DO"},
    'SELECT email FROM "User"': {"MENTION user email", "SELECT user"},
    'SELECT "email" FROM "User" u JOIN "Agent" a ON TRUE': {
        "MENTION agent email",
        "MENTION user email",
        "SELECT agent",
        "SELECT user",
    },
    'SELECT COUNT("id") "email" FROM "User" ORDER BY "email"': {"SELECT user id"},
    'SELECT DISTINCT ON ("id") "email" FROM "User"': {"SELECT user email id"},
    'SELECT to_jsonb(u) FROM "User" u': {"MENTION user * u", "SELECT user"},
    'SELECT "public"."User"."email" FROM "public"."User"': {"SELECT user email"},
    'SELECT u."email" FROM ("User" u JOIN "Agent" a ON TRUE)': {"SELECT agent", "SELECT user email"},
    'SELECT 1 UNION TABLE "User"': {"SELECT user *"},
    'INSERT INTO "Role" ("name") SELECT "email" FROM "User" RETURNING "id"': {
        "INSERT role",
        "SELECT role id",
        "SELECT user email",
    },
    'SELECT "email" INTO copies FROM "User"': {"INSERT copies", "SELECT INTO", "SELECT user email"},
    "DELETE FROM 'User'": {"DELETE"},
}


@pytest.mark.parametrize("sql", CASES)
def test_what_a_statement_does(sql: str) -> None:
    """Tables and columns in lower case."""
    found = {" ".join([access.verb, access.table, *sorted(access.columns)]).strip() for access in accesses(sql)}

    assert found == CASES[sql]


def test_parentheses_may_be_many() -> None:
    """More than Python's own calls may be deep."""
    found = accesses(f'SELECT {"(" * 2000}"email"{")" * 2000} FROM "User"')

    assert found == {Access("SELECT", "user", frozenset({"email"}))}


def test_every_table_of_every_named_statement_is_seen() -> None:
    """None that stands in a text is overlooked."""
    for domain in DOMAINS:
        for statement in Statements(domain).all.values():
            named = {name for name in TABLE_NAMES if re.search(rf'(?<!\.)"{name}"', statement.text)}
            seen = {access.table for access in accesses(statement.text)}

            assert {name.lower() for name in named} <= seen, statement.name


def test_no_domain_is_left_out() -> None:
    """Of the files with statements."""
    from importlib.resources import files

    assert {f"{domain}.sql" for domain in DOMAINS} == {
        one.name for one in files("agentdb.sql").iterdir() if one.name.endswith(".sql")
    }
