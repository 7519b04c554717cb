"""The only room that knows which database it is."""

from __future__ import annotations

from agentdb.engine.batch import Batcher
from agentdb.engine.channel import settle
from agentdb.engine.client import Client
from agentdb.engine.dialect import Dialect, Target
from agentdb.engine.location import resolve
from agentdb.engine.session import Abilities, Session
from agentdb.engine.steps import Companion, Insert, InsertEach, Many, Query, Row, Steps, Update

__all__ = [
    "Abilities",
    "Batcher",
    "Client",
    "Companion",
    "Dialect",
    "Insert",
    "InsertEach",
    "Many",
    "Query",
    "Row",
    "Session",
    "Steps",
    "Target",
    "Update",
    "resolve",
    "settle",
]
