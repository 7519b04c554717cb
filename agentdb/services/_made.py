"""Records that are made when somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, overload

T = TypeVar("T")


class Made(Sequence[T]):
    """A sequence that knows how to make each of its records, and keeps none of them.

    Twenty thousand records at once take as long to make as to store, and the garbage collector, which then looks
    through all objects of the process, stops every task for a tenth of a second. It is pickled as a tuple.

    Args:
        make: The record at a position, equal each time.
    """

    __slots__ = ("_count", "_make")

    def __init__(self, count: int, make: Callable[[int], T]) -> None:
        self._count = count
        self._make = make

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        positions = range(self._count)[index]
        return self._make(positions) if isinstance(positions, int) else tuple(map(self._make, positions))

    def __iter__(self) -> Iterator[T]:
        return map(self._make, range(self._count))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, (str, bytes)):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # what is equal to a list has none

    def __repr__(self) -> str:
        return f"<{self._count} records, made when asked for>"

    def __reduce__(self) -> Any:
        return tuple, (list(self),)
