"""What may be sent to a database: the same answer for every engine, before any of them sees it."""

from __future__ import annotations

import enum
import math
from collections import deque
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentdb.engine.values import (
    MAX_JSON_BYTES,
    MAX_JSON_DEPTH,
    MAX_TEXT_BYTES,
    canonical_json,
    checked,
    json_text,
    utc,
)
from agentdb.errors import InvalidInputError

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(categories=["L"])), inner),
    max_leaves=10,
)


class Kind(enum.StrEnum):
    """A text with a name, as services pass it."""

    ONE = "one"


@pytest.mark.parametrize(
    "kept",
    [None, True, b"\x00\xff", "", "Zoë 🙂", Kind.ONE, 0, -(2**63), 2**63 - 1, 1.5, -0.0, 5e-324],
    ids=repr,
)
def test_what_every_engine_keeps_passes_unchanged(kept: Any) -> None:
    """The very object, not a copy."""
    assert checked(kept) is kept


@pytest.mark.parametrize(
    ("refused", "told"),
    [
        ("a\x00b", "NUL character, found one at position 1"),
        ("ab\ud800", "lone surrogate, found '\\\\ud800' at position 2"),
        (2**63, "at most 64 bits, found 9223372036854775808"),
        (-(2**63) - 1, "at most 64 bits"),
        (math.nan, "finite, found nan"),
        (-math.inf, "finite, found -inf"),
        (datetime(2026, 1, 1), "zone, found the naive 2026-01-01T00:00:00"),  # noqa: DTZ001 - what is refused
        (date(2026, 1, 1), "No column keeps a date"),
        (Decimal("NaN"), "finite"),
        (Decimal("900000000.1"), "lies between"),
        (Decimal("0.00000000001"), "at most ten decimals"),
        ({1}, "No column keeps a set"),
        pytest.param(object(), "No column keeps a object", id="an object"),
        (["fine", "a\x00b"], "NUL"),
    ],
    ids=lambda value: str(value)[:30].encode("ascii", "backslashreplace").decode(),
)
def test_what_some_engine_cannot_keep_is_refused(refused: Any, told: str) -> None:
    """The message says what was found and where."""
    with pytest.raises(InvalidInputError, match=told):
        checked(refused)


def test_a_text_over_the_limit_is_refused_without_repeating_it() -> None:
    """The message stays short."""
    with pytest.raises(InvalidInputError, match="found 67108865") as caught:
        checked("x" * (MAX_TEXT_BYTES + 1))

    assert len(str(caught.value)) < 100


def test_the_limit_of_a_text_counts_bytes() -> None:
    """As databases count it."""
    with pytest.raises(InvalidInputError, match="at most"):
        checked("é" * (MAX_TEXT_BYTES // 2 + 1))


def test_a_refused_value_is_also_a_value_error() -> None:
    """So that frameworks answer it as bad input."""
    with pytest.raises(ValueError, match="NUL"):
        checked("\x00")


def test_times_become_utc() -> None:
    """The instant stays."""
    moment = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=30)))

    assert utc(moment) == moment
    assert checked(moment).tzinfo is UTC
    assert checked(moment).hour == 6


def test_money_gets_its_ten_decimals() -> None:
    """Every Decimal parameter is an amount."""
    assert str(checked(Decimal(2))) == "2.0000000000"


@given(JSON_VALUES)
def test_json_comes_back_as_it_was(value: Any) -> None:
    """Any JSON value, through text."""
    assert orjson.loads(json_text(value)) == value


@pytest.mark.parametrize(
    ("mapping", "text"),
    [
        (MappingProxyType({"a": (1, 2)}), '{"a":[1,2]}'),
        ({"a": deque([MappingProxyType({})])}, '{"a":[{}]}'),
        (range(3), "[0,1,2]"),
        (Kind.ONE, '"one"'),
    ],
    ids=repr,
)
def test_json_takes_any_mapping_and_sequence(mapping: Any, text: str) -> None:
    """As the type `JSON` promises."""
    assert json_text(mapping) == text


@pytest.mark.parametrize(
    ("refused", "told"),
    [
        ({"a": math.nan}, "finite"),
        ([math.inf], "finite"),
        ({"a": [{"b": "\x00"}]}, "NUL"),
        ({"\x00": 1}, "NUL"),
        ({"a": "\udfff"}, "lone surrogate"),
        ({"\udfff": 1}, "lone surrogate"),
        ({1: "a"}, "A key of a JSON object is a text, found int"),
        ({None: "a"}, "found NoneType"),
        ([2**63], "64 bits"),
        ([Decimal(1)], "JSON cannot say a Decimal"),
        ([datetime(2026, 1, 1, tzinfo=UTC)], "JSON cannot say a datetime"),
        (b"{}", "JSON cannot say a bytes"),
        ({"a": {1, 2}}, "JSON cannot say a set"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_not_json_is_refused(refused: Any, told: str) -> None:
    """SQLite would keep some of it, and orjson turns NaN into null."""
    with pytest.raises(InvalidInputError, match=told):
        json_text(refused)


def test_json_has_a_depth() -> None:
    """100 levels pass, 101 do not, and a hundred thousand do not break the check."""
    fine = nested(MAX_JSON_DEPTH - 1)

    assert orjson.loads(json_text(fine)) == fine
    for levels in (MAX_JSON_DEPTH, 100_000):
        with pytest.raises(InvalidInputError, match="deeper than 100 levels"):
            json_text(nested(levels))


def test_json_that_contains_itself_is_refused() -> None:
    """It has no end."""
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(InvalidInputError, match="deeper"):
        json_text(endless)


def test_json_has_a_size() -> None:
    """Measured in bytes of UTF-8."""
    with pytest.raises(InvalidInputError, match=f"at most {MAX_JSON_BYTES} bytes, found"):
        json_text(["é" * (MAX_JSON_BYTES // 2)])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"b": 1, "a": 2}, {"a": 2, "b": 1}),
        ([1, 2.5], (1.0, 2.5)),
        ({"a": [{"n": 100.0}]}, {"a": [{"n": 1e2}]}),
        (-0.0, 0),
        (2.0**60, 1152921504606847000),
        (-(2.0**60), -1152921504606847000),
        (2.0**63, 9223372036854776000),
        (1.5e19, 15 * 10**18),
    ],
)
def test_equal_json_has_equal_canonical_text(one: Any, other: Any) -> None:
    """PostgreSQL forgets the order of keys and how a number was written."""
    assert canonical_json(one) == canonical_json(other)


@pytest.mark.parametrize(
    ("one", "other"), [([1, 2], [2, 1]), ("1", 1), (True, 1), (None, 0), (1.5, 1), ({}, []), (2**53, 2**53 + 1)]
)
def test_different_json_has_different_canonical_text(one: Any, other: Any) -> None:
    """Numbers, texts and flags are told apart."""
    assert canonical_json(one) != canonical_json(other)


def nested(levels: int) -> list[Any]:
    """An empty list inside `levels` lists."""
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value
