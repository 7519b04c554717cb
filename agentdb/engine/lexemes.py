"""The words, names and marks of SQL, without its comments, and without what its texts and numbers say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_LEXEME: Final = re.compile(
    r"--[^\n]*|/\*.*?\*/|[eE]'(?:[^'\\]|''|\\.)*'|\$(?P<tag>[A-Za-z_]\w*|)\$.*?\$(?P=tag)\$|'(?:[^']|'')*'"
    r'|(?P<name>"(?:[^"]|"")*"|`[^`]*`|[A-Za-z_][\w$]*)|\d[\w.]*|(?P<mark>\S)',
    re.DOTALL,
)


class Lexeme(NamedTuple):
    """A word, a name, a mark, or `?` for a text or a number.

    Attributes:
        text: Without the quotes of a name.
    """

    text: str
    is_quoted: bool

    @property
    def word(self) -> str:
        """The keyword that it may be."""
        return "" if self.is_quoted else self.text.upper()

    @property
    def is_name(self) -> bool:
        """Whether it may name something."""
        return self.is_quoted or self.text[:1].isalpha() or self.text[:1] == "_"

    @property
    def name(self) -> str:
        """What it names, in lower case."""
        return self.text.lower()


END: Final = Lexeme("", False)
"""What comes after the last one."""


def lexemes(sql: str) -> Iterator[Lexeme]:
    """Those of a text, in their order."""
    for found in _LEXEME.finditer(sql):
        name = found["name"]
        if name is not None:
            is_quoted = name[0] in '"`'
            yield Lexeme(name[1:-1] if is_quoted else name, is_quoted)
        elif found["mark"] is not None:
            yield Lexeme(found["mark"], False)
        elif not found[0].startswith(("--", "/*")):
            yield Lexeme("?", False)  # a text or a number
