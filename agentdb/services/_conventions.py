"""Conventions of counting tokens, turned into the four kinds that are priced apart.

Providers answer with the same four numbers and mean different things: for OpenAI and for OpenTelemetry the input holds
what was read from the prompt cache and what was written to it, for Anthropic and for Amazon's Converse it holds
neither. Tokens of reasoning are part of the output everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias, cast, get_args

from agentdb.errors import InvalidInputError
from agentdb.services._input import count, one_of, refused
from agentdb.types import Tokens

Convention: TypeAlias = Literal["disjoint", "otel", "openai", "anthropic"]

_CONVENTIONS: Final = get_args(Convention)
_INPUT_HOLDS_CACHED: Final = ("otel", "openai")

# Where each convention keeps input, output, cache read and cache write; the first spelling that is there counts.
_SPELLINGS: Final[Mapping[Convention, tuple[tuple[str, ...], ...]]] = {
    "disjoint": (
        ("input_tokens", "inputTokens"),
        ("output_tokens", "outputTokens"),
        ("cache_read_tokens", "cacheReadTokens", "cacheReadInputTokens"),
        ("cache_write_tokens", "cacheWriteTokens", "cacheWriteInputTokens"),
    ),
    "otel": (
        ("gen_ai.usage.input_tokens",),
        ("gen_ai.usage.output_tokens",),
        ("gen_ai.usage.cache_read.input_tokens",),
        ("gen_ai.usage.cache_creation.input_tokens",),
    ),
    "openai": (
        ("input_tokens", "prompt_tokens"),
        ("output_tokens", "completion_tokens"),
        ("input_tokens_details/cached_tokens", "prompt_tokens_details/cached_tokens"),
        ("input_tokens_details/cache_write_tokens", "prompt_tokens_details/cache_write_tokens"),
    ),
    "anthropic": (
        ("input_tokens",),
        ("output_tokens",),
        ("cache_read_input_tokens",),
        ("cache_creation_input_tokens",),
    ),
}


def convention_named(value: Any) -> Convention:
    """A convention that is known here."""
    return cast(Convention, one_of(_CONVENTIONS, value, "convention"))


def disjoint(tokens: Tokens, convention: Convention) -> Tokens:
    """Counts as a convention gives them, as four kinds of which none holds another.

    Raises:
        InvalidInputError: More cached tokens than the input that holds them.
    """
    if convention not in _INPUT_HOLDS_CACHED:
        return tokens
    uncached = tokens.input - tokens.cache_read - tokens.cache_write
    if uncached < 0:
        raise InvalidInputError(
            f"In the convention {convention!r} the input holds the cached tokens, found {tokens.cache_read} read and "
            f"{tokens.cache_write} written of only {tokens.input}. Pass convention='anthropic' if they are beside it."
        )
    return tokens._replace(input=uncached)


def tokens_of(usage: Mapping[str, Any], convention: Convention) -> Tokens:
    """The disjoint counts in what a provider's response, or a span, says about its usage.

    Raises:
        InvalidInputError: No convention of that name, neither input nor output in the place where it keeps them, or a
            value that is no count.
    """
    spellings = _SPELLINGS[convention_named(convention)]
    if not isinstance(usage, Mapping):
        raise refused("usage", "a response's usage as a mapping", usage)
    found = [_at(usage, places) for places in spellings]
    if found[:2] == [None, None]:
        raise InvalidInputError(
            f"In the convention {convention!r} usage says {spellings[0][0]!r} or {spellings[1][0]!r}, "
            f"found {', '.join(sorted(map(str, usage))) or 'nothing':.200}."
        )
    counts = (
        0 if value is None else count(value, f"{names[0]} of usage")
        for value, names in zip(found, spellings, strict=True)
    )
    return disjoint(Tokens(*counts), convention)


def _at(usage: Mapping[str, Any], places: tuple[str, ...]) -> Any:
    """What stands in the first of `places` that holds something."""
    for place in places:
        value: Any = usage
        for step in place.split("/"):
            value = value.get(step) if isinstance(value, Mapping) else None
        if value is not None:
            return value
    return None
