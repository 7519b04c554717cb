"""What a log line may hold."""

from __future__ import annotations

import ast
import inspect
import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

import agentdb
from agentdb import Database
from agentdb.config import Settings
from agentdb.records import Charge
from agentdb.services._made import Made
from agentdb.telemetry import LOGGER_NAMES, LoggerName, RedactingFilter, fields, logger, redact
from agentdb.telemetry.calls import rows_of
from agentdb.telemetry.observer import observer_of
from agentdb.types import Page, Price


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("postgresql://ann:s3cret@db/agents", "postgresql://ann:***@db/agents"),
        ("postgresql://:s3cret@db/agents", "postgresql://:***@db/agents"),
        ("postgresql://ann:s3c@ret@db/agents", "postgresql://ann:***@db/agents"),
        ("postgresql://ann:s3/c?r#et@db/agents", "postgresql://ann:***@db/agents"),
        ("postgresql://ann:s3'c\"ret@db/agents", "postgresql://ann:***@db/agents"),
        ("postgresql://ann:s3 cret@db/agents", "postgresql://ann:***@db/agents"),
        ("postgresql://ann:s3 c@ret@db/agents", "postgresql://ann:***@db/agents"),
        ("//db:agents\ntell ann@example.org", "//db:agents\ntell ann@example.org"),
        ("postgresql://ann@example.org:s3cret@db/agents", "postgresql://ann@example.org:***@db/agents"),
        ("postgresql://ann:s3cret@[::1]:5432/agents", "postgresql://ann:***@[::1]:5432/agents"),
        ("first //ann:s3cret@db and //bob:s3cret@db", "first //ann:***@db and //bob:***@db"),
    ],
)
def test_passwords_of_urls_are_hidden(line: str, shown: str) -> None:
    """Also those that should have been percent-encoded: a malformed URL is what error messages quote."""
    assert redact(line) == shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("postgresql://db/agents?password=s3cret&timeout=3", "postgresql://db/agents?password=***&timeout=3"),
        ("postgresql://db/agents?sslpassword=s3cret", "postgresql://db/agents?sslpassword=***"),
        ("host=db password=s3cret user=ann", "host=db password=*** user=ann"),
        (r"host=db password='s3 cr\'et' user=ann", "host=db password=*** user=ann"),
        ("host=db PASSWORD = s3cret user=ann", "host=db PASSWORD = *** user=ann"),
        ("{'password': 's3cret', 'host': 'db'}", "{'password': ***, 'host': 'db'}"),
        ('{"apiKey":"s3 cret","host":"db"}', '{"apiKey":***,"host":"db"}'),
        ("AGENTDB_SECRET_KEY=s3cret AGENTDB_MODE=user", "AGENTDB_SECRET_KEY=*** AGENTDB_MODE=user"),
    ],
)
def test_values_named_as_secrets_are_hidden(line: str, shown: str) -> None:
    """In a query, a libpq connection string, a dict, JSON or the environment."""
    assert redact(line) == shown


def test_our_own_tokens_are_hidden() -> None:
    """The key id stays readable: it says which key is missing."""
    line = "key agk_AbC-12_x, digest agd1$0a1b2c3d$QWxs-b_9, done"

    assert redact(line) == "key agk_***, digest agd1$0a1b2c3d$***, done"


@pytest.mark.parametrize(
    "line",
    [
        "postgresql://ann@db:5432/agents",
        "http://db:5432 is down, tell ann@example.org",
        "sqlite:///agent.db: locked, tell ann@example.org",
        'password authentication failed for user "ann"',
        "AGENTDB_SECRET_KEY_FILE=/run/secrets/key",
        "input_tokens=12",
    ],
)
def test_what_is_no_secret_stays(line: str) -> None:
    """A port, a mail address and a driver's own words are what one reads a log for."""
    assert redact(line) == line


