"""What a statement does to which tables, read from its text, so that it can be refused before it is sent.

It follows the keywords that name tables, not the whole grammar: what the engine itself would refuse need not be
understood. A column is found where it is qualified, or quoted in a query of one table. Whatever a function does that a
statement calls is not seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from agentdb.engine.lexemes import END, Lexeme, lexemes

ALL: Final = "*"
"""Every column."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CHANGES_NO_SCHEMA: Final = _words(
    "BEGIN COMMIT DELETE EXPLAIN INSERT PRAGMA RELEASE REPLACE ROLLBACK SAVEPOINT SELECT SET SHOW UPDATE VALUES WITH"
)
_ENDS_TABLES: Final = _words(
    "EXCEPT GROUP HAVING INTERSECT LIMIT OFFSET ORDER RETURNING SELECT UNION VALUES WHERE WINDOW"
)
_NO_ALIAS: Final = _ENDS_TABLES | _words(
    "CROSS DEFAULT DO FOR FULL INNER JOIN LATERAL LEFT NATURAL ON RIGHT SET TABLESAMPLE USING"
)


class Access(NamedTuple):
    """What a statement does to a table.

    Attributes:
        verb: SELECT, INSERT, UPDATE, DELETE, LOCK for rows that are locked only, or whatever else a statement begins
            with: it changes more than rows, and `table` is empty.
        columns: Those that are read or updated, in lower case; empty if it does not matter which.
    """

    verb: str
    table: str
    columns: frozenset[str] = frozenset()


@lru_cache(maxsize=1024)
def accesses(sql: str) -> frozenset[Access]:
    """What the statements of a text do. Names are in lower case."""
    return frozenset(_Reader(sql).accesses())


@dataclass(slots=True)
class _Scope:
    """What stands between two parentheses.

    Attributes:
        tables: By the names that they have here.
        changed: The table that is written.
        is_list: A comma comes before another table.
        sets: A comma comes before another column to set.
        verb: What is done to the table that comes next; empty if none does.
    """

    outer: _Scope | None = None
    tables: dict[str, str] = field(default_factory=dict)
    columns: list[tuple[str | None, str]] = field(default_factory=list)
    changed: str = ""
    is_list: bool = False
    sets: bool = False
    verb: str = ""

    def table_called(self, name: str) -> str | None:
        """The table that a name stands for, here or further out."""
        return self.tables.get(name) or (self.outer.table_called(name) if self.outer else None)

    @property
    def read(self) -> set[str]:
        """The tables that an unqualified column may belong to."""
        return set(self.tables.values()) or (self.outer.read if self.outer else set())


