"""`agentdb doctor`: what it prints, for people and for probes, and what it ends with."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.command_line import Command, on_server


@pytest.fixture
def ready(cli: Command, url: str) -> str:
    """A database that is well, on each engine in turn."""
    assert cli("init", "--url", url).code == 0
    if url.startswith("sqlite"):
        file = Path(url.removeprefix("sqlite:///"))
        file.chmod(0o600)
        file.parent.chmod(0o700)
    return url


def spoil(url: str, sql: str) -> None:
    """Change the database past agentdb."""
    if url.startswith("postgresql"):
        on_server(sql, url)
        return
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute(sql)


def test_a_sound_file_ends_with_0(cli: Command, tmp_path: Path) -> None:
    """What is only good to know does not count."""
    (tmp_path / "data").mkdir(mode=0o700)
    url = f"sqlite:///{tmp_path}/data/agent.db"
    cli("init", "--url", url)
    (tmp_path / "data" / "agent.db").chmod(0o600)
    shallow, deep = cli("doctor", "--url", url, "--json"), cli("doctor", "--url", url, "--json", "--deep")

    assert (shallow.code, shallow.data["status"], shallow.data["needs_care"]) == (0, "ok", False)
    assert (deep.code, deep.data["health"]["is_deep"]) == (0, True)
    assert shallow.data["location"] == url


def test_findings_end_with_1(cli: Command, ready: str) -> None:
    """Each with its code, what was found and what to do."""
    spoil(ready, 'DROP INDEX "Message_conversationID_id_idx"')
    done = cli("doctor", "--url", ready, "--json")
    [finding] = [one for one in done.data["findings"] if one["code"] == "index-missing"]

    assert done.code == 1
    assert done.data["needs_care"]
    assert finding.keys() == {"code", "severity", "found", "advice"}
    assert done.data["health"]["version"]


def test_a_probe_may_wait_for_errors(cli: Command, tmp_path: Path) -> None:
    """A warning is for people; restarting a service does not help."""
    (tmp_path / "data").mkdir(mode=0o700)
    file = tmp_path / "data" / "agent.db"
    cli("init", "--url", f"sqlite:///{file}")
    file.chmod(0o644)
    warned = [cli("doctor", "--url", f"sqlite:///{file}", *more).code for more in ((), ("--fail-on", "error"))]
    file.with_name("agent.db.key").chmod(0o644)
    failed = cli("doctor", "--url", f"sqlite:///{file}", "--fail-on", "error")

    assert warned == [1, 0]
    assert failed.code == 1


def test_people_get_a_table(cli: Command, ready: str) -> None:
    """The worst first, with what to do."""
    spoil(ready, 'DELETE FROM "agentdb_state"')
    done = cli("doctor", "--url", ready)

    assert done.code == 1
    assert "named by     --url" in done.out
    assert "status       degraded" in done.out
    assert "not-ready" in done.out
    assert "agentdb init" in done.out


def test_a_database_that_cannot_be_opened_is_examined(cli: Command, tmp_path: Path) -> None:
    """Why, as a finding; programs get JSON as ever."""
    url = f"sqlite:///{tmp_path}/missing.db"
    done, shown = cli("doctor", "--url", url, "--json"), cli("doctor", "--url", url)

    assert (done.code, done.data["status"], done.data["health"]) == (1, "down", None)
    assert [finding["code"] for finding in done.data["findings"]] == ["no-database"]
    assert "cannot be opened" in shown.out
    assert not (tmp_path / "missing.db").exists()


def test_a_password_is_not_shown(cli: Command, unused_tcp_port: int) -> None:
    """Neither to people nor to programs."""
    url = f"postgresql://ada:a-password@127.0.0.1:{unused_tcp_port}/agentdb?sslmode=disable"
    shown = [cli("doctor", "--url", url, *more) for more in ((), ("--json",))]

    assert [done.code for done in shown] == [1, 1]
    assert all("a-password" not in done.out + done.err for done in shown)


def test_a_url_that_cannot_be_read_is_an_error(cli: Command) -> None:
    """There is nothing to be examined."""
    done = cli("doctor", "--url", "oracle://db/agentdb")

    assert (done.code, done.out) == (1, "")
    assert "No engine is called 'oracle'" in done.err
