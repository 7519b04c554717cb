"""The only room that knows which database it is."""

from __future__ import annotations

from agentdb.engine.channel import settle
from agentdb.engine.client import Client, Row
from agentdb.engine.dialect import Dialect, Target, resolve
from agentdb.engine.session import Abilities, Session

__all__ = ["Abilities", "Client", "Dialect", "Row", "Session", "Target", "resolve", "settle"]
