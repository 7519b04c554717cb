"""`agentdb adopt`: a plan by default, done with --apply, and an exit status that tells the outcome."""

from __future__ import annotations

import asyncio
import io
import re

import pytest

from tests.cli.command_line import Command, on_server
from tests.lifecycle.places import place_of
from tests.operations.originals import SOUND, make_original, run_scripts


@pytest.fixture
def original_url(postgres_url: str) -> str:
    """A database of the original package; one user is of no role, and has a key."""
    damage = """UPDATE "User" SET "roleID" = 999 WHERE "id" = 2"""
    asyncio.run(make_original(place_of(postgres_url), SOUND, damage))
    return postgres_url


def test_a_plan_is_shown_and_then_done(cli: Command, original_url: str) -> None:
    """The command of the plan with one word more; then there is nothing to do."""
    planned = cli("adopt", original_url)
    untouched = on_server("""SELECT to_regclass('aerich'), "roleID" FROM "User" WHERE "id" = 2""", original_url)
    done = cli("adopt", original_url, "--apply", "--yes")
    again = cli("adopt", "--url", original_url, "--apply", "--yes")
    checked = cli("check", "--url", original_url)

    assert (planned.code, done.code, again.code, checked.code) == (0, 0, 0, 0)
    assert "points with roleID to no Role" in planned.out
    assert "double precision becomes numeric(20,10)" in planned.out
    assert "1 in User.apiKey" in planned.out
    assert "Nothing was changed. Make a backup" in planned.out
    assert "rsk_ada" not in planned.out + done.out + done.err
    assert [tuple(row) for row in untouched] == [(None, 999)]
    assert "Adopted: the database is at" in done.out
    assert re.fullmatch(r"steps: \d+", done.err.splitlines()[-1])
    assert "Nothing to do" in again.out


def test_programs_get_json(cli: Command, original_url: str) -> None:
    """The plan as data, before and after."""
    planned = cli("adopt", original_url, "--json").data
    done = cli("adopt", original_url, "--apply", "--yes", "--json", "--seal-secrets").data
    again = cli("adopt", original_url, "--json").data

    assert (planned["is_needed"], planned["is_done"], planned["found"]) == (True, False, None)
    assert [(one["table"], one["rows"], one["sample"]) for one in planned["repairs"]] == [("User", 1, [2])]
    assert planned["plain_secrets"] == {"User.apiKey": 1, "Provider.apiKey": 1, "UserTool.credential": 1}
    assert (done["is_done"], done["seals_secrets"], done["repairs"]) == (True, True, planned["repairs"])
    assert (again["is_needed"], again["found"], again["plain_secrets"]) == (False, done["version"], {})


def test_nobody_is_asked_where_nobody_answers(process: Command, original_url: str) -> None:
    """It names the option, and changes nothing."""
    refused = process("adopt", original_url, "--apply")

    assert refused.code == 2
    assert "--yes" in refused.err
    assert [tuple(row) for row in on_server("SELECT to_regclass('aerich')", original_url)] == [(None,)]


@pytest.mark.parametrize(("answered", "code"), [("n", 1), ("y", 0)])
def test_it_asks_on_a_terminal(
    cli: Command, original_url: str, monkeypatch: pytest.MonkeyPatch, answered: str, code: int
) -> None:
    """After it has shown the plan; no is the default."""
    stdin = io.StringIO(f"{answered}\n")
    monkeypatch.setattr(stdin, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", stdin)
    asked = cli("adopt", original_url, "--apply")

    assert asked.code == code
    assert "points with roleID to no Role" in asked.out
    assert "It cannot be undone: make a backup first. [y/N]" in asked.err
    assert ("Nothing was changed." in asked.err) == (answered == "n")
    assert cli("adopt", original_url, "--json").data["is_needed"] == (answered == "n")


def test_what_has_to_be_decided_fails(cli: Command, original_url: str) -> None:
    """As a plan and when it should be done."""
    asyncio.run(run_scripts(place_of(original_url), """INSERT INTO "Role" ("name") VALUES ('admin')"""))
    planned, refused = cli("adopt", original_url), cli("adopt", original_url, "--apply", "--yes")

    assert (planned.code, refused.code) == (1, 1)
    assert "name is that of another row" in planned.out
    assert "Nothing was changed, since these things are yours to decide" in refused.err


def test_a_failure_says_where(cli: Command, original_url: str) -> None:
    """And that nothing was changed."""
    asyncio.run(run_scripts(place_of(original_url), 'CREATE VIEW "costs" AS SELECT "cost" FROM "Usage"'))
    failed = cli("adopt", original_url, "--apply", "--yes")

    assert failed.code == 1
    assert "used by a view" in failed.err
    assert failed.err.endswith("columns of Usage. Nothing was changed.\n")


def test_sqlite_is_refused(cli: Command, sqlite_url: str) -> None:
    """The original never ran on it."""
    refused = cli("adopt", sqlite_url)

    assert refused.code == 1
    assert "postgresql://" in refused.err
