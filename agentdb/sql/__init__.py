"""Named statements, one `.sql` file for each domain, where a database person can read and EXPLAIN them.

A statement begins with `-- name: charge` and serves every engine, or with `-- name: lock_user (postgres)` and serves
one. The comment below its name says why it is as it is and which index serves it. Values are written `:user_id` and
always travel as parameters.

A database made by the original package lacks some columns and tables. What needs them stands between
`/* if request_ids */` and `/* end */` and is left out there, so the text as it stands is valid SQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from importlib.resources import files
from operator import itemgetter
from typing import Any, Final, TypeAlias

from agentdb.engine import Abilities, Dialect, Insert, InsertEach, Many, Query, Row, Session, Steps, Update

_NAME: Final = re.compile(r"^-- name: (?P<name>\w+)(?: \((?P<dialect>\w+)\))?[ \t]*$", re.MULTILINE)
_FRAGMENT: Final = re.compile(r"/\* if (?P<ability>\w+) \*/(?P<body>.*?)/\* end \*/", re.DOTALL)
_MARK: Final = re.compile(r"/\*\s*(if\b|end\b)")
# What may hold a colon without naming a parameter comes first: comments, texts, quoted names, casts.
_TOKEN: Final = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|::|:(?P<parameter>[a-z_][a-z0-9_]*)", re.DOTALL
)
_ABILITIES: Final = frozenset(field.name for field in fields(Abilities))


Pick: TypeAlias = Callable[[Mapping[str, Any]], Sequence[Any]]
"""Values by their names, in the order of a statement's placeholders."""


