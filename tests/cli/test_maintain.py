"""`agentdb maintain`: it says what it did, asks before it removes, and does nothing where nobody can answer."""

from __future__ import annotations

from tests.cli.command_line import Command


def test_it_says_what_it_did(cli: Command, url: str) -> None:
    """As JSON and in words; what is being done goes to stderr."""
    cli("init", "--url", url)
    done = cli("maintain", "--keep-usage", "30", "--vacuum", "--yes", "--json", "--url", url)
    shown = cli("maintain", "--no-check", "--dry-run", "--purge-deleted-after", "7", "--url", url)

    assert (done.code, done.data["usage_rows"], done.data["problems"]) == (0, 0, [])
    assert done.data["space_after"] > 0
    assert "vacuum ..." in done.err
    assert shown.code == 0
    assert "This was a dry run: nothing was changed." in shown.out
    assert "check ..." not in shown.err


def test_it_asks_before_it_removes(process: Command, sqlite_url: str) -> None:
    """Nobody can answer a pipe: that is a misuse, and nothing is done."""
    refused = process("maintain", "--keep-messages", "30", "--url", sqlite_url)

    assert refused.code == 2
    assert "Pass --yes" in refused.err


def test_a_database_that_is_not_ready_is_refused(cli: Command, sqlite_url: str) -> None:
    refused = cli("maintain", "--url", sqlite_url)

    assert refused.code == 1
    assert "agentdb" in refused.err
