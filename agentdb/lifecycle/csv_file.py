"""Reading a seed file: CSV in, typed rows out, every refusal with its place.

Two kinds of cell point elsewhere. `file:prompts/ada.txt` is the content of that file, which must lie in the directory
of the CSV after all links are followed. `env:NAME` is an environment variable, taken only for a column that holds
secrets or a name on an explicit list, so that a seed file from somewhere else cannot read the process's environment.
Quotes do not switch either off. A literal text that begins like one can be kept in a file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from agentdb.errors import InvalidInputError, SeedError
from agentdb.lifecycle._csv_cells import Cell, Record, split
from agentdb.lifecycle._csv_values import SCALARS, json_value, number_or_text
from agentdb.lifecycle._text_file import bad_byte, content, inside
from agentdb.telemetry import fields, logger

Kind = Literal["text", "integer", "money", "boolean", "json", "timestamp"]

MAX_CSV_BYTES: Final = 64 * 1024 * 1024
MAX_REFERRED_BYTES: Final = 16 * 1024 * 1024

_logger = logger("agentdb.seed")


@dataclass(frozen=True, slots=True)
class Column:
    """What a cell of a column becomes.

    Attributes:
        holds_secret: `env:` is allowed, and no error shows a value.
    """

    kind: Kind
    holds_secret: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the file: the line it begins on, counted from 1, and its values by header name."""

    line: int
    values: dict[str, Any]


def read_rows(
    path: Path,
    *,
    columns: Mapping[str, Column] | None = None,
    base: Path | None = None,
    env_names: Collection[str] = (),
    environ: Mapping[str, str] | None = None,
) -> list[Row]:
    """The rows of a CSV file, without its header and blank lines.

    With `columns`, each cell becomes what its column says: money a Decimal, an integer of 64 bits, an aware UTC
    datetime, parsed JSON. An empty cell is an empty text in a text column and None in any other; a bare `null` is None.

    Without, the cell decides: bare `true` and `false`, whole numbers and fractions are values (int and float), unless
    something of what was written would be lost (`007`, `1.10`, `1e5` stay text); JSON objects and lists are parsed; all
    else is text. Only columns that carry the name of a money or secret column of the schema are read as such.

    Args:
        base: Directory that `file:` is relative to and confined to; the CSV's own when None.
        env_names: Variables that `env:` may name in columns that hold no secret.
        environ: The environment; the process's own when None. A value from it is always text.

    Raises:
        SeedError: Anything that cannot be read as written, with file, line and column.
    """
    sources = _Sources(
        file=str(path),
        base=(path.parent if base is None else base).resolve(),
        env_names=env_names,
        environ=os.environ if environ is None else environ,
    )
    records = (record for record in split(_csv_text(path), file=str(path)) if not record.is_blank())
    header = next(records, None)
    if header is None:
        return []
    fields = _fields(header, columns, sources)
    return [_row(record, fields, sources) for record in records]


def load_csv(path: str | os.PathLike[str], *, env_names: Collection[str] = ()) -> list[dict[str, Any]]:
    """The rows of any CSV file by the untyped rules of `read_rows`, as one dict each.

    `env:` works in columns named `apiKey` or `credential`, and anywhere for the variables in `env_names`.

    Raises:
        SeedError: Anything that cannot be read as written, with file, line and column.
    """
    return [row.values for row in read_rows(Path(path), env_names=env_names)]


# Names of the schema whose cells no guess may touch: an amount never passes through a binary float, and a key of
# digits only stays a text.
_SCHEMA_COLUMNS: Final[Mapping[str, Column]] = {
    "apiKey": Column("text", holds_secret=True),
    "credential": Column("json", holds_secret=True),
    **dict.fromkeys(
        ("budget", "remaining", "cost", "cost1kInput", "cost1kOutput", "cost1kCacheRead", "cost1kCacheWrite"),
        Column("money"),
    ),
}


def _csv_text(path: Path) -> str:
    try:
        data = content(path, MAX_CSV_BYTES)
    except InvalidInputError as refusal:
        raise SeedError(f"The file {refusal}.", file=str(path)) from None
    bad = bad_byte(data)
    if bad is not None:
        line = len(re.findall(rb"\r\n?|\n", data[:bad])) + 1
        raise SeedError(
            f"The file is not UTF-8 text: byte 0x{data[bad]:02x} at offset {bad}. Save it as UTF-8 CSV.",
            file=str(path),
            line=line,
        )
    return data.decode("utf-8-sig")


@dataclass(frozen=True, slots=True)
class _Sources:
    """Where the file is, and what its cells may refer to."""

    file: str
    base: Path
    env_names: Collection[str]
    environ: Mapping[str, str]