class _Reader:
    """Reads a text once, from its beginning to its end."""

    def __init__(self, sql: str) -> None:
        self._tokens = list(lexemes(sql))
        self._at = 0
        self._scope = _Scope()
        self._scopes = [self._scope]
        self._found: set[Access] = set()
        self._named: set[str] = set()
        self._is_first = True
        self._words: dict[str, Callable[[], None]] = {
            "FROM": self._from,
            "JOIN": self._from,
            "USING": self._from,
            "INTO": self._into,
            "UPDATE": self._update,
            "SHARE": self._lock,
            "SET": self._set,
            "AS": self._as,
        }

    def accesses(self) -> set[Access]:
        while self._at < len(self._tokens):
            token = self._next()
            if self._is_first and token.text != "(":
                self._begin(token)
            if token.is_name:
                self._read_name(token)
            else:
                self._read_mark(token)
        self._resolve()
        return self._found

    def _begin(self, token: Lexeme) -> None:
        self._is_first = False
        if token.word not in _CHANGES_NO_SCHEMA and token.text != ";":
            self._found.add(Access(token.word, ""))

    def _read_mark(self, token: Lexeme) -> None:
        scope = self._scope
        if token.text == "(":
            self._scope = _Scope(scope, verb=scope.verb)
            self._scopes.append(self._scope)
            scope.verb = ""
        elif token.text == ")":
            self._scope = scope.outer or scope
        elif token.text == ";":
            self._scope, self._is_first = _Scope(), True
            self._scopes.append(self._scope)
        elif token.text == ",":
            scope.verb = "SELECT" if scope.is_list else ""
            if scope.sets:
                self._read_targets()
        elif token.text == ALL and self._before().text.upper() in ("SELECT", "DISTINCT", "ALL", "RETURNING", ","):
            scope.columns.append((None, ALL))

    def _read_name(self, token: Lexeme) -> None:
        scope = self._scope
        if token.word in _ENDS_TABLES:
            scope.is_list, scope.sets, scope.verb = False, False, ""
        elif token.word in self._words:
            self._words[token.word]()
        elif scope.verb and token.word not in ("ONLY", "LATERAL"):
            self._read_table(token)
        elif self._peek().text == ".":
            self._next()
            scope.columns.append((token.name, self._next().name))
        elif token.is_quoted and token.name not in self._named:
            scope.columns.append((None, token.name))

    def _read_table(self, token: Lexeme) -> None:
        scope, verb = self._scope, self._scope.verb
        scope.verb = ""
        while self._peek().text == ".":  # a schema
            self._next()
            token = self._next()
        if self._peek().text == "(" and verb != "INSERT":
            return  # a function
        table = token.name
        scope.tables[table] = table
        if verb != "UPDATE":  # which is told by its columns
            self._found.add(Access(verb, table))
        if verb != "SELECT":
            scope.changed = table
        if self._peek().word == "AS":
            self._next()
        if self._peek().is_name and self._peek().word not in _NO_ALIAS:
            scope.tables[self._next().name] = table
        if verb == "INSERT" and self._peek().text == "(":
            self._skip_list()

    def _from(self) -> None:
        if self._before().word == "DISTINCT":
            return
        self._scope.sets = False
        self._scope.is_list = True
        self._scope.verb = "DELETE" if self._before().word == "DELETE" else "SELECT"

    def _into(self) -> None:
        self._scope.verb = "INSERT"

    def _update(self) -> None:
        if self._before().word in ("FOR", "KEY"):
            self._lock()
        elif self._before().word != "DO":
            if self._peek().word == "OR":  # SQLite's OR IGNORE and the like
                self._at += 2
            self._scope.verb = "UPDATE"

    def _lock(self) -> None:
        """FOR UPDATE and its kin: of the tables that are named, or of all of this query."""
        if self._before().word not in ("FOR", "KEY"):
            return
        locked = set(self._scope.tables.values())
        if self._peek().word == "OF":
            self._next()
            locked = set()
            while self._peek().is_name and self._peek().word not in ("NOWAIT", "SKIP"):
                locked.add(self._scope.tables.get(self._next().name, ""))
                if self._peek().text == ",":
                    self._next()
        self._found |= {Access("LOCK", table) for table in locked if table}

    def _set(self) -> None:
        if self._scope.changed:
            self._scope.is_list, self._scope.sets = False, True
            self._read_targets()

    def _read_targets(self) -> None:
        """What stands before the next equal sign."""
        names = []
        while self._peek().text not in ("=", "") and (self._peek().is_name or self._peek().text in "(),"):
            token = self._next()
            names += [token.name] if token.is_name else []
        self._found.add(Access("UPDATE", self._scope.changed, frozenset(names)))

    def _as(self) -> None:
        if self._peek().is_name:
            self._named.add(self._next().name)  # what a column is called in the result, or a type

    def _skip_list(self) -> None:
        while self._peek().text not in (")", ""):
            self._next()
        self._next()

    def _resolve(self) -> None:
        """Find out which columns belong to which tables, all of which are known by now."""
        read: dict[str, set[str]] = {}
        for scope in self._scopes:
            for qualifier, column in scope.columns:
                for table in self._tables_of(scope, qualifier, column):
                    read.setdefault(table, set()).add(column)
        for table, columns in read.items():
            self._found.discard(Access("SELECT", table))
            self._found.add(Access("SELECT", table, frozenset(columns)))

    def _tables_of(self, scope: _Scope, qualifier: str | None, column: str) -> set[str]:
        if qualifier is not None:
            table = scope.table_called(qualifier)
            return {table} if table else set()
        tables = scope.read
        if column == ALL:
            return tables
        return tables if len(tables) == 1 and column not in tables else set()

    def _next(self) -> Lexeme:
        token = self._peek()
        self._at += 1
        return token

    def _peek(self) -> Lexeme:
        return self._tokens[self._at] if self._at < len(self._tokens) else END

    def _before(self) -> Lexeme:
        """The token before the one that was read last."""
        return self._tokens[self._at - 2] if self._at > 1 else END
