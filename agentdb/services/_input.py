"""What callers may pass: the boundary where a wrong value is refused, in the same words whatever the engine.

Each refusal names the argument, and shows no more than a short excerpt of what was found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

from agentdb.config import Secret
from agentdb.engine.money import dollars
from agentdb.engine.values import INTEGER_MAX, INTEGER_MIN, checked, json_text, utc
from agentdb.errors import InvalidInputError, excerpt, shape

T = TypeVar("T")

MAX_REQUEST_ID: Final = 200
MAX_EMAIL: Final = 320
MAX_NAME: Final = 500
"""Characters of a name that no two rows share: an entry of an index on PostgreSQL has at most 2,704 bytes."""
MAX_PAGE: Final = 1000

_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")


def refused(what: str, expected: str, found: Any, *, is_private: bool = False) -> InvalidInputError:
    """The refusal of an argument. Of a private one, such as what a message says, it shows nothing."""
    shown = shape(found) if is_private else f"{type(found).__name__} {excerpt(found)}"
    return InvalidInputError(f"{what} is {expected}, found {shown}.")


def about(what: str, check: Callable[[Any], T], value: Any) -> T:
    """What `check` gives; its refusal names the argument."""
    try:
        return check(value)
    except InvalidInputError as error:
        raise InvalidInputError(f"{what}: {error}") from None


def identifier(value: Any, what: str) -> int:
    """The id of a row: an int of at most 64 bits, which need not exist."""
    if type(value) is not int:
        raise refused(what, "an int", value)
    if not INTEGER_MIN <= value <= INTEGER_MAX:
        raise InvalidInputError(f"{what} is an int of at most 64 bits, found {excerpt(value)}.")
    return value


def optional_identifier(value: Any, what: str) -> int | None:
    """The id of a row, or None."""
    return None if value is None else identifier(value, what)


def key(value: Any, what: str) -> int | str:
    """What names a row: its id, or its name, which is not empty. Neither need exist."""
    if isinstance(value, str):
        return text(value, what)
    if type(value) is not int:
        raise refused(what, "an id or a name", value)
    return identifier(value, what)


def id_or_name(value: Any, what: str) -> tuple[int | None, str | None]:
    """What names a row as statements take it: its id or its name, the other one None. An empty name is nobody's."""
    named = value if value == "" else key(value, what)
    return (None, named) if isinstance(named, str) else (named, None)


def count(value: Any, what: str) -> int:
    """A number of things: an int from 0 to 2^63 - 1."""
    number = identifier(value, what)
    if number < 0:
        raise InvalidInputError(f"{what} is 0 or greater, found {number}.")
    return number


def flag(value: Any, what: str) -> bool:
    """True or False, and nothing that merely counts as one of them."""
    if not isinstance(value, bool):
        raise refused(what, "True or False", value)
    return value


def page_size(value: Any, *, most: int = MAX_PAGE) -> int:
    """How many items an answer has at most: an int from 1 to 1000, or to `most`."""
    if not 1 <= identifier(value, "limit") <= most:
        raise InvalidInputError(f"limit is from 1 to {most}, found {value}.")
    return int(value)


def moment(value: Any, what: str) -> datetime:
    """An instant: an aware datetime, given back in UTC."""
    if not isinstance(value, datetime):
        raise refused(what, "an aware datetime", value)
    return about(what, utc, value)


def text(value: Any, what: str, *, is_private: bool = False) -> str:
    """A text that is not empty and that every engine can keep."""
    if not isinstance(value, str) or not value:
        raise refused(what, "a text that is not empty", value, is_private=is_private)
    about(what, checked, value)
    return value


def optional_text(value: Any, what: str, *, is_private: bool = False) -> str | None:
    """A text, which may be empty, or None."""
    return value if value is None or value == "" else text(value, what, is_private=is_private)


def short_text(value: Any, what: str, *, most: int) -> str:
    """A text of 1 to `most` characters."""
    if len(text(value, what)) > most:
        raise InvalidInputError(f"{what} has 1 to {most} characters, found {len(value)}.")
    return str(value)


def unique_name(value: Any, what: str) -> str:
    """A name that no two rows share: 1 to 500 characters."""
    return short_text(value, what, most=MAX_NAME)


def secret_text(value: Any, what: str) -> str | None:
    """A secret's text, or None. A refusal never shows it."""
    plain = value.reveal() if isinstance(value, Secret) else value
    if plain is None:
        return None
    if not isinstance(plain, str) or not plain:
        raise InvalidInputError(f"{what} is a text that is not empty, or None to remove it, found {_kind_of(plain)}.")
    about(what, checked, plain)
    return plain


def one_of(choices: Collection[str], value: Any, what: str) -> str:
    """One of a few words."""
    if not isinstance(value, str) or value not in choices:
        raise InvalidInputError(f"{what} is one of {', '.join(choices)}, found {excerpt(value)}.")
    return value


def names(value: Any, what: str) -> tuple[str, ...]:
    """A list of texts that are not empty, each once."""
    if not isinstance(value, (list, tuple)):
        raise refused(what, "a list of names", value)
    return tuple(dict.fromkeys(text(name, f"a name in {what}") for name in value))


def json_object(value: Any, what: str) -> str | None:
    """A JSON object as text, or None."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise refused(what, "an object", value)
    return about(what, json_text, value)


def request_key(value: Any) -> str | None:
    """A caller's own name for one call: 1 to 200 characters, or None."""
    return None if value is None else short_text(value, "request_id", most=MAX_REQUEST_ID)


def email_address(value: Any) -> str:
    """An e-mail address as it is stored and looked up: stripped and casefolded."""
    address = text(value, "email").strip().casefold()
    if len(address) > MAX_EMAIL or not _EMAIL.fullmatch(address):
        raise refused("email", "an address such as ada@example.org", value)
    return address


def amount(value: Any, what: str) -> Decimal:
    """US dollars, 0 or more."""
    found = about(what, dollars, value)
    if found < 0:
        raise InvalidInputError(f"{what} is 0 US dollars or more, found {found}.")
    return found


def budget_of(value: Any) -> Decimal | None:
    """A budget in US dollars, 0 or more; None is no limit."""
    return None if value is None else amount(value, "budget")


def _kind_of(value: Any) -> str:
    return "an empty one" if value == "" else type(value).__name__
