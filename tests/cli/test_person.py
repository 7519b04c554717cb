"""`agentdb export-user` and `erase-user`: what one person has, shown and removed."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path

import agentdb
from tests.cli.command_line import Command


def make_user(url: str) -> int:
    """Somebody who has said something."""

    async def work() -> int:
        async with agentdb.connect(url) as db:
            user = await db.access.create_user(email="ada@example.org")
            await db.conversations.start(user_id=user.id, agent_id=1, title="A title")
            await db.usage.record(user_id=user.id, model="mock-model", input_tokens=1)
            return user.id

    return asyncio.run(work())


def test_a_person_is_shown_and_erased(cli: Command, url: str, tmp_path: Path) -> None:
    """By e-mail or id, into a private file or to the output; erased, nobody finds them."""
    user_id = make_user(url)
    file = tmp_path / "ada.json"
    printed = cli("export-user", "Ada@example.org", "--url", url)
    written = cli("export-user", str(user_id), str(file), "--json", "--url", url)
    erased = cli("erase-user", "ada@example.org", "--yes", "--json", "--url", url)
    again = cli("erase-user", str(user_id), "--yes", "--url", url)

    assert json.loads(printed.out)["tables"]["Conversation"][0]["title"] == "A title"
    assert json.loads(file.read_text())["tables"] == json.loads(printed.out)["tables"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (written.code, written.data["rows"]["Conversation"]) == (0, 1)
    assert (erased.code, erased.data["removed"]["User"], erased.data["is_scrubbed"]) == (0, 1, True)
    assert erased.data["summed"]["Usage"] == 1
    assert (again.code, "No user" in again.err) == (1, True)


def test_nobody_is_erased_without_a_yes(process: Command, sqlite_url: str) -> None:
    """Nobody can answer a pipe."""
    make_user(sqlite_url)
    refused = process("erase-user", "ada@example.org", "--url", sqlite_url)
    shown = process("export-user", "ada@example.org", "--url", sqlite_url)

    assert refused.code == 2
    assert "Pass --yes" in refused.err
    assert json.loads(shown.out)["tables"]["User"][0]["email"] == "ada@example.org"
