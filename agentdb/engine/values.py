"""What may be sent to a database at all.

Of 24 odd values SQLite takes 6 that PostgreSQL refuses, and turns NaN into NULL. Every parameter of every statement
passes one of `CHECKS` before any engine sees it, so each engine gives the same answer to the same bad input.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, TypeAlias, cast

import orjson

from agentdb.engine.money import dollars
from agentdb.errors import InvalidInputError, excerpt

INTEGER_MIN: Final = -(2**63)
INTEGER_MAX: Final = 2**63 - 1
MAX_JSON_BYTES: Final = 16 * 1024 * 1024
MAX_JSON_DEPTH: Final = 100
MAX_TEXT_BYTES: Final = 64 * 1024 * 1024
MAX_TIMEOUT_S: Final = 10**9

_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)

Check: TypeAlias = Callable[[Any], Any]
"""Gives a value as every engine can keep it, or refuses it."""


class Checks(dict[type, Check]):
    """A check for each type that a column can have, and for those derived from it."""

    def __missing__(self, kind: type) -> Check:
        return next((check for base, check in self.items() if issubclass(kind, base)), _refused)


def checked(value: Any) -> Any:
    """`value` if every engine can keep it.

    Raises:
        InvalidInputError: NUL or a lone surrogate in a text, a text over 64 MiB, an integer beyond 64 bits, NaN or an
            infinity, a naive datetime, money out of range, or a type that no column has.
    """
    return CHECKS[type(value)](value)


def now() -> datetime:
    """The present instant in UTC."""
    return datetime.now(UTC)


def instant(stored: str | datetime) -> datetime:
    """A time as a database keeps it: a text on SQLite."""
    return utc(datetime.fromisoformat(stored) if isinstance(stored, str) else stored)


def utc(moment: Any) -> datetime:
    """The same instant in UTC.

    Raises:
        InvalidInputError: `moment` is no datetime, or naive, so nobody knows which instant it is, or no calendar has it
            in UTC.
    """
    if not isinstance(moment, datetime):
        raise InvalidInputError(f"A time is an aware datetime, found {type(moment).__name__} {excerpt(moment)}.")
    if moment.tzinfo is None:
        raise InvalidInputError(f"A time has a zone, found the naive {moment.isoformat()}. Pass an aware datetime.")
    try:
        in_utc = moment.astimezone(UTC)
    except OverflowError:
        in_utc = _FIRST
    if in_utc in (_FIRST, _LAST):  # PostgreSQL's driver would write these two as infinities
        raise InvalidInputError(f"A time lies inside the years 1 to 9999 of UTC, found {moment.isoformat()}.")
    return in_utc


def seconds(timeout: Any) -> float:
    """How long a call may take.

    Raises:
        InvalidInputError: No number, or one that no clock reaches.
    """
    is_number = isinstance(timeout, (int, float)) and not isinstance(timeout, bool)
    if not is_number or not -MAX_TIMEOUT_S <= timeout <= MAX_TIMEOUT_S:
        raise InvalidInputError(
            "timeout is a number of seconds, or None for the configured limit, "
            f"found {type(timeout).__name__} {excerpt(timeout)}."
        )
    return float(timeout)


def json_text(value: Any) -> str:
    """`value` as JSON text, checked on the way.

    Raises:
        InvalidInputError: Something that JSON cannot say, NaN, NUL or a lone surrogate in a text or key, deeper than
            100 levels, or over 16 MiB.
    """
    _json_checked(value, depth=1)
    try:
        encoded = orjson.dumps(value, default=_plain)
    except (TypeError, RecursionError) as error:
        raise InvalidInputError(f"Not JSON: {error}.") from None
    if len(encoded) > MAX_JSON_BYTES:
        raise InvalidInputError(f"A JSON value has at most {MAX_JSON_BYTES} bytes, found {len(encoded)}.")
    return encoded.decode()


def canonical_json(value: Any) -> str:
    """Equal JSON values give equal texts: keys sorted, numbers by value."""
    return orjson.dumps(canonical(value), option=orjson.OPT_SORT_KEYS).decode()


def canonical(value: Any) -> Any:
    """A JSON value with every number as an int of 64 bits if its decimal text is one, else as a float.

    `jsonb` keeps that text's value and writes it without point and exponent: 2.0**60 was sent as 1.152921504606847e18,
    and comes back as 1152921504606847000.
    """
    # Asked by type first: a million messages have tens of millions of parts.
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return value
    if kind is float:
        return _whole(value) if value.is_integer() else value
    if kind is int:
        return value if INTEGER_MIN <= value <= INTEGER_MAX else float(value)
    if isinstance(value, Mapping):
        return {key: canonical(item) for key, item in value.items()}
    return [canonical(item) for item in value] if isinstance(value, (list, tuple)) else value


def _whole(value: float) -> int | float:
    if abs(value) < 2**53:
        return int(value)
    if abs(value) > 2**64:
        return value
    written = int(Decimal(repr(value)))
    return written if INTEGER_MIN <= written <= INTEGER_MAX else value


def time_text(moment: datetime) -> str:
    """A time as SQLite keeps it, in exactly 32 characters always: mixed widths do not sort by time.

    Raises:
        InvalidInputError: As `utc`.
    """
    # A moment of another zone may equal one that is a different instant, an hour later, when clocks are set back.
    return _written(moment if moment.tzinfo is UTC else utc(moment))


@lru_cache
def _written(moment: datetime) -> str:
    """A row, and the statements of a call, tell one moment several times."""
    return utc(moment).isoformat(sep=" ", timespec="microseconds")


def _json_checked(value: Any, depth: int) -> None:
    if depth > MAX_JSON_DEPTH:
        raise InvalidInputError(f"JSON is nested deeper than {MAX_JSON_DEPTH} levels.")
    match value:
        case None | bool():
            return
        case str():
            _text(value)
        case int() | float():
            checked(value)
        case Mapping():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise InvalidInputError(f"A key of a JSON object is a text, found {type(key).__name__}.")
                _text(key)
                _json_checked(item, depth + 1)
        case Sequence() if not isinstance(value, (bytes, bytearray)):
            for item in value:
                _json_checked(item, depth + 1)
        case _:
            # It may be a part of a message: what it says is not shown.
            raise InvalidInputError(f"JSON cannot say a {type(value).__name__}.")


def _same(value: Any) -> Any:
    return value


def _integer(value: int) -> int:
    if not INTEGER_MIN <= value <= INTEGER_MAX:
        raise InvalidInputError(f"An integer has at most 64 bits, found {excerpt(value)}.")
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise InvalidInputError(f"A number is finite, found {value}.")
    return value


def _each(values: Sequence[Any]) -> list[Any]:
    return [CHECKS[type(value)](value) for value in values]


def _refused(value: Any) -> Any:
    raise InvalidInputError(f"No column keeps a {type(value).__name__}.")


def _text(value: str) -> str:
    if "\x00" in value:
        raise InvalidInputError(f"A text has no NUL character, found one at position {value.index(chr(0))}.")
    size = len(value) if value.isascii() else _utf8_size(value)
    if size > MAX_TEXT_BYTES:
        raise InvalidInputError(f"A text has at most {MAX_TEXT_BYTES} bytes, found {size}.")
    return value


def _utf8_size(value: str) -> int:
    try:
        return len(value.encode())
    except UnicodeEncodeError as error:
        at = error.start
    # Out of the handler: its error holds the whole text, and would travel along as the context of ours.
    raise InvalidInputError(f"A text has no lone surrogate, found {value[at]!r} at position {at}.")


_BY_TYPE: Final[Mapping[type, Check]] = {
    type(None): _same,
    bool: _same,
    bytes: _same,
    str: _text,
    int: _integer,
    float: _finite,
    datetime: utc,
    Decimal: dollars,
    list: _each,
    tuple: _each,
}
CHECKS: Final = Checks(_BY_TYPE)


def _plain(value: object) -> dict[str, Any] | list[Any]:
    # orjson knows only dict, list and tuple.
    return dict(value) if isinstance(value, Mapping) else list(cast(Sequence[Any], value))