class StatementError(Exception):
    """A `.sql` file, or the call of a statement, is wrong: a mistake in the program, not in its input."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A statement as one database takes it.

    Attributes:
        sql: With the dialect's placeholders.
        parameters: Names in the order of the placeholders.
        expected: Names that a call gives, also of parts that this database leaves out.
        pick: What is given, in the order of the placeholders.
    """

    sql: str
    parameters: tuple[str, ...]
    expected: frozenset[str]
    pick: Pick

    def values(self, given: Mapping[str, Any]) -> Sequence[Any]:
        """What is given, in the order of the placeholders.

        Raises:
            KeyError: It is not what is expected.
        """
        values = self.pick(given)
        if not len(values) == len(given) == len(self.expected) and given.keys() != self.expected:
            raise KeyError
        return values


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as it stands in its file.

    Attributes:
        dialect: The one engine that it serves; None for every engine.
    """

    name: str
    dialect: str | None
    text: str

    @property
    def parameters(self) -> frozenset[str]:
        """The names of all its parameters, also in parts that some databases leave out."""
        return frozenset(match["parameter"] for match in _TOKEN.finditer(self.text) if match["parameter"])

    def compiled(self, dialect: Dialect, abilities: Abilities) -> Compiled:
        """Its form for one engine and what a database of it can do."""
        order: dict[str, int] = {}

        def placed(match: re.Match[str]) -> str:
            name = match["parameter"]
            return dialect.placeholder(order.setdefault(name, len(order) + 1)) if name else match[0]

        kept = _FRAGMENT.sub(lambda part: part["body"] if getattr(abilities, part["ability"]) else "", self.text)
        sql = _TOKEN.sub(placed, kept)
        return Compiled(sql, tuple(order), self.parameters, _picker(*order))


class Statements:
    """The statements of one domain. The file is read at the first call."""

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self._compiled: dict[tuple[str, str, Abilities], Compiled] = {}

    def query(self, session: Session, name: str, /, **values: Any) -> Query:
        """A statement as the database of `session` takes it, with its parameters.

        Raises:
            StatementError: No such statement, or the values are not those that it names.
        """
        return Query(*self._called(session, name, values))

    def insert(self, session: Session, name: str, /, **values: Any) -> Insert:
        """A statement that inserts, and returns no more than ids."""
        return Insert(*self._called(session, name, values))

    def update(self, session: Session, name: str, /, **values: Any) -> Update:
        """A statement that updates, of which no more is asked than how many rows there were."""
        return Update(*self._called(session, name, values))

    def many(self, session: Session, name: str, /, rows: Sequence[Mapping[str, Any]]) -> Many:
        """A statement for each of `rows`, which all name its parameters."""
        compiled = self.compiled(session, name)
        return Many(compiled.sql, [compiled.pick(row) for row in rows])

    def insert_each(self, session: Session, name: str, /, rows: Sequence[Mapping[str, Any]]) -> InsertEach:
        """The same for a statement that inserts a row, and returns no more than its id."""
        return InsertEach(*self.many(session, name, rows))

    def rows(self, session: Session, name: str, /, **values: Any) -> Steps[Sequence[Row]]:
        """In a unit of steps: `rows = yield from statements.rows(...)`."""
        return (yield self.query(session, name, **values))

    def row(self, session: Session, name: str, /, **values: Any) -> Steps[Row | None]:
        """In a unit of steps: the first row that a statement gives, if any."""
        rows = yield self.query(session, name, **values)
        return rows[0] if rows else None

    def inserted(self, session: Session, name: str, /, **values: Any) -> Steps[tuple[int, ...]]:
        """In a unit of steps: the ids of the rows that a statement inserts, which is all that it returns."""
        rows = yield self.insert(session, name, **values)
        return tuple(sorted([row["id"] for row in rows]))

    async def fetch(self, session: Session, name: str, /, **values: Any) -> Sequence[Row]:
        """The rows that a statement gives."""
        query = self.query(session, name, **values)
        return await session.fetch(query.sql, query.values)

    async def first(self, session: Session, name: str, /, **values: Any) -> Row | None:
        """The first row that a statement gives, if any."""
        rows = await self.fetch(session, name, **values)
        return rows[0] if rows else None

    def compiled(self, session: Session, name: str) -> Compiled:
        """A statement as the database of `session` takes it.

        Raises:
            AccessDeniedError: The service of `session` may not do what it does.
        """
        known = session.compiled.get((self.domain, name))
        if known is None:
            known = self._for(name, session.dialect, session.abilities)
            session.check_rights(known.sql)
            session.compiled[self.domain, name] = known
        return known

    @cached_property
    def all(self) -> Mapping[tuple[str, str | None], Statement]:
        """Every statement by its name and the engine that it serves."""
        text = files("agentdb.sql").joinpath(f"{self.domain}.sql").read_text("utf-8")
        return parse(text, source=f"{self.domain}.sql")

    def _called(self, session: Session, name: str, values: Mapping[str, Any]) -> tuple[str, Sequence[Any]]:
        """A statement and its parameters."""
        compiled = session.compiled.get((self.domain, name)) or self.compiled(session, name)
        try:
            return compiled.sql, compiled.values(values)
        except KeyError:
            missing, unknown = sorted(compiled.expected - values.keys()), sorted(values.keys() - compiled.expected)
        raise StatementError(f"{self.domain}.{name}: missing parameters {missing}, unknown parameters {unknown}.")

    def _for(self, name: str, dialect: Dialect, abilities: Abilities) -> Compiled:
        """Compiled once for all sessions."""
        key = (name, dialect.name, abilities)
        if key not in self._compiled:
            self._compiled[key] = self._find(name, dialect).compiled(dialect, abilities)
        return self._compiled[key]

    def _find(self, name: str, dialect: Dialect) -> Statement:
        found = self.all.get((name, dialect.name)) or self.all.get((name, None))
        if found is None:
            raise StatementError(f"{self.domain}.sql has no statement {name!r} for {dialect.name}.")
        return found


def parse(text: str, *, source: str) -> Mapping[tuple[str, str | None], Statement]:
    """The statements of a file.

    Raises:
        StatementError: Two of one name for one engine, an empty one, or a part with an unknown ability or no end.
    """
    found: dict[tuple[str, str | None], Statement] = {}
    for statement in _split(text):
        key = (statement.name, statement.dialect)
        if key in found:
            raise StatementError(f"{source}: {statement.name} stands twice for the same engine.")
        _check(statement, source)
        found[key] = statement
    return found


def _picker(*names: str) -> Pick:
    # An itemgetter of one name gives no tuple, and there is none of no name.
    return itemgetter(*names) if len(names) > 1 else lambda given: [given[name] for name in names]


def _split(text: str) -> Iterator[Statement]:
    heads = list(_NAME.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    for head, end in zip(heads, ends, strict=True):
        lines = text[head.end() : end].splitlines()
        body = "\n".join(line for line in lines if not line.lstrip().startswith("--"))
        yield Statement(head["name"], head["dialect"], body.strip().rstrip(";"))


def _check(statement: Statement, source: str) -> None:
    if not statement.text:
        raise StatementError(f"{source}: {statement.name} is empty.")
    unknown = {part["ability"] for part in _FRAGMENT.finditer(statement.text)} - _ABILITIES
    if unknown:
        raise StatementError(f"{source}: {statement.name} asks for unknown abilities {sorted(unknown)}.")
    if _MARK.search(_FRAGMENT.sub(lambda part: part["body"], statement.text)):
        raise StatementError(f"{source}: in {statement.name} an `if` and an `end` do not belong together.")
