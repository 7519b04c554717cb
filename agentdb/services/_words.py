"""Which words a text has: the same for a message, a chunk and a query, whatever the engine.

Letters lose their case and accents (NFKD, combining marks taken off, casefold), and whatever is neither a letter nor a
digit separates words. Scripts that are written without spaces, such as Chinese, Japanese or Thai, have no words to
split at: each of their characters is a word. Nothing is stemmed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from agentdb.errors import InvalidInputError
from agentdb.services._input import text as given_text

MAX_WORD: Final = 64
"""Characters of a word that count; words that only differ after them are one."""

MAX_WORDS_BYTES: Final = 512 * 1024
"""Of the different words of one text; later ones are not found. PostgreSQL's index ends at 1 MiB."""

MAX_QUERY: Final = 1000
"""Characters of a query."""

# Thai and Lao, Burmese, Khmer, kana, Chinese characters.
_UNSPACED: Final = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u31f0-\u31ff"
    r"\u3005-\u3007\u3400-\u9fff\U00020000-\U0003ffff"
)
_WORD: Final = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")


def words_of(text: str) -> tuple[str, ...]:
    """The different words of a text, in the order in which they first stand there."""
    found = dict.fromkeys(word[:MAX_WORD] for word in _WORD.findall(_normalised(text)) if word.isalnum())
    fits = sum(map(len, found)) + len(found) <= MAX_WORDS_BYTES // 4  # at most four bytes each
    return tuple(found if fits else _first_of(found))


def query_words(query: Any) -> tuple[str, ...]:
    """The words that a caller looks for.

    Raises:
        InvalidInputError: No text, one without a word, or one of over a thousand characters.
    """
    if isinstance(query, str) and len(query) > MAX_QUERY:
        raise InvalidInputError(f"query has at most {MAX_QUERY} characters, found {len(query)}.")
    words = words_of(given_text(query, "query", is_private=True))
    if not words:
        raise InvalidInputError(f"query has at least one letter or digit, found {query!r:.80}.")
    return words


def texts_of(content: Any) -> tuple[str, ...]:
    """The texts of a message's blocks. Content of another shape, which only others can have stored, has none."""
    blocks = content if isinstance(content, list) else []
    texts = (block.get("text") for block in blocks if isinstance(block, Mapping))
    return tuple(text for text in texts if isinstance(text, str))


def _normalised(text: str) -> str:
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(letter for letter in folded if not _is_mark(letter))


@cache
def _is_mark(letter: str) -> bool:
    return unicodedata.category(letter).startswith("M")


def _first_of(words: Iterable[str]) -> Iterator[str]:
    size = 0
    for word in words:
        size += len(word.encode()) + 1
        if size > MAX_WORDS_BYTES:
            return
        yield word
