"""The verbs of each domain: calls that belong to a user, checked, whole or not done at all, and the same everywhere.

Where a call takes several locks, the order is User, Conversation, then anything else. A database imports a domain when
it is first asked for, since most services use one or two.
"""

from __future__ import annotations

from agentdb.services._chunks import chunk_text

__all__ = ["chunk_text"]
