"""The names under which agentdb logs, and what must be hidden before a line leaves the process.

A record that tells an event has it in fields of its own, for formatters that write JSON: `agentdb_event`, and what
belongs to it, all with the prefix `agentdb_`. A record of `agentdb.calls` is about one public call and has
`agentdb_operation`, `agentdb_engine`, `agentdb_handle`, `agentdb_duration_s`, `agentdb_retries`, `agentdb_rows` (None
where a call gives no records) and `agentdb_error` (the class, None if it did not fail).
"""

from __future__ import annotations

import logging
import re
from typing import Final, Literal, TypeAlias, get_args

LoggerName: TypeAlias = Literal["agentdb", "agentdb.calls", "agentdb.engine", "agentdb.migrate", "agentdb.seed"]
LOGGER_NAMES: Final[tuple[LoggerName, ...]] = get_args(LoggerName)

_HIDDEN: Final = "***"

_RULES: Final = (
    # `//user:password@host`: up to the last @ before another URL or the line's end, for a password may hold blanks and
    # one; up to the last of the word where the colon may have begun a port. Hiding too much is the right mistake here.
    (
        re.compile(r"(//[^/\s:]*:)(?:(?!\s|\d+(?:[/?#\s,;)]|$))(?:(?!\s\S*//[^/\s:]*:)[^\n])*|\S*)@"),
        rf"\1{_HIDDEN}@",
    ),
    # `password=...` in a query, a DSN or a call, and `"password": "..."` in a dict or JSON.
    (
        re.compile(
            r"""((?:password|passwd|secret_?key|api_?key)(?:\s*=\s*|\\*['"]\s*:\s*))"""
            r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^\s&]+)""",
            re.IGNORECASE,
        ),
        rf"\1{_HIDDEN}",
    ),
    (re.compile(r"agk_[\w-]+"), f"agk_{_HIDDEN}"),
    # The key id stays: it tells which key is needed and not what it is.
    (re.compile(r"(agd1\$[0-9a-f]{8}\$)[\w-]+"), rf"\1{_HIDDEN}"),
)


def redact(text: str) -> str:
    """The text without passwords of URLs, values of `password=` and the like, API keys, digests and sealed values."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


class RedactingFilter(logging.Filter):
    """Redacts the message of a record and its traceback before any handler sees them."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), None
        if record.exc_info:
            # Formatters print this text, when it is there, rather than formatting the exception again.
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
        return True


_REDACTING: Final = RedactingFilter()

# A library prints nothing by itself: without any handler Python would write warnings to stderr.
logging.getLogger("agentdb").addHandler(logging.NullHandler())


def logger(name: LoggerName) -> logging.Logger:
    """The logger of that name, redacting. Loggers do not inherit filters, hence one place that gives them out."""
    found = logging.getLogger(name)
    found.addFilter(_REDACTING)
    return found


def fields(event: str, **values: str | float | None) -> dict[str, str | float | None]:
    """What a record says apart from its message, as the `extra` of a log call."""
    named = {"event": event, **values}
    return {f"agentdb_{name}": redact(value) if isinstance(value, str) else value for name, value in named.items()}
