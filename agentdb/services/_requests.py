"""Calls that happen once under a caller's request_id: what was done under it, and whether this is the same call."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from agentdb.engine import Session, Steps
from agentdb.engine.values import canonical_json, now
from agentdb.errors import ConflictError
from agentdb.sql import Statements

_STATEMENTS: Final = Statements("conversations")


class Request(NamedTuple):
    """A call whose own rows have no place for its key.

    Attributes:
        digest: Of all that it asks for.
    """

    user_id: int
    operation: str
    key: str
    digest: str


def digest_of(values: Mapping[str, Any]) -> str:
    """Equal for equal JSON values."""
    return hashlib.sha256(canonical_json(values).encode()).hexdigest()


def done_under(session: Session, request: Request) -> Steps[int | None]:
    """The id of what an earlier call made, if there was one. The user is locked.

    Raises:
        ConflictError: It asked for something else.
    """
    row = yield from _STATEMENTS.row(
        session, "request", user_id=request.user_id, operation=request.operation, request_id=request.key
    )
    if row is None:
        return None
    if row["digest"] != request.digest:
        raise another_call(request.key)
    return int(row["resultID"])


def keep(session: Session, request: Request, result_id: int) -> Steps[None]:
    """Let a repeated call find what this one made."""
    yield from _STATEMENTS.rows(
        session,
        "keep_request",
        user_id=request.user_id,
        operation=request.operation,
        request_id=request.key,
        digest=request.digest,
        result_id=result_id,
        now=now(),
    )


def another_call(key: str) -> ConflictError:
    """What a call learns whose key belongs to a different one."""
    return ConflictError(
        f"The request_id {key!r} was used for another call. Repeat that call unchanged, or choose a new request_id.",
        columns=("requestId",),
    )
