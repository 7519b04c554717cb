"""How texts are cut, and which chunks are accepted."""

from __future__ import annotations

from array import array
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentdb import InvalidInputError
from agentdb.services import chunk_text
from agentdb.services._chunks import MAX_CHUNKS, chunks_of


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        (" \n ", ()),
        ("short", ("short",)),
        ("one two\nthree\n\nfour five", ("one two\nthree\n\n", "four five")),
        ("one two three\nfour five", ("one two three\n", "four five")),
        ("One is. Two three four five", ("One is. Two ", "three four five")),
        ("It is one. Two three four", ("It is one. ", "Two three four")),
        ("abcdefghijklmnopqrstu", ("abcdefghijklmnop", "qrstu")),
    ],
)
def test_a_text_is_cut_where_it_hurts_least(text: str, parts: tuple[str, ...]) -> None:
    """After a blank line, a line, a sentence or a word of the second half, in this order."""
    assert chunk_text(text, size=16, overlap=0) == parts


def test_parts_overlap() -> None:
    """Each begins with the end of the one before."""
    parts = chunk_text("word " * 2000)

    assert len(parts) == 3
    assert all(after.startswith(before[-400:]) for before, after in pairwise(parts))


@given(st.text(alphabet="ab .\n。", max_size=300), st.integers(1, 40), st.data())
def test_nothing_is_lost(text: str, size: int, data: st.DataObject) -> None:
    """Parts are not longer than asked for, and together they are the text, but for blanks."""
    overlap = data.draw(st.integers(0, size // 2))
    parts = chunk_text(text, size=size, overlap=overlap)

    assert all(len(part) <= size and part in text for part in parts)
    assert not text.strip() or {*"".join(parts)} >= {*text} - {*" \n"}
    if overlap == 0:
        assert "".join("".join(parts).split()) == "".join(text.split())


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (-1, 0), (10, 6), (10, -1), (True, 0), (1.5, 0)])
def test_an_overlap_leaves_room(size: Any, overlap: Any) -> None:
    """Otherwise a cut would never come to an end."""
    with pytest.raises(InvalidInputError):
        chunk_text("text", size=size, overlap=overlap)


@pytest.mark.parametrize("embedding", [[0.1, 0.2], (0.1, 0.2), array("f", [0.1, 0.2]), np.array([0.1, 0.2])])
def test_embeddings_are_rounded_to_32_bits(embedding: Any) -> None:
    """Whatever sequence of numbers they come in."""
    (chunk,) = chunks_of([{"content": "x", "embedding": embedding}])

    assert chunk.embedding == "[0.100000001,0.200000003]"


@pytest.mark.parametrize(
    "chunks",
    [
        "text",
        {"content": "x"},
        ["x"],
        [{}],
        [{"content": ""}],
        [{"content": "a\x00"}],
        [{"content": "x", "order": 1}],
        [{"content": "x"}] * (MAX_CHUNKS + 1),
        *(
            [{"content": "x", "embedding": embedding}]
            for embedding in (
                [],
                "12",
                [[1.0]],
                ["1"],
                [True],
                [None],
                [float("nan")],
                [float("inf")],
                [1e39],
                [10**400],
                [0.0, 0.0],
                [1e-46],
                [1e20],
                [1.0] * 16_001,
            )
        ),
        [{"content": "x", "embedding": [1.0]}, {"content": "y", "embedding": [1.0, 2.0]}],
    ],
    ids=lambda value: repr(value)[:40],
)
def test_chunks_that_cannot_be_compared_are_refused(chunks: Any) -> None:
    """Before anything is sent to a database."""
    with pytest.raises(InvalidInputError):
        chunks_of(chunks)