@given(st.text(), st.text(alphabet=st.characters(codec="ascii", categories=["L", "N"]), min_size=8))
def test_redacting_twice_changes_nothing_more(before: str, secret: str) -> None:
    """A line may pass through several handlers."""
    once = redact(f"{before} //ann:{secret}@db password={secret} agk_{secret}")

    assert redact(once) == once


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\n\x0b\x0c"), min_size=1))
def test_no_password_keeps_a_url_from_being_hidden(password: str) -> None:
    """Whatever stands between the first colon and the last @ is gone, unless it reads like a port."""
    line = redact(f"postgresql://ann:x{password}@db/agents")

    assert line == "postgresql://ann:***@db/agents"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What a handler on the root of our loggers writes."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger("agentdb")
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)


@pytest.mark.parametrize("name", LOGGER_NAMES)
def test_every_logger_redacts_message_arguments_and_traceback(name: str, lines: io.StringIO) -> None:
    """A driver's exception may quote the URL it was given."""
    log = logger(next(known for known in LOGGER_NAMES if known == name))
    try:
        raise ValueError("cannot reach //ann:s3cret@db")
    except ValueError:
        log.exception("opening %s failed", "//ann:s3cret@db")

    assert "opening //ann:***@db failed" in lines.getvalue()
    assert "ValueError: cannot reach //ann:***@db" in lines.getvalue()
    assert "s3cret" not in lines.getvalue()


def test_asking_twice_for_a_logger_adds_one_filter() -> None:
    """Rooms ask for their logger whenever they like."""
    found = [part for _ in range(2) for part in logger("agentdb.seed").filters if isinstance(part, RedactingFilter)]

    assert len(set(found)) == 1
    assert len(logger("agentdb.seed").filters) == 1


