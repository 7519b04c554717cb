"""A sealed value inside JSON, for a column that holds JSON: `{"sealed": "agd1$..."}`."""

from __future__ import annotations

from typing import Any, Final

import orjson

from agentdb.errors import StorageError

_SEALED: Final = "sealed"


def wrapped(sealed: str) -> str:
    """JSON text that holds a sealed value."""
    return orjson.dumps({_SEALED: sealed}).decode()


def unwrapped(stored: Any, *, place: str) -> str:
    """The sealed value in stored JSON, or what stands there plainly: a text as it is, anything else as JSON.

    Args:
        stored: JSON text, or what a driver has made of it.
        place: What the value is, for the message.

    Raises:
        StorageError: It is no JSON; its reason is "corrupt".
    """
    try:
        value = orjson.loads(stored) if isinstance(stored, (str, bytes)) else stored
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        # The cause would hold what is stored.
        raise StorageError(
            f"{place} holds no JSON. Store the secret again, or restore the row from a backup.", reason="corrupt"
        ) from None
    if isinstance(value, dict) and value.keys() == {_SEALED}:
        value = value[_SEALED]
    return value if isinstance(value, str) else orjson.dumps(value).decode()
