"""What language models there are, what they cost, and who provides them."""

from __future__ import annotations

from agentdb.services._models import Models
from agentdb.services._providers import Providers


class CatalogService(Providers, Models):
    """Models and their providers."""
