"""Settings: where they come from, in which order, and what is said about a bad one."""

from __future__ import annotations

import copy
import os
import pickle
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter

from agentdb.config import Secret, Settings, describe_settings
from agentdb.errors import ConfigurationError


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of the machine and no `.env` but the test's own, in an empty current directory."""
    for name in os.environ:
        if name.startswith(("AGENTDB_", "DB_", "PG", "TEST_API_KEY")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def write_env(text: str) -> None:
    Path(".env").write_text(text, encoding="utf-8")


class Account(BaseModel):
    """A frozen record with a secret in it, as services return them."""

    model_config = ConfigDict(frozen=True)

    api_key: Secret


class TestSecret:
    def test_only_reveal_shows_the_text(self) -> None:
        """Every other way from an object to text gives the same three stars."""
        secret = Secret("s3cret")

        assert secret.reveal() == "s3cret"
        assert [repr(secret), str(secret), f"{secret}", f"{secret!r:s}", "%s" % secret] == ["Secret('***')"] * 5  # noqa: UP031 (the old formatting is what is tested)
        assert f"{secret:>15}" == "  Secret('***')"

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_it_is_not_pickled(self, protocol: int) -> None:
        """It would travel to another process or a cache in clear."""
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(Secret("s3cret"), protocol)

    def test_it_is_equal_by_text_and_not_to_a_str(self) -> None:
        """Equal secrets are one in a set; a plain str is never equal by accident."""
        assert Secret("a") == Secret("a")
        assert Secret("a") != Secret("b")
        assert Secret("a") != "a"
        assert {Secret("a"), Secret("a")} == {Secret("a")}
        assert Secret("\udcff") == Secret("\udcff")

    def test_it_is_copied_as_itself(self) -> None:
        """Settings and records with a secret can be copied."""
        account = Account(api_key=Secret("s3cret"))

        assert account.model_copy(deep=True) == account
        assert copy.copy(account.api_key) is account.api_key

    def test_a_record_takes_text_or_secret_and_shows_neither(self) -> None:
        """In JSON it is three stars; a Python dump keeps the wrapped value."""
        account = Account.model_validate({"api_key": "s3cret"})

        assert account == Account(api_key=Secret("s3cret")) == Account.model_validate_json('{"api_key":"s3cret"}')
        assert account.model_dump_json() == '{"api_key":"***"}'
        assert account.model_dump() == {"api_key": Secret("s3cret")}
        assert repr(account) == "Account(api_key=Secret('***'))"
        assert TypeAdapter(Secret).json_schema() == {"type": "string"}


class TestDefaults:
    def test_an_empty_environment_gives_the_documented_defaults(self) -> None:
        """Someone trying it sets nothing."""
        settings = Settings.load()

        assert settings.model_dump() == {
            "url": None,
            "storage": None,
            "pghost": None,
            "pgport": 5432,
            "pgdatabase": "postgres",
            "pguser": None,
            "pgpassword": None,
            "pgsslmode": None,
            "pgsslrootcert": None,
            "pgsslcert": None,
            "pgsslkey": None,
            "home": None,
            "mode": "user",
            "skip_sync": False,
            "skip_audit": False,
            "wait_s": 0,
            "secret_key": None,
            "secret_key_file": None,
            "secret_key_previous": None,
            "secret_key_previous_files": (),
            "secrets": "sealed",
            "test_api_key": None,
            "seed_directory": None,
            "seed_env_names": (),
            "ownership_file": None,
            "default_model": "us.anthropic.claude-sonnet-4-6",
            "default_budget_usd": Decimal(5),
            "durability": "full",
            "pooler": "none",
            "isolation": "read committed",
            "pool_size": 10,
            "connect_timeout_s": 10,
            "acquire_timeout_s": 5,
            "statement_timeout_s": 30,
            "transaction_timeout_s": 5,
            "call_timeout_s": 30,
            "telemetry": "auto",
            "slow_call_s": None,
        }

    def test_the_table_of_settings_has_one_described_row_per_setting(self) -> None:
        """README and CLI show it, so a new setting cannot stay undocumented."""
        rows = describe_settings()

        assert len(rows) == len(Settings.load().model_dump())
        assert all(row.meaning.endswith(".") for row in rows)
        assert {row.variable: row.default for row in rows} == {
            "AGENTDB_URL": "not set",
            "DB_STORAGE": "not set",
            "PGHOST": "not set",
            "PGPORT": "5432",
            "PGDATABASE": "postgres",
            "PGUSER": "not set",
            "PGPASSWORD": "not set",
            "PGSSLMODE": "not set",
            "PGSSLROOTCERT": "not set",
            "PGSSLCERT": "not set",
            "PGSSLKEY": "not set",
            "AGENTDB_HOME": "not set",
            "AGENTDB_MODE": "user",
            "AGENTDB_SKIP_SYNC, DB_SKIP_SYNC": "false",
            "AGENTDB_SKIP_AUDIT, DB_SKIP_AUDIT": "false",
            "AGENTDB_WAIT_S": "0",
            "AGENTDB_SECRET_KEY": "not set",
            "AGENTDB_SECRET_KEY_FILE": "not set",
            "AGENTDB_SECRET_KEY_PREVIOUS": "not set",
            "AGENTDB_SECRET_KEY_PREVIOUS_FILE": "not set",
            "AGENTDB_SECRETS": "sealed",
            "TEST_API_KEY": "not set",
            "AGENTDB_SEED_DIR": "not set",
            "AGENTDB_SEED_ENV": "not set",
            "AGENTDB_OWNERSHIP": "not set",
            "AGENTDB_DEFAULT_MODEL": "us.anthropic.claude-sonnet-4-6",
            "AGENTDB_DEFAULT_BUDGET": "5",
            "AGENTDB_DURABILITY": "full",
            "AGENTDB_POOLER": "none",
            "AGENTDB_ISOLATION": "read committed",
            "AGENTDB_POOL_SIZE": "10",
            "AGENTDB_CONNECT_TIMEOUT_S": "10",
            "AGENTDB_ACQUIRE_TIMEOUT_S": "5",
            "AGENTDB_STATEMENT_TIMEOUT_S": "30",
            "AGENTDB_TRANSACTION_TIMEOUT_S": "5",
            "AGENTDB_CALL_TIMEOUT_S": "30",
            "AGENTDB_TELEMETRY": "auto",
            "AGENTDB_SLOW_CALL_S": "not set",
        }


@pytest.mark.parametrize(
    ("variable", "text", "attribute", "value"),
    [
        ("AGENTDB_URL", "sqlite:///a.db", "url", Secret("sqlite:///a.db")),
        ("DB_STORAGE", "data/pg", "storage", Path("data/pg")),
        ("PGHOST", "db1,db2", "pghost", "db1,db2"),
        ("PGPORT", "6543", "pgport", 6543),
        ("PGDATABASE", "agents", "pgdatabase", "agents"),
        ("PGUSER", "ann", "pguser", "ann"),
        ("PGPASSWORD", " pass word ", "pgpassword", Secret(" pass word ")),
        ("PGSSLMODE", "Verify-Full ", "pgsslmode", "verify-full"),
        ("PGSSLROOTCERT", "~/root.crt", "pgsslrootcert", Path.home() / "root.crt"),
        ("PGSSLROOTCERT", "system", "pgsslrootcert", Path("system")),
        ("PGSSLCERT", "/run/own.crt", "pgsslcert", Path("/run/own.crt")),
        ("PGSSLKEY", "/run/own.key", "pgsslkey", Path("/run/own.key")),
        ("AGENTDB_HOME", "~/agents", "home", Path.home() / "agents"),
        ("AGENTDB_HOME", "~nobody-like-that/x", "home", Path("~nobody-like-that/x")),
        ("AGENTDB_MODE", "System", "mode", "system"),
        ("AGENTDB_SKIP_SYNC", "true", "skip_sync", True),
        ("DB_SKIP_SYNC", "true", "skip_sync", True),
        ("AGENTDB_SKIP_AUDIT", "true", "skip_audit", True),
        ("DB_SKIP_AUDIT", "true", "skip_audit", True),
        ("AGENTDB_WAIT_S", "0", "wait_s", 0.0),
        ("AGENTDB_WAIT_S", "2.5", "wait_s", 2.5),
        ("AGENTDB_SECRET_KEY", "k" * 16, "secret_key", Secret("k" * 16)),
        ("AGENTDB_SECRET_KEY_FILE", "/run/key", "secret_key_file", Path("/run/key")),
        ("AGENTDB_SECRETS", "plain", "secrets", "plain"),
        ("TEST_API_KEY", "agk_test", "test_api_key", Secret("agk_test")),
        ("AGENTDB_SEED_DIR", "seeds", "seed_directory", Path("seeds")),
        ("AGENTDB_SEED_ENV", " A, B ,,C", "seed_env_names", ("A", "B", "C")),
        ("AGENTDB_OWNERSHIP", "matrix.toml", "ownership_file", Path("matrix.toml")),
        ("AGENTDB_DEFAULT_MODEL", "mock-model", "default_model", "mock-model"),
        ("AGENTDB_DEFAULT_BUDGET", "0.0000000001", "default_budget_usd", Decimal("1e-10")),
        ("AGENTDB_DURABILITY", "fast", "durability", "fast"),
        ("AGENTDB_POOLER", "transaction", "pooler", "transaction"),
        ("AGENTDB_ISOLATION", "REPEATABLE_READ", "isolation", "repeatable read"),
        ("AGENTDB_ISOLATION", "read-committed", "isolation", "read committed"),
        ("AGENTDB_ISOLATION", " Serializable\r", "isolation", "serializable"),
        ("AGENTDB_POOL_SIZE", "1", "pool_size", 1),
        ("AGENTDB_CONNECT_TIMEOUT_S", "0.5", "connect_timeout_s", 0.5),
        ("AGENTDB_ACQUIRE_TIMEOUT_S", "0.5", "acquire_timeout_s", 0.5),
        ("AGENTDB_STATEMENT_TIMEOUT_S", "0.5", "statement_timeout_s", 0.5),
        ("AGENTDB_TRANSACTION_TIMEOUT_S", "0.5", "transaction_timeout_s", 0.5),
        ("AGENTDB_CALL_TIMEOUT_S", "2.5", "call_timeout_s", 2.5),
        ("AGENTDB_TELEMETRY", "Off", "telemetry", "off"),
        ("AGENTDB_SLOW_CALL_S", "0", "slow_call_s", 0.0),
    ],
)
def test_each_variable_sets_its_setting(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, attribute: str, value: object
) -> None:
    """The names that users know, and what their texts become."""
    monkeypatch.setenv(variable, text)

    assert getattr(Settings.load(), attribute) == value


class TestOrder:
    def test_dotenv_in_the_current_directory_is_read(self) -> None:
        """Also with the byte order mark that some editors put first."""
        write_env("\ufeffAGENTDB_POOL_SIZE=3\nAGENTDB_WAIT_S='4'\n")

        assert Settings.load().pool_size == 3
        assert Settings.load().wait_s == 4

    def test_the_process_environment_wins_over_dotenv(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As everywhere: the file holds what is usual, the process what is meant now."""
        write_env("AGENTDB_POOL_SIZE=3\nAGENTDB_WAIT_S=4")
        monkeypatch.setenv("AGENTDB_POOL_SIZE", "5")

        assert Settings.load().pool_size == 5
        assert Settings.load().wait_s == 4

    def test_an_argument_wins_over_both(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Also over the second name of a setting; None is an argument that was not given."""
        write_env("AGENTDB_SKIP_SYNC=true")
        monkeypatch.setenv("DB_SKIP_AUDIT", "true")
        monkeypatch.setenv("AGENTDB_POOL_SIZE", "5")
        settings = Settings.load(skip_sync=False, skip_audit=False, pool_size=None)

        assert (settings.skip_sync, settings.skip_audit, settings.pool_size) == (False, False, 5)

    def test_an_argument_hides_a_bad_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who says it in code does not depend on the environment."""
        monkeypatch.setenv("AGENTDB_POOL_SIZE", "many")

        assert Settings.load(pool_size=2).pool_size == 2

    def test_our_own_name_wins_over_the_older_one_wherever_it_stands(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The order of names comes before the order of places."""
        monkeypatch.setenv("DB_SKIP_SYNC", "true")
        write_env("AGENTDB_SKIP_SYNC=false")

        assert Settings.load().skip_sync is False

    @pytest.mark.parametrize("nothing", ["", "  "])
    def test_an_empty_variable_counts_as_not_set(self, monkeypatch: pytest.MonkeyPatch, nothing: str) -> None:
        """Compose files pass variables on empty; the next name or place is asked then."""
        monkeypatch.setenv("AGENTDB_URL", nothing)
        monkeypatch.setenv("AGENTDB_SKIP_SYNC", nothing)
        monkeypatch.setenv("DB_SKIP_SYNC", "true")
        monkeypatch.setenv("AGENTDB_POOL_SIZE", nothing)
        write_env("AGENTDB_POOL_SIZE=3\nPGPORT=\nPGHOST")
        settings = Settings.load()

        assert (settings.url, settings.skip_sync, settings.pool_size) == (None, True, 3)
        assert (settings.pgport, settings.pghost) == (5432, None)

    def test_the_file_can_be_chosen_or_left_out(self, tmp_path: Path) -> None:
        """Tests and tools do not depend on where they run."""
        write_env("AGENTDB_POOL_SIZE=3")
        (tmp_path / "other.env").write_text("AGENTDB_POOL_SIZE=4")

        assert Settings.load(env_file=None).pool_size == 10
        assert Settings.load(env_file=tmp_path / "other.env").pool_size == 4
        assert Settings.load(env_file=tmp_path / "missing.env").pool_size == 10

    def test_settings_are_read_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What changes in the environment later does not reach settings that were loaded."""
        monkeypatch.setenv("AGENTDB_GATEWAY_SKIP_SYNC", "true")
        settings = Settings.load()
        monkeypatch.setenv("AGENTDB_GATEWAY_SKIP_SYNC", "false")
        monkeypatch.setenv("GEMINI_API_KEY", "later")

        assert settings.skip_sync_for("gateway") is True
        assert "GEMINI_API_KEY" not in settings.variables

    def test_names_that_are_no_setting_are_ignored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Neither a misspelt variable nor one called like an attribute does anything."""
        monkeypatch.setenv("AGENTDB_POOLSIZE", "3")
        monkeypatch.setenv("agentdb_pool_size", "3")
        monkeypatch.setenv("pool_size", "3")
        monkeypatch.setenv("variables", "{}")
        write_env("unrelated=1\npool_size=3")

        assert Settings.load().pool_size == 10

    def test_other_variables_can_be_asked_for_as_secrets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Seed files name variables of their own; `.env` holds for them too."""
        monkeypatch.setenv("GEMINI_API_KEY", "s3cret")
        write_env("GEMINI_API_KEY=other\nSECOND_KEY=in-file")
        variables = Settings.load().variables

        assert variables["GEMINI_API_KEY"] == Secret("s3cret")
        assert variables["SECOND_KEY"] == Secret("in-file")


class TestServiceFlag:
    @pytest.mark.parametrize(
        ("environment", "expected"),
        [
            ({}, False),
            ({"DB_SKIP_SYNC": "true"}, True),
            ({"AGENTDB_SKIP_SYNC": "false", "DB_SKIP_SYNC": "true"}, False),
            ({"AGENTDB_GATEWAY_SKIP_SYNC": "true", "AGENTDB_SKIP_SYNC": "false"}, True),
            ({"AGENTDB_GATEWAY_SKIP_SYNC": "no", "AGENTDB_SKIP_SYNC": "yes", "DB_SKIP_SYNC": "yes"}, False),
            ({"AGENTDB_GATEWAY_SKIP_SYNC": "", "AGENTDB_SKIP_SYNC": "on"}, True),
            ({"AGENTDB_CMS_SKIP_SYNC": "true"}, False),
        ],
    )
    def test_the_service_goes_before_all_and_ours_before_the_older_name(
        self, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: bool
    ) -> None:
        """One shared environment file can tell the owner from those that attach."""
        for name, text in environment.items():
            monkeypatch.setenv(name, text)

        assert Settings.load().skip_sync_for("gateway") is expected

    def test_without_a_service_only_the_common_flags_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No name, no variable of its own."""
        monkeypatch.setenv("AGENTDB__SKIP_SYNC", "true")

        assert Settings.load().skip_sync_for(None) is False
        assert Settings.load().skip_sync_for("") is False

    def test_dotenv_and_dashes_are_honoured(self) -> None:
        """Services have names that variables cannot have."""
        write_env("AGENTDB_AGENT_GATEWAY_SKIP_SYNC=1")

        assert Settings.load().skip_sync_for("agent-gateway") is True

    def test_a_bad_flag_is_the_error_of_the_service_that_asks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Another service starts as if it were not there."""
        monkeypatch.setenv("AGENTDB_GATEWAY_SKIP_SYNC", "maybe")
        settings = Settings.load()

        assert settings.skip_sync_for("cms") is False
        with pytest.raises(ConfigurationError, match=r"^AGENTDB_GATEWAY_SKIP_SYNC is 'maybe'; accepted: true, false"):
            settings.skip_sync_for("gateway")


@pytest.mark.parametrize(
    ("text", "value"),
    [(text, True) for text in ("true", "TRUE", "1", "yes", "Yes", "on", " on\r")]
    + [(text, False) for text in ("false", "False", "0", "no", "NO", "off", "oFf")],
)
def test_flags_are_words_in_any_case(monkeypatch: pytest.MonkeyPatch, text: str, value: bool) -> None:
    """The original knew only the exact text `true`, so that `True` quietly migrated."""
    monkeypatch.setenv("DB_SKIP_SYNC", text)

    assert Settings.load().skip_sync is value


class TestErrors:
    @pytest.mark.parametrize("text", ["maybe", "2", "t", "y", "truee", "none"])
    @pytest.mark.parametrize("variable", ["AGENTDB_SKIP_SYNC", "DB_SKIP_SYNC"])
    def test_a_bad_flag_names_the_variable_that_was_set(
        self, monkeypatch: pytest.MonkeyPatch, variable: str, text: str
    ) -> None:
        """A setting has two names; the message says which one to correct, and how."""
        monkeypatch.setenv(variable, text)
        with pytest.raises(ConfigurationError) as caught:
            Settings.load()

        assert (
            str(caught.value) == f"{variable} is {text!r}; accepted: true, false, 1, 0, yes, no, on, off, in any case."
        )

    @pytest.mark.parametrize(
        ("variable", "text", "accepted"),
        [
            ("PGPORT", "0", "a port number from 1 to 65535"),
            ("PGPORT", "65536", "a port number from 1 to 65535"),
            ("PGPORT", "five", "a port number from 1 to 65535"),
            ("AGENTDB_MODE", "root", "user or system"),
            ("AGENTDB_WAIT_S", "-1", "a finite number of seconds, 0 or greater"),
            ("AGENTDB_WAIT_S", "inf", "a finite number of seconds, 0 or greater"),
            ("AGENTDB_CONNECT_TIMEOUT_S", "0", "a finite number of seconds greater than 0"),
            ("AGENTDB_ACQUIRE_TIMEOUT_S", "nan", "a finite number of seconds greater than 0"),
            ("AGENTDB_STATEMENT_TIMEOUT_S", "inf", "a finite number of seconds greater than 0"),
            ("AGENTDB_TRANSACTION_TIMEOUT_S", "5s", "a finite number of seconds greater than 0"),
            ("AGENTDB_TELEMETRY", "yes", "auto, on or off"),
            ("AGENTDB_SLOW_CALL_S", "-1", "a finite number of seconds, 0 or greater"),
            ("AGENTDB_POOL_SIZE", "0", "a whole number, 1 or greater"),
            ("AGENTDB_POOL_SIZE", "1.5", "a whole number, 1 or greater"),
            ("AGENTDB_DURABILITY", "slow", "full or fast"),
            ("AGENTDB_POOLER", "session", "none or transaction"),
            ("AGENTDB_ISOLATION", "snapshot", "read committed, repeatable read or serializable"),
            ("AGENTDB_DEFAULT_BUDGET", "-1", "US dollars from 0 to 900000000 with at most ten decimals"),
            ("AGENTDB_DEFAULT_BUDGET", "900000001", "US dollars from 0 to 900000000 with at most ten decimals"),
            ("AGENTDB_DEFAULT_BUDGET", "0.00000000001", "US dollars from 0 to 900000000 with at most ten decimals"),
            ("AGENTDB_DEFAULT_BUDGET", "NaN", "US dollars from 0 to 900000000 with at most ten decimals"),
        ],
    )
    def test_a_bad_value_is_shown_with_what_is_accepted(
        self, monkeypatch: pytest.MonkeyPatch, variable: str, text: str, accepted: str
    ) -> None:
        """One line, in the user's words."""
        monkeypatch.setenv(variable, text)
        with pytest.raises(ConfigurationError) as caught:
            Settings.load()

        assert str(caught.value).splitlines()[0].endswith(f"accepted: {accepted}.")
        assert str(caught.value).startswith(f"{variable} is ")
        assert text in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_all_problems_come_in_one_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody corrects a file one line per start."""
        monkeypatch.setenv("AGENTDB_POOL_SIZE", "many")
        write_env("PGPORT=x\nDB_SKIP_AUDIT=perhaps")
        with pytest.raises(ConfigurationError) as caught:
            Settings.load(mode="root")

        assert sorted(line.split(" is ")[0] for line in str(caught.value).splitlines()) == [
            "AGENTDB_POOL_SIZE",
            "DB_SKIP_AUDIT",
            "PGPORT",
            "The argument mode",
        ]

    def test_a_key_in_the_wrong_variable_is_not_printed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """AGENTDB_SECRETS and AGENTDB_SECRET_KEY are easily mistaken for each other."""
        monkeypatch.setenv("AGENTDB_SECRETS", "s3cret-key-of-mine")
        with pytest.raises(ConfigurationError) as caught:
            Settings.load()

        assert str(caught.value) == "AGENTDB_SECRETS is set to a text that is not accepted; accepted: sealed or plain."
        assert "s3cret" not in str(caught.value.__cause__)

    @pytest.mark.parametrize("name", ["url", "pgpassword", "secret_key", "test_api_key"])
    def test_a_secret_argument_of_a_wrong_type_is_not_printed(self, name: str) -> None:
        """A list that holds the password is still the password."""
        given: dict[str, Any] = {name: ["s3cret"]}
        with pytest.raises(ConfigurationError) as caught:
            Settings.load(**given)

        assert str(caught.value) == f"The argument {name} is set to a text that is not accepted; accepted: a text."
        assert "s3cret" not in str(caught.value.__cause__)

    def test_an_unknown_argument_is_an_error_that_lists_the_known(self) -> None:
        """A misspelt keyword in code is not silently without effect."""
        with pytest.raises(ConfigurationError, match=r"^There is no setting 'utl'; accepted: .*\burl\b"):
            Settings.load(utl="sqlite://")

    def test_a_file_that_is_no_text_is_one_error(self) -> None:
        """A shell may write `.env` as UTF-16."""
        Path(".env").write_text("AGENTDB_POOL_SIZE=3", encoding="utf-16")

        with pytest.raises(ConfigurationError, match=r"^The settings file '\.env' cannot be read: "):
            Settings.load()


def test_settings_never_show_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither as text nor as JSON; the whole environment is not part of them."""
    monkeypatch.setenv("AGENTDB_URL", "postgresql://ann:s3cret@db/agents")
    monkeypatch.setenv("PGPASSWORD", "s3cret")
    monkeypatch.setenv("AGENTDB_SECRET_KEY", "s3cret")
    monkeypatch.setenv("TEST_API_KEY", "s3cret")
    monkeypatch.setenv("GEMINI_API_KEY", "s3cret")
    settings = Settings.load()
    shown = [repr(settings), str(settings), settings.model_dump_json(), repr(settings.variables)]

    assert not [text for text in shown if "s3cret" in text]
    assert not [text for text in shown[:3] if "GEMINI_API_KEY" in text]


def test_settings_do_not_change() -> None:
    """What was loaded holds until the handle is closed."""
    with pytest.raises(ValueError, match="frozen"):
        Settings.load().pool_size = 3
