"""Small values that all rooms speak."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Final, Generic, NamedTuple, TypeVar

Item_co = TypeVar("Item_co", covariant=True)


class Unset(Enum):
    """The type of `UNSET`."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return self.value


UNSET: Final = Unset.UNSET
"""Stands for an argument that was not given, where None means something."""


class Tokens(NamedTuple):
    """Token counts of one model call, in the four disjoint kinds that are priced apart."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0


class Price(NamedTuple):
    """US dollars per 1,000 tokens of each kind, in the order of `Tokens`."""

    input: Decimal = Decimal(0)
    output: Decimal = Decimal(0)
    cache_read: Decimal = Decimal(0)
    cache_write: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Page(Generic[Item_co]):
    """One page of a keyset-paged list.

    Attributes:
        items: What was found, in the order that the method promises.
        next_cursor: Pass it as `cursor` to get the following page; None on the last one. Opaque.
    """

    items: tuple[Item_co, ...]
    next_cursor: str | None = None
