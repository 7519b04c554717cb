"""What the text of a single cell can become.

Plain functions of a text. Each refuses with an InvalidInputError; the caller adds file, line and column.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from agentdb.engine.money import dollars
from agentdb.engine.values import INTEGER_MAX, INTEGER_MIN, json_text, utc
from agentdb.errors import InvalidInputError

_MAX_DIGITS: Final = 100
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WHOLE: Final = re.compile(r"[+-]?[1-9][0-9]{0,99}|\+?0")
_FRACTION: Final = re.compile(r"-0|[+-]?(?:(?:0|[1-9][0-9]*)\.(?:[0-9]*[1-9])?|\.[0-9]*[1-9])")
_BOOLEANS: Final = {"true": True, "false": False}


def json_value(text: str) -> Any:
    """`text` parsed as JSON that every engine can keep."""
    # Not orjson: it makes a float of an integer beyond 64 bits, where the standard parser keeps it for the check.
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidInputError(f"The value is not JSON: {error}.") from None
    except (ValueError, RecursionError):  # thousands of digits or levels
        raise InvalidInputError("The value is JSON with a number or a nesting that is too large.") from None
    json_text(value)
    return value


def number_or_text(text: str) -> bool | int | float | str:
    """A boolean or number if `text` says one and nothing of what is written gets lost; else `text` itself."""
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    if _FRACTION.fullmatch(text):
        number = float(text)
        if Decimal(repr(number)) == Decimal(text):
            return number
    return text


def _decimal(text: str, what: str) -> Decimal:
    # The pattern first: Decimal itself would also take underscores, NaN, Infinity and digits of other scripts.
    if len(text) > _MAX_DIGITS or not _DECIMAL.fullmatch(text):
        raise InvalidInputError(f"{text!r:.80} is not {what}. Write a decimal number.")
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond any Decimal
        raise InvalidInputError(f"{text!r:.80} is out of range for {what}.") from None


def _integer(text: str) -> int:
    number = _decimal(text, "an integer")
    if not INTEGER_MIN <= number <= INTEGER_MAX:  # before int(), which would write out an exponent of a million
        raise InvalidInputError(f"{text!r:.80} is out of range: an integer has at most 64 bits.")
    if number != int(number):
        raise InvalidInputError(f"{text!r:.80} is not an integer. Remove the fraction.")
    return int(number)


def _money(text: str) -> Decimal:
    return dollars(_decimal(text, "an amount of money"))


def _boolean(text: str) -> bool:
    if text not in _BOOLEANS:
        raise InvalidInputError(f"{text!r:.80} is not a boolean. Write true or false.")
    return _BOOLEANS[text]


def _timestamp(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(f"{text!r:.80} is not a time. Write it as in 2026-01-31T09:00:00Z.") from None
    if moment.tzinfo is None:
        raise InvalidInputError(f"{text!r:.80} has no time zone. Write an offset, as in 2026-01-31T09:00:00Z.")
    return utc(moment)


SCALARS: Final[Mapping[str, Callable[[str], Any]]] = {
    "integer": _integer,
    "money": _money,
    "boolean": _boolean,
    "timestamp": _timestamp,
}
