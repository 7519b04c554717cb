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


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CHANGES_NO_SCHEMA: Final = _words(
    "BEGIN COMMIT DELETE EXPLAIN INSERT PRAGMA RELEASE REPLACE ROLLBACK SAVEPOINT SELECT SET SHOW UPDATE VALUES WITH"
)
ENDS_TABLES: Final = _words(
    "EXCEPT GROUP HAVING INTERSECT LIMIT OFFSET ORDER RETURNING SELECT UNION VALUES WHERE WINDOW"
)
NO_ALIAS: Final = ENDS_TABLES | _words(
    "CROSS DEFAULT DO FOR FROM FULL INNER JOIN LATERAL LEFT NATURAL ON RIGHT SET TABLESAMPLE USING"
)
# No columns, and what most statements are made of.
NO_COLUMN: Final = NO_ALIAS | _words(
    "ALL AND ANY ASC BETWEEN BY CASE COLLATE CONFLICT CURRENT_TIMESTAMP DELETE DESC DISTINCT ELSE END ESCAPE EXISTS "
    "FALSE FILTER FIRST GLOB ILIKE IN INSERT IS KEY LAST LIKE LOCKED MATCH NO NOT NOTHING NOWAIT NULL NULLS OF ONLY OR "
    "OUTER OVER PARTITION RECURSIVE SHARE SKIP THEN TRUE WHEN WITH"
)
QUERIES: Final = _words("SELECT TABLE VALUES WITH")
JOINS_QUERIES: Final = _words("ALL DISTINCT EXCEPT INTERSECT UNION")
BEFORE_ALL: Final = ("SELECT", "DISTINCT", "ALL", "RETURNING", ",")
INSERTS: Final = _words("ABORT FAIL IGNORE INSERT REPLACE ROLLBACK")
"""What stands before INTO; after anything else SELECT INTO makes a table."""


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
