"""Records that are made when somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, Final, TypeAlias, TypeVar, overload

T = TypeVar("T")

Make: TypeAlias = Callable[[range], Sequence[T]]
"""The records at some positions, equal each time."""

# Some together take half the time; so few that the garbage collector does not look at them.
_TOGETHER: Final = 32


class Made(Sequence[T]):
    """A sequence that knows how to make its records, and keeps none of them.

    Twenty thousand records at once take as long to make as to store, and the garbage collector, which then looks
    through all objects of the process, stops every task for a tenth of a second. It is pickled as a tuple.
    """

    __slots__ = ("_count", "_make")

    def __init__(self, count: int, make: Make[T]) -> None:
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
        if isinstance(positions, int):
            return self._make(range(positions, positions + 1))[0]
        return tuple(self._at(positions))

    def __iter__(self) -> Iterator[T]:
        return self._at(range(self._count))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, (str, bytes)):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # what is equal to a list has none

    def __repr__(self) -> str:
        return f"<{self._count} records, made when asked for>"

    def __reduce__(self) -> Any:
        return tuple, (list(self),)

    def _at(self, positions: range) -> Iterator[T]:
        starts = range(0, len(positions), _TOGETHER)
        return chain.from_iterable(self._make(positions[start : start + _TOGETHER]) for start in starts)
