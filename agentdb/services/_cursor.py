"""Places in a list, as opaque texts: a version, the list they belong to, and the sort values as stored."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from types import UnionType
from typing import Any, Final, get_args

import orjson

from agentdb.engine.values import INTEGER_MAX, INTEGER_MIN, utc
from agentdb.errors import InvalidInputError, excerpt

_VERSION: Final = 1


def encode_cursor(listing: str, *place: int | str | datetime | None) -> str:
    """The cursor of a place in a list."""
    return base64.urlsafe_b64encode(orjson.dumps([_VERSION, listing, *place])).rstrip(b"=").decode()


def decode_cursor(cursor: Any, listing: str, *kinds: type | UnionType) -> tuple[Any, ...]:
    """The place that `encode_cursor` wrote for this list.

    Args:
        kinds: The types of its values, such as `int` or `datetime | None`.

    Raises:
        InvalidInputError: It is broken, of another version, or from another list.
    """
    version, name, *place = _decoded(cursor)
    if (version, name, len(place)) != (_VERSION, listing, len(kinds)):
        raise _broken(cursor)
    return tuple(_value(value, kind, cursor) for value, kind in zip(place, kinds, strict=True))


def _decoded(cursor: Any) -> list[Any]:
    if not isinstance(cursor, str):
        raise _broken(cursor)
    try:
        parts = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise _broken(cursor) from None
    if not isinstance(parts, list) or len(parts) < 2:
        raise _broken(cursor)
    return parts


def _value(value: Any, kind: type | UnionType, cursor: Any) -> Any:
    accepted = get_args(kind) or (kind,)
    if datetime in accepted and isinstance(value, str):
        try:
            value = utc(datetime.fromisoformat(value))
        except ValueError:
            raise _broken(cursor) from None
    if type(value) not in accepted or (type(value) is int and not INTEGER_MIN <= value <= INTEGER_MAX):
        raise _broken(cursor)
    return value


def _broken(cursor: Any) -> InvalidInputError:
    return InvalidInputError(
        f"cursor is not one that this list gave, found {excerpt(cursor)}. "
        "Pass next_cursor of the page before unchanged."
    )
