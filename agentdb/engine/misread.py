"""Rows that hold what no column of ours can: in a database that was damaged, or that somebody else wrote to.

What Python says to such a value often repeats it, and it may be a message of a user. So where the rows of a database
are decoded, its error is replaced, and only the place of it is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb
from typing import Final

from agentdb.errors import AgentDBError, StorageError

MISREAD: Final = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError)
"""What code that decodes rows raises when it meets such a value."""


def misread(error: Exception) -> Exception:
    """An error that came up among rows of a database, as ours; any other as it is."""
    return corrupt(error) if isinstance(error, MISREAD) and not isinstance(error, AgentDBError) else error


def corrupt(error: Exception) -> StorageError:
    """What is said of a value that `error` came up at."""
    return StorageError(
        "The database holds a value that agentdb did not write there, so it is damaged or was changed by somebody "
        f"else ({type(error).__name__} in {_place(error)}). Run `agentdb check`, or restore a backup.",
        reason="corrupt",
    )


@contextmanager
def reading() -> Iterator[None]:
    """Around code that decodes rows.

    Raises:
        StorageError: A row holds a value that its column cannot.
    """
    try:
        yield
    except AgentDBError:
        raise
    except MISREAD as error:
        raise misread(error) from None


def _place(error: Exception) -> str:
    frames = extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "no place"
