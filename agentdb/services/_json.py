"""JSON that other programs may have stored too."""

from __future__ import annotations

from typing import Any

import orjson


def parsed(stored: Any) -> Any:
    """A stored JSON value; None for what is none. SQLite keeps a number in a JSON column as a number."""
    if not isinstance(stored, (str, bytes)):
        return stored
    try:
        return orjson.loads(stored)
    except orjson.JSONDecodeError:
        return None