def _fields(header: Record, columns: Mapping[str, Column] | None, sources: _Sources) -> list[tuple[str, Column | None]]:
    """Names and columns in the order of the header; None for a column whose cells decide."""
    fields: dict[str, Column | None] = {}
    for position, name in enumerate((cell.text.strip() for cell in header.cells), 1):
        if not name:
            problem = f"Column {position} of the header has no name. Name it, or remove the column."
        elif name in fields:
            problem = f"The header names {name!r} twice. Remove one of the two."
        elif columns is not None and name not in columns:
            problem = f"There is no column {name!r}. Known columns are {', '.join(columns)}."
        else:
            fields[name] = (_SCHEMA_COLUMNS if columns is None else columns).get(name)
            continue
        raise SeedError(problem, file=sources.file, line=header.line, column=name or None)
    return list(fields.items())


def _row(record: Record, fields: list[tuple[str, Column | None]], sources: _Sources) -> Row:
    missing = len(fields) - len(record.cells)
    if missing < 0:
        raise SeedError(
            f"The row has {len(record.cells)} cells, the header {len(fields)}. "
            "Remove the surplus, or quote a cell that contains a comma.",
            file=sources.file,
            line=record.line,
        )
    cells = record.cells + [Cell("")] * missing
    return Row(
        record.line,
        {
            name: _Field(name, column, record.line, sources).value(cell)
            for (name, column), cell in zip(fields, cells, strict=True)
        },
    )


@dataclass(frozen=True, slots=True)
class _Field:
    """The place of one cell, which makes a value of it or an error that names the place."""

    name: str
    column: Column | None
    line: int
    sources: _Sources

    def value(self, cell: Cell) -> Any:
        if cell == Cell("null"):
            return None
        convert = SCALARS.get(self.column.kind) if self.column else None
        if convert:
            return self._converted(convert, cell.text.strip())
        if cell.text.startswith("env:"):
            return self._variable(cell.text.removeprefix("env:"))
        if cell.text.startswith("file:"):
            text = self._file(cell.text.removeprefix("file:"))
            return self._json(text) if self._is("json") else text
        if self._is("json"):
            return self._json(cell.text)
        return cell.text if self._is("text") else self._guessed(cell)

    def _is(self, kind: Kind) -> bool:
        return self.column is not None and self.column.kind == kind

    def _error(self, problem: str) -> SeedError:
        return SeedError(problem, file=self.sources.file, line=self.line, column=self.name)

    def _converted(self, convert: Callable[[str], Any], text: str) -> Any:
        if not text:
            return None
        try:
            return convert(text)
        except InvalidInputError as refusal:
            if self.column and self.column.holds_secret:
                raise self._error(
                    f"The value is not {self.column.kind}. It is not shown, because the column holds secrets."
                ) from None
            raise self._error(str(refusal)) from None

    def _json(self, text: str) -> Any:
        return self._with_variables(self._converted(json_value, text.strip()))

    def _guessed(self, cell: Cell) -> Any:
        text = cell.text.strip()
        if text.startswith(("{", "[")):
            try:
                return self._with_variables(json_value(text))
            except InvalidInputError:
                _logger.warning(
                    "%s, line %d: the value of column %r looks like JSON and is not, kept as text.",
                    self.sources.file,
                    self.line,
                    self.name,
                    extra=fields("seed_kept_as_text", file=self.sources.file, line=self.line, column=self.name),
                )
        return cell.text if cell.is_quoted else number_or_text(text)

    def _with_variables(self, value: Any) -> Any:
        match value:
            case dict():
                return {key: self._with_variables(item) for key, item in value.items()}
            case list():
                return [self._with_variables(item) for item in value]
            case str() if value.startswith("env:"):
                return self._variable(value.removeprefix("env:"))
        return value

    def _variable(self, name: str) -> str | None:
        if not re.fullmatch(r"[^\s=]+", name):
            raise self._error(f"'env:{name:.200}' names no environment variable. Write env:NAME, without spaces.")
        is_allowed = (self.column is not None and self.column.holds_secret) or name in self.sources.env_names
        if not is_allowed:
            raise self._error(
                f"'env:{name}' is refused: the column holds no secret and {name!r} is not on the list of allowed "
                "variables. Put it on that list, or write the value itself."
            )
        value = self.sources.environ.get(name)
        if value is None:
            _logger.warning(
                "%s, line %d: environment variable %s is not set, the value of column %r is null.",
                self.sources.file,
                self.line,
                name,
                self.name,
                extra=fields("seed_variable_missing", file=self.sources.file, line=self.line, column=self.name),
            )
        elif not _is_text(value):
            raise self._error(f"Environment variable {name!r} is not UTF-8 text. Set it to text.")
        return value

    def _file(self, name: str) -> str:
        try:
            data = content(inside(self.sources.base, name), MAX_REFERRED_BYTES)
        except InvalidInputError as refusal:
            raise self._error(f"'file:{name:.200}' {refusal}. Refer to a text file beside or below the CSV.") from None
        bad = bad_byte(data)
        if bad is not None:
            raise self._error(
                f"'file:{name}' is not UTF-8 text: byte 0x{data[bad]:02x} at offset {bad}. Save it as UTF-8."
            )
        return data.decode()


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # bytes of the environment that are not UTF-8 arrive as lone surrogates
        return False
    return "\0" not in value
