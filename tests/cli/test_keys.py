"""`agentdb rotate-key`: one command exchanges the key of a file, and says what is still needed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

import agentdb
from tests.cli.command_line import Command

OLD, NEW = "an old secret key of the tests", "a new secret key of the tests"


def make_user(url: str) -> None:
    """Somebody with an API key."""

    async def work() -> None:
        async with agentdb.connect(url) as db:
            await db.access.create_user(email="ada@example.org", with_api_key=True)

    asyncio.run(work())


def test_one_command_exchanges_the_key_of_a_file(cli: Command, sqlite_url: str, tmp_path: Path) -> None:
    """The old key stays until the API keys have moved, or are let go by word."""
    key_file = tmp_path / "data" / "agent.db.key"
    make_user(sqlite_url)
    before = cli("rotate-key", "--status", "--json", "--url", sqlite_url).data
    old = key_file.read_text()
    waiting = cli("rotate-key", "--json", "--url", sqlite_url)
    shown = cli("rotate-key", "--status", "--url", sqlite_url)
    let_go = cli("rotate-key", "--revoke-unused", "--json", "--url", sqlite_url)
    os.utime(key_file, (0, 0))  # long ago, for whom an open transaction may be waiting
    done = cli("rotate-key", "--json", "--url", sqlite_url)

    assert (before["is_done"], before["previous_key_file"], waiting.code) == (True, None, 0)
    assert waiting.data["remaining"] == {"User.apiKey": {before["key_id"]: 1}}
    assert waiting.data["previous_key_file"] == f"{key_file}.previous"
    assert "1 API keys move when they are used" in shown.out
    assert (let_go.data["is_done"], let_go.data["revoked"], let_go.data["remaining"]) == (True, 1, {})
    assert (done.data["is_done"], done.data["previous_key_file"]) == (True, None)
    assert key_file.read_text() != old
    assert not any(one.strip() in str(waiting) + str(shown) + str(done) for one in (old, key_file.read_text()))


def test_a_key_in_the_settings_is_exchanged_with_the_one_before(
    cli: Command, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command says what it moved, and names the key that is still needed."""
    monkeypatch.setenv("AGENTDB_SECRET_KEY", OLD)
    monkeypatch.setenv("GEMINI_API_KEY", "a provider's key")
    make_user(postgres_url)
    old_id = cli("rotate-key", "--status", "--json", "--url", postgres_url).data["key_id"]
    monkeypatch.setenv("AGENTDB_SECRET_KEY", NEW)
    alone = cli("rotate-key", "--url", postgres_url)
    monkeypatch.setenv("AGENTDB_SECRET_KEY_PREVIOUS", OLD)
    both = cli("rotate-key", "--json", "--url", postgres_url)

    assert "Set AGENTDB_SECRET_KEY_PREVIOUS to the one of them that you have" in alone.out
    assert both.data["moved"] == {"Provider.apiKey": 1, "UserTool.credential": 0}
    assert both.data["remaining"] == {"User.apiKey": {old_id: 1}}
    assert not any(one in f"{alone} {both}" for one in (OLD, NEW))


def test_without_a_key_it_is_refused(cli: Command, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to set."""
    cli("init", "--url", postgres_url)
    monkeypatch.delenv("AGENTDB_SECRET_KEY")
    refused = cli("rotate-key", "--url", postgres_url)

    assert refused.code == 1
    assert "There is no secret key" in refused.err
