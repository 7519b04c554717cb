"""A recorded model call, as spans tell of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentdb.services._conventions import disjoint
from agentdb.types import Tokens


def model_call(arguments: Mapping[str, Any]) -> dict[str, str | int]:
    """Model and tokens of a `usage.record` that succeeded, by OpenTelemetry's conventions for generative AI.

    There the input holds the cached tokens, whichever way they were counted.
    """
    counts = (arguments.get(f"{kind}_tokens", 0) for kind in Tokens._fields)
    tokens = disjoint(Tokens(*counts), arguments.get("convention", "disjoint"))
    return {
        "gen_ai.request.model": arguments["model"],
        "gen_ai.usage.input_tokens": tokens.input + tokens.cache_read + tokens.cache_write,
        "gen_ai.usage.output_tokens": tokens.output,
        "gen_ai.usage.cache_read.input_tokens": tokens.cache_read,
        "gen_ai.usage.cache_creation.input_tokens": tokens.cache_write,
    }
