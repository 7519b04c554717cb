"""Extensions that compare embeddings: pgvector in PostgreSQL, sqlite-vec in SQLite. Both are used where they are.

Nobody's database is changed for it: pgvector is used where somebody created it, and sqlite-vec is loaded into our own
connections, which many builds of Python cannot do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from importlib.util import find_spec
from typing import Final, TypeAlias

Load: TypeAlias = Callable[[sqlite3.Connection], None]

PGVECTOR_IS_THERE: Final = "SELECT to_regtype('vector') IS NOT NULL AS is_there"


def sqlite_vec() -> Load | None:
    """What loads sqlite-vec into a connection; None where it is not installed or this Python loads no extensions."""
    if find_spec("sqlite_vec") is None or not hasattr(sqlite3.Connection, "enable_load_extension"):
        return None
    try:
        with closing(sqlite3.connect(":memory:")) as trial:
            _load(trial)
    except sqlite3.Error:  # SQLite was built without them, or the extension for another machine
        return None
    return _load


def _load(raw: sqlite3.Connection) -> None:
    import sqlite_vec

    raw.enable_load_extension(True)
    try:
        raw.load_extension(sqlite_vec.loadable_path())
    finally:
        raw.enable_load_extension(False)
