"""The commands `backup`, `verify` and `restore`: what they say, to whom, and how they end."""

from __future__ import annotations

import json
import os
import pty
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.command_line import Command

SECRET = "sk-a-planted-secret"
MESSAGE = "a message that is nobody else's business"


@pytest.fixture
def ready(cli: Command, url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database of each engine in turn, made ready, with a secret of its seeds."""
    monkeypatch.setenv("GEMINI_API_KEY", SECRET)
    assert cli("init", "--url", url).code == 0
    return url


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "agent.backup")


def test_a_backup_is_taken_verified_and_put_back(cli: Command, ready: str, file: str) -> None:
    """Each with exit status 0, and with what it did as JSON."""
    taken, found = cli("backup", file, "--url", ready, "--json"), cli("verify", file, "--json")
    done = cli("restore", file, "--url", ready, "--replace", "--yes", "--json")

    assert (taken.code, found.code, done.code) == (0, 0, 0), taken.err + found.err + done.err
    assert taken.data["kind"] == found.data["kind"] == done.data["kind"]
    assert taken.data["kind"] in ("sqlite", "pg_dump")
    assert taken.data["tables"] == found.data["tables"] == done.data["tables"]
    assert taken.data["tables"]["Role"]["rows"] == done.data["replaced"]["Role"] == 3
    assert len(taken.data["key_ids"]) == 1
    assert done.data["is_ready"]
    assert done.data["missing_keys"] == []
    assert (taken.err, found.err, done.err) == ("", "", "")
    assert cli("check", "--url", ready).code == 0


def test_people_are_told_where_the_key_is(cli: Command, sqlite_url: str, file: str, tmp_path: Path) -> None:
    """It is not in the backup; and where it belongs when it is missing."""
    cli("init", "--url", sqlite_url)
    taken, found = cli("backup", file, "--url", sqlite_url), cli("verify", file)
    done = cli("restore", file, "--url", f"sqlite:///{tmp_path}/new.db")

    assert f"is not in the backup. It lies in {tmp_path}/data/agent.db.key" in taken.out
    assert "Every bit of the file is as it was written" in found.out
    assert f"is not at hand. Put it into {tmp_path}/new.db.key" in done.out
    assert "Services may start." in done.out


def test_nothing_secret_is_shown(cli: Command, sqlite_url: str, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No secret and no message, in no format."""
    monkeypatch.setenv("GEMINI_API_KEY", SECRET)
    cli("init", "--url", sqlite_url)
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as raw, raw:
        raw.execute('INSERT INTO "User" ("id", "email") VALUES (1, ?)', ["ada@example.org"])
        raw.execute('INSERT INTO "Conversation" ("id", "userID") VALUES (1, 1)')
        raw.execute(
            'INSERT INTO "Message" ("conversationID", "role", "content") VALUES (1, ?, ?)',
            ["user", json.dumps([{"text": MESSAGE}])],
        )
    said = []
    for kind in ("native", "portable"):
        for as_json in ((), ("--json",)):
            said.append(cli("backup", file, "--url", sqlite_url, "--format", kind, "--overwrite", *as_json))
            said.append(cli("verify", file, *as_json))
            said.append(cli("restore", file, "--url", sqlite_url, "--replace", "--yes", *as_json))
            said.append(cli("restore", file, "--url", sqlite_url, *as_json))

    assert [done.code for done in said] == [0, 0, 0, 1] * 4, [done.err for done in said]
    assert all(SECRET not in done.out + done.err and MESSAGE not in done.out + done.err for done in said)


def test_refusals_exit_with_1_and_say_what_to_do(cli: Command, sqlite_url: str, file: str, tmp_path: Path) -> None:
    """Nothing is changed by them."""
    empty = cli("backup", file, "--url", sqlite_url)
    cli("init", "--url", sqlite_url)
    cli("backup", file, "--url", sqlite_url)
    again, occupied = cli("backup", file, "--url", sqlite_url), cli("restore", file, "--url", sqlite_url)
    Path(file).write_bytes(Path(file).read_bytes()[:-1])
    damaged, unrestored = cli("verify", file), cli("restore", file, "--url", f"sqlite:///{tmp_path}/new.db")
    nowhere = cli("backup", str(tmp_path / "missing" / "agent.backup"), "--url", sqlite_url)

    for done, told in (
        (empty, "there is nothing to back up"),
        (again, "--overwrite"),
        (occupied, "--replace"),
        (damaged, "is no backup of agentdb, or a part of one"),
        (unrestored, "is no backup of agentdb, or a part of one"),
        (nowhere, "cannot be written"),
    ):
        assert (done.code, done.out) == (1, "")
        assert told in done.err
    assert not (tmp_path / "new.db").exists()


def test_wrong_usage_exits_with_2(cli: Command, sqlite_url: str, file: str) -> None:
    """Nothing asks where nobody can answer."""
    cli("init", "--url", sqlite_url)
    cli("backup", file, "--url", sqlite_url)
    for arguments in (
        ("backup",),
        ("backup", file, "--format", "tape"),
        ("verify",),
        ("restore", file, "--replace", "--url", sqlite_url),
    ):
        done = cli(*arguments)
        assert (done.code, done.out) == (2, "")
    assert "--yes" in done.err


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1), ("", 1)])
def test_a_replacement_asks_on_a_terminal(cli: Command, sqlite_url: str, file: str, answer: str, code: int) -> None:
    """Only a yes is one. On a terminal a bar shows how far it is."""
    cli("init", "--url", sqlite_url)
    cli("backup", file, "--url", sqlite_url)
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as raw, raw:
        raw.execute('UPDATE "Role" SET "name" = ? WHERE "id" = 1', ["changed"])
    shown, ended = _on_terminal("restore", file, "--replace", "--url", sqlite_url, typed=f"{answer}\n")
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as raw:
        [(name,)] = raw.execute('SELECT "name" FROM "Role" WHERE "id" = 1').fetchall()

    assert ended == code, shown
    assert "Replace all that sqlite:///" in shown
    assert (name == "changed") == (code == 1)
    assert ("Nothing was changed." in shown) == (code == 1)


def _on_terminal(*arguments: str, typed: str) -> tuple[str, int]:
    """What a command shows on a terminal of its own, and how it ends."""
    ours, theirs = pty.openpty()
    program = [sys.executable, "-c", "from agentdb.cli import main; main()", *arguments]
    process = subprocess.Popen(program, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    os.write(ours, typed.encode())
    shown = b""
    while True:
        try:
            block = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not block:
            break
        shown += block
    os.close(ours)
    return shown.decode(errors="replace"), process.wait(60)
