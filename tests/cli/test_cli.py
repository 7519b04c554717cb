"""Every command on both engines: what it does, says, and ends with."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console

from agentdb.cli import commands
from agentdb.cli.output import Table, show
from agentdb.lifecycle.packaged import packaged_versions
from tests.cli.command_line import Command, on_server

NEWEST = packaged_versions()[-1]
SEEDED = {
    "Role": 3,
    "Policy": 6,
    "RolePolicy": 6,
    "Provider": 3,
    "Model": 8,
    "Prompt": 3,
    "Agent": 3,
    "Tool": 7,
    "AgentTool": 17,
}


def change(url: str, sql: str) -> None:
    """Change the database past agentdb."""
    if url.startswith("postgresql"):
        on_server(sql, url)
        return
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute(sql)
    connection.close()


def tables(url: str) -> int:
    """How many tables the database has."""
    if url.startswith("postgresql"):
        return len(on_server("SELECT 1 FROM pg_tables WHERE schemaname = 'public'", url))
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    found = connection.execute("SELECT count(*) FROM sqlite_schema WHERE type = 'table'").fetchone()[0]
    connection.close()
    return int(found)


class TestInit:
    def test_makes_an_empty_database_ready(self, cli: Command, url: str) -> None:
        """It says which migrations and how many rows it wrote."""
        done = cli("init", "--url", url, "--json")

        assert done.code == 0
        assert done.data["applied"] == list(packaged_versions())
        assert {table: counts["inserted"] for table, counts in done.data["seeded"].items()} == SEEDED
        assert cli("status", "--url", url, "--json").data["is_ready"]

    def test_says_what_it_did_to_people(self, cli: Command, url: str) -> None:
        """Lines, not JSON, and no frames, since this is no terminal."""
        done = cli("init", "--url", url)

        assert done.code == 0
        assert f"Applied: {', '.join(packaged_versions())}." in done.out
        assert "named by  --url\n" in done.out
        assert ["AgentTool", "17", "0", "0", "0", "0"] in [line.split() for line in done.out.splitlines()]
        assert done.out.isascii()

    def test_run_again_does_nothing(self, cli: Command, url: str) -> None:
        """A second run applies nothing, seeds nothing, and says so."""
        cli("init", "--url", url)
        again = cli("init", "--url", url)

        assert again.code == 0
        assert "Nothing to do: the database is migrated and seeded." in again.out
        assert "Applied" not in again.out

    def test_a_file_gets_a_key_beside_it(self, cli: Command, tmp_path: Path) -> None:
        """Which is worth a backup; the key itself is not shown."""
        done = cli("init", "--url", f"sqlite:///{tmp_path}/agent.db")
        key = (tmp_path / "agent.db.key").read_text().strip()

        assert f"Secret key made: {tmp_path}/agent.db.key\nBack it up" in done.out
        assert key not in done.out + done.err

    def test_the_file_alone_is_the_database(self, cli: Command, tmp_path: Path) -> None:
        """Whoever copies it when nobody is connected has everything: no log is left beside it."""
        cli("init", "--url", f"sqlite:///{tmp_path}/agent.db")

        assert [path.name for path in tmp_path.glob("agent.db-*")] == []

    def test_makes_a_missing_database_of_a_server(self, cli: Command, missing_postgres_url: str) -> None:
        """If the user may, as the one of the tests may."""
        done = cli("init", "--url", missing_postgres_url)

        assert done.code == 0
        assert cli("status", "--url", missing_postgres_url, "--json").data["is_ready"]

    def test_makes_the_test_administrator(self, cli: Command, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whose key is the caller's secret."""
        monkeypatch.setenv("TEST_API_KEY", "the key of the administrator")
        done = cli("init", "--url", url)

        assert "Test administrator test@test.com made" in done.out
        assert "the key of the administrator" not in done.out + done.err

    def test_is_not_kept_from_it_by_skip_sync(self, cli: Command, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Services of an environment may only attach; its owner says `init` on purpose."""
        monkeypatch.setenv("AGENTDB_SKIP_SYNC", "true")

        assert cli("init", "--url", url).code == 0


class TestStatus:
    def test_of_an_empty_database_changes_nothing(self, cli: Command, url: str) -> None:
        """It is a report, not an error, that a database is not ready."""
        found = cli("status", "--url", url, "--json")

        assert found.code == 0
        assert not found.data["is_ready"]
        assert found.data["schema_version"] is None
        assert found.data["pending"] == list(packaged_versions())
        assert tables(url) == 0

    def test_of_a_missing_file_makes_none(self, cli: Command, tmp_path: Path) -> None:
        """Looking for a database is not a wish to have one."""
        found = cli("status", "--url", f"sqlite:///{tmp_path}/missing.db")

        assert found.code == 1
        assert found.err.startswith(f"There is no database at {tmp_path}/missing.db. Run `agentdb init`")
        assert not list(tmp_path.glob("missing*"))

    def test_of_a_missing_database_of_a_server_makes_none(self, cli: Command, missing_postgres_url: str) -> None:
        """Here too."""
        found = cli("status", "--url", missing_postgres_url)

        assert found.code == 1
        assert "agentdb init" in found.err
        assert cli("status", "--url", missing_postgres_url).code == 1

    def test_leaves_the_file_as_it_is(self, cli: Command, sqlite_url: str) -> None:
        """To the byte, and nothing new lies beside it."""
        cli("init", "--url", sqlite_url)
        folder = Path(sqlite_url.removeprefix("sqlite:///")).parent
        before = contents(folder)
        found = cli("status", "--url", sqlite_url)

        assert found.code == 0
        assert contents(folder) == before

    def test_counts_rows(self, cli: Command, url: str) -> None:
        """Of all tables, also those that seeds do not fill."""
        cli("init", "--url", url)
        found = cli("status", "--url", url, "--json").data

        assert {table: rows for table, rows in found["row_counts"].items() if rows} == SEEDED
        assert found["row_counts"]["Usage"] == 0
        assert found["schema_version"] == found["expected_version"] == NEWEST

    def test_says_which_setting_won(self, cli: Command, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """An argument goes before AGENTDB_URL."""
        monkeypatch.setenv("AGENTDB_URL", sqlite_url)

        assert cli("status", "--json").data["source"] == "AGENTDB_URL"
        assert "named by  --url\n" in cli("status", "--url", sqlite_url).out

    def test_keeps_passwords_to_itself(self, cli: Command, postgres_url: str) -> None:
        """The location is shown without the secret part of the URL."""
        with_password = postgres_url.replace("postgres@", "postgres:hunter2@")
        found = cli("status", "--url", with_password)

        assert found.code == 0
        assert "location  postgresql://postgres@" in found.out
        assert "hunter2" not in found.out + found.err


class TestMigrations:
    def test_migrate_seed_and_ready(self, cli: Command, url: str) -> None:
        """Step by step it comes to the same as `init`; only the seed makes it ready."""
        migrated = cli("migrate", "--url", url, "--json")
        between = cli("status", "--url", url, "--json")
        seeded = cli("seed", "--url", url, "--json")
        after = cli("status", "--url", url, "--json")

        assert migrated.data["applied"] == list(packaged_versions())
        assert not between.data["is_ready"]
        assert {table: counts["inserted"] for table, counts in seeded.data["seeded"].items()} == SEEDED
        assert after.data["is_ready"]

    def test_migrate_says_what_comes_next(self, cli: Command, url: str) -> None:
        """Or that there is nothing to do."""
        first, second = cli("migrate", "--url", url), cli("migrate", "--url", url)

        assert "Run `agentdb seed` now" in first.out
        assert "Nothing to do" in second.out
        assert (first.code, second.code) == (0, 0)

    def test_migrate_makes_no_file(self, cli: Command, tmp_path: Path) -> None:
        """A mistyped name gets an error rather than an empty database."""
        done = cli("migrate", "--url", f"sqlite:///{tmp_path}/mistyped.db")

        assert done.code == 1
        assert not list(tmp_path.glob("mistyped*"))

    def test_history_tells_applied_from_pending(self, cli: Command, url: str) -> None:
        """Before and after."""
        before = cli("history", "--url", url)
        cli("init", "--url", url)
        after = cli("history", "--url", url, "--json")

        assert f"{packaged_versions()[-1]}  pending" in before.out
        assert [step["is_applied"] for step in after.data["history"]] == [True] * len(packaged_versions())

    def test_downgrade_undoes_and_init_redoes(self, cli: Command, url: str) -> None:
        """Down to nothing, and up again."""
        cli("init", "--url", url)
        undone = [cli("downgrade", "--url", url, "--yes", "--json").data["undone"] for _ in packaged_versions()]
        nothing_left = cli("downgrade", "--url", url, "--yes")
        again = cli("init", "--url", url, "--json")

        assert undone == [[version] for version in reversed(packaged_versions())]
        assert "Nothing to do" in nothing_left.out
        assert again.data["applied"] == list(packaged_versions())

    def test_downgrade_to_a_version_that_is_not_applied(self, cli: Command, url: str) -> None:
        """Is refused with the ones that are."""
        cli("init", "--url", url)
        done = cli("downgrade", "9999_unknown", "--url", url, "--yes")

        assert done.code == 1
        assert NEWEST in done.err
        assert cli("status", "--url", url, "--json").data["is_ready"]

    def test_downgrade_without_anybody_to_ask_is_misuse(self, process: Command, sqlite_url: str) -> None:
        """A script has to say --yes."""
        done = process("downgrade", "--url", sqlite_url)

        assert done.code == 2
        assert "Pass --yes" in done.err

    @pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("n\n", 1), ("", 1)])
    def test_downgrade_asks(
        self, cli: Command, url: str, monkeypatch: pytest.MonkeyPatch, typed: str, code: int
    ) -> None:
        """Everything but a yes keeps the data."""
        cli("init", "--url", url)
        monkeypatch.setattr(sys, "stdin", Terminal(typed))
        done = cli("downgrade", "--url", url)

        assert done.code == code
        assert "[y/N]" in done.err
        assert cli("status", "--url", url, "--json").data["is_ready"] == bool(code)


class TestSeed:
    def test_reads_a_directory(self, cli: Command, url: str, tmp_path: Path) -> None:
        """Of one's own, beside the packaged rows."""
        cli("init", "--url", url)
        (tmp_path / "roles.csv").write_text("id,name,displayOrder\n1,auditor,4\n")
        done = cli("seed", str(tmp_path), "--url", url, "--json")

        assert done.data["seeded"]["Role"]["inserted"] == 1
        assert cli("status", "--url", url, "--json").data["row_counts"]["Role"] == SEEDED["Role"] + 1

    def test_a_bad_file_is_named_with_its_line(self, cli: Command, url: str, tmp_path: Path) -> None:
        """And changes nothing."""
        cli("init", "--url", url)
        (tmp_path / "roles.csv").write_text("id,name,displayOrder\n1,auditor,first\n")
        done = cli("seed", str(tmp_path), "--url", url)

        assert done.code == 1
        assert f"{tmp_path}/roles.csv, line 2, column 'displayOrder'" in done.err
        assert cli("status", "--url", url, "--json").data["row_counts"]["Role"] == SEEDED["Role"]

    def test_reset_brings_an_edited_row_back(self, cli: Command, url: str) -> None:
        """Which seeding without it leaves alone."""
        cli("init", "--url", url)
        change(url, """UPDATE "Tool" SET "description" = 'edited' WHERE "name" = 'search'""")
        kept = cli("seed", "--url", url, "--json")
        reset = cli("seed", "--url", url, "--json", "--reset", "Tool")

        assert kept.data["seeded"]["Tool"]["updated"] == 0
        assert reset.data["seeded"]["Tool"]["updated"] == 1

    def test_reset_of_a_table_without_seeds(self, cli: Command, url: str) -> None:
        """Is refused with the tables that have them."""
        cli("init", "--url", url)
        done = cli("seed", "--url", url, "--reset", "Usage")

        assert done.code == 1
        assert "'Usage'" in done.err
        assert "AgentTool" in done.err


class TestCheck:
    def test_of_a_sound_database(self, cli: Command, url: str) -> None:
        """Finds nothing."""
        cli("init", "--url", url)
        found = cli("check", "--url", url, "--json")

        assert found.code == 0
        assert found.data["is_clean"]

    def test_of_a_missing_index(self, cli: Command, url: str) -> None:
        """Names it, and exits with 1."""
        cli("init", "--url", url)
        change(url, 'DROP INDEX "User_email_idx"')
        found = cli("check", "--url", url)

        assert found.code == 1
        assert "User_email_idx" in found.out


class TestDemo:
    def test_tells_what_the_database_holds(self, cli: Command, url: str) -> None:
        """A tool call with its result, two models, and money that adds up to the last digit."""
        told = cli("demo", "--url", url, "--json").data
        messages = told["conversation"]["messages"]
        costs = {one["model"]: Decimal(one["cost_usd"]) for one in told["models"]}

        assert told["agent"]["name"] == "Standard Chat"
        assert told["agent"]["prompt"] == {"name": "ada-system-prompt", "version": 1}
        assert told["agent"]["tools"] == ["search", "browse", "code", "editor", "think"]
        assert [message["role"] for message in messages] == ["user", "assistant"] * 4
        assert messages[1]["content"][1]["toolUse"]["name"] == "code"
        assert messages[2]["content"][0]["toolResult"]["content"] == [{"text": "98.67% 321"}]
        assert set(costs) == {"mock-model", "us.anthropic.claude-sonnet-4-6"}
        assert sum(costs.values()) == Decimal(told["spent_usd"])
        assert Decimal(told["user"]["budget_usd"]) - sum(costs.values()) == Decimal(told["remaining_usd"])
        assert all(cost > 0 for cost in costs.values())

    def test_costs_the_same_on_both_engines(self, cli: Command, sqlite_url: str, postgres_url: str) -> None:
        """To the last digit."""
        first, second = (cli("demo", "--url", one, "--json").data for one in (sqlite_url, postgres_url))

        assert first["models"] == second["models"]
        assert first["remaining_usd"] == second["remaining_usd"]

    def test_can_be_repeated(self, cli: Command, url: str) -> None:
        """Each time with a user and a conversation of its own."""
        first, second = (cli("demo", "--url", url, "--json").data for _ in range(2))
        rows = cli("status", "--url", url, "--json").data["row_counts"]

        assert first["user"]["email"] != second["user"]["email"]
        assert first["remaining_usd"] == second["remaining_usd"]
        assert (rows["User"], rows["Conversation"], rows["Message"], rows["Usage"]) == (2, 2, 16, 8)

    def test_on_a_server_without_a_key(self, cli: Command, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its user gets no API key there, because there is nothing to keep it safe with; all else is the same."""
        monkeypatch.delenv("AGENTDB_SECRET_KEY")
        done = cli("demo", "--url", postgres_url, "--json")

        assert done.code == 0
        assert done.data["remaining_usd"] == "0.0490193008"

    def test_without_a_url_has_a_file_of_its_own(
        self, cli: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Never the database that the environment names; it says where."""
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        monkeypatch.setenv("AGENTDB_URL", f"sqlite:///{tmp_path}/precious.db")
        told = cli("demo")
        (made,) = tmp_path.glob("agentdb-demo-*/agent.db")

        assert told.code == 0
        assert f"agentdb status --url sqlite:///{made}" in told.out
        assert not (tmp_path / "precious.db").exists()

    def test_shows_conversation_cost_and_budget(self, cli: Command, sqlite_url: str) -> None:
        """As text without frames."""
        told = cli("demo", "--url", sqlite_url)

        assert "assistant uses code: failed, total = 1284, 96310; print(" in told.out
        assert "\nuser gives the result: 98.67% 321\n" in told.out
        assert "\nassistant: No. 98.67% succeeded." in told.out
        assert "\nbudget     0.0500000000\n" in told.out
        assert told.out.isascii()
        assert "agk_" not in told.out


class TestEndings:
    @pytest.mark.parametrize(
        "arguments",
        [("nonsense",), ("status", "--nonsense"), ("status", "--url"), ("downgrade", "0001_initial", "0002_other")],
        ids=" ".join,
    )
    def test_misuse_exits_with_2(self, process: Command, arguments: tuple[str, ...]) -> None:
        """The error goes to stderr, without a traceback."""
        done = process(*arguments)

        assert done.code == 2
        assert done.out == ""
        assert "agentdb --help" in done.err
        assert "Traceback" not in done.err

    def test_misuse_keeps_passwords_to_itself(self, cli: Command) -> None:
        """Also when a URL stands in the wrong place."""
        done = cli("status", "--ulr=postgresql://u:hunter2@host/d", "postgresql://u:hunter2@host/d")

        assert done.code == 2
        assert "hunter2" not in done.out + done.err

    def test_version_and_help(self, process: Command) -> None:
        """Are no errors, and plain in a pipe."""
        shown, asked = process("--version"), process("--help")

        assert (shown.code, asked.code) == (0, 0)
        assert shown.out.strip().count(".") == 2
        assert all(command in asked.out for command in ("init", "status", "migrate", "history", "check", "demo"))
        assert asked.out.isascii()

    def test_one_of_our_errors_exits_with_1(self, process: Command, tmp_path: Path) -> None:
        """Its message, no traceback."""
        done = process("status", "--url", f"sqlite:///{tmp_path}/missing.db")

        assert done.code == 1
        assert done.out == ""
        assert done.err.count("\n") == 1

    def test_a_defect_of_ours_shows_no_secret(self, cli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
        """And asks for a report; where it was is shown on request."""

        async def broken(url: str | None) -> None:
            raise RuntimeError("cannot open postgresql://u:hunter2@host/d")

        monkeypatch.setattr(commands, "look", broken)
        short = cli("status")
        monkeypatch.setenv("AGENTDB_DEBUG", "1")
        long = cli("status")

        assert (short.code, long.code) == (1, 1)
        assert "Traceback" not in short.err
        assert "Please report it" in short.err
        assert "Traceback" in long.err
        assert "hunter2" not in short.err + long.err

    def test_ctrl_c_ends_quietly(self, listener: Callable[[Callable[[socket.socket], None]], int]) -> None:
        """With 130, as shells expect, while it waits for a server that says nothing."""
        is_connected, is_over = threading.Event(), threading.Event()

        def say_nothing(connection: socket.socket) -> None:
            is_connected.set()
            is_over.wait()

        port = listener(say_nothing)
        with subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from agentdb.cli import main; main()",
                "status",
                "--url",
                f"postgres://127.0.0.1:{port}",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as started:
            is_connected.wait()
            started.send_signal(signal.SIGINT)
            out, err = started.communicate()
            is_over.set()

        assert started.returncode == 130
        assert (out, err) == ("", "")

    def test_a_reader_that_leaves_early(self, sqlite_url: str) -> None:
        """Gets no traceback for it."""
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run(
            [sys.executable, "-c", "from agentdb.cli import main; main()", "history", "--url", sqlite_url],
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        os.close(write)

        assert done.stderr == ""
        assert done.returncode == 1


class TestOutput:
    def test_a_terminal_gets_a_frame(self) -> None:
        """Around the same cells."""
        console = Console(file=io.StringIO(), force_terminal=True, width=60)
        show(console, Table([("Role", 3), ("Policy", 12)], ("table", "rows")))
        shown = console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO from above

        assert "━━┓" in shown
        assert "│ Role   │" in shown

    def test_a_narrow_terminal_cuts_nothing(self) -> None:
        """A long name goes on in the next line."""
        console = Console(file=io.StringIO(), force_terminal=True, width=30)
        show(console, Table([("x" * 50, 3)], ("table", "rows")))
        shown = console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO from above

        assert shown.count("x") == 50

    def test_a_terminal_that_is_too_narrow_for_a_table(self) -> None:
        """Gets lines without a frame, rather than one letter below the other; headings of numbers are broken first."""
        table = Table([("x" * 50, 123_456, 123_456)], ("name", "cache read", "cache write"))
        shown = []
        for width in (50, 30):
            console = Console(file=io.StringIO(), force_terminal=True, width=width)
            show(console, table)
            shown.append(console.file.getvalue())  # type: ignore[attr-defined]  # the StringIO from above

        assert "│ 123456 │ 123456 │" in shown[0]
        assert "cache write" not in shown[0]
        assert shown[1].splitlines()[1] == f"{'x' * 50}      123456       123456"

    def test_a_pipe_gets_lines_that_are_never_broken(self) -> None:
        """Long values stay whole, numbers stand to the right, and what looks like markup is text."""
        console = Console(file=io.StringIO(), width=20)
        show(console, Table([("[red]" + "x" * 100, 3), ("y", 12)], ("table", "rows")), "A sentence. " * 5 + "End.")
        shown = console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO from above

        assert shown.splitlines()[1] == "[red]" + "x" * 100 + "     3"
        assert shown.splitlines()[2] == "y".ljust(105) + "    12"
        assert shown.splitlines()[4] == "A sentence. " * 5 + "End."

    @pytest.mark.parametrize("command", ["init", "status", "migrate", "history", "seed", "check", "demo"])
    def test_json_is_all_that_a_program_reads(
        self, cli: Command, process: Command, sqlite_url: str, command: str
    ) -> None:
        """Warnings go to stderr."""
        cli("init", "--url", sqlite_url)
        done = process(command, "--url", sqlite_url, "--json")

        assert done.code == 0
        assert isinstance(json.loads(done.out), dict)


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder, but for the two that SQLite keeps while a database is open."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith(("-wal", "-shm"))}
