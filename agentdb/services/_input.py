"""What callers may pass: the boundary where a wrong value is refused, in the same words whatever the engine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from agentdb.engine.money import dollars
from agentdb.engine.values import checked, json_text, utc
from agentdb.errors import InvalidInputError

MAX_REQUEST_ID: Final = 200
MAX_EMAIL: Final = 320
MAX_PAGE: Final = 1000

_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")


def identifier(value: Any, what: str) -> int:
    """The id of a row: an int of at most 64 bits, which need not exist."""
    if type(value) is not int:
        raise InvalidInputError(f"{what} is an int, found {type(value).__name__} {value!r:.80}.")
    checked(value)
    return value


def optional_identifier(value: Any, what: str) -> int | None:
    """The id of a row, or None."""
    return None if value is None else identifier(value, what)


def id_or_name(value: Any, what: str) -> tuple[int | None, str | None]:
    """What names a row: its id or its name, the other one None. Neither need exist."""
    if isinstance(value, str):
        checked(value)
        return None, value
    return identifier(value, what), None


def count(value: Any, what: str) -> int:
    """A number of things: an int from 0 to 2^63 - 1."""
    if identifier(value, what) < 0:
        raise InvalidInputError(f"{what} is 0 or greater, found {value}.")
    return int(value)


def flag(value: Any, what: str) -> bool:
    """True or False, and nothing that merely counts as one of them."""
    if not isinstance(value, bool):
        raise InvalidInputError(f"{what} is True or False, found {type(value).__name__} {value!r:.80}.")
    return value


def page_size(value: Any, *, most: int = MAX_PAGE) -> int:
    """How many items an answer has at most: an int from 1 to 1000, or to `most`."""
    if not 1 <= identifier(value, "limit") <= most:
        raise InvalidInputError(f"limit is from 1 to {most}, found {value}.")
    return int(value)


def moment(value: Any, what: str) -> datetime:
    """An instant: an aware datetime, given back in UTC."""
    if not isinstance(value, datetime):
        raise InvalidInputError(f"{what} is an aware datetime, found {type(value).__name__} {value!r:.80}.")
    return utc(value)


def text(value: Any, what: str) -> str:
    """A text that is not empty and that every engine can keep."""
    if not isinstance(value, str) or not value:
        raise InvalidInputError(f"{what} is a text that is not empty, found {type(value).__name__} {value!r:.80}.")
    checked(value)
    return value


def optional_text(value: Any, what: str) -> str | None:
    """A text, which may be empty, or None."""
    return value if value is None or value == "" else text(value, what)


def names(value: Any, what: str) -> tuple[str, ...]:
    """A list of texts that are not empty, each once."""
    if not isinstance(value, (list, tuple)):
        raise InvalidInputError(f"{what} is a list of names, found {type(value).__name__} {value!r:.80}.")
    return tuple(dict.fromkeys(text(name, f"a name in {what}") for name in value))


def json_object(value: Any, what: str) -> str | None:
    """A JSON object as text, or None."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise InvalidInputError(f"{what} is an object, found {type(value).__name__} {value!r:.80}.")
    return json_text(value)


def request_key(value: Any) -> str | None:
    """A caller's own name for one call: 1 to 200 characters, or None."""
    if value is None:
        return None
    if len(text(value, "request_id")) > MAX_REQUEST_ID:
        raise InvalidInputError(f"request_id has 1 to {MAX_REQUEST_ID} characters, found {len(value)}.")
    return str(value)


def email_address(value: Any) -> str:
    """An e-mail address as it is stored and looked up: stripped and casefolded."""
    address = text(value, "email").strip().casefold()
    if len(address) > MAX_EMAIL or not _EMAIL.fullmatch(address):
        raise InvalidInputError(f"email is an address such as ada@example.org, found {value!r:.80}.")
    return address


def budget_of(value: Any) -> Decimal | None:
    """A budget in US dollars, 0 or more; None is no limit."""
    if value is None:
        return None
    budget = dollars(value)
    if budget < 0:
        raise InvalidInputError(f"A budget is 0 US dollars or more, found {budget}. None is no limit.")
    return budget
