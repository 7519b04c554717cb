"""A conversation is deleted with all that hangs on it, as steps: a user asks for it, or it has become too old."""

from __future__ import annotations

from typing import Final

from agentdb.engine import Session, Steps
from agentdb.sql import Statements

_FORGET_USAGE: Final = "forget_messages"
"""Foreign keys do the same, where our migrations have made them."""

_ORDER: Final = (
    "purge_vectors",
    "purge_conversation_vectors",
    "purge_resources",
    _FORGET_USAGE,
    "purge_messages",
    "purge",
)
_STATEMENTS: Final = Statements("conversations")


def purge(session: Session, conversation_id: int, *, forgets_usage: bool) -> Steps[None]:
    """Delete a conversation that nobody else changes just now.

    Args:
        forgets_usage: Usage is told that its messages are gone. It belongs to another service, which may be the only
            one to write it; whoever may not leaves that to foreign keys.
    """
    for statement in _ORDER:
        if forgets_usage or statement != _FORGET_USAGE:
            yield from _STATEMENTS.rows(session, statement, conversation_id=conversation_id)
