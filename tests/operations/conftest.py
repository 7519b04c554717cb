"""Databases of each engine, as the tests of the lifecycle have them."""

from __future__ import annotations

from tests.lifecycle.conftest import clean_environment, empty_place, places, ready_place, server_places

__all__ = ["clean_environment", "empty_place", "places", "ready_place", "server_places"]
