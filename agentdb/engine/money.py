"""Dollars: the only place that rounds, casts or sums them.

In Python an amount is always a `Decimal` in US dollars. PostgreSQL keeps `NUMERIC(20,10)`. SQLite keeps an integer
that counts 1e-10 dollars, because its decimals are binary floats: an equal balance was refused once in 10,000 charges.
The range is the same on every engine, so that the answer is too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from functools import reduce
from operator import mul
from typing import Final, cast

from agentdb.errors import InvalidInputError, excerpt
from agentdb.types import Tokens

DECIMALS: Final = 10
LIMIT: Final = Decimal(900_000_000)
"""Largest amount, either sign, in US dollars: a 64-bit count of 1e-10 dollars holds a little more."""

_LOWEST: Final = LIMIT.copy_negate()
_LIMIT_UNITS: Final = int(LIMIT.scaleb(DECIMALS))
_UNIT: Final = Decimal(1).scaleb(-DECIMALS)
_ZERO: Final = Decimal(0)
_UNITS: Final = {int}
# Enough for a 64-bit token count times a price, before the one rounding; whatever the application's own context says.
_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])


def dollars(value: object) -> Decimal:
    """`value` as an amount with exactly ten decimals.

    Raises:
        InvalidInputError: Not an int, a decimal text or a Decimal; a float; not finite; more than ten decimals;
            outside ±900,000,000.
    """
    amount = value if isinstance(value, Decimal) else _decimal(value)
    if not amount.is_finite():
        raise InvalidInputError(f"An amount of money is finite, found {amount}.")
    exact = _in_range(amount)
    if exact != amount:
        raise InvalidInputError(f"An amount of money has at most ten decimals, found {amount!s:.80}. Round it first.")
    return exact


def cost_usd(tokens: Tokens, price: Sequence[Decimal | float | int | None]) -> Decimal:
    """US dollars for `tokens`, rounded once, half-even, to ten decimals.

    Args:
        price: For 1,000 tokens of each kind, in the order of `Tokens`: dollars, or as `from_database` takes them.
            None is zero.

    Raises:
        InvalidInputError: It is outside ±900,000,000.
    """
    rates = [rate or 0 for rate in price]
    if set(map(type, rates)) == _UNITS:
        return _of_units(_half_even(sum(map(mul, tokens, cast("list[int]", rates))), 1000))
    total = _ZERO
    for n, rate in zip(tokens, rates, strict=True):
        total = _EXACT.fma(rate if isinstance(rate, Decimal) else from_database(rate), n, total)
    return _in_range(_EXACT.quantize(_EXACT.scaleb(total, -3), _UNIT))  # what a refusal says is rounded too


def sum_usd(amounts: Iterable[Decimal]) -> Decimal:
    """The sum of amounts, exact whatever the application's own context says.

    Raises:
        InvalidInputError: It is outside ±900,000,000.
    """
    return _in_range(reduce(_EXACT.add, amounts, _ZERO))


def to_units(amount: Decimal) -> int:
    """The count of 1e-10 dollars in an amount with ten decimals, for an engine without exact decimals."""
    return int(amount.scaleb(DECIMALS, _EXACT))


def from_database(value: Decimal | float | int) -> Decimal:
    """A stored amount as dollars: an int counts 1e-10 dollars, a Decimal is dollars.

    A float is the `double precision` of a database that the original package made. Its 15 significant digits are what
    PostgreSQL's own cast to numeric keeps.

    Raises:
        InvalidInputError: A sum that left the range.
    """
    if isinstance(value, int):
        return _of_units(value)
    return _in_range(value if isinstance(value, Decimal) else Decimal(f"{value:.15g}"))


def _decimal(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise InvalidInputError(
            f"An amount of money is a Decimal, an int or a decimal text, found {type(value).__name__} {excerpt(value)}."
        )
    try:
        return Decimal(value)
    except InvalidOperation:
        raise InvalidInputError(f"An amount of money is a decimal number, found {excerpt(value)}.") from None


def _half_even(amount: int, divisor: int) -> int:
    whole, rest = divmod(amount, divisor)
    return whole + (rest * 2 > divisor or (rest * 2 == divisor and whole % 2 == 1))


def _of_units(units: int) -> Decimal:
    amount = Decimal(units).scaleb(-DECIMALS, _EXACT)
    return amount if -_LIMIT_UNITS <= units <= _LIMIT_UNITS else _in_range(amount)


def _in_range(amount: Decimal) -> Decimal:
    if not _LOWEST <= amount <= LIMIT:
        raise InvalidInputError(
            f"An amount of money lies between -{LIMIT} and {LIMIT} US dollars, found {amount!s:.80}."
        )
    return amount.quantize(_UNIT, context=_EXACT)
