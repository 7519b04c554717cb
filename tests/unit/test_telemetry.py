"""What a log line may hold."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentdb.telemetry import LOGGER_NAMES, LoggerName, RedactingFilter, logger, redact


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