@pytest.mark.parametrize("name", LOGGER_NAMES)
def test_nothing_is_printed_unless_the_application_configures_logging(
    name: LoggerName, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python itself would print a warning for which there is no handler."""
    with monkeypatch.context() as unconfigured:
        unconfigured.setattr(logging.getLogger(), "handlers", [])
        logger(name).warning("a seed file has changed")

    assert capsys.readouterr().err == ""


def test_fields_of_a_record_are_named_and_redacted() -> None:
    """They go where a JSON formatter finds them, past the filter that redacts messages."""
    assert fields("opened", place="//ann:s3cret@db", seconds=1.5) == {
        "agentdb_event": "opened",
        "agentdb_place": "//ann:***@db",
        "agentdb_seconds": 1.5,
    }


def test_every_record_that_we_write_names_its_event() -> None:
    """Whoever reads the log by program looks for `agentdb_event`."""
    calls = [
        (path.name, node)
        for path in Path(agentdb.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("debug", "info", "warning", "error", "exception", "log")
        and ast.unparse(node.func.value).endswith(("_logger", ".log"))
    ]

    assert len(calls) > 10
    for name, call in calls:
        assert "extra" in {keyword.arg for keyword in call.keywords}, f"{name}: {ast.unparse(call)}"


@pytest.mark.parametrize(
    ("result", "rows"),
    [
        (None, 0),
        ([], 0),
        ((1, 2), 2),
        (Page((1, 2, 3)), 3),
        (Price(), 1),
        ("text", 1),
        ({"a": 1, "b": 2}, 1),
        (Charge(usage_ids=(1, 2), cost_usd=Decimal(0)), 2),
        (Made(4, list), 4),
    ],
)
def test_rows_are_those_of_a_list_or_of_what_holds_one(result: object, rows: int) -> None:
    """A tuple with names is one thing."""
    assert rows_of(result) == rows


def test_nobody_watches_unless_there_is_a_reason() -> None:
    """OpenTelemetry can be installed, and imported by somebody, and still have nothing to do."""
    settings = Settings.load(env_file=None)

    assert "opentelemetry.trace" in sys.modules
    assert settings.telemetry == "auto"
    assert observer_of(settings, engine="sqlite") is None
    assert observer_of(Settings.load(env_file=None, telemetry="on"), engine="sqlite") is not None
    assert observer_of(Settings.load(env_file=None, slow_call_s=0.0), engine="sqlite") is not None


def test_a_program_that_has_set_up_spans_or_metrics_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Either is enough, unless it is switched off."""
    off = Settings.load(env_file=None, telemetry="off")
    auto = Settings.load(env_file=None)
    with monkeypatch.context() as traced:
        traced.setattr(trace, "_TRACER_PROVIDER", TracerProvider(shutdown_on_exit=False))
        found = [observer_of(settings, engine="sqlite") for settings in (auto, off)]
    with monkeypatch.context() as measured:
        measured.setattr(metrics._internal, "_METER_PROVIDER", MeterProvider(shutdown_on_exit=False))
        found += [observer_of(settings, engine="sqlite") for settings in (auto, off)]

    assert [one is not None for one in found] == [True, False, True, False]


@pytest.mark.agentdb(engine="both")
async def test_methods_that_nobody_watches_are_the_plain_ones(agent_db: Database) -> None:
    """Not a frame more: what is called is the function of the class."""
    await agent_db.access.roles()
    for place in (agent_db, agent_db.access, agent_db.agents, agent_db.conversations, agent_db.usage):
        functions = inspect.getmembers(type(place), inspect.iscoroutinefunction)

        assert functions
        assert not vars(place).keys() & {name for name, _ in functions}
        assert all(getattr(place, name).__func__ is function for name, function in functions)
    assert "transaction" not in vars(agent_db)


@pytest.mark.agentdb(engine="both")
async def test_slow_calls_are_logged_with_fields(
    agent_db: Database, agent_db_url: str, agent_db_engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Every call is slower than 0 s. Neither arguments nor messages of errors are in a record."""
    settings = Settings.load(env_file=None, slow_call_s=0.0)
    async with agentdb.connect(agent_db_url, skip_sync=True, settings=settings) as db:
        with pytest.raises(agentdb.NotFoundError):
            await db.catalog.model("private")
        async with db.transaction():
            await db.access.roles()
    records = [record for record in caplog.records if record.name == "agentdb.calls"]
    told = [{name: value for name, value in vars(record).items() if name.startswith("agentdb_")} for record in records]

    assert [(one["agentdb_operation"], one["agentdb_error"]) for one in told] == [
        ("connect", None),
        ("catalog.model", "NotFoundError"),
        ("access.roles", None),
        ("transaction", None),
        ("close", None),
    ]
    assert all(record.levelno == logging.WARNING for record in records)
    for one in told:
        assert one["agentdb_event"] == "slow_call"
        assert one["agentdb_engine"] == agent_db_engine
        assert one["agentdb_duration_s"] > 0
        assert one["agentdb_retries"] == 0
    assert told[2]["agentdb_rows"] == 3
    assert "private" not in str([vars(record) for record in records])


@pytest.mark.agentdb(engine="sqlite")
async def test_calls_that_are_not_slow_are_only_for_debugging(
    agent_db: Database, agent_db_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Under a limit that no call reaches."""
    settings = Settings.load(env_file=None, slow_call_s=3600.0)
    with caplog.at_level(logging.DEBUG, "agentdb.calls"):
        async with agentdb.connect(agent_db_url, skip_sync=True, settings=settings) as db:
            await db.access.roles()

    told = [record for record in caplog.records if record.name == "agentdb.calls"]
    found = [(record.levelname, vars(record)["agentdb_event"]) for record in told]
    assert found == [("DEBUG", "call")] * 3


WITHOUT_OPENTELEMETRY = """
import asyncio, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
import agentdb

async def main():
    async with agentdb.connect(":memory:") as db:
        user = await db.access.create_user(email="ada@example.org")
        async with db.transaction():
            await db.conversations.start(user_id=user.id)
        print(await db.conversations.count(user_id=user.id))

try:
    asyncio.run(main())
except agentdb.ConfigurationError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("variables", "shown"),
    [
        ({}, "1\n"),
        ({"AGENTDB_TELEMETRY": "off"}, "1\n"),
        ({"AGENTDB_SLOW_CALL_S": "60"}, "1\n"),
        (
            {"AGENTDB_TELEMETRY": "on"},
            (
                "AGENTDB_TELEMETRY is on, and the package opentelemetry-api is not installed. "
                'Install it with: pip install "agentdb[otel]"\n'
            ),
        ),
    ],
)
def test_it_works_where_opentelemetry_is_not_installed(variables: dict[str, str], shown: str, tmp_path: Path) -> None:
    """Only who asks for it by name is told what to install."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AGENTDB_", "DB_", "PG"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_OPENTELEMETRY],
        cwd=tmp_path,
        env={**environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == shown
