"""Token counts of providers, turned into the four disjoint kinds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentdb.errors import InvalidInputError
from agentdb.services._conventions import Convention, disjoint, tokens_of
from agentdb.types import Tokens

# One response: 200 tokens of input that nobody has seen, 2000 from the cache, 400 into it, and 300 of output.
SAME = Tokens(200, 300, 2000, 400)
RESPONSES: dict[str, tuple[Convention, dict[str, Any]]] = {
    "our own names": (
        "disjoint",
        {"input_tokens": 200, "output_tokens": 300, "cache_read_tokens": 2000, "cache_write_tokens": 400},
    ),
    "amazon converse": (
        "disjoint",
        {
            "inputTokens": 200,
            "outputTokens": 300,
            "cacheReadInputTokens": 2000,
            "cacheWriteInputTokens": 400,
            "totalTokens": 2900,
        },
    ),
    "anthropic messages": (
        "anthropic",
        {
            "input_tokens": 200,
            "output_tokens": 300,
            "cache_read_input_tokens": 2000,
            "cache_creation_input_tokens": 400,
            "cache_creation": {"ephemeral_5m_input_tokens": 400, "ephemeral_1h_input_tokens": 0},
            "service_tier": "standard",
        },
    ),
    "openai responses": (
        "openai",
        {
            "input_tokens": 2600,
            "input_tokens_details": {"cached_tokens": 2000, "cache_write_tokens": 400},
            "output_tokens": 300,
            "output_tokens_details": {"reasoning_tokens": 250},
            "total_tokens": 2900,
        },
    ),
    "openai chat completions": (
        "openai",
        {
            "prompt_tokens": 2600,
            "prompt_tokens_details": {"cached_tokens": 2000, "cache_write_tokens": 400},
            "completion_tokens": 300,
            "completion_tokens_details": {"reasoning_tokens": 250},
        },
    ),
    "opentelemetry": (
        "otel",
        {
            "gen_ai.usage.input_tokens": 2600,
            "gen_ai.usage.output_tokens": 300,
            "gen_ai.usage.cache_read.input_tokens": 2000,
            "gen_ai.usage.cache_creation.input_tokens": 400,
            "gen_ai.usage.reasoning.output_tokens": 250,
        },
    ),
}


@pytest.mark.parametrize("source", RESPONSES)
def test_one_response_has_the_same_kinds_in_every_convention(source: str) -> None:
    """Tokens of reasoning are part of the output and are not counted again."""
    convention, usage = RESPONSES[source]

    assert tokens_of(usage, convention) == SAME


@pytest.mark.parametrize(
    ("convention", "usage", "expected"),
    [
        ("openai", {"prompt_tokens": 5}, Tokens(input=5)),
        ("openai", {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": None}, Tokens(5, 1)),
        ("openai", {"input_tokens": 5, "input_tokens_details": {"cached_tokens": None}}, Tokens(5)),
        ("anthropic", {"output_tokens": 3, "cache_read_input_tokens": None}, Tokens(output=3)),
        ("otel", {"gen_ai.usage.input_tokens": 0}, Tokens()),
    ],
)
def test_what_a_response_does_not_say_is_nothing(
    convention: Convention, usage: dict[str, Any], expected: Tokens
) -> None:
    """Providers leave out, or answer null for, what they have not counted."""
    assert tokens_of(usage, convention) == expected


@given(st.tuples(*[st.integers(0, 2**60)] * 4))
def test_the_kinds_add_up_to_what_was_counted(counts: tuple[int, int, int, int]) -> None:
    """No token is lost, and none is counted twice."""
    uncached, output, read, written = counts
    inclusive = Tokens(uncached + read + written, output, read, written)

    assert disjoint(inclusive, "openai") == disjoint(inclusive, "otel") == Tokens(uncached, output, read, written)
    assert disjoint(Tokens(*counts), "anthropic") == disjoint(Tokens(*counts), "disjoint") == Tokens(*counts)


@pytest.mark.parametrize("convention", ["openai", "otel"])
@pytest.mark.parametrize("tokens", [Tokens(9, 0, 10, 0), Tokens(9, 0, 0, 10), Tokens(9, 0, 5, 5)])
def test_no_more_is_cached_than_was_sent(convention: Convention, tokens: Tokens) -> None:
    """Such numbers belong to another convention."""
    with pytest.raises(InvalidInputError, match="convention='anthropic'"):
        disjoint(tokens, convention)


@pytest.mark.parametrize(
    ("convention", "usage", "message"),
    [
        ("bedrock", {"input_tokens": 1}, "convention is one of disjoint, otel, openai, anthropic, found 'bedrock'"),
        (None, {"input_tokens": 1}, "found None"),
        (["openai"], {"input_tokens": 1}, "found"),
        ("openai", {}, "found nothing"),
        ("openai", {"inputTokens": 1}, "'input_tokens' or 'output_tokens', found inputTokens"),
        ("otel", {"input_tokens": 1}, "gen_ai.usage.input_tokens"),
        ("anthropic", {"prompt_tokens": 1}, "found prompt_tokens"),
        ("anthropic", None, "a mapping, found NoneType"),
        ("anthropic", [("input_tokens", 1)], "a mapping, found list"),
        ("anthropic", {"input_tokens": -1}, "0 or greater"),
        ("anthropic", {"input_tokens": "1"}, "is an int"),
        ("anthropic", {"input_tokens": True}, "is an int"),
        ("anthropic", {"output_tokens": 2**63}, "64 bits"),
        ("openai", {"input_tokens": 1, "input_tokens_details": {"cached_tokens": 1.0}}, "is an int"),
    ],
)
def test_what_no_convention_says_is_refused(convention: Any, usage: Any, message: str) -> None:
    """Otherwise the call would silently cost nothing."""
    with pytest.raises(InvalidInputError, match=message):
        tokens_of(usage, convention)
