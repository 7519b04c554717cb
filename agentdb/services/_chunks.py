"""Texts in parts: how one is cut, and what a caller may store of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from agentdb.errors import InvalidInputError, shape
from agentdb.services._input import count, text
from agentdb.services._similarity import embedding_json, embedding_of

MAX_CHUNKS: Final = 10_000
"""Of one resource in one call."""

ChunkInput: TypeAlias = Mapping[str, Any]
"""`{"content": text, "embedding": numbers or None}`"""

# Where a cut hurts least comes first: after a blank line, a line, a sentence, a word.
_ENDS: Final = (("\n\n",), ("\n",), (". ", "! ", "? ", "。"), (" ",))


class NewChunk(NamedTuple):
    """A chunk that is accepted, its embedding as JSON."""

    content: str
    embedding: str | None


def chunk_text(text: str, size: int = 4000, overlap: int = 400) -> tuple[str, ...]:
    """Cut a text into parts that an embedding model takes, each beginning with the end of the one before.

    A part ends after a blank line, else a line, else a sentence, else a word, if there is such an end in its second
    half; else it is cut where it is full. Parts of blanks alone are left out.

    Args:
        size: Characters of a part at most.
        overlap: Characters that a part shares with the one before; at most half of `size`.

    Raises:
        InvalidInputError: A size below 1, or an overlap over half of it.
    """
    if count(size, "size") < 1 or count(overlap, "overlap") > size // 2:
        raise InvalidInputError(f"overlap is at most half of size, which is 1 or more; found {overlap} and {size}.")
    return tuple(part for part in _parts(text, size, overlap) if part.strip())


def chunks_of(value: Any) -> tuple[NewChunk, ...]:
    """A caller's chunks, checked.

    Raises:
        InvalidInputError: Too many, one without a text, or embeddings that cannot be kept or compared with each other.
    """
    if not isinstance(value, (list, tuple)) or len(value) > MAX_CHUNKS:
        found = f"{len(value)} of them" if isinstance(value, (list, tuple)) else shape(value)
        raise InvalidInputError(f"chunks is a list of at most {MAX_CHUNKS} objects, found {found}.")
    dimensions: set[int] = set()
    chunks = tuple(_chunk_of(chunk, f"chunks[{position}]", dimensions) for position, chunk in enumerate(value))
    if len(dimensions) > 1:
        raise InvalidInputError(
            f"Embeddings of one resource have one dimension, found {sorted(dimensions)}. "
            "Embed all of its chunks with one model."
        )
    return chunks


def _chunk_of(chunk: Any, what: str, dimensions: set[int]) -> NewChunk:
    if not isinstance(chunk, Mapping) or not {"content"} <= chunk.keys() <= {"content", "embedding"}:
        raise InvalidInputError(f"{what} is an object of content and embedding, found {shape(chunk)}.")
    content = text(chunk["content"], f"{what}.content", is_private=True)
    if chunk.get("embedding") is None:
        return NewChunk(content, None)
    embedding = embedding_of(chunk["embedding"], f"{what}.embedding")
    dimensions.add(len(embedding))
    return NewChunk(content, embedding_json(embedding))


def _parts(text: str, size: int, overlap: int) -> Iterator[str]:
    start = 0
    while len(text) - start > size:
        end = _end_of(text, start + size // 2 + 1, start + size)
        yield text[start:end]
        start = end - overlap
    yield text[start:]


def _end_of(text: str, first: int, last: int) -> int:
    """The best place to cut from `first` to `last`."""
    for ends in _ENDS:
        places = [text.rfind(end, max(0, first - len(end)), last) + len(end) for end in ends]
        if max(places) >= first:
            return max(places)
    return last
