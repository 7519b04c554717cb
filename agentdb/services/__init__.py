"""The verbs of each domain: calls that belong to a user, checked, whole or not done at all, and the same everywhere.

Where a call takes several locks, the order is User, Conversation, then anything else.
"""

from __future__ import annotations

from agentdb.services._chunks import chunk_text
from agentdb.services.access import AccessService
from agentdb.services.agents import AgentService
from agentdb.services.catalog import CatalogService
from agentdb.services.conversations import ConversationService
from agentdb.services.knowledge import KnowledgeService
from agentdb.services.usage import UsageService

__all__ = [
    "AccessService",
    "AgentService",
    "CatalogService",
    "ConversationService",
    "KnowledgeService",
    "UsageService",
    "chunk_text",
]
