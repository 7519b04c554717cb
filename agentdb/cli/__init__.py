"""The command line: each command parses, awaits one call, and prints what it gave."""

from __future__ import annotations

from agentdb.cli.app import main

__all__ = ["main"]
