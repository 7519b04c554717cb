"""What is known: resources of a user, their chunks, and what is found in them."""

from __future__ import annotations

from agentdb.services._reading import Reading
from agentdb.services._recall import Recall
from agentdb.services._resources import Resources


class KnowledgeService(Resources, Reading, Recall):
    """Resources with their chunks and embeddings. Another user's resource looks like none."""
