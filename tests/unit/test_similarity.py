"""How near embeddings are to one: the same number however it is calculated."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest

from agentdb import InvalidInputError
from agentdb.services import _similarity
from agentdb.services._similarity import Likeness, Scored, embedding_of


@pytest.fixture(params=["numpy", "python"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With NumPy, and where it is not installed."""
    if request.param == "python":
        monkeypatch.setattr(_similarity, "find_spec", lambda _: None)
    return str(request.param)


def rows_of(*embeddings: object) -> list[dict[str, Any]]:
    """As a database gives them, with ids from 1."""
    return [{"id": id_, "embedding": json.dumps(embedding)} for id_, embedding in enumerate(embeddings, start=1)]


def test_it_is_the_cosine(way: str) -> None:
    """1 for the same direction, whatever the length, -1 for the opposite one."""
    rows = rows_of([3.0, 0.0], [1.0, 1.0], [0.0, 5.0], [-1e-5, 0.0])
    found = Likeness([1.0, 0.0]).nearest((), rows, 10)

    assert [one.id for one in found] == [1, 2, 3, 4]
    assert [one.similarity for one in found] == pytest.approx([1, math.sqrt(0.5), 0, -1], abs=1e-15)
    assert all(-1 <= one.similarity <= 1 for one in found)


def test_it_is_exact_to_fifteen_digits(way: str) -> None:
    """In many dimensions too, against sums without rounding."""
    generator = random.Random(7)
    query, *stored = (embedding_of([generator.gauss() for _ in range(1536)], "x") for _ in range(20))
    found = {one.id: one.similarity for one in Likeness(query).nearest((), rows_of(*stored), 20)}

    for id_, embedding in enumerate(stored, start=1):
        dot = math.fsum(a * b for a, b in zip(query, embedding, strict=True))
        assert found[id_] == pytest.approx(dot / math.hypot(*query) / math.hypot(*embedding), abs=1e-14)


def test_the_best_of_all_batches_stay(way: str) -> None:
    """Of equally near ones those with the smaller id."""
    best = (Scored(9, 1.0), Scored(8, 0.5))
    found = Likeness([1.0, 0.0]).nearest(best, rows_of([2.0, 0.0], [1.0, 1.0]), 3)

    assert [one.id for one in found] == [1, 9, 2]


def test_what_is_no_embedding_is_left_out(way: str) -> None:
    """Other programs may have stored a null, an object or a vector of zeros."""
    rows = [*rows_of(None, {}, [], [0.0, 0.0], [1.0, 0.0]), {"id": 6, "embedding": None}]

    assert Likeness([1.0, 0.0]).nearest((), rows, 10) == (Scored(5, 1.0),)
    assert Likeness([1.0, 0.0]).nearest((), [], 10) == ()


def test_another_dimension_is_an_error_that_tells_both(way: str) -> None:
    """They come from different models, so to compare them means nothing."""
    with pytest.raises(InvalidInputError, match=r"has 2 numbers, that of chunk 1 has 3\b"):
        Likeness([1.0, 0.0]).nearest((), rows_of([1.0, 0.0, 0.0]), 10)
