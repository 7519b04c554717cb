"""Which words a text has."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentdb import InvalidInputError
from agentdb.services._words import MAX_WORDS_BYTES, query_words, texts_of, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, World! hello", ("hello", "world")),
        ("Straße CAFÉ cafe\u0301 İstanbul", ("strasse", "cafe", "istanbul")),
        ("ΣΊΣΥΦΟΣ σίσυφος", ("σισυφοσ",)),
        ("don't well-known snake_case 3.14", ("don", "t", "well", "known", "snake", "case", "3", "14")),
        ("ﬁne ½ x²", ("fine", "1", "2", "x2")),
        ("हिन्दी", ("हनद",)),
        ("東京都へ", ("東", "京", "都", "へ")),
        ("がか", ("か",)),
        ("ไทย", ("ไ", "ท", "ย")),
        ("👍🏽 ok ・ ☃", ("ok",)),
        ("'quoted' \\ & | ! : * \"x\"", ("quoted", "x")),
        ("a" * 70 + " " + "a" * 64, ("a" * 64,)),
        (" \n\t", ()),
    ],
)
def test_words_lose_case_accents_and_punctuation(text: str, words: tuple[str, ...]) -> None:
    """Characters of scripts without spaces are words by themselves; a word ends after 64 characters."""
    assert words_of(text) == words


@given(st.text())
def test_words_are_plain(text: str) -> None:
    """Letters and digits alone, so that no index sees an operator or a separator; normalised once is normalised."""
    words = words_of(text)

    assert all(word.isalnum() and 1 <= len(word) <= 64 for word in words)
    assert len(set(words)) == len(words)
    assert set(words_of(" ".join(words))) == set(words)


@given(st.text())
def test_case_does_not_count(text: str) -> None:
    """A text and its folded form are the same to a search."""
    assert words_of(text.casefold()) == words_of(text)


def test_a_text_has_so_many_words_at_most() -> None:
    """The first ones, so that every engine can index them."""
    words = words_of(" ".join(f"ж{number}" for number in range(200_000)))
    size = len(" ".join(words).encode())

    assert words[:2] == ("ж0", "ж1")
    assert MAX_WORDS_BYTES - 20 < size <= MAX_WORDS_BYTES


@pytest.mark.parametrize("query", ["", "  ", "!?", "👍", None, 5, "\x00a", "\ud800", "a " * 501, "x" * 70_000_000])
def test_a_query_has_a_word(query: Any) -> None:
    """It is a text of at most a thousand characters."""
    with pytest.raises(InvalidInputError):
        query_words(query)


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ([{"text": "a"}, {"image": {}}, {"text": "b"}], ("a", "b")),
        ([{"text": 5}, "x", None, {"toolResult": {"content": [{"text": "inside"}]}}], ()),
        ({"text": "a"}, ()),
        ("text", ()),
        (None, ()),
    ],
)
def test_texts_are_those_of_blocks(content: Any, texts: tuple[str, ...]) -> None:
    """Content of another shape has none, and does not stop a search."""
    assert texts_of(content) == texts
