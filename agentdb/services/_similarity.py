"""Embeddings, and how near they are to one: the cosine, in 64-bit floats, of numbers that are 32-bit floats."""

from __future__ import annotations

import heapq
import math
import struct
from array import array
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from numbers import Real
from operator import mul
from typing import Any, Final, NamedTuple

from agentdb.errors import InvalidInputError, excerpt
from agentdb.services._json import parsed

MAX_DIMENSION: Final = 16_000
"""Numbers of an embedding; pgvector takes no more."""

# Between them a sum of squares is an ordinary number also in the 32-bit floats that extensions calculate with.
_SHORTEST: Final = 1e-10
_LONGEST: Final = 1e10


class Scored(NamedTuple):
    """A chunk and how near it is."""

    id: int
    similarity: float


def embedding_of(value: Any, what: str) -> tuple[float, ...]:
    """An embedding as every engine keeps it: each number the nearest 32-bit float.

    Args:
        value: A sequence of numbers, or an array that has `tolist()`.

    Raises:
        InvalidInputError: Not 1 to 16,000 finite numbers, or a vector that is too short or too long to have a
            direction, such as one of zeros.
    """
    numbers = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(numbers, (list, tuple)) or not 1 <= len(numbers) <= MAX_DIMENSION:
        found = f"{len(numbers)} numbers" if isinstance(numbers, (list, tuple)) else f"{excerpt(value)}"
        raise InvalidInputError(f"{what} is a list of 1 to {MAX_DIMENSION} numbers, found {found}.")
    odd = {kind for kind in set(map(type, numbers)) if kind is bool or not issubclass(kind, Real)}
    if odd:
        raise InvalidInputError(f"{what} is a list of numbers, found a {odd.pop().__name__} in it.")
    rounded = _rounded(numbers)
    if rounded is None or not all(map(math.isfinite, rounded)):
        raise InvalidInputError(f"{what} has only finite numbers of at most 32 bits, found another.")
    length = _length(rounded)
    if not _SHORTEST <= length <= _LONGEST:
        raise InvalidInputError(f"{what} has a length from {_SHORTEST} to {_LONGEST}, found {length:.3g}.")
    return rounded


def embedding_json(embedding: Sequence[float]) -> str:
    """An embedding as it is stored: nine digits name a 32-bit float, and take half the place of all that it has."""
    return f"[{','.join([f'{number:.9g}' for number in embedding])}]"


class Likeness:
    """How near stored embeddings are to one that is looked for."""

    def __init__(self, embedding: Sequence[float]) -> None:
        self._embedding = embedding
        self._length = _length(embedding)

    def nearest(self, best: Iterable[Scored], rows: Sequence[Mapping[str, Any]], limit: int) -> tuple[Scored, ...]:
        """The nearest of `best` and of the stored `rows`; of equally near ones that with the smaller id.

        Raises:
            InvalidInputError: A row has another dimension.
        """
        stored = {row["id"]: numbers for row in rows if (numbers := self._numbers(row))}
        scored = map(Scored, stored, self._similarities(list(stored.values())))
        known = (one for one in scored if not math.isnan(one.similarity))
        return tuple(heapq.nsmallest(limit, [*best, *known], key=lambda one: (-one.similarity, one.id)))

    def _numbers(self, row: Mapping[str, Any]) -> Sequence[float] | None:
        numbers = parsed(row["embedding"])
        if not isinstance(numbers, list) or not numbers:
            return None
        if len(numbers) != len(self._embedding):
            raise InvalidInputError(
                f"The embedding has {len(self._embedding)} numbers, that of chunk {row['id']} has {len(numbers)}. "
                "Embed the query with the model that embedded the chunks, reindex these, or narrow the search."
            )
        return numbers

    def _similarities(self, stored: Sequence[Sequence[float]]) -> Iterable[float]:
        if not stored:
            return []
        return self._by_numpy(stored) if find_spec("numpy") else map(self._similarity, stored)

    def _by_numpy(self, stored: Sequence[Sequence[float]]) -> Iterable[float]:
        import numpy as np

        matrix = np.asarray(stored, dtype=np.float32).astype(np.float64)
        lengths = np.sqrt(np.einsum("ij,ij->i", matrix, matrix))
        with np.errstate(invalid="ignore", divide="ignore"):
            # Not `@`, which gives equal rows results that differ in the last digit.
            found = np.einsum("ij,j->i", matrix, np.asarray(self._embedding)) / (lengths * self._length)
        similarities: list[float] = np.clip(found, -1.0, 1.0).tolist()
        return similarities

    def _similarity(self, stored: Sequence[float]) -> float:
        numbers = array("f", stored)
        length = _length(numbers)
        if length == 0:
            return math.nan
        product: float = sum(map(mul, numbers, self._embedding))
        return max(-1.0, min(1.0, product / (length * self._length)))


def _rounded(numbers: Sequence[Any]) -> tuple[float, ...] | None:
    layout = f"{len(numbers)}f"
    try:
        return struct.unpack(layout, struct.pack(layout, *numbers))
    except (OverflowError, struct.error):  # the second for integers beyond all floats
        return None


def _length(numbers: Sequence[float]) -> float:
    return math.sqrt(sum(map(mul, numbers, numbers)))
