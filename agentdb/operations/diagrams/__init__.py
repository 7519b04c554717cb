"""The tables and what points to what, drawn. The models tell it; no database is needed."""

from __future__ import annotations

from agentdb.operations.diagrams.entities import Entity, entities
from agentdb.operations.diagrams.mermaid import mermaid
from agentdb.operations.diagrams.svg import svg

__all__ = ["Entity", "entities", "mermaid", "svg"]
