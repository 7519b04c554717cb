"""What a statement does to which tables, read from its text, so that it can be refused before it is sent.

It follows the keywords that name tables, not the whole grammar: what the engine itself would refuse need not be
understood. A column is certain where it is qualified, or quoted in a query of one table; any other name is a mention,
for whoever knows which columns there are. Whatever a function does that a statement calls is not seen.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from agentdb.engine.access_scopes import ALL, MENTION, Access, Scope
from agentdb.engine.lexemes import (
    BEFORE_ALL,
    CHANGES_NO_SCHEMA,
    END,
    ENDS_TABLES,
    INSERTS,
    JOINS_QUERIES,
    NO_ALIAS,
    NO_COLUMN,
    QUERIES,
    Lexeme,
    lexemes,
)


@lru_cache(maxsize=1024)
def accesses(sql: str) -> frozenset[Access]:
    """What the statements of a text do. Names are in lower case."""
    return frozenset(_Reader(sql).accesses())


class _Reader:
    """Reads a text once, from its beginning to its end."""

    def __init__(self, sql: str) -> None:
        self._tokens = list(lexemes(sql))
        self._at = 0
        self._scope = Scope()
        self._scopes = [self._scope]
        self._closed = ""  # the word before the parenthesis that was closed last
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
            "TABLE": self._table,
            "CONFLICT": self._after_insert,
            "RETURNING": self._after_insert,
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
        if token.word not in CHANGES_NO_SCHEMA and token.text != ";":
            self._found.add(Access(token.word, ""))

    def _read_mark(self, token: Lexeme) -> None:
        scope = self._scope
        if token.text == "(":
            self._enter(scope.inner(self._before().word, is_query=self._peek().word in QUERIES))
        elif token.text == ")":
            self._closed, self._scope = scope.opener, scope.outer or scope
        elif token.text == ";":
            self._is_first = True
            self._enter(Scope())
        elif token.text == ",":
            scope.verb = "SELECT" if scope.is_list else ""
            if scope.sets:
                self._read_targets()
        elif token.text == "?" and scope.verb in ("INSERT", "UPDATE", "DELETE"):
            self._found.add(Access(scope.verb, ""))  # SQLite takes a text for the name of a table
        elif token.text == ALL and (self._is_after_list() or self._before().text.upper() in BEFORE_ALL):
            scope.columns.append((None, ALL))

    def _read_name(self, token: Lexeme) -> None:
        scope = self._scope
        if token.word in ENDS_TABLES:
            scope.is_list, scope.sets, scope.verb = False, False, ""
            scope.orders = token.word == "ORDER"
        if token.word in self._words:
            self._words[token.word]()
        elif scope.verb and token.word not in ("ONLY", "LATERAL"):
            self._read_table(token)
        elif self._peek().text == ".":
            self._read_qualified(token)
        elif token.word not in NO_COLUMN:
            self._read_column(token)

    def _read_qualified(self, token: Lexeme) -> None:
        self._next()
        name = self._next()
        if self._peek().text == ".":  # it was a schema
            self._next()
            token, name = name, self._next()
        self._scope.columns.append((token.name, name.name))

    def _read_column(self, token: Lexeme) -> None:
        """A name that stands alone; a function's is none."""
        scope, before = self._scope, self._before()
        if before.text == ":" or (not token.is_quoted and self._peek().text == "("):
            return
        is_alias = before.is_quoted or before.text in ("?", ")") or before.word == "END"
        if is_alias and not self._is_after_list():
            self._named.add(token.name)
        elif token.is_quoted and token.name not in self._named:
            scope.columns.append((None, token.name))
        elif not scope.orders or token.name not in self._named:
            scope.mentions.add(token.name)

    def _is_after_list(self) -> bool:
        """Whether the list of DISTINCT ON ended just now, after which columns come."""
        return self._before().text == ")" and self._closed == "ON"

    def _read_table(self, token: Lexeme) -> None:
        scope, verb = self._scope, self._scope.verb
        scope.verb = ""
        while self._peek().text == ".":  # a schema
            self._next()
            token = self._next()
        if self._peek().text == "(" and verb != "INSERT":
            return  # a function
        table = token.name
        names = scope.into if verb == "INSERT" else scope.tables
        names[table] = table
        if verb != "UPDATE":  # which is told by its columns
            self._found.add(Access(verb, table))
        if verb != "SELECT":
            scope.changed = table
        if self._peek().word == "AS":
            self._next()
        if self._peek().is_name and self._peek().word not in NO_ALIAS:
            names[self._next().name] = table
        if verb == "INSERT" and self._peek().text == "(":
            self._skip_list()

    def _from(self) -> None:
        if self._before().word == "DISTINCT":
            return
        self._scope.sets = False
        self._scope.is_list = True
        self._scope.verb = "DELETE" if self._before().word == "DELETE" else "SELECT"

    def _table(self) -> None:
        """TABLE is short for SELECT * FROM."""
        if self._before().text == "(" or self._before().word in JOINS_QUERIES:
            self._scope.verb = "SELECT"
            self._scope.columns.append((None, ALL))

    def _after_insert(self) -> None:
        if self._scope.into:
            self._enter(self._scope.after_insert())

    def _enter(self, scope: Scope) -> None:
        self._scope = scope
        self._scopes.append(scope)

    def _into(self) -> None:
        if self._before().word not in INSERTS:
            self._found.add(Access("SELECT INTO", ""))
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
        mentioned: dict[str, set[str]] = {}
        for scope in self._scopes:
            for qualifier, column in scope.columns:
                tables = self._tables_of(scope, qualifier, column)
                is_told = qualifier is not None or column == ALL
                # A name that a query gives may be that of a column of its result.
                is_certain = is_told or (len(tables) == 1 and column not in self._named)
                for table in tables:
                    (read if is_certain else mentioned).setdefault(table, set()).add(column)
            for name in scope.mentions:
                for table in scope.read:
                    mentioned.setdefault(table, set()).add(name)
                row = scope.table_called(name)
                if row is not None:  # a whole row as one value
                    mentioned.setdefault(row, set()).add(ALL)
        for table, columns in read.items():
            self._found.discard(Access("SELECT", table))
            self._found.add(Access("SELECT", table, frozenset(columns)))
        for table, columns in mentioned.items():
            self._found.add(Access(MENTION, table, frozenset(columns)))

    def _tables_of(self, scope: Scope, qualifier: str | None, column: str) -> set[str]:
        if qualifier is not None:
            table = scope.table_called(qualifier)
            return {table} if table else set()
        row = scope.table_called(column)
        return scope.read if row is None else {row}

    def _next(self) -> Lexeme:
        token = self._peek()
        self._at += 1
        return token

    def _peek(self) -> Lexeme:
        return self._tokens[self._at] if self._at < len(self._tokens) else END

    def _before(self) -> Lexeme:
        """The token before the one that was read last."""
        return self._tokens[self._at - 2] if self._at > 1 else END
