"""The fixtures of the faults."""

from __future__ import annotations

from tests.faults.summary import tell

__all__ = ["tell"]
