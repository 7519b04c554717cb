"""Dollars: what is an amount, and the one rounding."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentdb.engine.money import LIMIT, cost_usd, dollars, from_database, sum_usd, to_units
from agentdb.errors import InvalidInputError
from agentdb.types import Price, Tokens

AMOUNTS = st.decimals(min_value=-LIMIT, max_value=LIMIT, places=10)
SMALLEST = Decimal("0.0000000001")


@pytest.mark.parametrize(
    ("given_value", "amount"),
    [
        (5, "5"),
        ("2.5", "2.5"),
        (" 1e-10 ", "0.0000000001"),
        (Decimal("0.1"), "0.1"),
        (Decimal("1E+3"), "1000"),
        (-LIMIT, "-900000000"),
    ],
)
def test_an_amount_has_exactly_ten_decimals(given_value: Any, amount: str) -> None:
    """However it was written."""
    found = dollars(given_value)

    assert found == Decimal(amount)
    assert found.as_tuple().exponent == -10


@pytest.mark.parametrize("refused", [1.0, 0.1, True, None, b"1", [1]])
def test_only_exact_types_are_amounts(refused: Any) -> None:
    """A float has rounded before it comes here."""
    with pytest.raises(InvalidInputError, match=f"found {type(refused).__name__}"):
        dollars(refused)


@pytest.mark.parametrize("refused", ["", "ten", "1,5", "NaN", "sNaN", "Infinity", Decimal("-Infinity")])
def test_an_amount_is_a_finite_number(refused: Any) -> None:
    """NaN would compare as neither too large nor too small."""
    with pytest.raises(InvalidInputError, match=r"decimal number|finite"):
        dollars(refused)


@pytest.mark.parametrize("refused", ["0.00000000001", "1.12345678901", Decimal("1E-30")])
def test_more_than_ten_decimals_are_not_rounded_silently(refused: Any) -> None:
    """Rounding is the caller's decision, and happens once."""
    with pytest.raises(InvalidInputError, match="at most ten decimals"):
        dollars(refused)


@pytest.mark.parametrize("refused", [LIMIT + SMALLEST, -LIMIT - SMALLEST, 2**63, Decimal("1E+400")])
def test_the_range_is_the_same_on_every_engine(refused: Any) -> None:
    """It is refused before any engine sees it."""
    with pytest.raises(InvalidInputError, match=r"between -900000000 and 900000000"):
        dollars(refused)


@given(AMOUNTS)
def test_units_are_exact(amount: Decimal) -> None:
    """What SQLite counts comes back as what was stored."""
    units = to_units(amount)

    assert isinstance(units, int)
    assert -(2**63) < units < 2**63
    assert from_database(units) == amount


@given(AMOUNTS)
def test_a_small_precision_of_the_caller_changes_nothing(amount: Decimal) -> None:
    """An application may have set its own decimal context."""
    with localcontext() as context:
        context.prec = 4

        assert from_database(to_units(dollars(amount))) == amount


@pytest.mark.parametrize(
    ("stored", "amount"),
    [
        (25_000_000_000, "2.5"),
        (0, "0"),
        (-1, "-0.0000000001"),
        (Decimal("2.50"), "2.5"),
        (0.1 + 0.2, "0.3"),
        (123456.7, "123456.7"),
        (1e-10, "0.0000000001"),
    ],
)
def test_a_stored_amount_is_read_by_its_type(stored: Any, amount: str) -> None:
    """Counts on SQLite, numeric on PostgreSQL, double precision in a database of the original package."""
    found = from_database(stored)

    assert found == Decimal(amount)
    assert found.as_tuple().exponent == -10


@pytest.mark.parametrize("stored", [9_000_000_000_000_000_001, Decimal("900000000.01"), 9.1e8])
def test_a_sum_past_the_range_is_an_error(stored: Any) -> None:
    """Each row is in range, but not what a statement makes of them."""
    with pytest.raises(InvalidInputError, match="lies between"):
        from_database(stored)


def test_a_cost_is_the_sum_of_four_kinds_per_thousand_tokens() -> None:
    """The order of the kinds is that of `Tokens`."""
    price = Price(Decimal("0.003"), Decimal("0.015"), Decimal("0.0003"), Decimal("0.00375"))

    assert cost_usd(Tokens(1000, 2000, 10, 100), price) == Decimal("0.033378")


@pytest.mark.parametrize(
    ("rate", "cost"),
    [
        ("0.0000000005", "0.0000000000"),
        ("0.0000000015", "0.0000000002"),
        ("0.0000000025", "0.0000000002"),
        ("0.0000000035", "0.0000000004"),
    ],
)
def test_a_cost_is_rounded_half_to_even(rate: str, cost: str) -> None:
    """Halves go up as often as down, so that many small costs do not drift."""
    assert cost_usd(Tokens(input=100), Price(input=Decimal(rate))) == Decimal(cost)


def test_a_cost_is_rounded_once() -> None:
    """Four kinds that cost 0.4 of the smallest amount each are 1.6 of it: 2, and not 0."""
    rate = Decimal("0.0000000004")

    assert cost_usd(Tokens(100, 100, 100, 100), Price(rate, rate, rate, rate)) == Decimal("0.0000000002")


def test_a_64_bit_token_count_is_exact() -> None:
    """Nineteen digits times ten decimals are more than a default context keeps."""
    price = Price(input=Decimal("0.0000000001"))

    assert cost_usd(Tokens(input=2**63 - 1), price) == Decimal("922337.2036854776")


@given(
    tokens=st.lists(st.integers(0, 2**63 - 1) | st.integers(0, 10_000), min_size=4, max_size=4),
    rates=st.lists(st.none() | st.decimals(min_value=0, max_value=10, places=10), min_size=4, max_size=4),
)
def test_a_cost_is_the_same_from_either_engines_prices(tokens: list[int], rates: list[Decimal | None]) -> None:
    """Counts of the smallest amount are added up as integers, amounts as decimals: both round the exact sum once."""
    exact = sum((n * Fraction(rate or 0) for n, rate in zip(tokens, rates, strict=True)), Fraction()) / 1000
    prices = (rates, [None if rate is None else to_units(rate) for rate in rates])

    def cost(price: Sequence[Any]) -> Decimal | None:
        try:
            return cost_usd(Tokens(*tokens), price)
        except InvalidInputError:
            return None

    expected = Decimal(round(exact * 10**10)).scaleb(-10)
    assert {cost(price) for price in prices} == {expected if expected <= LIMIT else None}


def test_a_cost_past_the_range_is_an_error() -> None:
    """It could not be stored."""
    with pytest.raises(InvalidInputError, match="lies between"):
        cost_usd(Tokens(input=2**62), Price(input=Decimal(1)))


def test_a_sum_is_exact_whatever_the_callers_context() -> None:
    """An application that computes with four digits loses none here; a difference is a sum."""
    with localcontext() as context:
        context.prec = 4

        assert str(sum_usd([LIMIT, SMALLEST.copy_negate()])) == "899999999.9999999999"
    assert str(sum_usd([])) == "0E-10"


def test_a_sum_does_not_leave_the_range() -> None:
    """It would not fit where it goes."""
    with pytest.raises(InvalidInputError, match="lies between"):
        sum_usd([LIMIT, SMALLEST])
